//! Figures and results as people and programs read them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use stallion_gen::measure::outcome::ErrorKind;

/// Errors by kind, one line each, with what to do about them.
pub(crate) fn error_lines(errors: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    errors.iter().map(|(name, count)| {
        let remedy = ErrorKind::named(name).map_or("", ErrorKind::remedy);
        format!("{name}: {count} ({remedy})")
    })
}

/// Writes `--json FILE|-`.
pub(crate) fn write_json(path: &Path, object: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(object)? + "\n";
    if path == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes()).context("standard output")
    } else {
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))
    }
}

/// A duration in the unit that fits it, three digits: `412 us`, `3.07 ms`, `1.20 s`.
pub(crate) fn human_us(us: f64) -> String {
    match us {
        us if us >= 999_500.0 => format!("{:.2} s", us / 1e6),
        us if us >= 99_950.0 => format!("{:.0} ms", us / 1e3),
        us if us >= 9_995.0 => format!("{:.1} ms", us / 1e3),
        us if us >= 999.5 => format!("{:.2} ms", us / 1e3),
        us if us >= 9.95 => format!("{us:.0} us"),
        us => format!("{us:.1} us"),
    }
}

/// A count with thin groups of thousands: `1 234 567`.
pub(crate) fn human_count(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && digit.is_ascii_digit() {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(human_us(412.3), "412 us");
        assert_eq!(human_us(3_071.0), "3.07 ms");
        assert_eq!(human_us(1_200_000.0), "1.20 s");
        assert_eq!(human_us(7.25), "7.2 us");
        assert_eq!(human_count(1_234_567.0), "1 234 567");
        assert_eq!(human_count(999.0), "999");
    }
}

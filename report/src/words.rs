//! Figures as people read them. Every renderer takes its words from here, so that the same
//! figure looks the same on the terminal, in Markdown and in HTML.

/// A duration with three significant digits and the unit that fits: `312 µs`, `45.2 ms`, `2.01 s`.
#[must_use]
pub fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0 => return "0".to_owned(),
        1..1_000 => return format!("{ns} ns"),
        // The borders stand a little lower, so that 999.9 µs is not rounded to "1000 µs".
        1_000..999_500 => (ns as f64 / 1e3, "µs"),
        999_500..999_500_000 => (ns as f64 / 1e6, "ms"),
        999_500_000..1_000_000_000_000 => (ns as f64 / 1e9, "s"),
        _ => return format!("{} s", count(ns / 1_000_000_000)),
    };
    format!("{} {unit}", three_digits(value))
}

/// Seconds on the run's own axis, to the millisecond: `12.345 s`.
#[must_use]
pub fn at(ns: i64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}

/// A count with its thousands apart: `1 204 511`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A share given in hundredths of a per cent: `96 %`, `4.3 %`, `0.05 %`.
#[must_use]
pub fn share(basis_points: u32) -> String {
    match basis_points {
        0 => "0 %".to_owned(),
        1..100 => format!("{:.2} %", f64::from(basis_points) / 100.0),
        // Nearly all is not all.
        100..1_000 | 9_900..10_000 => {
            format!("{:.1} %", f64::from(basis_points.min(9_990)) / 100.0)
        }
        _ => format!("{:.0} %", f64::from(basis_points) / 100.0),
    }
}

/// Bytes in binary units: `1.80 GiB`.
#[must_use]
pub fn bytes(n: f64) -> String {
    let steps = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < steps.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), steps[unit])
}

/// `a, b and c`.
#[must_use]
pub fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `1 request`, `912 requests`.
#[must_use]
pub fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

fn three_digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_unit_that_fits() {
        let cases = [
            (0, "0"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (999_499, "999 µs"),
            (999_950, "1.00 ms"),
            (45_200_000, "45.2 ms"),
            (412_300_000, "412 ms"),
            (2_010_000_000, "2.01 s"),
            (53_310_000_000_000, "53\u{202f}310 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn counts_shares_and_bytes() {
        assert_eq!(count(1_204_511), "1\u{202f}204\u{202f}511");
        assert_eq!(count(999), "999");
        assert_eq!(share(9_600), "96 %");
        assert_eq!(share(432), "4.3 %");
        assert_eq!(share(5), "0.05 %");
        assert_eq!(share(9_996), "99.9 %");
        assert_eq!(share(10_000), "100 %");
        assert_eq!(bytes(1.8 * 1_073_741_824.0), "1.80 GiB");
        assert_eq!(plural(1, "request"), "1 request");
    }

    #[test]
    fn lists_end_with_and() {
        let parts = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!(list(&parts), "a, b and c");
        assert_eq!(list(&parts[..1]), "a");
    }
}

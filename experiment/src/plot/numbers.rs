//! Numbers for axes and sentences.

/// With three digits and a letter for thousands: `12.3k`, `4.56M`, `0.789`.
#[must_use]
pub fn human(value: f64) -> String {
    let size = value.abs();
    for (from, letter) in [(1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if size >= from {
            let unit = if letter == "k" { 1e3 } else { from };
            return format!("{}{letter}", digits(value / unit));
        }
    }
    digits(value)
}

fn digits(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size >= 100.0 => return format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size == 0.0 => return "0".to_owned(),
        _ => format!("{value:.3}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_say_enough() {
        let texts = [0.0, 0.789, 1.5, 12.34, 999.6, 9_876.0, 12_345.0, 4_560_000.0].map(human);
        assert_eq!(texts, ["0", "0.789", "1.5", "12.3", "1000", "9876", "12.3k", "4.56M"]);
    }
}

//! Durations and counts as people read them.

/// A duration in the unit that fits it, three digits: `412 us`, `3.07 ms`, `1.20 s`.
#[must_use]
pub fn human_us(us: f64) -> String {
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
#[must_use]
pub fn human_count(count: f64) -> String {
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

/// A count in four characters or little more: `950`, `9.5k`, `180k`, `1.2M`.
#[must_use]
pub fn short_count(count: f64) -> String {
    match count {
        count if count >= 9.995e6 => format!("{:.0}M", count / 1e6),
        count if count >= 9.995e5 => format!("{:.1}M", count / 1e6),
        count if count >= 9_995.0 => format!("{:.0}k", count / 1e3),
        count if count >= 999.5 => format!("{:.1}k", count / 1e3),
        count => format!("{count:.0}"),
    }
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
        assert_eq!(short_count(950.0), "950");
        assert_eq!(short_count(9_500.0), "9.5k");
        assert_eq!(short_count(179_600.0), "180k");
        assert_eq!(short_count(1_234_567.0), "1.2M");
    }
}

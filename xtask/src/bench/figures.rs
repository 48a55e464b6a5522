//! Medians, spreads and ratios of repeated measurements.

use serde_json::{Value, json};

/// Repetitions of one measurement.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    pub(super) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The median; not a number when nothing was measured.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            count if count % 2 == 1 => sorted[count / 2],
            count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
        }
    }

    /// Pair by pair, this over `other`: what both had in common falls out.
    pub(super) fn ratio_to(&self, other: &Self) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(mine, theirs)| mine / theirs).collect())
    }

    pub(super) fn json(&self) -> Value {
        let sorted = self.sorted();
        json!({
            "median": self.median(),
            "min": sorted.first(),
            "max": sorted.last(),
            "runs": self.0,
        })
    }

    /// `median [min..max]`, each by `write`.
    pub(super) fn text(&self, write: impl Fn(f64) -> String) -> String {
        let sorted = self.sorted();
        let ends = sorted.first().zip(sorted.last());
        let (min, max) = ends.unwrap_or((&f64::NAN, &f64::NAN));
        format!("{} [{}..{}]", write(self.median()), write(*min), write(*max))
    }
}

/// A whole number with thin groups: `1 234 567`.
pub(super) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let group = digit.is_ascii_digit() && (digits.len() - index).is_multiple_of(3);
        if index > 0 && group {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// With two digits after the point.
pub(super) fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// With one digit after the point.
pub(super) fn tenth(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_up() {
        let of = |values: &[f64]| Sample(values.to_vec());
        assert!((of(&[3.0, 1.0, 2.0]).median() - 2.0).abs() < 1e-9);
        assert!((of(&[4.0, 1.0]).median() - 2.5).abs() < 1e-9);
        assert!(Sample::default().median().is_nan());
        let ratio_of = of(&[1.0, 4.0]).ratio_to(&of(&[2.0, 4.0]));
        assert_eq!(ratio_of.text(ratio), "0.75 [0.50..1.00]");
        assert_eq!(whole(1_234_567.4), "1 234 567");
        assert_eq!(whole(999.0), "999");
    }
}

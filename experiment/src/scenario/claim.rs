//! A claim in a sentence: `p99 < 1ms at 80% of ceiling`, `ops_per_sec > 90% of direct`.

use stallion_server::duration;

/// A figure, a comparison, a value, and the stretch of the run that is meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The figure's name, as the data has it.
    pub figure: String,
    /// How it compares.
    pub comparison: Comparison,
    /// The value in the figure's unit; a multiple with [`Claim::of`].
    pub value: f64,
    /// The case, or the value of a swept setting, whose run the figure is divided by.
    pub of: Option<String>,
    /// The phase or load, in its own words; none for the whole run.
    pub at: Option<String>,
}

/// How a figure shall compare with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// Longer words first: `<=` begins with `<`.
const COMPARISONS: [(&str, Comparison); 4] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

impl Claim {
    /// Reads `FIGURE < VALUE [of CASE] [at PHASE]`. A value may be a number, a share (`90%`) or a
    /// time; with CASE it is a multiple of the same figure in the run of that case.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no claim; write FIGURE < VALUE [of CASE] [at PHASE], as `p99 < 1ms at \
                 BGSAVE` or `ops_per_sec > 90% of direct`"
            )
        };
        let found = COMPARISONS.iter().find(|(word, _)| text.contains(word)).ok_or_else(wrong)?;
        let (figure, rest) = text.split_once(found.0).ok_or_else(wrong)?;
        let (value, at) = match rest.split_once(" at ") {
            Some((value, at)) => (value, Some(at.trim().to_owned())),
            None => (rest, None),
        };
        let figure = in_full(figure.trim());
        let (value, of) = match value.split_once(" of ") {
            // A multiple has no unit.
            Some((value, of)) => (number(value.trim(), ""), Some(of.trim().to_owned())),
            None => (number(value.trim(), &figure), None),
        };
        let value = value.ok_or_else(wrong)?;
        if figure.is_empty() || figure.contains(' ') {
            return Err(wrong());
        }
        Ok(Self { figure, comparison: found.1, value, of, at })
    }

    /// Whether a figure is as claimed.
    #[must_use]
    pub fn holds(&self, figure: f64) -> bool {
        match self.comparison {
            Comparison::Below => figure < self.value,
            Comparison::AtMost => figure <= self.value,
            Comparison::Above => figure > self.value,
            Comparison::AtLeast => figure >= self.value,
        }
    }
}

/// The percentiles by the names that people use.
fn in_full(figure: &str) -> String {
    match figure {
        "p50" | "p90" | "p99" | "p999" | "p9999" | "max" => format!("{figure}_us"),
        "p99.9" => "p999_us".to_owned(),
        "p99.99" => "p9999_us".to_owned(),
        other => other.to_owned(),
    }
}

fn number(text: &str, figure: &str) -> Option<f64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if let Some(percent) = text.strip_suffix('%') {
        return percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0);
    }
    let seconds = duration::parse(text).ok()?.as_secs_f64();
    let units = [("_us", 1e6), ("_ms", 1e3), ("_ns", 1e9), ("_s", 1.0)];
    units.iter().find(|(unit, _)| figure.ends_with(unit)).map(|(_, factor)| seconds * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_read() {
        let claim = Claim::parse("p99 < 1ms at 80% of ceiling").unwrap();
        assert_eq!((claim.figure.as_str(), claim.value), ("p99_us", 1_000.0));
        assert_eq!(claim.at.as_deref(), Some("80% of ceiling"));
        assert!(claim.holds(999.0) && !claim.holds(1_000.0));
        let claim = Claim::parse("hit_rate >= 90%").unwrap();
        assert_eq!((claim.value, claim.at.clone()), (0.9, None));
        assert!(claim.holds(0.9));
        let claim = Claim::parse("p99 < 2 of direct at BGSAVE").unwrap();
        assert_eq!((claim.value, claim.of.as_deref()), (2.0, Some("direct")));
        for wrong in ["", "p99", "p99 < fast", "< 3", "hit_rate > 1ms", "a b < 3", "p99 < 1ms of x"]
        {
            assert!(Claim::parse(wrong).unwrap_err().contains("no claim"), "{wrong}");
        }
    }
}

//! `--rate` in words: as fast as it goes, a number, a ramp, steps, bursts, or a recording.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use super::Spread;
use stallion_engine::workload::arrivals::{Curve, CurveError, Schedule};

/// Requests a second, over all connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    /// Closed model: as fast as the answers come.
    Max,
    /// A steady rate.
    Steady(u64),
    /// From one rate to another over the run.
    Ramp(u64, u64),
    /// One rate after the other, for the same time each.
    Steps(Vec<u64>),
    /// A base rate, and so much more for a while in each period.
    Bursts {
        /// Always.
        base: u64,
        /// On top of it in a burst.
        extra: u64,
        /// How long a burst is.
        burst: Duration,
        /// From one burst to the next.
        period: Duration,
    },
    /// A file with one time a line, in nanoseconds from the start.
    Recorded(PathBuf),
}

/// Why a rate cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RateError {
    /// Not understood.
    #[error(
        "--rate {0}: give max, a number (20000), a ramp (1000..50000), steps (1000,5000,20000), \
         bursts (10000+40000@100ms/1s) or a recording (@file)"
    )]
    Form(String),
    /// Zero.
    #[error("--rate 0 sends nothing: give a positive rate, or max for the closed model")]
    Zero,
    /// A curve that cannot be.
    #[error("--rate: {0}")]
    Curve(#[from] CurveError),
    /// A recording that cannot be read.
    #[error("--rate @{path}: {reason}")]
    Recording {
        /// The file.
        path: String,
        /// What is wrong, and where.
        reason: String,
    },
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let form = || RateError::Form(text.to_owned());
        let number = |text: &str| text.replace('_', "").parse::<u64>().map_err(|_| form());
        if text == "max" {
            return Ok(Self::Max);
        }
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Self::Recorded(PathBuf::from(path)));
        }
        if let Some((from, to)) = text.split_once("..") {
            return Ok(Self::Ramp(number(from)?, number(to)?));
        }
        if let Some((rates, times)) = text.split_once('@') {
            let (base, extra) = rates.split_once('+').ok_or_else(form)?;
            let (burst, period) = times.split_once('/').ok_or_else(form)?;
            let duration = |text| humantime::parse_duration(text).map_err(|_| form());
            let (burst, period) = (duration(burst)?, duration(period)?);
            return Ok(Self::Bursts { base: number(base)?, extra: number(extra)?, burst, period });
        }
        if text.contains(',') {
            return Ok(Self::Steps(text.split(',').map(number).collect::<Result<_, _>>()?));
        }
        match number(text)? {
            0 => Err(RateError::Zero),
            rate => Ok(Self::Steady(rate)),
        }
    }
}

impl Rate {
    /// The schedule of a run of this length. A curve covers what is measured; the warm-up before
    /// it has the curve's first rate only for a steady one, and is part of the curve otherwise.
    ///
    /// # Errors
    /// [`RateError`] when the curve or the recording cannot be.
    pub fn schedule(
        &self,
        spread: Spread,
        duration_ns: u64,
        warmup_ns: u64,
    ) -> Result<Schedule, RateError> {
        let length_ns = duration_ns + warmup_ns;
        let poisson = spread == Spread::Poisson;
        let curve = match self {
            Self::Max => return Ok(Schedule::Closed),
            Self::Steady(0) => return Err(RateError::Zero),
            Self::Steady(rate) if poisson => return Ok(Schedule::Poisson { rate: *rate }),
            Self::Steady(rate) => return Ok(Schedule::Constant { rate: *rate }),
            Self::Recorded(path) => return recording(path),
            Self::Ramp(from, to) => Curve::ramp(*from, *to, length_ns)?,
            Self::Steps(rates) => Curve::steps(rates, length_ns)?,
            Self::Bursts { base, extra, burst, period } => {
                Curve::bursts(*base, *extra, *burst, *period, length_ns)?
            }
        };
        Ok(Schedule::Curve { curve: Arc::new(curve), poisson })
    }
}

fn recording(path: &PathBuf) -> Result<Schedule, RateError> {
    let wrong = |reason: String| RateError::Recording { path: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut times_ns = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let time: u64 = line.trim().parse().map_err(|_| {
            wrong(format!("line {} is no number of nanoseconds: {line:?}", index + 1))
        })?;
        if times_ns.last().is_some_and(|last| *last > time) {
            return Err(wrong(format!("line {} goes back in time", index + 1)));
        }
        times_ns.push(time);
    }
    if times_ns.is_empty() {
        return Err(wrong("it holds no times".to_owned()));
    }
    Ok(Schedule::Recorded { times_ns: times_ns.into() })
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => out.write_str("max"),
            Self::Steady(rate) => write!(out, "{rate}"),
            Self::Ramp(from, to) => write!(out, "{from}..{to}"),
            Self::Steps(rates) => {
                let rates: Vec<String> = rates.iter().map(u64::to_string).collect();
                out.write_str(&rates.join(","))
            }
            Self::Bursts { base, extra, burst, period } => write!(
                out,
                "{base}+{extra}@{}/{}",
                humantime::format_duration(*burst),
                humantime::format_duration(*period)
            ),
            Self::Recorded(path) => write!(out, "@{}", path.display()),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back() {
        for text in ["max", "20000", "1..9", "1,2,3", "10+40@100ms/1s", "@times.txt"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("1_000".parse::<Rate>(), Ok(Rate::Steady(1_000)));
    }

    #[test]
    fn nonsense_names_the_flag_and_the_forms() {
        assert_eq!("0".parse::<Rate>(), Err(RateError::Zero));
        for text in ["", "-1", "fast", "1..x", "1+2@5ms", "1,,2", "1+2@x/1s"] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains("--rate") && error.contains("20000"), "{error}");
        }
        let never = Rate::Ramp(0, 0).schedule(Spread::Constant, 1, 0).unwrap_err();
        assert!(never.to_string().contains("--rate"));
    }

    #[test]
    fn a_recording_is_checked_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("times");
        for (text, wanted) in
            [("1\nx\n", "line 2"), ("5\n4\n", "line 2 goes back"), ("", "no times")]
        {
            std::fs::write(&path, text).unwrap();
            let error = recording(&path).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        std::fs::write(&path, "1\n\n5\n").unwrap();
        assert!(recording(&path).unwrap().is_open());
    }
}

//! The trace that a run replays.

use std::path::Path;

use stallion_client::plan::Rate;
use stallion_client::trace::parse;
use stallion_resp::trace::Played;

use crate::exit::Failure;

/// Reads a trace; what is left out of it is told.
pub(super) fn read(path: &Path, speed: f64) -> Result<Played, Failure> {
    if !(speed > 0.0 && speed.is_finite()) {
        return Err(Failure::usage(format!("--speed {speed} is out of range: give 2, or 0.5")));
    }
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::usage(format!("--trace {name}: {error}; is this the file's path?"))
    })?;
    let (played, left_out) = parse(&name, &bytes, speed).map_err(Failure::usage)?;
    eprintln!("{name}: {} requests{left_out}", played.trace.len());
    Ok(played)
}

/// From its first request to just behind its last; in the closed model until all is sent.
pub(super) fn length_ns(played: &Played, rate: &Rate) -> u64 {
    let times_ns = match rate {
        Rate::Max => return u64::MAX / 4,
        Rate::Steady(rate) => played.times_ns(Some(*rate)),
        _ => played.times_ns(None),
    };
    times_ns.last().map_or(1, |last| last + 1)
}

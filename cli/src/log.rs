//! `--log`: what happens besides the requests, on standard error.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stallion_view::terminal::is_taken;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// Bytes that are held while the terminal shows a run; what is more is counted.
const HELD_BYTES: usize = 1 << 20;

/// Which events are logged.
#[derive(Debug, Clone)]
pub(crate) struct Filter(Targets);

/// A level for all parts of the program, or levels by part: `info`, `stallion_client::control=debug`.
pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    let wrong = |part: &str| {
        format!(
            "{part:?} is no level: give error, warn, info, debug or trace, or PART=LEVEL such as \
             stallion_client::control=debug"
        )
    };
    let mut targets = Targets::new();
    for part in text.split(',') {
        let (name, level) = part.split_once('=').unwrap_or(("stallion", part));
        let level =
            Some(level.trim()).filter(|level| !level.is_empty()).ok_or_else(|| wrong(part))?;
        let level: LevelFilter = level.parse().map_err(|_| wrong(part))?;
        targets = targets.with_target(name.trim(), level);
    }
    Ok(Filter(targets))
}

/// Begins to log.
pub(crate) fn begin(filter: &Filter) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Stderr)
        .with_ansi(crate::client::on_terminal() && !no_color());
    let all = tracing_subscriber::registry().with(filter.0.clone()).with(lines);
    // Fails only when somebody logs already.
    let _ = tracing::subscriber::set_global_default(all);
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// What was held while the terminal showed a run.
struct Held {
    bytes: Vec<u8>,
    lost: u64,
}

static HELD: Mutex<Held> = Mutex::new(Held { bytes: Vec::new(), lost: 0 });

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes out what was held.
pub(crate) fn release() {
    let mut held = held();
    let lost = std::mem::take(&mut held.lost);
    // There is nobody to tell if standard error is gone.
    let _ = io::stderr().write_all(&std::mem::take(&mut held.bytes));
    if lost > 0 {
        eprintln!("{lost} lines of the log were not kept");
    }
}

/// Standard error, held back while a run is on the whole terminal.
#[derive(Debug, Clone, Copy)]
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for Stderr {
    /// The subscriber writes whole lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !is_taken() {
            release();
            return io::stderr().write(line);
        }
        let mut held = held();
        if held.bytes.len() + line.len() > HELD_BYTES {
            held.lost += 1;
        } else {
            held.bytes.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_slips_refused() {
        use tracing::Level;
        let info = filter("info").unwrap().0;
        assert!(info.would_enable("stallion_client::run", &Level::INFO));
        assert!(!info.would_enable("stallion_client::run", &Level::DEBUG));
        assert!(!info.would_enable("hyper", &Level::INFO), "other people's crates are silent");
        let parts = filter("warn,stallion_client::control=debug").unwrap().0;
        assert!(parts.would_enable("stallion_client::control::topology", &Level::DEBUG));
        assert!(!parts.would_enable("stallion_client::run", &Level::INFO));
        for text in ["", "loud", "stallion=", "info;debug"] {
            assert!(filter(text).unwrap_err().contains("give error, warn"), "{text:?}");
        }
    }
}

//! What clients ask a server, from its MONITOR, written down as a trace.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::preflight::{Caller, StartError};
use super::stream::Stream;
use crate::plan::Credentials;
use crate::trace::format::Writer;
use crate::trace::monitor::read;
use stallion_engine::limits::MAX_MONITOR_LINE_BYTES;
use stallion_server::Place;

/// How soon a signal or the end of the time is noticed when nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Bytes taken from the server at a time.
const READ_BYTES: usize = 256 << 10;

/// A connection in MONITOR, and what has come of it already.
type Begun = (Stream, Vec<u8>);

/// What to capture, and how much of it.
#[derive(Debug, Clone)]
pub struct Capture {
    /// The server.
    pub target: Place,
    /// Who to be there.
    pub credentials: Credentials,
    /// Only what is asked of this database, if one is named: MONITOR shows all.
    pub database: Option<u32>,
    /// For how long.
    pub length: Duration,
    /// Bytes of the file at which it ends.
    pub max_bytes: u64,
}

/// What a capture came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Captured {
    /// Requests written.
    pub requests: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Commands of scripts, which are not written: replaying the script sends them again.
    pub by_scripts: u64,
    /// Requests of other databases than the one that is captured, which are not written.
    pub of_other_databases: u64,
    /// Lines that could not be read, or were longer than the bound.
    pub unreadable: u64,
    /// Times that the server ended the stream, as it does when a client reads too slowly
    /// (`client-output-buffer-limit`): what came until the next one began is lost, uncounted.
    pub breaks: u64,
    /// The file reached its bound before the time was over.
    pub full: bool,
}

/// Why a capture failed.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server does not let this user see what others ask.
    #[error("{target} refused MONITOR: {reply}; grant it: ACL SETUSER NAME +monitor")]
    Refused {
        /// The server.
        target: String,
        /// Its words.
        reply: String,
    },
    /// The file cannot be written.
    #[error("{path}: {error}; choose another --out")]
    File {
        /// The file.
        path: String,
        /// The reason.
        error: io::Error,
    },
}

/// Captures until the time is over, the file is full, or `stop` is set.
///
/// # Errors
/// [`CaptureError`]; a server that goes away in the middle is a break, not an error.
pub fn capture(plan: &Capture, path: &Path, stop: &AtomicBool) -> Result<Captured, CaptureError> {
    let wrong = |error| CaptureError::File { path: path.display().to_string(), error };
    let (mut stream, begun) = begin(plan)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let file = io::BufWriter::new(std::fs::File::create(path).map_err(wrong)?);
    let mut writer = Writer::new(file, now.as_micros() as u64).map_err(wrong)?;
    let mut captured = Captured::default();
    let end = Instant::now() + plan.length;
    let mut lines = Lines::default();
    take(&mut lines, &begun, plan.database, (&mut captured, &mut writer)).map_err(wrong)?;
    let mut part = vec![0; READ_BYTES];
    while Instant::now() < end && !stop.load(Ordering::Relaxed) && !captured.full {
        match stream.read(&mut part) {
            Err(error) if is_timeout(&error) => {}
            // A connection that fails is as much a break as one that is closed: TLS would say the same
            // again at each further reading.
            Ok(0) | Err(_) => {
                captured.breaks += 1;
                lines = Lines::default();
                let Some((again, begun)) = resume(plan, end, stop) else { break };
                stream = again;
                take(&mut lines, &begun, plan.database, (&mut captured, &mut writer))
                    .map_err(wrong)?;
            }
            Ok(length) => {
                take(&mut lines, &part[..length], plan.database, (&mut captured, &mut writer))
                    .map_err(wrong)?;
            }
        }
        captured.bytes = writer.bytes();
        captured.full = captured.bytes >= plan.max_bytes;
    }
    writer.finish().map_err(wrong)?;
    Ok(captured)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        || error.kind() == io::ErrorKind::Interrupted
}

fn begin(plan: &Capture) -> Result<Begun, CaptureError> {
    let mut caller = Caller::connect(&plan.target, &plan.credentials, false)?;
    match caller.ask(&[b"MONITOR"])? {
        stallion_resp::tree::Tree::Error(reply) => {
            Err(CaptureError::Refused { target: plan.credentials.url(&plan.target), reply })
        }
        _ => Ok(caller.into_stream(LOOK_EVERY)?),
    }
}

/// Begins again after a break, as soon as the server lets us.
fn resume(plan: &Capture, end: Instant, stop: &AtomicBool) -> Option<Begun> {
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        if let Ok(stream) = begin(plan) {
            return Some(stream);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    None
}

fn take<W: Write>(
    lines: &mut Lines,
    part: &[u8],
    database: Option<u32>,
    (captured, writer): (&mut Captured, &mut Writer<W>),
) -> io::Result<()> {
    lines.add(part, |line| {
        let Some(seen) = line.and_then(read) else {
            captured.unreadable += 1;
            return Ok(());
        };
        if seen.by_script {
            captured.by_scripts += 1;
            return Ok(());
        }
        if database.is_some_and(|wanted| u64::from(wanted) != seen.database) {
            captured.of_other_databases += 1;
            return Ok(());
        }
        captured.requests += 1;
        writer.append(seen.unix_us, seen.database, &seen.words)
    })
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    /// The line is longer than the bound: the rest of it is passed over.
    overlong: bool,
}

impl Lines {
    /// Shows each line without its sign and end; none for one that was too long.
    fn add(
        &mut self,
        part: &[u8],
        mut show: impl FnMut(Option<&[u8]>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut rest = part;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            self.keep(&rest[..at]);
            rest = &rest[at + 1..];
            let line = self.begun.strip_prefix(b"+").unwrap_or(&self.begun);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            show((!self.overlong).then_some(line))?;
            self.begun.clear();
            self.overlong = false;
        }
        self.keep(rest);
        Ok(())
    }

    fn keep(&mut self, part: &[u8]) {
        self.overlong |= self.begun.len() + part.len() > MAX_MONITOR_LINE_BYTES;
        if !self.overlong {
            self.begun.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_parts_end() {
        let stream = b"+a\r\n+bc\r\n+\r\n";
        for cut in 0..stream.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                let mut show = |line: Option<&[u8]>| {
                    found.push(line.unwrap().to_vec());
                    Ok(())
                };
                lines.add(part, &mut show).unwrap();
            }
            assert_eq!(found, [b"a".to_vec(), b"bc".to_vec(), b"".to_vec()]);
        }
    }

    #[test]
    fn an_overlong_line_is_told_and_the_next_is_read() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let long = vec![b'x'; MAX_MONITOR_LINE_BYTES];
        for part in [&b"+"[..], &long, b"\r\n+ok\r\n"] {
            lines
                .add(part, |line| {
                    found.push(line.map(<[u8]>::to_vec));
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(found, [None, Some(b"ok".to_vec())]);
    }
}

//! Disturbances written down: as a timeline for the report, and in a line for people.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use stallion_server::Target;
use stallion_timeline::clock::monotonic_ns;
use stallion_timeline::{
    Chaos, Clock, Footer, Header, HostFacts, Record, Role, SCHEMA_VERSION, Writer,
};

/// A timeline of disturbances. Each is in the file as soon as it is appended.
#[derive(Debug)]
pub struct Log {
    writer: Writer,
    actions: u64,
}

impl Log {
    /// Creates the file with its header. `tool` is the program's name and version, `plan` what
    /// was asked for.
    ///
    /// # Errors
    /// The operating system's, with the path in its text.
    pub fn create(path: &Path, tool: &str, target: &Target, plan: Value) -> io::Result<Self> {
        let header = Header {
            schema: SCHEMA_VERSION,
            tool: tool.to_owned(),
            role: Role::Chaos,
            host: HostFacts::of_this_host(),
            clock: Clock::of_this_host(),
            plan,
            target: target.to_string(),
            probes: Vec::new(),
        };
        Ok(Self { writer: Writer::create(path, header)?, actions: 0 })
    }

    /// Appends one disturbance.
    ///
    /// # Errors
    /// The operating system's, with the path in its text.
    pub fn append(&mut self, record: Chaos) -> io::Result<()> {
        self.actions += 1;
        self.writer.append(&Record::Chaos(record))?;
        self.writer.flush()
    }

    /// Writes the footer and closes the file.
    ///
    /// # Errors
    /// The operating system's, with the path in its text.
    pub fn finish(self, interrupted: bool) -> io::Result<()> {
        let reason = if interrupted { "interrupted" } else { "complete" };
        self.writer.finish(Footer {
            end_ns: monotonic_ns(),
            reason: reason.to_owned(),
            summary: json!({ "actions": self.actions }),
        })
    }
}

/// A disturbance in one line: what it was, how it ended, how long it took, and its figures.
#[must_use]
pub fn line(record: &Chaos) -> String {
    let took_ms = record.end_ns.saturating_sub(record.begin_ns) as f64 / 1e6;
    let mut text = format!("{}: {} after {took_ms:.0} ms", record.action, record.outcome);
    let figures = record.detail.as_object().into_iter().flatten();
    for (name, value) in figures {
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Null => Ok(()),
            // A command of its own, with SLOWLOG's word on it.
            Value::Object(command) => match command.get("slowlog_us") {
                None | Some(Value::Null) => Ok(()),
                Some(slowlog_us) => write!(text, ", {name} {slowlog_us} us by SLOWLOG"),
            },
            value => write!(text, ", {name} {value}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_figures_that_are_known() {
        let record = Chaos {
            action: "bigkey-on".to_owned(),
            target: String::new(),
            begin_ns: 1_000_000,
            end_ns: 43_000_000,
            outcome: "ok".to_owned(),
            detail: json!({"fields": 7, "absent": null, "keys": {"slowlog_us": 5, "x": 1}}),
        };
        assert_eq!(line(&record), "bigkey-on: ok after 42 ms, fields 7, keys 5 us by SLOWLOG");
    }
}

//! What this host can and cannot do for Stallion, each with its remedy. Every line is tried, not
//! guessed from a version, wherever trying is harmless.

pub mod bpf;

pub mod uring;

pub mod host;

pub mod classes;

use serde_json::{Value, json};

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Works, at a cost or with less precision.
    Fair,
    /// Does not work.
    Poor,
}

/// One line of the doctor's screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How good it is.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when nothing is to be done.
    pub remedy: String,
    /// The commands that do it, as root in a shell; empty where none can.
    pub commands: Vec<String>,
}

impl Finding {
    /// A finding that needs no remedy.
    #[must_use]
    pub fn good(name: &'static str, found: impl Into<String>) -> Self {
        let (remedy, commands) = (String::new(), Vec::new());
        Self { name, grade: Grade::Good, found: found.into(), remedy, commands }
    }

    /// A finding with a remedy.
    #[must_use]
    pub fn bad(
        name: &'static str,
        grade: Grade,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name, grade, found: found.into(), remedy: remedy.into(), commands: Vec::new() }
    }

    /// The same, mended by a command.
    #[must_use]
    pub fn by(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// As one object: `{name, grade, found, remedy, commands}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let grade = match self.grade {
            Grade::Good => "good",
            Grade::Fair => "fair",
            Grade::Poor => "poor",
        };
        json!({
            "name": self.name,
            "grade": grade,
            "found": self.found,
            "remedy": self.remedy,
            "commands": self.commands,
        })
    }
}

/// A headed part of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its lines.
    pub findings: Vec<Finding>,
}

/// Looks at everything.
#[must_use]
pub fn examine() -> Vec<Section> {
    vec![
        Section { title: "client (drive, load)", findings: uring::examine() },
        Section { title: "probes", findings: bpf::examine() },
        Section { title: "stall classes", findings: classes::examine() },
        Section { title: "host", findings: host::examine() },
    ]
}

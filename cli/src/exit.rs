//! Exit codes, as the README promises them, and the one way in which every verb ends.

use std::fmt::Display;
use std::process::ExitCode;

/// How a verb ended, when not with success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit 1: it ran and failed.
    Failed(anyhow::Error),
    /// Exit 2: the request made no sense, or nothing could be started.
    Usage(anyhow::Error),
    /// Exit 3: it ran, and its numbers must not be believed.
    Invalid(String),
    /// Exit 99: the objective given with `--slo` was broken.
    SloBroken(String),
}

/// What every verb's `run` returns.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// A usage or start-up error: what was wrong, where, and what to do.
    pub(crate) fn usage(text: impl Display) -> Self {
        Self::Usage(anyhow::anyhow!("{text}"))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Prints a failure to standard error and turns it into the exit code.
pub(crate) fn code(outcome: Outcome) -> ExitCode {
    let (code, text) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => (1, format!("error: {error:#}")),
        Err(Failure::Usage(error)) => (2, format!("error: {error:#}")),
        Err(Failure::Invalid(text)) => (3, format!("invalid run: {text}")),
        Err(Failure::SloBroken(text)) => (99, format!("objective broken: {text}")),
    };
    eprintln!("{text}");
    ExitCode::from(code)
}

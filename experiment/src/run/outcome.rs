//! What a run left, and why there may be none.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error;

use stallion_stack::StackError;

/// What a run left.
#[derive(Debug)]
pub struct Finished {
    /// The findings in lines: each stall with its milliseconds and share.
    pub summary: Vec<String>,
    /// The HTML report; none when the report failed.
    pub html: Option<PathBuf>,
    /// What the user should know before he believes the figures.
    pub warnings: Vec<String>,
    /// Disturbances that failed or did not begin.
    pub undone: Vec<String>,
    /// `drive` itself said that its figures must not be believed.
    pub invalid: bool,
    /// The user interrupted.
    pub interrupted: bool,
}

/// Why a scenario could not be run to its end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The servers did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A verb could not be started, or failed.
    #[error("`stallion {verb}` {what}{}", seen_in(.log))]
    Verb {
        /// The verb.
        verb: &'static str,
        /// What happened.
        what: String,
        /// Where its output is; none when it went to the terminal.
        log: Option<PathBuf>,
    },
    /// The results could not be written.
    #[error("the results cannot be written: {0}")]
    Results(io::Error),
    /// The user interrupted before anything was measured.
    #[error("interrupted before anything was measured")]
    Interrupted,
}

fn seen_in(log: &Option<PathBuf>) -> String {
    log.as_ref().map_or_else(String::new, |log| format!("; its output is in {}", log.display()))
}

pub(super) fn failed(
    verb: &'static str,
    log: Option<PathBuf>,
) -> impl FnOnce(io::Error) -> RunError {
    move |error| RunError::Verb { verb, what: format!("cannot run: {error}"), log }
}

pub(super) fn succeeded(
    verb: &'static str,
    status: ExitStatus,
    log: Option<PathBuf>,
) -> Result<(), RunError> {
    if status.success() {
        return Ok(());
    }
    Err(RunError::Verb { verb, what: format!("failed ({status})"), log })
}

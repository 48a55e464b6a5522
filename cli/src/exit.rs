//! Exit codes, as the README promises them, and the one way in which every verb ends.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
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
    /// Exit 4: what was asked cannot be decided from what was measured.
    Undecided(String),
    /// Exit 99: the objective given with `--slo` was broken.
    SloBroken(String),
    /// A verdict that was printed already, by its exit code.
    Said(u8),
    /// Exit 141, as of a program that SIGPIPE ended: nobody reads what it prints any more.
    Unheard,
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
        Err(Failure::Said(code)) => return ExitCode::from(code),
        Err(Failure::Unheard) => return ExitCode::from(141),
        Err(Failure::Failed(error)) => (1, format!("error: {error:#}")),
        Err(Failure::Usage(error)) => (2, format!("error: {error:#}")),
        Err(Failure::Invalid(text)) => (3, format!("invalid run: {text}")),
        Err(Failure::Undecided(text)) => (4, format!("undecided: {text}")),
        Err(Failure::SloBroken(text)) => (99, format!("objective broken: {text}")),
    };
    eprintln!("{text}");
    ExitCode::from(code)
}

/// Runs a verb whose reader may go (`stallion drive | head`). The standard library panics when it
/// cannot print; that unwinds, so that servers and probes are put away, and is no bug to be told.
/// (SIGPIPE's own way would end the process at once, also when a connection's other end goes.)
pub(crate) fn unless_unheard(run: impl FnOnce() -> Outcome) -> Outcome {
    let told = take_hook();
    set_hook(Box::new(move |info| {
        if !is_broken_pipe(info.payload()) {
            told(info);
        }
    }));
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome,
        Err(payload) if is_broken_pipe(payload.as_ref()) => Err(Failure::Unheard),
        Err(payload) => resume_unwind(payload),
    }
}

fn is_broken_pipe(payload: &(dyn Any + Send)) -> bool {
    payload.downcast_ref::<String>().is_some_and(|text| {
        text.starts_with("failed printing to std") && text.contains("Broken pipe")
    })
}

//! Why servers do not come up.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// The longest time a server may take until it answers.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(20);

/// Why a stack did not come up.
#[derive(Debug, Error)]
pub enum StackError {
    /// Neither program is installed.
    #[error(
        "neither redis-server nor valkey-server is in the PATH; install one \
         (Debian: apt-get install redis-server)"
    )]
    NoServer,
    /// The server ended instead of answering.
    #[error("{program} ended before it answered: {log}")]
    Ended {
        /// Which program.
        program: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The server runs and does not answer.
    #[error("{program} did not answer within {READY_WITHIN:?}: {log}")]
    Silent {
        /// Which program.
        program: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The servers run and do not become a cluster.
    #[error("the servers do not become a cluster: {0}")]
    Cluster(String),
    /// The operating system refused something.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// The reason.
        error: io::Error,
    },
}

impl StackError {
    /// Makes an error of the operating system's, with what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

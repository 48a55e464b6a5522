//! Real servers on loopback, in a temporary folder, gone without a trace at the end.
//!
//! A stack vanishes in four ways, each the next one's safety net: it is dropped (success, failure
//! and Ctrl-C); the kernel kills its servers when the thread that started them ends
//! (PR_SET_PDEATHSIG); and whatever a killed runner left, forked children and the folder, the
//! next start sweeps away (see [`Registry`]).

pub mod plan;

mod process;

mod registry;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

pub use self::plan::StackPlan;
use self::process::ServerProcess;
pub(crate) use self::process::die_with_parent;
use self::registry::Claim;
pub use self::registry::Registry;
use crate::placement::Placement;
use crate::target::Target;

/// The longest time a server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// A port that was free a moment ago may be taken by the time the server binds it.
const START_ATTEMPTS: u32 = 3;

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
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}

/// Running servers. Dropping it stops them and removes their folder.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: first the process, then the folder it writes to.
    server: ServerProcess,
    claim: Claim,
}

impl Stack {
    /// Sweeps up what killed runners left, then starts the servers and waits until they answer.
    ///
    /// The servers die with the thread that calls this: let it outlive the stack.
    ///
    /// # Errors
    /// [`StackError`]; nothing is left behind then.
    pub fn start(
        plan: &StackPlan,
        placement: &Placement,
        registry: &Registry,
    ) -> Result<Self, StackError> {
        registry.sweep()?;
        let program = process::program()?;
        let claim = registry.claim()?;
        let mut attempt = 1;
        loop {
            let port = free_port().map_err(StackError::io("no free port on loopback"))?;
            let text = plan.configuration(port, claim.folder(), placement);
            match ServerProcess::start(program, &text, port, claim.folder()) {
                Ok(server) => return Ok(Self { server, claim }),
                Err(StackError::Ended { log, .. })
                    if attempt < START_ATTEMPTS && log.contains("Address already in use") =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where the server listens.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::tcp("127.0.0.1", self.port(), None, None)
    }

    /// The server's port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// `redis-server` or `valkey-server`.
    #[must_use]
    pub fn program(&self) -> &'static str {
        self.server.program()
    }

    /// The folder of its configuration, log and data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.claim.folder()
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

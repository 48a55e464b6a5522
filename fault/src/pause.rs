//! `pause`: the server is stopped by a signal, as a debugger or a container's freezer would.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::duration;

/// Stop the server's process (SIGSTOP), and continue it (SIGCONT)
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// How long it is stopped
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "1s")]
    lasts: Duration,
}

impl Fault for Pause {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let server = Pid::from_raw(endpoint.pid()?.cast_signed());
        let stopped = Stopped::stop(server).map_err(|errno| {
            FaultError::Failed(format!(
                "cannot stop process {server}: {errno}; run as its user or root"
            ))
        })?;
        let start = Instant::now();
        let waited = endpoint.wait(self.lasts);
        drop(stopped);
        let took = start.elapsed();
        waited?;
        Ok(Detail::from_iter([
            ("pid".to_owned(), json!(server.as_raw())),
            ("stopped_ms".to_owned(), json!(took.as_secs_f64() * 1e3)),
        ]))
    }
}

/// A stopped process; it goes on when this is dropped, whatever happens.
struct Stopped(Pid);

impl Stopped {
    fn stop(server: Pid) -> nix::Result<Self> {
        kill(server, Signal::SIGSTOP).map(|()| Self(server))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Fails only when the process is gone.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

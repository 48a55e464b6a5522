//! `pause`: the server is stopped by a signal, as a debugger or a container's freezer would.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::parameters::{Parameter, Parameters};

const DEFAULT_FOR: Duration = Duration::from_secs(1);

pub(crate) struct Pause;

impl Fault for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn about(&self) -> &'static str {
        "stops the server's process (SIGSTOP), and lets it go on (SIGCONT)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let server = Pid::from_raw(endpoint.pid()?.cast_signed());
        let stopped = Stopped::stop(server).map_err(|errno| {
            FaultError::Failed(format!(
                "cannot stop process {server}: {errno}; run as its user or root"
            ))
        })?;
        let start = Instant::now();
        let waited = endpoint.wait(parameters.lasts.unwrap_or(DEFAULT_FOR));
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

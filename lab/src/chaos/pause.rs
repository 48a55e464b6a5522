//! `pause`: the server is stopped by a signal, as a debugger or a container's freezer would.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};

const DEFAULT_FOR: Duration = Duration::from_secs(1);

pub(super) struct Pause;

impl Action for Pause {
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

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let server = Pid::from_raw(site.pid()?.cast_signed());
        let stopped = Stopped::stop(server).map_err(|errno| {
            ChaosError::Failed(format!(
                "cannot stop process {server}: {errno}; run as its user or root"
            ))
        })?;
        let start = Instant::now();
        let waited = site.wait(parameters.lasts.unwrap_or(DEFAULT_FOR));
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

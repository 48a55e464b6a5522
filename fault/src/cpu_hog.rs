//! `cpu-hog`: somebody else wants the server's core.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::parameters::{Parameter, Parameters};

const DEFAULT_COUNT: u64 = 1;
const MOST: u64 = 64;
const DEFAULT_FOR: Duration = Duration::from_secs(5);

pub(crate) struct CpuHog;

impl Fault for CpuHog {
    fn name(&self) -> &'static str {
        "cpu-hog"
    }

    fn about(&self) -> &'static str {
        "runs `count` busy threads on the cores of the server's main thread for `for`"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Count, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let count = parameters.count.unwrap_or(DEFAULT_COUNT).min(MOST);
        let server = Pid::from_raw(endpoint.pid()?.cast_signed());
        let failed = |errno: nix::Error| FaultError::Failed(format!("its cores: {errno}"));
        let cores = sched_getaffinity(server).map_err(failed)?;
        let over = AtomicBool::new(false);
        let waited = thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    // Refused, it hogs where it may.
                    let _ = sched_setaffinity(Pid::from_raw(0), &cores);
                    while !over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let waited = endpoint.wait(parameters.lasts.unwrap_or(DEFAULT_FOR));
            over.store(true, Ordering::Relaxed);
            waited
        });
        waited?;
        Ok(Detail::from_iter([("threads".to_owned(), json!(count))]))
    }
}

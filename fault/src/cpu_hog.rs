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
use stallion_server::duration;

const DEFAULT_COUNT: u64 = 1;
const MOST: u64 = 64;

/// Run busy threads on the cores of the server's main thread
#[derive(Debug, clap::Args)]
pub(crate) struct CpuHog {
    /// Threads to run
    #[arg(long, value_name = "N", default_value_t = DEFAULT_COUNT, value_parser = clap::value_parser!(u64).range(..=MOST))]
    count: u64,
    /// How long it lasts
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for CpuHog {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let count = self.count;
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
            let waited = endpoint.wait(self.lasts);
            over.store(true, Ordering::Relaxed);
            waited
        });
        waited?;
        Ok(Detail::from_iter([("threads".to_owned(), json!(count))]))
    }
}

//! `aof-rewrite`: the append-only file is written anew by a forked child.

use crate::child_job::ChildJob;
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};

const JOB: ChildJob = ChildJob {
    command: "BGREWRITEAOF",
    running: "aof_rewrite_in_progress",
    scheduled: "aof_rewrite_scheduled",
    status: "aof_last_bgrewrite_status",
    copied_bytes: "aof_last_cow_size",
};

/// Run BGREWRITEAOF, until its child has ended
#[derive(Debug, clap::Args)]
pub(crate) struct AofRewrite {}

impl Fault for AofRewrite {
    fn destructive(&self) -> bool {
        false
    }

    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        JOB.run(endpoint)
    }
}

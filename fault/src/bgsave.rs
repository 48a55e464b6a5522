//! `bgsave`: a snapshot by a forked child.

use crate::child_job::ChildJob;
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};

const JOB: ChildJob = ChildJob {
    command: "BGSAVE",
    running: "rdb_bgsave_in_progress",
    scheduled: "rdb_bgsave_in_progress",
    status: "rdb_last_bgsave_status",
    copied_bytes: "rdb_last_cow_size",
};

/// Run BGSAVE, until its child has ended
#[derive(Debug, clap::Args)]
pub(crate) struct Bgsave {}

impl Fault for Bgsave {
    fn destructive(&self) -> bool {
        false
    }

    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        JOB.run(endpoint)
    }
}

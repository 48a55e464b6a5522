//! `bgsave`: a snapshot by a forked child.

use crate::child_job::ChildJob;

pub(crate) const BGSAVE: ChildJob = ChildJob {
    name: "bgsave",
    about: "BGSAVE, until its child has ended",
    command: "BGSAVE",
    running: "rdb_bgsave_in_progress",
    scheduled: "rdb_bgsave_in_progress",
    status: "rdb_last_bgsave_status",
    copied_bytes: "rdb_last_cow_size",
};

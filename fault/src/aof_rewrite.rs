//! `aof-rewrite`: the append-only file is written anew by a forked child.

use crate::child_job::ChildJob;

pub(crate) const AOF_REWRITE: ChildJob = ChildJob {
    name: "aof-rewrite",
    about: "BGREWRITEAOF, until its child has ended",
    command: "BGREWRITEAOF",
    running: "aof_rewrite_in_progress",
    scheduled: "aof_rewrite_scheduled",
    status: "aof_last_bgrewrite_status",
    copied_bytes: "aof_last_cow_size",
};

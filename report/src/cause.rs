//! The causes that time is given to, and the precedence between them.

use serde::{Serialize, Serializer};
use stallion_timeline::StallClass;

/// Every class of stall in the order of its precedence: where several overlap on the main
/// thread, an instant goes to the first of them.
///
/// The rule is "what the thread was doing at that very instant": first the states in which it
/// could not run at all (stopped, throttled, preempted), then what runs on top of everything
/// (interrupts, reclaim), then fork and page faults, which happen inside system calls and
/// commands, then the calls, and last the command that called them. The network comes after
/// all that, because it harms one connection and not the thread.
pub const CLASSES: [StallClass; 21] = [
    StallClass::Exited,
    StallClass::Frozen,
    StallClass::Traced,
    StallClass::Stopped,
    StallClass::Throttle,
    StallClass::RunQueue,
    StallClass::Softirq,
    StallClass::Reclaim,
    StallClass::Fork,
    StallClass::HugePage,
    StallClass::CowFault,
    StallClass::FileFault,
    StallClass::ZeroFault,
    StallClass::FsyncWait,
    StallClass::Fsync,
    StallClass::AofWrite,
    StallClass::Syscall,
    StallClass::OffCpu,
    StallClass::BlockIo,
    StallClass::Command,
    StallClass::Network,
];

/// A class's place in [`CLASSES`]: a lower rank wins where stalls overlap.
#[must_use]
pub fn rank(class: StallClass) -> usize {
    match class {
        StallClass::Exited => 0,
        StallClass::Frozen => 1,
        StallClass::Traced => 2,
        StallClass::Stopped => 3,
        StallClass::Throttle => 4,
        StallClass::RunQueue => 5,
        StallClass::Softirq => 6,
        StallClass::Reclaim => 7,
        StallClass::Fork => 8,
        StallClass::HugePage => 9,
        StallClass::CowFault => 10,
        StallClass::FileFault => 11,
        StallClass::ZeroFault => 12,
        StallClass::FsyncWait => 13,
        StallClass::Fsync => 14,
        StallClass::AofWrite => 15,
        StallClass::Syscall => 16,
        StallClass::OffCpu => 17,
        StallClass::BlockIo => 18,
        StallClass::Command => 19,
        StallClass::Network => 20,
    }
}

/// Everything that time can be named for: the classes in their order, an outage, then the client.
pub const NAMED: usize = CLASSES.len() + 2;

/// An outage's place after all classes: what stalled a server is worth more than that it was away.
pub const OUTAGE: usize = CLASSES.len();

/// The client's place after all others: where the server was stalled, too, it is the server.
pub const CLIENT: usize = OUTAGE + 1;

/// The cause at a place: a class by its rank, an outage, or the client.
#[must_use]
pub fn at(place: usize) -> Cause {
    match CLASSES.get(place) {
        Some(class) => Cause::Stall(*class),
        None if place == OUTAGE => Cause::Outage,
        None => Cause::Client,
    }
}

/// What a nanosecond of a request's waiting was due to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A stall of the server.
    Stall(StallClass),
    /// Nobody served the slot: its node was dead, or it was between two nodes.
    Outage,
    /// The client's own lateness: a connection was free and the request was not sent.
    Client,
    /// Nothing that was observed.
    Unexplained,
}

impl Cause {
    /// The name in files, for example `cow_fault`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Outage => "slot_outage",
            Self::Client => "client",
            Self::Unexplained => "unexplained",
            Self::Stall(class) => match class {
                StallClass::Fork => "fork",
                StallClass::CowFault => "cow_fault",
                StallClass::ZeroFault => "zero_fault",
                StallClass::FileFault => "file_fault",
                StallClass::HugePage => "huge_page",
                StallClass::Fsync => "fsync",
                StallClass::AofWrite => "aof_write",
                StallClass::FsyncWait => "fsync_wait",
                StallClass::Syscall => "syscall",
                StallClass::RunQueue => "run_queue",
                StallClass::Throttle => "throttle",
                StallClass::OffCpu => "off_cpu",
                StallClass::BlockIo => "block_io",
                StallClass::Reclaim => "reclaim",
                StallClass::Exited => "exited",
                StallClass::Frozen => "frozen",
                StallClass::Traced => "traced",
                StallClass::Stopped => "stopped",
                StallClass::Softirq => "softirq",
                StallClass::Network => "network",
                StallClass::Command => "command",
            },
        }
    }

    /// The name for people, as it stands inside a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outage => "an outage of the slot",
            Self::Client => "the client itself",
            Self::Unexplained => "unexplained",
            Self::Stall(class) => match class {
                StallClass::Fork => "fork",
                StallClass::CowFault => "copy-on-write faults",
                StallClass::ZeroFault => "zero-fill faults",
                StallClass::FileFault => "file faults",
                StallClass::HugePage => "huge-page splits",
                StallClass::Fsync => "fsync",
                StallClass::AofWrite => "AOF writes",
                StallClass::FsyncWait => "waits for a background fsync",
                StallClass::Syscall => "slow system calls",
                StallClass::RunQueue => "waits for a CPU",
                StallClass::Throttle => "CPU quota",
                StallClass::OffCpu => "blocking off the CPU",
                StallClass::BlockIo => "disk requests",
                StallClass::Reclaim => "memory reclaim",
                StallClass::Exited => "the server's end",
                StallClass::Frozen => "the cgroup freezer",
                StallClass::Traced => "a tracer",
                StallClass::Stopped => "a stop signal",
                StallClass::Softirq => "interrupts",
                StallClass::Network => "the network",
                StallClass::Command => "slow commands",
            },
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_is_the_place_in_the_order_of_precedence() {
        for (place, class) in CLASSES.into_iter().enumerate() {
            assert_eq!(rank(class), place, "{class:?}");
        }
    }

    #[test]
    fn keys_are_those_of_the_timeline() {
        for class in CLASSES {
            let stored = serde_json::to_value(class).unwrap();
            assert_eq!(stored, Cause::Stall(class).key());
        }
    }
}

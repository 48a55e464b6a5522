//! CLOCK_MONOTONIC in nanoseconds, and its relation to wall time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the monotonic times of a timeline relate to wall time and to another host's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clock {
    /// CLOCK_MONOTONIC at the moment the header was made, in nanoseconds.
    pub monotonic_ns: u64,
    /// CLOCK_REALTIME at the same moment, in nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// Add this to a time of this file to get the reference host's monotonic time; 0 on one host.
    #[serde(default)]
    pub offset_ns: i64,
    /// The offset is right to within plus or minus this; 0 on one host.
    #[serde(default)]
    pub offset_error_ns: u64,
    /// The kernel's boot id: two files with the same one share their clock.
    #[serde(default)]
    pub boot_id: String,
}

impl Clock {
    /// Reads both clocks of this host now. The wall time is taken between two monotonic reads.
    #[must_use]
    pub fn of_this_host() -> Self {
        let before_ns = monotonic_ns();
        let wall_ns = read_clock(libc::CLOCK_REALTIME);
        let after_ns = monotonic_ns();
        Self {
            monotonic_ns: before_ns + (after_ns - before_ns) / 2,
            wall_ns,
            offset_ns: 0,
            offset_error_ns: 0,
            boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map(|id| id.trim().to_owned())
                .unwrap_or_default(),
        }
    }

    /// The wall time of a monotonic time of the same file, in nanoseconds since the epoch.
    #[must_use]
    pub fn wall_ns_of(&self, monotonic_ns: u64) -> u64 {
        self.wall_ns.wrapping_add(monotonic_ns).wrapping_sub(self.monotonic_ns)
    }
}

/// CLOCK_MONOTONIC now, in nanoseconds.
#[must_use]
#[inline]
pub fn monotonic_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec and both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_follows_monotonic_time() {
        let clock = Clock { monotonic_ns: 1_000, wall_ns: 50_000, ..Clock::of_this_host() };
        assert_eq!(clock.wall_ns_of(1_500), 50_500);
        assert_eq!(clock.wall_ns_of(500), 49_500);
    }

    #[test]
    fn monotonic_time_advances() {
        let first = monotonic_ns();
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(monotonic_ns() >= first + 1_000_000);
    }
}

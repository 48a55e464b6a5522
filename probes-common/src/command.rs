//! The main thread on the core for long without completing a read or a write.
//!
//! An event loop that serves requests completes a read or write every few microseconds, and the
//! kernel counts them (`task_struct.ioac`, shown in /proc/PID/io). A sampler that fires once per
//! two milliseconds of CPU time and finds the count unchanged has found a stretch: one command, one
//! job or one system call that kept everybody waiting. It costs one short interrupt each time (a
//! timer in a virtual machine leaves it: at 1 ms this took 2.8 % of a shard at pipeline 32), where a pair of uprobes on the loop costs 1.3 µs a loop at pipeline 1 (a tenth of
//! its throughput) and a pair of raw tracepoints on every system call as much.

use crate::span::Span;

/// Period of the sampler, in nanoseconds of the main thread's CPU time.
pub const SAMPLE_PERIOD_NS: u64 = 2_000_000;

/// Bytes of the user stack that are kept once per stretch. From `call()` down to the innermost
/// frame Redis commands need less; a Lua script's interpreter takes the most.
pub const STACK_BYTES: usize = 4096;

/// How many program counters a stretch keeps.
pub const SAMPLED_IPS: usize = 8;

/// A stretch, when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Stretch {
    /// Head; [`crate::Kind::Stretch`]. `count` is the number of samples in it.
    pub span: Span,
    /// The system call all samples were in; negative when they differ or were in user mode.
    pub syscall: i64,
    /// Its first argument.
    pub argument: u64,
    /// Start and end are right to within plus or minus this.
    pub error_ns: u64,
    /// User program counters of the first samples; 0 where there are fewer.
    pub ips: [u64; SAMPLED_IPS],
}

const _: () = assert!(size_of::<Stretch>() == 128);

/// A piece of the user stack inside a stretch: names the command by its return addresses.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Stack {
    /// Head; [`crate::Kind::Stack`]. Start and end are the time of the sample.
    pub span: Span,
    /// User program counter.
    pub ip: u64,
    /// User stack pointer, the address of the first of `words`.
    pub sp: u64,
    /// The stack, from its pointer upwards.
    pub words: [u64; STACK_BYTES / 8],
}

const _: () = assert!(size_of::<Stack>() == 56 + STACK_BYTES);

/// One call of a rarely used and mostly slow command, by uprobe: its bounds are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Call {
    /// Head; [`crate::Kind::Call`].
    pub span: Span,
    /// Address of the function.
    pub function: u64,
}

const _: () = assert!(size_of::<Call>() == 48);

/// What one sample saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub now_ns: u64,
    /// Reads and writes that the thread has completed.
    pub io_count: u64,
    /// The system call it is in; negative in user mode.
    pub syscall: i64,
    /// First argument of the system call.
    pub argument: u64,
    /// User program counter.
    pub ip: u64,
}

/// Follows the main thread from sample to sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Follower {
    /// When the thread last came back from a sleep.
    awake_ns: u64,
    /// Its count then.
    awake_io: u64,
    /// Time of the last sample.
    last_ns: u64,
    /// Its count then.
    last_io: u64,
    /// Where a stretch would have begun that was running at the last sample.
    start_ns: u64,
    /// The bound of that start's error.
    error_ns: u64,
    /// Samples of the stretch, 1 before it is known to be one.
    samples: u64,
    syscall: i64,
    argument: u64,
    ips: [u64; SAMPLED_IPS],
}

/// A stretch that ended, without its head's kind and thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Start.
    pub start_ns: u64,
    /// End.
    pub end_ns: u64,
    /// Bound of the error of both.
    pub error_ns: u64,
}

impl Follower {
    /// Follows nothing yet.
    pub const NEW: Self = Self {
        awake_ns: 0,
        awake_io: 0,
        last_ns: 0,
        last_io: 0,
        start_ns: 0,
        error_ns: 0,
        samples: 0,
        syscall: -1,
        argument: 0,
        ips: [0; SAMPLED_IPS],
    };

    /// Takes one sample. Returns the stretch that it found ended.
    #[inline(always)]
    pub fn sample(&mut self, sample: &Sample) -> Option<Ended> {
        let mut ended = None;
        if self.samples > 0 && sample.io_count == self.last_io {
            self.go_on(sample);
        } else {
            if self.samples > 1 {
                // It ended somewhere between the two samples.
                let half_ns = sample.now_ns.saturating_sub(self.last_ns) / 2;
                ended = Some(self.end(self.last_ns + half_ns, half_ns));
            }
            self.begin(sample);
        }
        self.last_ns = sample.now_ns;
        self.last_io = sample.io_count;
        ended
    }

    /// The thread went to sleep by itself. Returns the stretch that this ended.
    #[inline(always)]
    pub fn sleep(&mut self, now_ns: u64, io_count: u64) -> Option<Ended> {
        let running = self.samples > 0;
        let quiet = io_count.wrapping_sub(self.last_io);
        let known = self.samples > 1;
        let late_ns = now_ns.saturating_sub(self.last_ns);
        let ended = if running && quiet <= 1 {
            // The answer at most was written since: the sleep is the end.
            self.end(now_ns, 0)
        } else {
            self.end(self.last_ns + late_ns / 2, late_ns / 2)
        };
        self.samples = 0;
        (running && (known || quiet <= 1)).then_some(ended)
    }

    /// The thread came back from a sleep.
    #[inline(always)]
    pub fn wake(&mut self, now_ns: u64, io_count: u64) {
        self.awake_ns = now_ns;
        self.awake_io = io_count;
        self.samples = 0;
    }

    /// Samples of the stretch that is running, 0 without one.
    #[must_use]
    #[inline(always)]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The system call and argument that all samples share, and the program counters.
    #[must_use]
    #[inline(always)]
    pub fn evidence(&self) -> (i64, u64, [u64; SAMPLED_IPS]) {
        (self.syscall, self.argument, self.ips)
    }

    #[inline(always)]
    fn begin(&mut self, sample: &Sample) {
        let since_ns = if self.last_ns > self.awake_ns { self.last_ns } else { self.awake_ns };
        // One read since the wake-up: the command started right then.
        let from_wake =
            self.awake_ns >= since_ns && sample.io_count.wrapping_sub(self.awake_io) <= 1;
        let half_ns = sample.now_ns.saturating_sub(since_ns) / 2;
        self.error_ns = if from_wake { 0 } else { half_ns };
        self.start_ns = since_ns + self.error_ns;
        self.samples = 1;
        self.syscall = sample.syscall;
        self.argument = sample.argument;
        self.ips = [0; SAMPLED_IPS];
        self.ips[0] = sample.ip;
    }

    #[inline(always)]
    fn go_on(&mut self, sample: &Sample) {
        let index = self.samples;
        if index < SAMPLED_IPS as u64 {
            self.ips[index as usize & (SAMPLED_IPS - 1)] = sample.ip;
        }
        if self.syscall != sample.syscall {
            self.syscall = -1;
        }
        self.samples += 1;
    }

    #[inline(always)]
    fn end(&self, end_ns: u64, error_ns: u64) -> Ended {
        Ended {
            start_ns: self.start_ns,
            end_ns,
            error_ns: if error_ns > self.error_ns { error_ns } else { self.error_ns },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(now_ns: u64, io_count: u64) -> Sample {
        Sample { now_ns, io_count, syscall: -1, argument: 0, ip: now_ns }
    }

    #[test]
    fn a_busy_loop_that_serves_requests_is_no_stretch() {
        let mut follower = Follower::NEW;
        follower.wake(0, 0);
        for step in 1..100 {
            assert_eq!(follower.sample(&at(step * MS, step * 40)), None);
        }
        assert_eq!(follower.sleep(100 * MS, 4_100), None);
    }

    #[test]
    fn a_command_between_wake_and_sleep_has_exact_bounds() {
        let mut follower = Follower::NEW;
        follower.wake(10 * MS + 7, 100);
        for step in 11..15 {
            assert_eq!(follower.sample(&at(step * MS, 101)), None);
        }
        let ended = follower.sleep(15 * MS + 3, 102).unwrap();
        assert_eq!((ended.start_ns, ended.end_ns), (10 * MS + 7, 15 * MS + 3));
        assert_eq!(ended.error_ns, 0);
        assert_eq!(follower.sleep(16 * MS, 102), None, "told once");
    }

    #[test]
    fn a_command_inside_a_saturated_loop_is_bounded_by_samples() {
        let mut follower = Follower::NEW;
        follower.wake(0, 0);
        assert_eq!(follower.sample(&at(MS, 50)), None);
        assert_eq!(follower.sample(&at(2 * MS, 90)), None);
        for step in 3..8 {
            assert_eq!(follower.sample(&at(step * MS, 90)), None);
        }
        let ended = follower.sample(&at(8 * MS, 130)).unwrap();
        assert_eq!((ended.start_ns, ended.end_ns), (MS + MS / 2, 7 * MS + MS / 2));
        assert_eq!(ended.error_ns, MS / 2);
    }

    #[test]
    fn one_system_call_is_named_and_two_are_not() {
        let mut follower = Follower::NEW;
        follower.wake(0, 0);
        let call = |now_ns, syscall| Sample { syscall, ..at(now_ns, 1) };
        follower.sample(&call(MS, 56));
        follower.sample(&call(2 * MS, 56));
        assert_eq!(follower.evidence().0, 56);
        assert_eq!(follower.evidence().2[..3], [MS, 2 * MS, 0]);
        follower.sample(&call(3 * MS, 1));
        assert_eq!(follower.evidence().0, -1);
        for step in 4..30 {
            follower.sample(&call(step * MS, 1));
        }
        assert_eq!(follower.samples(), 29);
        assert_eq!(follower.evidence().2[SAMPLED_IPS - 1], 8 * MS);
    }

    #[test]
    fn an_end_followed_by_much_work_lies_between_sample_and_sleep() {
        let mut follower = Follower::NEW;
        follower.wake(0, 0);
        follower.sample(&at(MS, 1));
        follower.sample(&at(2 * MS, 1));
        let ended = follower.sleep(2 * MS + 600_000, 40).unwrap();
        assert_eq!(ended.end_ns, 2 * MS + 300_000);
        assert_eq!(ended.error_ns, 300_000);
    }
}

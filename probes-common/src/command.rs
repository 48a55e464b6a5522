//! The main thread on the core for long without completing a read or a write.
//!
//! An event loop that serves requests completes a read or write every few microseconds, and the
//! kernel counts them (`task_struct.ioac`, shown in /proc/PID/io). Two watches find a stretch
//! without: one command, one job or one system call that kept everybody waiting.
//!
//! - Between a wake-up and the next sleep at most one request was read and one answer written: the
//!   whole of it was that request's, and its bounds are exact. The scheduler's own hooks see that.
//! - A loop that is never idle is sampled, by the scheduler's tick where that comes every 4 ms or
//!   more often: a sample that finds the count unchanged has found a stretch. The tick comes anyway;
//!   a timer of its own (a perf event each 2 ms) took 2 to 4 % of a shard at pipeline 32 in a virtual
//!   machine, which each expiry leaves. A pair of uprobes on the loop costs 1.3 µs a loop at
//!   pipeline 1 (a tenth of its throughput), a pair of raw tracepoints on every system call as much.

use crate::span::Span;

/// Longest time between two samples, in nanoseconds of the main thread's CPU time; where the tick is
/// rarer or absent, the period of a perf event in its place.
pub const SAMPLE_PERIOD_NS: u64 = 4_000_000;

/// Reads and writes between a wake-up and the next sleep that one request makes: it is read, and
/// appended to the file that keeps it, and its answer is written.
const ONE_REQUEST_IO: u64 = 3;

/// Bytes of the user stack that are kept once per stretch. From `call()` down to the innermost
/// frame Redis commands need less; a Lua script's interpreter takes the most.
pub const STACK_BYTES: usize = 4096;

/// How many program counters a stretch keeps.
pub const SAMPLED_IPS: usize = 8;

/// A stretch, when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Stretch {
    /// Head; [`crate::Kind::Stretch`]. `count` is the number of samples in it; `busy_ns` is less than
    /// its length by the waits for the core in it.
    pub span: Span,
    /// The first system call that a sample was in; negative when none was in any.
    pub syscall: i64,
    /// How many of the samples were in that one.
    pub in_syscall: u64,
    /// Its first argument.
    pub argument: u64,
    /// Start and end are right to within plus or minus this.
    pub error_ns: u64,
    /// User program counters of the first samples; 0 where there are fewer.
    pub ips: [u64; SAMPLED_IPS],
}

const _: () = assert!(size_of::<Stretch>() == 136);

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
    /// In the system call in which the event loop looks for work: the loop has turned, so
    /// whatever ran before is over.
    pub polls: bool,
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
    /// Time for which the thread has waited for its core since it came back from a sleep.
    waited_ns: u64,
    /// The same when the running stretch began.
    start_waited_ns: u64,
    /// Samples of the stretch, 1 before it is known to be one.
    samples: u64,
    syscall: i64,
    /// Samples in that call.
    in_syscall: u64,
    argument: u64,
    ips: [u64; SAMPLED_IPS],
}

/// What the samples of a stretch saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The first system call that a sample was in; negative when none was in any.
    pub syscall: i64,
    /// How many were in that one.
    pub in_syscall: u64,
    /// Its first argument.
    pub argument: u64,
    /// User program counters of the first samples.
    pub ips: [u64; SAMPLED_IPS],
}

impl Evidence {
    /// Of a stretch without a sample.
    pub const NONE: Self = Self { syscall: -1, in_syscall: 0, argument: 0, ips: [0; SAMPLED_IPS] };
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
    /// Time in it for which the thread waited for its core.
    pub waited_ns: u64,
}

impl Ended {
    /// Time on the core.
    #[must_use]
    #[inline(always)]
    pub fn busy_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns).saturating_sub(self.waited_ns)
    }
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
        waited_ns: 0,
        start_waited_ns: 0,
        samples: 0,
        syscall: -1,
        in_syscall: 0,
        argument: 0,
        ips: [0; SAMPLED_IPS],
    };

    /// Takes one sample. Returns the stretch that it found ended.
    #[inline(always)]
    pub fn sample(&mut self, sample: &Sample) -> Option<Ended> {
        let mut ended = None;
        if sample.polls {
            if self.samples > 1 {
                let half_ns = sample.now_ns.saturating_sub(self.last_ns) / 2;
                ended = Some(self.end(self.last_ns + half_ns, half_ns));
            }
            self.samples = 0;
            // What comes next began after this, not at the wake-up.
            self.awake_ns = 0;
        } else if self.samples > 0 && sample.io_count == self.last_io {
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
        let alone = self.awake_ns != 0 && io_count.wrapping_sub(self.awake_io) <= ONE_REQUEST_IO;
        let running = self.samples > 0;
        let quiet = io_count.wrapping_sub(self.last_io);
        let known = self.samples > 1;
        let late_ns = now_ns.saturating_sub(self.last_ns);
        let ended = if alone {
            // Nothing else was done since the wake-up.
            self.start_ns = self.awake_ns;
            self.start_waited_ns = 0;
            self.error_ns = 0;
            self.end(now_ns, 0)
        } else if running && quiet <= 1 {
            // The answer at most was written since: the sleep is the end.
            self.end(now_ns, 0)
        } else {
            self.end(self.last_ns + late_ns / 2, late_ns / 2)
        };
        self.forget();
        (alone || (running && (known || quiet <= 1))).then_some(ended)
    }

    /// The thread came back from a sleep.
    #[inline(always)]
    pub fn wake(&mut self, now_ns: u64, io_count: u64) {
        self.awake_ns = now_ns;
        self.awake_io = io_count;
        self.waited_ns = 0;
        self.samples = 0;
    }

    /// Forgets what runs: it cannot be judged.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.samples = 0;
        self.awake_ns = 0;
    }

    /// Whether the thread has been awake for this long.
    #[must_use]
    #[inline(always)]
    pub fn is_awake_for(&self, least_ns: u64, now_ns: u64) -> bool {
        self.awake_ns != 0 && now_ns.saturating_sub(self.awake_ns) >= least_ns
    }

    /// The thread waited for its core, and has it again.
    #[inline(always)]
    pub fn waited(&mut self, waited_ns: u64) {
        self.waited_ns += waited_ns;
    }

    /// Whether one request alone has had the thread since it woke up, and for this long.
    #[must_use]
    #[inline(always)]
    pub fn is_alone_for(&self, least_ns: u64, sample: &Sample) -> bool {
        self.awake_ns != 0
            && sample.io_count.wrapping_sub(self.awake_io) <= 1
            && sample.now_ns.saturating_sub(self.awake_ns) >= least_ns
    }

    /// Samples of the stretch that is running, 0 without one.
    #[must_use]
    #[inline(always)]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// What the samples of the running stretch saw.
    #[must_use]
    #[inline(always)]
    pub fn evidence(&self) -> Evidence {
        Evidence {
            syscall: self.syscall,
            in_syscall: self.in_syscall,
            argument: self.argument,
            ips: self.ips,
        }
    }

    #[inline(always)]
    fn begin(&mut self, sample: &Sample) {
        let known_ns = if self.last_ns > self.awake_ns { self.last_ns } else { self.awake_ns };
        // Nothing is known of the time before the first sample.
        let since_ns = if known_ns == 0 { sample.now_ns } else { known_ns };
        // One read since the wake-up: the command started right then.
        let from_wake = self.awake_ns != 0
            && self.awake_ns >= since_ns
            && sample.io_count.wrapping_sub(self.awake_io) <= 1;
        let half_ns = sample.now_ns.saturating_sub(since_ns) / 2;
        self.error_ns = if from_wake { 0 } else { half_ns };
        self.start_ns = since_ns + self.error_ns;
        self.start_waited_ns = self.waited_ns;
        self.samples = 1;
        self.syscall = -1;
        self.in_syscall = 0;
        self.see_call(sample);
        self.ips = [0; SAMPLED_IPS];
        self.ips[0] = sample.ip;
    }

    #[inline(always)]
    fn go_on(&mut self, sample: &Sample) {
        let index = self.samples;
        if index < SAMPLED_IPS as u64 {
            self.ips[index as usize & (SAMPLED_IPS - 1)] = sample.ip;
        }
        self.see_call(sample);
        self.samples += 1;
    }

    #[inline(always)]
    fn see_call(&mut self, sample: &Sample) {
        if self.syscall < 0 {
            self.syscall = sample.syscall;
            self.argument = sample.argument;
        }
        if self.syscall >= 0 && self.syscall == sample.syscall {
            self.in_syscall += 1;
        }
    }

    #[inline(always)]
    fn end(&self, end_ns: u64, error_ns: u64) -> Ended {
        Ended {
            start_ns: self.start_ns,
            end_ns,
            error_ns: if error_ns > self.error_ns { error_ns } else { self.error_ns },
            waited_ns: self.waited_ns.saturating_sub(self.start_waited_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(now_ns: u64, io_count: u64) -> Sample {
        Sample { now_ns, io_count, syscall: -1, argument: 0, ip: now_ns, polls: false }
    }

    /// Before the first wake-up and the first sample there is no time to halve: a thread that never
    /// sleeps was said to be in its first stretch since half of the host's uptime.
    #[test]
    fn a_stretch_begins_no_earlier_than_its_first_sample() {
        let mut follower = Follower::NEW;
        let boot_ns = 4_000_000 * MS;
        assert_eq!(follower.sample(&at(boot_ns, 50)), None);
        assert_eq!(follower.sample(&at(boot_ns + 4 * MS, 50)), None);
        let ended = follower.sample(&at(boot_ns + 8 * MS, 90)).unwrap();
        assert_eq!(ended.start_ns, boot_ns);
        assert_eq!(ended.end_ns, boot_ns + 6 * MS);
    }

    #[test]
    fn a_loop_that_turns_is_no_stretch_although_others_read_and_write_for_it() {
        let mut follower = Follower::NEW;
        follower.wake(1, 7);
        for step in 1..=100 {
            let polls = step % 2 == 0;
            assert_eq!(follower.sample(&Sample { polls, ..at(step * MS, 7) }), None, "{step}");
        }
        assert_eq!(follower.sleep(101 * MS, 7), None, "it sleeps where it polls");
    }

    #[test]
    fn a_poll_ends_the_command_before_it() {
        let mut follower = Follower::NEW;
        follower.wake(1, 0);
        follower.sample(&at(MS, 1));
        follower.sample(&at(2 * MS, 1));
        let ended = follower.sample(&Sample { polls: true, ..at(3 * MS, 1) }).unwrap();
        assert_eq!((ended.start_ns, ended.end_ns, ended.error_ns), (1, 2_500_000, 500_000));
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
    fn one_request_between_wake_and_sleep_needs_no_sample() {
        let mut follower = Follower::NEW;
        follower.wake(10 * MS, 100);
        follower.waited(300_000);
        let ended = follower.sleep(12 * MS, 102).unwrap();
        assert_eq!((ended.start_ns, ended.end_ns, ended.error_ns), (10 * MS, 12 * MS, 0));
        assert_eq!(ended.busy_ns(), 1_700_000, "less the wait for its core");
        assert_eq!(follower.sleep(13 * MS, 102), None, "told once");
        follower.wake(20 * MS, 200);
        assert!(!follower.is_alone_for(MS, &at(20 * MS + 1, 201)));
        assert!(follower.is_alone_for(MS, &at(21 * MS, 201)));
        assert!(!follower.is_alone_for(MS, &at(21 * MS, 202)), "the answer is written");
        assert_eq!(follower.sleep(22 * MS, 204), None, "two requests");
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
        assert_eq!((ended.error_ns, ended.waited_ns), (MS / 2, 0));
    }

    #[test]
    fn a_wait_for_the_core_within_a_stretch_is_no_part_of_it() {
        let mut follower = Follower::NEW;
        follower.wake(0, 0);
        follower.waited(9 * MS);
        follower.sample(&at(10 * MS, 50));
        follower.waited(2 * MS);
        follower.sample(&at(15 * MS, 50));
        let ended = follower.sample(&at(16 * MS, 90)).unwrap();
        assert_eq!(ended.waited_ns, 2 * MS, "not what was before it");
    }

    #[test]
    fn the_first_system_call_is_counted_among_the_samples() {
        let mut follower = Follower::NEW;
        follower.wake(0, 0);
        let call = |now_ns, syscall| Sample { syscall, ..at(now_ns, 1) };
        follower.sample(&call(MS, -1));
        assert_eq!(follower.evidence().syscall, -1);
        follower.sample(&call(2 * MS, 56));
        follower.sample(&call(3 * MS, 56));
        follower.sample(&call(4 * MS, 1));
        let seen = follower.evidence();
        assert_eq!((seen.syscall, seen.in_syscall), (56, 2));
        assert_eq!(seen.ips[..4], [MS, 2 * MS, 3 * MS, 4 * MS]);
        for step in 5..31 {
            follower.sample(&call(step * MS, 56));
        }
        assert_eq!((follower.samples(), follower.evidence().in_syscall), (30, 28));
        assert_eq!(follower.evidence().ips[SAMPLED_IPS - 1], 8 * MS);
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

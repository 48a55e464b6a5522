//! Requests of a block device while a thread of the server waits for a disk.

use crate::span::Span;

/// How many devices are told apart within one wait. A file on a loop device on a striped volume
/// is on three.
pub const DEVICES: usize = 4;

/// What one device did during one wait. `span.busy_ns` is the time with at least one request in
/// it, `span.count` the requests that it completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Disk {
    /// Head; [`crate::Kind::Disk`].
    pub span: Span,
    /// Major number above 20 bits of minor number, as the kernel keeps it.
    pub device: u32,
    /// Size of nothing; keeps the struct free of padding.
    pub reserved: u32,
    /// Bytes of the requests that were completed.
    pub bytes: u64,
    /// The longest request, from its start in the queue.
    pub slowest_ns: u64,
}

const _: () = assert!(size_of::<Disk>() == 64);

/// A device as it is followed through one wait.
///
/// Requests are issued and completed on any CPU at once. Only the number in flight must be right,
/// so only it is atomic; two CPUs that meet in the rest lose the few nanoseconds between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Device {
    /// The wait this belongs to: a later one starts anew, whatever was still in flight.
    pub wait: u64,
    /// The device.
    pub device: u64,
    /// When the wait began.
    pub start_ns: u64,
    in_flight: u64,
    /// Busy time is counted up to here.
    mark_ns: u64,
    busy_ns: u64,
    requests: u64,
    bytes: u64,
    slowest_ns: u64,
}

impl Device {
    /// Nothing.
    pub const EMPTY: Self = Self {
        wait: 0,
        device: 0,
        start_ns: 0,
        in_flight: 0,
        mark_ns: 0,
        busy_ns: 0,
        requests: 0,
        bytes: 0,
        slowest_ns: 0,
    };

    /// Follows `device` through a wait that began at `start_ns`.
    #[inline(always)]
    pub fn begin(&mut self, wait: u64, device: u64, start_ns: u64) {
        *self = Self { wait, device, start_ns, mark_ns: start_ns, ..Self::EMPTY };
    }

    /// The device was given a request.
    #[inline(always)]
    pub fn issued(&mut self, now_ns: u64) {
        self.account(now_ns, self.in_flight != 0);
        atomic_add(&mut self.in_flight, 1);
    }

    /// The device is done with a request that it was given during the wait.
    #[inline(always)]
    pub fn completed(&mut self, now_ns: u64, start_ns: u64, bytes: u64) {
        self.account(now_ns, true);
        atomic_add(&mut self.in_flight, u64::MAX);
        self.count(now_ns, start_ns, bytes);
    }

    /// The device is done with a request that it was given before the wait began: it was busy
    /// ever since.
    #[inline(always)]
    pub fn completed_earlier(&mut self, now_ns: u64, start_ns: u64, bytes: u64) {
        self.busy_ns = now_ns.saturating_sub(self.start_ns);
        self.mark_ns = now_ns;
        self.count(now_ns, start_ns, bytes);
    }

    /// Hands over what the device did up to now, and follows it further.
    #[inline(always)]
    pub fn take(&mut self, now_ns: u64) -> (Span, u64, u64) {
        let in_flight = self.in_flight;
        self.account(now_ns, in_flight != 0);
        let length_ns = now_ns.saturating_sub(self.start_ns);
        let span = Span {
            kind: crate::Kind::Disk as u32,
            tid: 0,
            start_ns: self.start_ns,
            end_ns: now_ns,
            busy_ns: if self.busy_ns < length_ns { self.busy_ns } else { length_ns },
            count: self.requests,
        };
        let figures = (span, self.bytes, self.slowest_ns);
        // Not the number in flight: a completion on another CPU may be counting it down.
        self.start_ns = now_ns;
        self.busy_ns = 0;
        self.requests = 0;
        self.bytes = 0;
        self.slowest_ns = 0;
        figures
    }

    #[inline(always)]
    fn account(&mut self, now_ns: u64, busy: bool) {
        if busy {
            self.busy_ns += now_ns.saturating_sub(self.mark_ns);
        }
        self.mark_ns = now_ns;
    }

    #[inline(always)]
    fn count(&mut self, now_ns: u64, start_ns: u64, bytes: u64) {
        self.requests += 1;
        self.bytes += bytes;
        let took_ns = now_ns.saturating_sub(start_ns);
        if took_ns > self.slowest_ns {
            self.slowest_ns = took_ns;
        }
    }
}

/// Adds without a lock, and wraps around. The BPF target has no atomics in `core` (it cannot
/// compare and swap), but the instruction that adds, since the first BPF.
#[cfg(target_arch = "bpf")]
#[inline(always)]
fn atomic_add(word: &mut u64, summand: u64) {
    // SAFETY: an aligned word that this has exclusive access to by the rules of the language, if
    // not by those of other CPUs.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({word} + 0) += {summand}",
            word = in(reg) &raw mut *word,
            summand = in(reg) summand,
        );
    }
}

#[cfg(not(target_arch = "bpf"))]
fn atomic_add(word: &mut u64, summand: u64) {
    *word = word.wrapping_add(summand);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        let mut device = Device::EMPTY;
        device.begin(1, 8 << 20, 100);
        device
    }

    #[test]
    fn overlapping_requests_are_busy_once() {
        let mut device = device();
        device.issued(110);
        device.issued(120);
        device.completed(150, 110, 4096);
        device.completed(170, 105, 4096);
        device.issued(200);
        device.completed(210, 200, 512);
        let (span, bytes, slowest_ns) = device.take(300);
        assert_eq!((span.start_ns, span.end_ns, span.busy_ns), (100, 300, 70));
        assert_eq!((span.count, bytes, slowest_ns), (3, 8704, 65));
        assert_eq!(device.take(400).0.busy_ns, 0, "told once");
    }

    #[test]
    fn a_request_from_before_was_busy_since_the_start() {
        let mut device = device();
        device.issued(150);
        device.completed(160, 150, 1);
        device.completed_earlier(180, 20, 1);
        let (span, _, slowest_ns) = device.take(200);
        assert_eq!((span.busy_ns, slowest_ns), (80, 160));
    }

    #[test]
    fn what_is_in_flight_goes_on_into_the_next_part() {
        let mut device = device();
        device.issued(150);
        assert_eq!(device.take(200).0.busy_ns, 50);
        device.completed(230, 150, 1);
        let (span, ..) = device.take(300);
        assert_eq!((span.start_ns, span.busy_ns, span.count), (200, 30, 1));
    }
}

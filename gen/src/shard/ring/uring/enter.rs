//! The one system call: handing entries over, running the kernel's deferred work, waiting, and
//! taking completions out.

use io_uring::squeue;
use io_uring::types::{SubmitArgs, Timespec};

use super::Uring;

/// `IORING_ENTER_GETEVENTS` of linux/io_uring.h.
const GET_EVENTS: u32 = 1;

/// A completion, copied out of the queue so that the queue has room again at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
}

impl Uring {
    pub(super) fn push(&mut self, entry: &squeue::Entry) {
        loop {
            // SAFETY: every entry points into `outgoing`, `sockaddr` or a registered buffer,
            // which live as long as the ring.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            self.enter(0, None);
        }
    }

    /// Submits, runs the kernel's deferred work, and waits for `want` completions at most
    /// `timeout_ns` long.
    pub(super) fn enter(&mut self, want: usize, timeout_ns: Option<u64>) {
        self.syscalls += 1;
        let submitter = self.ring.submitter();
        // Errors are time-outs, interruptions and a full completion queue; whatever could not be
        // submitted stays in the queue and goes with the next call.
        if let Some(timeout_ns) = timeout_ns {
            let timeout = Timespec::new()
                .sec(timeout_ns / 1_000_000_000)
                .nsec((timeout_ns % 1_000_000_000) as u32);
            let _ = submitter.submit_with_args(want, &SubmitArgs::new().timespec(&timeout));
        } else {
            let pending = {
                // SAFETY: no other submission queue handle is alive; this one only reads.
                let mut queue = unsafe { self.ring.submission_shared() };
                queue.sync();
                queue.len() as u32
            };
            // SAFETY: no argument is passed.
            let _ = unsafe {
                submitter.enter::<libc::sigset_t>(pending, want as u32, GET_EVENTS, None)
            };
        }
        let mut completions = self.ring.completion();
        completions.sync();
        for entry in &mut completions {
            self.batch.push_back(Event {
                user_data: entry.user_data(),
                result: entry.result(),
                flags: entry.flags(),
            });
        }
    }
}

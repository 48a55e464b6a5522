//! How long answers lie in the kernel before the client takes them: the receives of one connection
//! carry the time at which the kernel got their last bytes. One of them stands for all, since all
//! are taken in by the same thread.
//!
//! Stamping makes the kernel read the clock for every packet of the host (some 30 ns each), so that
//! it is asked for only where it tells something: in the open model.

use std::os::fd::AsRawFd;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};
use socket2::Socket;

use super::Uring;
use crate::raw_completion::RawCompletion;
use crate::token::Purpose;
use stallion_engine::limits::RECEIVE_BUFFER_BYTES;
use stallion_engine::measure::histogram::Recording;
use stallion_engine::units::ConnId;

/// The connection that is stamped.
const STAMPED: ConnId = ConnId(0);

/// Room for one control message with a timespec: header 16, time 16, in whole words.
const CONTROL_WORDS: usize = 8;

/// What the kernel writes a stamped receive into.
#[derive(Debug)]
pub(super) struct Stamps {
    buffer: Box<[u8]>,
    control: Box<[u64; CONTROL_WORDS]>,
    part: Box<libc::iovec>,
    message: Box<libc::msghdr>,
    delays: Recording,
    /// The bytes of the last receive are lent out; the next is armed when they are done with.
    lent: bool,
}

impl Stamps {
    fn new() -> Self {
        let mut buffer: Box<[u8]> = vec![0; RECEIVE_BUFFER_BYTES].into();
        let part =
            Box::new(libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() });
        // SAFETY: a struct of pointers and lengths, for which zeroes are a value.
        let message = Box::new(unsafe { std::mem::zeroed::<libc::msghdr>() });
        Self {
            buffer,
            control: Box::default(),
            part,
            message,
            delays: Recording::default(),
            lent: false,
        }
    }

    /// The bytes of the last receive and whatever lay behind them before.
    pub(super) fn memory(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether bytes were lent out that are done with now.
    pub(super) fn take_back(&mut self) -> bool {
        std::mem::take(&mut self.lent)
    }

    fn entry(&mut self) -> squeue::Entry {
        self.message.msg_iov = &raw mut *self.part;
        self.message.msg_iovlen = 1;
        self.message.msg_control = self.control.as_mut_ptr().cast();
        self.message.msg_controllen = size_of_val(&*self.control) as _;
        opcode::RecvMsg::new(Fixed(STAMPED.0), &raw mut *self.message).build()
    }

    /// The stamp of the message that has just been received, if it has one.
    fn arrived_ns(&self) -> Option<u64> {
        // SAFETY: the kernel has filled `message`, whose control part lies in `control`; the
        // macros stay within the length that it says.
        let time = unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const *self.message);
            let header = header.as_ref()?;
            let ours = header.cmsg_level == libc::SOL_SOCKET
                && header.cmsg_type == libc::SCM_TIMESTAMPNS
                && header.cmsg_len as usize
                    >= libc::CMSG_LEN(size_of::<libc::timespec>() as u32) as usize;
            ours.then(|| libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned())?
        };
        Some(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
    }
}

impl Uring {
    /// From now on the first connection is stamped when it is opened; TCP only.
    pub(super) fn stamp(&mut self) {
        if self.places[0].0.is_tcp() {
            self.stamps = Some(Stamps::new());
        }
    }

    /// Whether receives of a connection are stamped.
    pub(super) fn is_stamped(&self, connection: ConnId) -> bool {
        connection == STAMPED && self.stamps.is_some()
    }

    /// Arms a stamped receive.
    pub(super) fn arm_stamped(&mut self) {
        let token = self.token(STAMPED, Purpose::Receive);
        if let Some(entry) = self.stamps.as_mut().map(Stamps::entry) {
            self.push(&entry.user_data(token));
        }
    }

    /// So many bytes came on the stamped connection.
    pub(super) fn received_stamped(&mut self, length: usize) -> Option<RawCompletion> {
        let stamps = self.stamps.as_mut()?;
        if let Some(arrived_ns) = stamps.arrived_ns() {
            stamps.delays.record(realtime_ns().saturating_sub(arrived_ns));
        }
        stamps.lent = true;
        Some(RawCompletion::Stamped(STAMPED, length))
    }

    /// Moves what was found since the last time to `found`.
    pub(super) fn move_delays(&mut self, found: &mut Recording) {
        if let Some(stamps) = &mut self.stamps {
            found.take_over(&mut stamps.delays);
        }
    }
}

/// Asks the kernel for stamps on a socket; a kernel that will not gives none.
pub(super) fn ask_for_stamps(socket: &Socket) {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which outlives the call.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
}

/// The clock of the stamps.
fn realtime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

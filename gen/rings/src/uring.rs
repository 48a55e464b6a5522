//! io_uring: one ring per worker, owned and entered by the worker's thread alone.
//!
//! Single issuer, deferred task work, registered files, multishot receive into a ring of provided
//! buffers, sends that complete silently: 0.70 to 0.78 of an epoll client's CPU per operation
//! (`docs/book/src/performance.md`). Older kernels get what they have; see [`Features`].

mod setup;

mod enter;

mod accept;

mod stamp;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;

use io_uring::squeue::Flags;
use io_uring::types::Fixed;
use io_uring::{IoUring, cqueue, opcode};
use socket2::{SockAddr, Socket};
use stallion_timeline::clock::monotonic_ns;

use super::buffers::{Buffers, GROUP};
use super::outgoing::Outgoing;
use super::raw_completion::RawCompletion;
use super::socket::{Address, place_of, places};
use super::thread;
use super::wait::WaitPolicy;
use crate::token::{Purpose, Token};
use stallion_engine::limits::{RECEIVE_BUFFER_BYTES, SUBMISSION_QUEUE};
use stallion_engine::measure::histogram::Recording;
use stallion_engine::ring::{Completion, Reason, Ring, Usage};
use stallion_engine::units::{ConnId, Nanos};

pub use setup::{Features, TaskWork};

use enter::Event;
use setup::setup;
use stamp::{Stamps, ask_for_stamps};

/// The kernel's ring and everything it points to.
pub struct Uring {
    // Declared first, dropped first: the kernel lets go of buffers and files before they end.
    ring: IoUring,
    buffers: Buffers,
    features: Features,
    outgoing: Outgoing,
    /// Where connections go: the ring's own server first. It never moves: the kernel reads it.
    places: Vec<(Address, SockAddr)>,
    slots: Vec<Slot>,
    failed: VecDeque<(ConnId, i32)>,
    batch: VecDeque<Event>,
    held: Option<u16>,
    policy: WaitPolicy,
    /// The clock at the end of a turn of spinning in which nothing came.
    idle_since: Option<Nanos>,
    idle_ns: u64,
    syscalls: u64,
    rearms: u64,
    /// The system call after which a buffer was added last: one for each is enough.
    widened_at: u64,
    stamps: Option<Stamps>,
}

/// One connection as the ring sees it.
#[derive(Debug, Default)]
struct Slot {
    socket: Option<Socket>,
    generation: u32,
    sending: Option<Sending>,
    /// Which of the ring's places it is opened to.
    place: usize,
}

/// A send that was announced to be notified.
#[derive(Debug, Clone, Copy)]
struct Sending {
    half: usize,
    at: usize,
    length: usize,
}

impl Uring {
    /// A ring for `connections` connections to `address`, with `half_bytes` of outgoing buffer
    /// for each half of each. Must be called on the thread that will use it.
    ///
    /// # Errors
    /// The kernel's, when it has no io_uring, forbids it (`kernel.io_uring_disabled`), or is
    /// older than 5.19.
    pub fn new(
        address: Address,
        connections: usize,
        half_bytes: usize,
        policy: WaitPolicy,
    ) -> io::Result<Self> {
        Self::with(Features::ALL, address, connections, half_bytes, policy)
    }

    /// As [`Uring::new`], with no more of the kernel's features than these.
    ///
    /// # Errors
    /// As [`Uring::new`].
    pub fn with(
        wanted: Features,
        address: Address,
        connections: usize,
        half_bytes: usize,
        policy: WaitPolicy,
    ) -> io::Result<Self> {
        let completions = (connections * 2).max(SUBMISSION_QUEUE as usize * 2) as u32;
        let (ring, buffers, features) = setup(wanted, completions.next_power_of_two())?;
        tracing::debug!(?features, "a ring");
        if features != wanted {
            tracing::warn!(?wanted, had = ?features, "this kernel's io_uring has less than is used");
        }
        ring.submitter().register_files_sparse(connections.max(1) as u32)?;
        thread::exact_timers();
        Ok(Self {
            ring,
            buffers,
            features,
            outgoing: Outgoing::new(connections, half_bytes),
            places: places(address)?,
            slots: (0..connections).map(|_| Slot::default()).collect(),
            failed: VecDeque::with_capacity(connections),
            batch: VecDeque::with_capacity(completions as usize * 2),
            held: None,
            policy,
            idle_since: None,
            idle_ns: 0,
            syscalls: 0,
            rearms: 0,
            widened_at: 0,
            stamps: None,
        })
    }

    /// What is used of what the kernel offers.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    fn token(&self, connection: ConnId, purpose: Purpose) -> u64 {
        let generation = self.slots[connection.index()].generation;
        Token { connection, generation, purpose }.pack()
    }

    fn arm_receive(&mut self, connection: ConnId) {
        if self.is_stamped(connection) {
            return self.arm_stamped();
        }
        let file = Fixed(connection.0);
        let entry = if self.features.multishot_receive {
            opcode::RecvMulti::new(file, GROUP).build()
        } else {
            opcode::Recv::new(file, std::ptr::null_mut(), RECEIVE_BUFFER_BYTES as u32)
                .buf_group(GROUP)
                .build()
                .flags(Flags::BUFFER_SELECT)
        };
        let token = self.token(connection, Purpose::Receive);
        self.push(&entry.user_data(token));
    }

    fn push_send(&mut self, connection: ConnId, sending: Sending, notify: bool) {
        let start = self.outgoing.start(connection, sending.half) + sending.at;
        let bytes = &self.outgoing.memory()[start..start + sending.length];
        // MSG_WAITALL: without it a full socket takes a part and reports success (seen: 3.9 of
        // 16 MiB), which a silent send would never tell.
        let entry = opcode::Send::new(Fixed(connection.0), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
            .flags(if notify { Flags::empty() } else { Flags::SKIP_SUCCESS })
            .user_data(self.token(connection, Purpose::Send));
        self.push(&entry);
    }

    /// What an event means; none when it needs no answer from the engine.
    fn understand(&mut self, event: Event) -> Option<RawCompletion> {
        let token = Token::unpack(event.user_data)?;
        // A buffer was used even if its connection is gone by now.
        let data = self.take_data(event);
        let connection = token.connection;
        if self.slots[connection.index()].generation != token.generation {
            if token.purpose == Purpose::Accept {
                accept::discard(event.result);
            }
            return None;
        }
        let broken = |errno| Some(RawCompletion::Closed(connection, Reason::Broken(errno)));
        match (token.purpose, event.result) {
            (Purpose::Connect, result) if result < 0 => {
                Some(RawCompletion::Closed(connection, Reason::Refused(-result)))
            }
            (Purpose::Connect, _) => {
                self.arm_receive(connection);
                Some(RawCompletion::Opened(connection))
            }
            (Purpose::Accept, result) => self.accepted(connection, result),
            (Purpose::Receive, 0) => Some(RawCompletion::Closed(connection, Reason::EndOfStream)),
            (Purpose::Receive, result) => {
                let no_buffer = result == -libc::ENOBUFS;
                if result < 0 && !no_buffer {
                    return broken(-result);
                }
                if self.is_stamped(connection) {
                    return self.received_stamped(result as usize);
                }
                if no_buffer && self.widened_at != self.syscalls {
                    self.widened_at = self.syscalls;
                    self.buffers.provide_another();
                }
                if !cqueue::more(event.flags) {
                    self.rearms += u64::from(self.features.multishot_receive);
                    self.arm_receive(connection);
                }
                data.map(|range| RawCompletion::Received(connection, range))
            }
            (Purpose::Send, result) if result < 0 => broken(-result),
            (Purpose::Send, result) => self.sent(connection, result as usize),
        }
    }

    /// The bytes that were lent out last are done with.
    #[inline]
    fn take_back(&mut self) {
        if let Some(id) = self.held.take() {
            self.buffers.recycle(id);
        }
        if self.stamps.as_mut().is_some_and(Stamps::take_back) {
            self.arm_stamped();
        }
    }

    fn take_data(&mut self, event: Event) -> Option<std::ops::Range<usize>> {
        let id = cqueue::buffer_select(event.flags)?;
        let length = event.result.max(0) as usize;
        let (range, full) = self.buffers.received(id, length, event.flags);
        if full {
            self.held = Some(id);
        }
        (length > 0).then_some(range)
    }

    /// Part or all of a notified send is done.
    fn sent(&mut self, connection: ConnId, length: usize) -> Option<RawCompletion> {
        let sending = self.slots[connection.index()].sending.take()?;
        if length >= sending.length {
            return Some(RawCompletion::Sent(connection));
        }
        let rest = Sending { at: sending.at + length, length: sending.length - length, ..sending };
        self.slots[connection.index()].sending = Some(rest);
        self.push_send(connection, rest, true);
        None
    }
}

impl Ring for Uring {
    #[inline]
    fn now(&self) -> Nanos {
        Nanos(monotonic_ns())
    }

    fn aim(&mut self, connections: Range<u32>, address: SocketAddr) {
        let place = place_of(&mut self.places, address);
        for slot in &mut self.slots[connections.start as usize..connections.end as usize] {
            slot.place = place;
        }
    }

    fn open(&mut self, connection: ConnId) {
        self.close(connection);
        let place = self.slots[connection.index()].place;
        let opened = self.places[place].0.socket().and_then(|socket| {
            let files = [socket.as_raw_fd()];
            self.ring.submitter().register_files_update(connection.0, &files)?;
            Ok(socket)
        });
        match opened {
            Ok(socket) => {
                if self.is_stamped(connection) {
                    ask_for_stamps(&socket);
                }
                self.slots[connection.index()].socket = Some(socket);
                let sockaddr = &self.places[place].1;
                let entry = opcode::Connect::new(
                    Fixed(connection.0),
                    sockaddr.as_ptr().cast(),
                    sockaddr.len(),
                )
                .build()
                .user_data(self.token(connection, Purpose::Connect));
                self.push(&entry);
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                self.failed.push_back((connection, errno));
            }
        }
    }

    #[inline]
    fn outgoing(&mut self, connection: ConnId, half: usize) -> &mut [u8] {
        self.outgoing.half(connection, half)
    }

    #[inline]
    fn send(&mut self, connection: ConnId, half: usize, length: usize, notify: bool) {
        let sending = Sending { half, at: 0, length };
        if notify {
            self.slots[connection.index()].sending = Some(sending);
        }
        self.push_send(connection, sending, notify);
    }

    fn close(&mut self, connection: ConnId) {
        let slot = &mut self.slots[connection.index()];
        slot.generation = Token::next_generation(slot.generation);
        slot.sending = None;
        if let Some(socket) = slot.socket.take() {
            // Ends a receive or send that the kernel still holds; its completion is stale.
            let _ = socket.shutdown(std::net::Shutdown::Both);
            let _ = self.ring.submitter().register_files_update(connection.0, &[-1]);
        }
    }

    fn wait(&mut self, until: Nanos) -> Nanos {
        // Spinning asks no clock whether to sleep.
        let may_sleep = self.policy != WaitPolicy::Spin && self.has_told_all();
        let sleep_ns = if may_sleep { self.policy.sleep_ns(self.now(), until) } else { 0 };
        if sleep_ns == 0 {
            return self.spin();
        }
        self.enter(1, Some(sleep_ns));
        self.idle_since = None;
        self.now()
    }

    #[inline]
    fn next(&mut self) -> Option<Completion<'_>> {
        self.take_back();
        if let Some((connection, errno)) = self.failed.pop_front() {
            return Some(Completion::Closed(connection, Reason::Refused(errno)));
        }
        loop {
            let event = self.batch.pop_front()?;
            if let Some(completion) = self.understand(event) {
                // What else the kernel says of it is old.
                if let RawCompletion::Closed(connection, _) = completion {
                    self.close(connection);
                }
                let stamped = self.stamps.as_ref().map_or(&[][..], Stamps::memory);
                return Some(completion.with(self.buffers.memory(), stamped));
            }
            self.take_back();
        }
    }

    fn stamp_receives(&mut self) {
        self.stamp();
    }

    fn move_receive_delays(&mut self, found: &mut Recording) {
        self.move_delays(found);
    }

    fn usage(&mut self) -> Usage {
        Usage {
            cpu_ns: thread::cpu_ns(),
            idle_ns: self.idle_ns,
            syscalls: self.syscalls,
            rearms: self.rearms,
        }
    }
}

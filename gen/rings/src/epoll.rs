//! epoll, as most clients use it: readiness, then one `recv` or `send` for each connection. It is
//! here so that what io_uring gains can be measured by anyone, and for hosts that forbid io_uring.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use socket2::{SockAddr, Socket};
use stallion_timeline::clock::monotonic_ns;

use super::outgoing::Outgoing;
use super::raw_completion::RawCompletion;
use super::socket::{Address, place_of, places};
use super::thread;
use super::wait::WaitPolicy;
use crate::token::{Purpose, Token};
use stallion_engine::limits::RECEIVE_BUFFER_BYTES;
use stallion_engine::ring::{Completion, Reason, Ring, Usage};
use stallion_engine::units::{ConnId, Nanos};

/// Events that one wait takes in; what is left comes with the next.
const EVENTS: usize = 1_024;

const READABLE: u32 = libc::EPOLLIN as u32;
const WRITABLE: u32 = libc::EPOLLOUT as u32;

/// An epoll instance and its connections.
pub struct Epoll {
    epoll: OwnedFd,
    /// Where connections go: the ring's own server first.
    places: Vec<(Address, SockAddr)>,
    slots: Vec<Slot>,
    outgoing: Outgoing,
    input: Box<[u8]>,
    events: Box<[libc::epoll_event]>,
    /// Of `events`, those of the last wait that are not yet understood.
    left: std::ops::Range<usize>,
    /// What is known without asking the kernel again.
    completions: VecDeque<RawCompletion>,
    policy: WaitPolicy,
    idle_ns: u64,
    syscalls: u64,
}

/// One connection.
#[derive(Debug, Default)]
struct Slot {
    socket: Option<Socket>,
    generation: u32,
    connecting: bool,
    /// Which of the ring's places it is opened to.
    place: usize,
    /// What a full socket has not taken yet.
    rest: Option<Rest>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    at: usize,
    end: usize,
    notify: bool,
}

impl Epoll {
    /// As [`super::uring::Uring::new`].
    ///
    /// # Errors
    /// The kernel's; before 5.11 it has no `epoll_pwait2`, whose time-outs are exact.
    pub fn new(
        address: Address,
        connections: usize,
        half_bytes: usize,
        policy: WaitPolicy,
    ) -> io::Result<Self> {
        // SAFETY: takes one flag.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        thread::exact_timers();
        let mut ring = Self {
            // SAFETY: a new file that is ours alone.
            epoll: unsafe { OwnedFd::from_raw_fd(epoll) },
            places: places(address)?,
            slots: (0..connections).map(|_| Slot::default()).collect(),
            outgoing: Outgoing::new(connections, half_bytes),
            input: vec![0; RECEIVE_BUFFER_BYTES].into(),
            events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS].into(),
            left: 0..0,
            completions: VecDeque::with_capacity(connections * 2),
            policy,
            idle_ns: 0,
            syscalls: 0,
        };
        ring.poll(0)?;
        Ok(ring)
    }

    /// Waits for events at most `timeout_ns` long.
    fn poll(&mut self, timeout_ns: u64) -> io::Result<()> {
        self.syscalls += 1;
        let timeout = libc::timespec {
            tv_sec: (timeout_ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (timeout_ns % 1_000_000_000) as libc::c_long,
        };
        // SAFETY: room for EVENTS events, a valid timespec, and no signal mask.
        let found = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS as libc::c_int,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        self.left = 0..usize::try_from(found).unwrap_or(0);
        match io::Error::last_os_error() {
            error if found < 0 && error.raw_os_error() != Some(libc::EINTR) => Err(error),
            _ => Ok(()),
        }
    }

    /// Begins (`EPOLL_CTL_ADD`) or changes (`EPOLL_CTL_MOD`) what is asked about a connection.
    fn watch(&mut self, how: libc::c_int, connection: ConnId, interest: u32) -> io::Result<()> {
        self.syscalls += 1;
        let slot = &self.slots[connection.index()];
        let token = Token { connection, generation: slot.generation, purpose: Purpose::Receive };
        let mut event = libc::epoll_event { events: interest, u64: token.pack() };
        let file = file_of(slot);
        // SAFETY: a valid event; the kernel refuses a file that is none.
        let done = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), how, file, &raw mut event) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// A socket that is connecting, or connected at once (true).
    fn connect(&mut self, connection: ConnId) -> io::Result<bool> {
        let (address, sockaddr) = &self.places[self.slots[connection.index()].place];
        let socket = address.socket()?;
        socket.set_nonblocking(true)?;
        self.syscalls += 1;
        let connected = match socket.connect(sockaddr) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => false,
            Err(error) => return Err(error),
        };
        let slot = &mut self.slots[connection.index()];
        (slot.socket, slot.connecting) = (Some(socket), !connected);
        let interest = if connected { READABLE } else { WRITABLE };
        self.watch(libc::EPOLL_CTL_ADD, connection, interest)?;
        Ok(connected)
    }

    /// The kernel's word on a connection that was being opened.
    fn connected(&mut self, connection: ConnId) -> io::Result<()> {
        let slot = &mut self.slots[connection.index()];
        slot.connecting = false;
        self.syscalls += 1;
        if let Some(error) = slot.socket.as_ref().and_then(|s| s.take_error().transpose()) {
            return Err(error?);
        }
        self.watch(libc::EPOLL_CTL_MOD, connection, READABLE)
    }

    /// Sends until all is gone or the socket is full; what is left goes when it has room.
    fn push(&mut self, connection: ConnId, rest: Rest) {
        let waited = self.slots[connection.index()].rest.is_some();
        match self.send_some(connection, rest) {
            Ok(rest) => {
                let full = rest.at < rest.end;
                self.slots[connection.index()].rest = full.then_some(rest);
                if full != waited {
                    let interest = READABLE | if full { WRITABLE } else { 0 };
                    // It fails only for a connection that is gone, which reading it will tell.
                    let _ = self.watch(libc::EPOLL_CTL_MOD, connection, interest);
                }
                if !full && rest.notify {
                    self.completions.push_back(RawCompletion::Sent(connection));
                }
            }
            Err(error) => {
                self.end(connection, Reason::Broken(errno_of(&error)));
            }
        }
    }

    fn send_some(&mut self, connection: ConnId, mut rest: Rest) -> io::Result<Rest> {
        let file = file_of(&self.slots[connection.index()]);
        while rest.at < rest.end {
            let bytes = &self.outgoing.memory()[rest.at..rest.end];
            self.syscalls += 1;
            // SAFETY: `bytes` lives through the call.
            let sent = unsafe {
                let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
                libc::send(file, bytes.as_ptr().cast(), bytes.len(), flags)
            };
            match usize::try_from(sent) {
                Ok(length) => rest.at += length,
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::WouldBlock => break,
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => return Err(error),
                },
            }
        }
        Ok(rest)
    }

    /// Closes a connection and tells why.
    fn end(&mut self, connection: ConnId, reason: Reason) {
        self.close(connection);
        self.completions.push_back(RawCompletion::Closed(connection, reason));
    }

    /// What an event means; what it means besides is put into `completions`.
    fn understand(&mut self, event: libc::epoll_event) -> Option<RawCompletion> {
        let (flags, bits) = (event.events, event.u64);
        let token = Token::unpack(bits)?;
        let connection = token.connection;
        let slot = &self.slots[connection.index()];
        if slot.generation != token.generation {
            return None;
        }
        if slot.connecting {
            match self.connected(connection) {
                Ok(()) => self.completions.push_back(RawCompletion::Opened(connection)),
                Err(error) => self.end(connection, Reason::Refused(errno_of(&error))),
            }
            return self.completions.pop_front();
        }
        if flags & WRITABLE != 0
            && let Some(rest) = slot.rest
        {
            self.push(connection, rest);
        }
        // Errors and a hang-up are read, too: the read says which.
        if flags & !WRITABLE == 0 || self.slots[connection.index()].socket.is_none() {
            return self.completions.pop_front();
        }
        self.receive(connection)
    }

    fn receive(&mut self, connection: ConnId) -> Option<RawCompletion> {
        let file = file_of(&self.slots[connection.index()]);
        self.syscalls += 1;
        // SAFETY: `input` has room for its length.
        let received = unsafe {
            let (start, length) = (self.input.as_mut_ptr(), self.input.len());
            libc::recv(file, start.cast(), length, libc::MSG_DONTWAIT)
        };
        match usize::try_from(received) {
            Ok(0) => self.end(connection, Reason::EndOfStream),
            Ok(length) => return Some(RawCompletion::Received(connection, 0..length)),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => {}
                error => self.end(connection, Reason::Broken(errno_of(&error))),
            },
        }
        self.completions.pop_front()
    }
}

fn file_of(slot: &Slot) -> RawFd {
    slot.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd)
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

impl Ring for Epoll {
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
        match self.connect(connection) {
            Ok(true) => self.completions.push_back(RawCompletion::Opened(connection)),
            Ok(false) => {}
            Err(error) => self.end(connection, Reason::Refused(errno_of(&error))),
        }
    }

    #[inline]
    fn outgoing(&mut self, connection: ConnId, half: usize) -> &mut [u8] {
        self.outgoing.half(connection, half)
    }

    #[inline]
    fn send(&mut self, connection: ConnId, half: usize, length: usize, notify: bool) {
        let at = self.outgoing.start(connection, half);
        let end = at + length;
        self.push(connection, Rest { at, end, notify });
    }

    fn close(&mut self, connection: ConnId) {
        let slot = &mut self.slots[connection.index()];
        slot.generation = Token::next_generation(slot.generation);
        (slot.rest, slot.connecting) = (None, false);
        // Closing the file takes it out of the epoll instance.
        slot.socket = None;
        self.completions.retain(|completion| completion.connection() != connection);
    }

    fn wait(&mut self, until: Nanos) -> Nanos {
        let before = self.now();
        let sleep_ns =
            if self.completions.is_empty() { self.policy.sleep_ns(before, until) } else { 0 };
        // It worked when the ring was made; what can fail now is being interrupted.
        let _ = self.poll(sleep_ns);
        let idle = self.left.is_empty() && self.completions.is_empty();
        let now = self.now();
        if idle && self.policy == WaitPolicy::Spin {
            self.idle_ns += now.since(before);
        }
        now
    }

    #[inline]
    fn next(&mut self) -> Option<Completion<'_>> {
        let mut completion = self.completions.pop_front();
        while completion.is_none() {
            let event = self.events[self.left.next()?];
            completion = self.understand(event);
        }
        completion.map(|completion| completion.with(&self.input, &[]))
    }

    fn usage(&mut self) -> Usage {
        Usage {
            cpu_ns: thread::cpu_ns(),
            idle_ns: self.idle_ns,
            syscalls: self.syscalls,
            rearms: 0,
        }
    }
}

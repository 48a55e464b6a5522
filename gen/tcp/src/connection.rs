//! One connection of a client: its state, what it sends, and what it takes in.
//!
//! The caller hands in segments and the time, and gives a [`Wire`] that takes segments out. Nothing is
//! sent on its own: after each call that may have something to say the caller looks at
//! [`Connection::wakes_at`].

mod receive;

mod timers;

mod transmit;

use crate::congestion::{Congestion, Policy};
use crate::in_flight::InFlight;
use crate::limits::{DEFAULT_MSS, RECEIVE_WINDOW, WINDOW_SHIFT};
use crate::reorder::Reorder;
use crate::rtt::Rtt;
use crate::send_buffer::SendBuffer;
use crate::seq::Seq;
use crate::wire::segment::{Flags, Options, Segment};

pub use receive::Event;

/// A time that never comes.
pub const NEVER: u64 = u64::MAX;

/// Where segments go.
pub trait Wire {
    /// Sends a segment with this data, in two pieces. False when there is no room for it now: it is
    /// offered again later.
    fn send(&mut self, segment: &Segment<'_>, pieces: [&[u8]; 2]) -> bool;
}

/// The states of RFC 9293, 3.3.2 that a client passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// There is no connection.
    #[default]
    Closed,
    /// A SYN is on its way.
    SynSent,
    /// Data flows.
    Established,
    /// Our FIN is on its way, or acknowledged (`FinWait2`).
    FinWait1,
    /// The peer has our FIN, and has not ended its side.
    FinWait2,
    /// Both have ended, and our FIN is not acknowledged.
    Closing,
    /// All is said; a lost last acknowledgement would be sent again.
    TimeWait,
    /// The peer has ended its side.
    CloseWait,
    /// So has this side, and its FIN is not acknowledged.
    LastAck,
}

/// Why a connection ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The peer answered the SYN with a reset.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// Nothing was acknowledged, however often it was sent.
    TimedOut,
}

/// What happened on a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Segments with data, SYN or FIN that were sent.
    pub segments_sent: u64,
    /// Of these, those that were sent again.
    pub retransmitted: u64,
    /// Expirations of the retransmission timer.
    pub timeouts: u64,
    /// Recoveries that began before the timer expired.
    pub fast_recoveries: u64,
    /// Segments that came before something that was missing.
    pub out_of_order: u64,
    /// Segments whose data had come before.
    pub duplicates: u64,
    /// Segments that could not be kept, or lay outside the window.
    pub dropped: u64,
    /// Questions for the peer's window while it was closed.
    pub window_probes: u64,
}

/// What a connection is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Our port.
    pub source: u16,
    /// The server's port.
    pub destination: u16,
    /// The largest segment that fits into our packets.
    pub mss: u16,
    /// Whether the network is spared.
    pub policy: Policy,
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy, Default)]
struct Agreed {
    mss: u16,
    /// Shift of the peer's window field; none: windows are not scaled in either direction.
    window_shift: Option<u8>,
    timestamps: bool,
    sack: bool,
}

/// The sending half (RFC 9293, 3.3.1).
#[derive(Debug)]
struct Sending {
    /// First number that is not acknowledged.
    una: Seq,
    /// Number of the next byte that is sent for the first time.
    next: Seq,
    /// The peer's window in bytes, and the segment that said so last.
    window: u32,
    window_seq: Seq,
    window_ack: Seq,
    duplicate_acks: u32,
    buffer: SendBuffer,
    in_flight: InFlight,
    /// A FIN follows the last byte.
    ends: bool,
    fin_sent: bool,
}

/// The receiving half.
#[derive(Debug, Default)]
struct Receiving {
    /// Number of the next byte that is expected.
    next: Seq,
    /// The peer's newest clock, to be echoed.
    clock: u32,
    /// Full segments since the last acknowledgement.
    unacknowledged: u32,
    /// An acknowledgement must go out now.
    acknowledge_now: bool,
    reorder: Reorder,
    /// Number of the peer's FIN, once it came.
    fin: Option<Seq>,
}

/// When something is to be done though nothing comes.
#[derive(Debug, Clone, Copy)]
struct Timers {
    retransmit_ns: u64,
    acknowledge_ns: u64,
    /// Of a closed window.
    probe_ns: u64,
    probes: u32,
    keep_alive_ns: u64,
    time_wait_ns: u64,
    /// Challenge acknowledgements of the second that began here.
    challenges: (u64, u32),
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            retransmit_ns: NEVER,
            acknowledge_ns: NEVER,
            probe_ns: NEVER,
            probes: 0,
            keep_alive_ns: NEVER,
            time_wait_ns: NEVER,
            challenges: (0, 0),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
    state: State,
    agreed: Agreed,
    sending: Sending,
    receiving: Receiving,
    rtt: Rtt,
    congestion: Congestion,
    timers: Timers,
    retries: u32,
    counters: Counters,
    /// The connection's clock in timestamps runs in milliseconds from a start of its own.
    clock_offset: u32,
}

impl Connection {
    /// A connection that is not open.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Closed,
            agreed: Agreed::default(),
            sending: Sending {
                una: Seq(0),
                next: Seq(0),
                window: 0,
                window_seq: Seq(0),
                window_ack: Seq(0),
                duplicate_acks: 0,
                buffer: SendBuffer::new(Seq(0)),
                in_flight: InFlight::default(),
                ends: false,
                fin_sent: false,
            },
            receiving: Receiving::default(),
            rtt: Rtt::default(),
            congestion: Congestion::new(settings.policy, settings.mss),
            timers: Timers::default(),
            retries: 0,
            counters: Counters::default(),
            clock_offset: 0,
        }
    }

    /// Begins to open it. `isn` is the initial sequence number: chosen by a keyed hash or a random
    /// number, so that a stranger cannot guess it (RFC 6528). `source` is its port.
    pub fn open(&mut self, source: u16, isn: Seq, now_ns: u64, wire: &mut impl Wire) {
        self.settings.source = source;
        self.state = State::SynSent;
        self.agreed = Agreed::default();
        let sending = &mut self.sending;
        (sending.una, sending.next) = (isn, isn + 1);
        (sending.window, sending.duplicate_acks) = (0, 0);
        (sending.ends, sending.fin_sent) = (false, false);
        sending.buffer.restart(isn + 1);
        sending.in_flight.clear();
        let Receiving { next, unacknowledged, acknowledge_now, reorder, fin, .. } =
            &mut self.receiving;
        (*next, *unacknowledged, *acknowledge_now, *fin) = (Seq(0), 0, false, None);
        reorder.clear();
        self.rtt = Rtt::default();
        self.timers = Timers::default();
        self.retries = 0;
        self.clock_offset = isn.0.rotate_left(16);
        self.send_syn(now_ns, wire);
    }

    /// Takes bytes to be sent, and says how many: there may be no room for all of them. They go out
    /// with [`Connection::flush`].
    pub fn write(&mut self, data: &[u8]) -> usize {
        let open = matches!(self.state, State::Established | State::CloseWait);
        if open && !self.sending.ends { self.sending.buffer.push(data) } else { 0 }
    }

    /// Ends this side's stream in good order, after what was written.
    pub fn close(&mut self, now_ns: u64, wire: &mut impl Wire) {
        match self.state {
            State::Established | State::CloseWait => {
                self.sending.ends = true;
                self.flush(now_ns, wire);
            }
            State::SynSent => self.forget(),
            _ => {}
        }
    }

    /// Ends the connection at once, and tells the peer.
    pub fn abort(&mut self, wire: &mut impl Wire) {
        if !matches!(self.state, State::Closed | State::SynSent | State::TimeWait) {
            let segment = self.segment(self.sending.next, Flags::RST.and(Flags::ACK));
            // A reset that finds no room is lost like any other: what the peer sends is answered so.
            let _ = wire.send(&segment, [&[], &[]]);
        }
        self.forget();
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Its port.
    #[must_use]
    pub const fn source(&self) -> u16 {
        self.settings.source
    }

    /// What happened on it.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Its round trips.
    #[must_use]
    pub const fn rtt(&self) -> &Rtt {
        &self.rtt
    }

    /// Bytes that were written and are not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> u32 {
        self.sending.buffer.end().since(self.sending.una)
    }

    /// The number after the last byte that is acknowledged.
    #[must_use]
    pub const fn acknowledged(&self) -> Seq {
        self.sending.una
    }

    /// The number that the next written byte will have.
    #[must_use]
    pub const fn written(&self) -> Seq {
        self.sending.buffer.end()
    }

    fn forget(&mut self) {
        self.state = State::Closed;
        self.timers = Timers::default();
        self.sending.in_flight.clear();
        self.receiving.reorder.clear();
    }

    /// The clock of timestamps, in milliseconds.
    const fn clock(&self, now_ns: u64) -> u32 {
        ((now_ns / 1_000_000) as u32).wrapping_add(self.clock_offset)
    }

    /// A segment without data, options or clock.
    fn segment(&self, seq: Seq, flags: Flags) -> Segment<'static> {
        let shift = if self.agreed.window_shift.is_some() { WINDOW_SHIFT } else { 0 };
        Segment {
            source: self.settings.source,
            destination: self.settings.destination,
            seq,
            ack: self.receiving.next,
            flags,
            window: (RECEIVE_WINDOW >> shift).min(u32::from(u16::MAX)) as u16,
            options: Options::default(),
            payload: &[],
        }
    }

    /// The receive window as the peer knows it.
    fn receive_window(&self) -> u32 {
        match self.agreed.window_shift {
            Some(_) => RECEIVE_WINDOW,
            None => RECEIVE_WINDOW.min(u32::from(u16::MAX)),
        }
    }

    /// The largest segment, without what timestamps take.
    fn mss(&self) -> u32 {
        let mss = if self.agreed.mss == 0 { DEFAULT_MSS } else { self.agreed.mss };
        let options = if self.agreed.timestamps { 12 } else { 0 };
        u32::from(mss) - options
    }
}

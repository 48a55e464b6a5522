//! What goes out: new data, lost data, acknowledgements.

use super::{Connection, NEVER, State, Wire};
use crate::in_flight::Sent;
use crate::limits::{ACK_EVERY, DELAYED_ACK_NS, WINDOW_SHIFT};
use crate::seq::Seq;
use crate::wire::segment::{Flags, MAX_SACKS, Options, Segment, Timestamps};

impl Connection {
    /// The SYN, for the first time or again.
    pub(super) fn send_syn(&mut self, now_ns: u64, wire: &mut impl Wire) {
        let options = Options {
            mss: Some(self.settings.mss),
            window_shift: Some(WINDOW_SHIFT),
            may_sack: true,
            timestamps: Some(Timestamps { value: self.clock(now_ns), echo: 0 }),
            ..Options::default()
        };
        let segment =
            Segment { options, ack: Seq(0), ..self.segment(self.sending.una, Flags::SYN) };
        if wire.send(&segment, [&[], &[]]) {
            self.counters.segments_sent += 1;
            self.counters.retransmitted += u64::from(self.retries > 0);
        }
        self.timers.retransmit_ns = now_ns + self.rtt.timeout_ns();
    }

    /// Sends what may be sent: what is lost first, then new data, then a due acknowledgement. Call it
    /// after [`Connection::write`] and after segments were taken in.
    pub fn flush(&mut self, now_ns: u64, wire: &mut impl Wire) {
        let can_send = matches!(
            self.state,
            State::Established
                | State::CloseWait
                | State::FinWait1
                | State::Closing
                | State::LastAck
        );
        if can_send {
            self.send_lost(now_ns, wire);
            self.send_new(now_ns, wire);
            self.arm_probe(now_ns);
        }
        if self.receiving.acknowledge_now {
            self.acknowledge(now_ns, wire);
        }
    }

    /// Sends lost segments again, as far as the congestion window allows.
    fn send_lost(&mut self, now_ns: u64, wire: &mut impl Wire) {
        while self.sending.in_flight.has_lost() {
            // The first one always goes: the timer or an acknowledgement asked for it.
            let on_the_way = self.sending.in_flight.on_the_way();
            if on_the_way > 0 && on_the_way + self.mss() > self.congestion.window() {
                return;
            }
            let Some(sent) = self.sending.in_flight.resend(now_ns) else { return };
            if !self.send_segment(&sent, now_ns, wire) {
                return;
            }
            self.counters.retransmitted += 1;
            if self.timers.retransmit_ns == NEVER {
                self.timers.retransmit_ns = now_ns + self.rtt.timeout_ns();
            }
        }
    }

    /// Sends new data, as far as both windows allow, and the FIN after it.
    fn send_new(&mut self, now_ns: u64, wire: &mut impl Wire) {
        while self.sending.in_flight.has_room() {
            let waiting = self.sending.buffer.end().since(self.sending.next);
            let window =
                self.sending.window.saturating_sub(self.sending.next.since(self.sending.una));
            let congestion =
                self.congestion.window().saturating_sub(self.sending.in_flight.on_the_way());
            let length = waiting.min(self.mss()).min(window).min(congestion);
            let ends = self.sending.ends && !self.sending.fin_sent && length == waiting;
            if length == 0 && !ends {
                return;
            }
            // A small piece of what waits would only make the rest late (silly window, RFC 9293, 3.8.6.2).
            let is_small = length < waiting && length < self.mss();
            if is_small && !self.sending.in_flight.is_empty() {
                return;
            }
            let sent = Sent {
                seq: self.sending.next,
                length: length + u32::from(ends),
                sent_ns: now_ns,
                resent: 0,
                is_sacked: false,
                is_lost: false,
                is_fin: ends,
            };
            if !self.send_segment(&sent, now_ns, wire) {
                return;
            }
            self.sending.next += sent.length;
            self.sending.in_flight.push(sent);
            if ends {
                self.sending.fin_sent = true;
                self.state = match self.state {
                    State::CloseWait => State::LastAck,
                    _ => State::FinWait1,
                };
            }
            if self.timers.retransmit_ns == NEVER {
                self.timers.retransmit_ns = now_ns + self.rtt.timeout_ns();
            }
        }
    }

    /// One segment with its data, for the first time or again. It carries the acknowledgement.
    fn send_segment(&mut self, sent: &Sent, now_ns: u64, wire: &mut impl Wire) -> bool {
        let length = sent.length - u32::from(sent.is_fin);
        let mut flags = Flags::ACK;
        if sent.is_fin {
            flags = flags.and(Flags::FIN);
        }
        if length > 0 && sent.seq + length == self.sending.buffer.end() {
            flags = flags.and(Flags::PSH);
        }
        let options = self.clocked(now_ns);
        let segment = Segment { options, ..self.segment(sent.seq, flags) };
        let pieces = self.sending.buffer.pieces(sent.seq, length as usize);
        let went = wire.send(&segment, pieces);
        if went {
            self.counters.segments_sent += 1;
            self.acknowledged_now();
        }
        went
    }

    /// An acknowledgement without data; with what is there beyond a hole.
    pub(super) fn acknowledge(&mut self, now_ns: u64, wire: &mut impl Wire) {
        let mut options = self.clocked(now_ns);
        if self.agreed.sack {
            for stretch in self.receiving.reorder.sacks().take(MAX_SACKS) {
                options.sacks[options.sack_count] = (stretch.from, stretch.to);
                options.sack_count += 1;
            }
        }
        let segment = Segment { options, ..self.segment(self.acceptable(), Flags::ACK) };
        if wire.send(&segment, [&[], &[]]) {
            self.acknowledged_now();
        } else {
            self.timers.acknowledge_ns = now_ns;
        }
    }

    /// The number of a segment without data. A peer that has closed its window meanwhile takes nothing
    /// beyond it, not even an acknowledgement (as Linux's `tcp_acceptable_seq`).
    fn acceptable(&self) -> Seq {
        let end = self.sending.una + self.sending.window;
        if end.is_before(self.sending.next) { end } else { self.sending.next }
    }

    const fn acknowledged_now(&mut self) {
        self.receiving.acknowledge_now = false;
        self.receiving.unacknowledged = 0;
        self.timers.acknowledge_ns = NEVER;
    }

    /// Data has come: it is acknowledged by the next request, or soon.
    pub(super) fn owe_acknowledgement(&mut self, now_ns: u64) {
        self.receiving.unacknowledged += 1;
        if self.receiving.unacknowledged > ACK_EVERY {
            self.receiving.acknowledge_now = true;
        } else if self.timers.acknowledge_ns == NEVER {
            self.timers.acknowledge_ns = now_ns + DELAYED_ACK_NS;
        }
    }

    /// The options of every segment after the first.
    fn clocked(&self, now_ns: u64) -> Options {
        let clocks = Timestamps { value: self.clock(now_ns), echo: self.receiving.clock };
        Options { timestamps: self.agreed.timestamps.then_some(clocks), ..Options::default() }
    }

    /// While data waits before a closed window, the peer is asked now and then.
    fn arm_probe(&mut self, now_ns: u64) {
        let waits = self.sending.buffer.end() != self.sending.next;
        let stuck = waits && self.sending.in_flight.is_empty() && self.sending.window < self.mss();
        match (stuck, self.timers.probe_ns) {
            (true, NEVER) => self.timers.probe_ns = now_ns + self.rtt.timeout_ns(),
            (false, _) => (self.timers.probe_ns, self.timers.probes) = (NEVER, 0),
            (true, _) => {}
        }
    }

    /// A segment that the peer answers with an acknowledgement: of a byte that it has.
    pub(super) fn probe(&mut self, now_ns: u64, wire: &mut impl Wire) {
        let options = self.clocked(now_ns);
        let segment = Segment { options, ..self.segment(self.sending.una - 1, Flags::ACK) };
        let _ = wire.send(&segment, [&[], &[]]);
    }
}

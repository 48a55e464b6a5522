//! What comes in: segments are checked, acknowledge what was sent, and carry data (RFC 9293, 3.10.7).

use super::{Agreed, Connection, Failure, NEVER, State, Wire};
use crate::congestion::Congestion;
use crate::limits::{CHALLENGE_ACKS_PER_SECOND, DEFAULT_MSS, KEEP_ALIVE_NS, MIN_MSS, TIME_WAIT_NS};
use crate::seq::Seq;
use crate::wire::segment::{Flags, Segment};

/// What a segment brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The connection is open.
    Opened,
    /// The peer has ended its side; all of its data was delivered before.
    Ended,
    /// The connection is no more.
    Failed(Failure),
}

impl Connection {
    /// Takes in a segment. Data that is in order goes to `deliver` as it lies in the packet. Call
    /// [`Connection::flush`] afterwards.
    pub fn on_segment(
        &mut self,
        segment: &Segment<'_>,
        now_ns: u64,
        wire: &mut impl Wire,
        deliver: impl FnMut(&[u8]),
    ) -> Option<Event> {
        match self.state {
            State::Closed => None,
            State::SynSent => self.on_syn_answer(segment, now_ns, wire),
            _ => self.on_open_segment(segment, now_ns, wire, deliver),
        }
    }

    fn on_syn_answer(
        &mut self,
        segment: &Segment<'_>,
        now_ns: u64,
        wire: &mut impl Wire,
    ) -> Option<Event> {
        let flags = segment.flags;
        let acknowledges_us = flags.has(Flags::ACK) && segment.ack == self.sending.next;
        if flags.has(Flags::ACK) && !acknowledges_us {
            // Of an older connection with the same ports: a reset makes the peer forget it.
            if !flags.has(Flags::RST) {
                let reset = Segment { ack: Seq(0), ..self.segment(segment.ack, Flags::RST) };
                let _ = wire.send(&reset, [&[], &[]]);
            }
            return None;
        }
        if flags.has(Flags::RST) {
            // One that acknowledges nothing may be anyone's.
            return acknowledges_us.then(|| self.fail(Failure::Refused));
        }
        if !flags.has(Flags::SYN) || !acknowledges_us {
            return None;
        }
        self.agree(segment);
        if self.retries == 0 {
            let sent_ns = self.timers.retransmit_ns.saturating_sub(self.rtt.timeout_ns());
            self.rtt.measured(now_ns.saturating_sub(sent_ns));
        }
        self.retries = 0;
        self.timers.retransmit_ns = NEVER;
        self.timers.keep_alive_ns = now_ns + KEEP_ALIVE_NS;
        self.state = State::Established;
        self.receiving.acknowledge_now = true;
        Some(Event::Opened)
    }

    /// The peer's SYN: what is agreed on.
    fn agree(&mut self, segment: &Segment<'_>) {
        let options = &segment.options;
        let mss = options.mss.unwrap_or(DEFAULT_MSS).clamp(MIN_MSS, self.settings.mss.max(MIN_MSS));
        self.agreed = Agreed {
            mss,
            window_shift: options.window_shift,
            timestamps: options.timestamps.is_some(),
            sack: options.may_sack,
        };
        self.congestion = Congestion::new(self.settings.policy, mss);
        self.receiving.next = segment.seq + 1;
        self.receiving.clock = options.timestamps.map_or(0, |clocks| clocks.value);
        let sending = &mut self.sending;
        sending.una = segment.ack;
        // The window of a SYN is never shifted.
        sending.window = u32::from(segment.window);
        (sending.window_seq, sending.window_ack) = (segment.seq, segment.ack);
    }

    fn on_open_segment(
        &mut self,
        segment: &Segment<'_>,
        now_ns: u64,
        wire: &mut impl Wire,
        deliver: impl FnMut(&[u8]),
    ) -> Option<Event> {
        let flags = segment.flags;
        if !self.is_acceptable(segment) {
            self.counters.dropped += u64::from(segment.payload.is_empty());
            self.counters.duplicates += u64::from(!segment.payload.is_empty());
            if !flags.has(Flags::RST) {
                // The peer may have missed our acknowledgement.
                self.receiving.acknowledge_now = true;
            }
            return None;
        }
        if flags.has(Flags::RST) {
            // Only the exact number is a reset; another in the window is asked about (RFC 5961, 3).
            if segment.seq == self.receiving.next {
                return self.on_reset();
            }
            self.challenge(now_ns, wire);
            return None;
        }
        if flags.has(Flags::SYN) {
            self.challenge(now_ns, wire);
            return None;
        }
        if !flags.has(Flags::ACK) {
            return None;
        }
        self.note_clock(segment);
        self.timers.keep_alive_ns = now_ns + KEEP_ALIVE_NS;
        if self.sending.next.is_before(segment.ack) {
            // It acknowledges what was never sent.
            self.challenge(now_ns, wire);
            return None;
        }
        self.on_acknowledgement(segment, now_ns);
        self.take_data(segment, now_ns, deliver);
        self.take_fin(now_ns)
    }

    /// RFC 9293, 3.10.7.4, first; and an old clock (RFC 7323, 5.3).
    fn is_acceptable(&self, segment: &Segment<'_>) -> bool {
        if let Some(clocks) = segment.options.timestamps
            && self.agreed.timestamps
            && !segment.flags.has(Flags::RST)
            && Seq(clocks.value).is_before(Seq(self.receiving.clock))
        {
            return false;
        }
        let (next, end) = (self.receiving.next, self.receiving.next + self.receive_window());
        let last = segment.seq + segment.length();
        let begins_before_end = segment.seq.is_before(end);
        match segment.length() {
            0 => next.is_up_to(segment.seq) && begins_before_end,
            _ => next.is_before(last) && begins_before_end,
        }
    }

    /// The clock to be echoed: of the segment that holds the next expected number.
    fn note_clock(&mut self, segment: &Segment<'_>) {
        if let Some(clocks) = segment.options.timestamps
            && segment.seq.is_up_to(self.receiving.next)
        {
            self.receiving.clock = clocks.value;
        }
    }

    /// Acknowledges suspicious segments, so many a second at most.
    fn challenge(&mut self, now_ns: u64, wire: &mut impl Wire) {
        const SECOND_NS: u64 = 1_000_000_000;
        let (start_ns, count) = &mut self.timers.challenges;
        if now_ns.saturating_sub(*start_ns) >= SECOND_NS {
            (*start_ns, *count) = (now_ns, 0);
        }
        *count += 1;
        if *count <= CHALLENGE_ACKS_PER_SECOND {
            self.acknowledge(now_ns, wire);
        }
    }

    fn on_acknowledgement(&mut self, segment: &Segment<'_>, now_ns: u64) {
        let ack = segment.ack;
        let is_in_range = self.sending.una.is_up_to(ack) && ack.is_up_to(self.sending.next);
        if !segment.flags.has(Flags::ACK) || !is_in_range {
            return;
        }
        let news = self.take_sacks(segment);
        let window = u32::from(segment.window) << self.agreed.window_shift.unwrap_or(0);
        let is_duplicate = ack == self.sending.una
            && segment.length() == 0
            && window == self.sending.window
            && !self.sending.in_flight.is_empty();
        if self.sending.una.is_before(ack) {
            self.advance(ack, segment, now_ns);
        } else if is_duplicate {
            self.sending.duplicate_acks += 1;
        }
        self.update_window(segment, window);
        self.look_for_losses(is_duplicate, news);
    }

    /// Something is acknowledged for the first time.
    fn advance(&mut self, ack: Seq, segment: &Segment<'_>, now_ns: u64) {
        let told = self.sending.in_flight.acknowledge(ack);
        self.sending.una = ack;
        self.sending.buffer.acknowledge(ack);
        self.sending.duplicate_acks = 0;
        self.retries = 0;
        self.measure(told.sent_ns, segment, now_ns);
        let was_recovering = self.congestion.is_recovering();
        let ended = self.congestion.acknowledged(ack, told.bytes);
        if was_recovering && !ended {
            // A partial acknowledgement names the next hole.
            self.sending.in_flight.lose_first();
        }
        self.timers.retransmit_ns = match self.sending.in_flight.is_empty() {
            true => NEVER,
            false => now_ns + self.rtt.timeout_ns(),
        };
        if self.sending.fin_sent && self.sending.in_flight.is_empty() {
            self.fin_is_acknowledged(now_ns);
        }
    }

    /// The round trip: by when the segment was sent, or by the echoed clock if it was sent twice.
    fn measure(&mut self, sent_ns: Option<u64>, segment: &Segment<'_>, now_ns: u64) {
        if let Some(sent_ns) = sent_ns {
            self.rtt.measured(now_ns.saturating_sub(sent_ns));
        } else if let Some(clocks) = segment.options.timestamps
            && self.agreed.timestamps
            && clocks.echo != 0
        {
            let ms = self.clock(now_ns).wrapping_sub(clocks.echo);
            self.rtt.measured(u64::from(ms).max(1) * 1_000_000);
        }
    }

    /// What the peer has beyond a hole; how many bytes are news.
    fn take_sacks(&mut self, segment: &Segment<'_>) -> u32 {
        let options = &segment.options;
        if !self.agreed.sack {
            return 0;
        }
        let mut news = 0;
        for (from, to) in &options.sacks[..options.sack_count] {
            // One below the acknowledgement tells of a duplicate (RFC 2883), one beyond is nonsense.
            if segment.ack.is_up_to(*from) && from.is_before(*to) && to.is_up_to(self.sending.next)
            {
                news += self.sending.in_flight.sack(*from, *to);
            }
        }
        news
    }

    fn update_window(&mut self, segment: &Segment<'_>, window: u32) {
        let sending = &mut self.sending;
        let is_newer = sending.window_seq.is_before(segment.seq)
            || (sending.window_seq == segment.seq && sending.window_ack.is_up_to(segment.ack));
        if is_newer {
            sending.window = window;
            (sending.window_seq, sending.window_ack) = (segment.seq, segment.ack);
        }
    }

    /// Three duplicate acknowledgements, or three segments beyond a hole: it is a loss.
    fn look_for_losses(&mut self, is_duplicate: bool, news: u32) {
        let by_sacks = news > 0 && self.sending.in_flight.lose_by_sacks();
        let by_duplicates = is_duplicate && self.sending.duplicate_acks == 3 && !self.agreed.sack;
        if by_duplicates && !self.congestion.is_recovering() {
            self.sending.in_flight.lose_first();
        }
        if by_sacks || by_duplicates {
            if !self.congestion.is_recovering() {
                self.counters.fast_recoveries += 1;
            }
            let on_the_way = self.sending.next.since(self.sending.una);
            self.congestion.lost(self.sending.next, on_the_way);
        } else if is_duplicate && !self.agreed.sack {
            self.congestion.inflate();
        }
    }

    /// Delivers what is in order, and keeps what is not.
    fn take_data(&mut self, segment: &Segment<'_>, now_ns: u64, mut deliver: impl FnMut(&[u8])) {
        if segment.flags.has(Flags::FIN) {
            let at = segment.seq + segment.payload.len() as u32;
            self.receiving.fin.get_or_insert(at);
        }
        if segment.payload.is_empty() {
            return;
        }
        let (next, window) = (self.receiving.next, self.receive_window());
        let known = next.since(segment.seq) as usize;
        let Some(fresh) = segment.payload.get(known..).filter(|fresh| !fresh.is_empty()) else {
            self.counters.duplicates += 1;
            self.receiving.acknowledge_now = true;
            return;
        };
        let from = segment.seq + known as u32;
        let room = (next + window).since(from) as usize;
        let fresh = &fresh[..fresh.len().min(room)];
        if from != next {
            self.counters.out_of_order += 1;
            self.counters.dropped += u64::from(!self.receiving.reorder.keep(from, fresh));
            self.receiving.acknowledge_now = true;
            return;
        }
        deliver(fresh);
        self.receiving.next += fresh.len() as u32;
        if !self.receiving.reorder.is_empty() {
            self.receiving.next = self.receiving.reorder.drain(self.receiving.next, deliver);
            self.receiving.acknowledge_now = true;
        }
        self.owe_acknowledgement(now_ns);
    }

    /// The peer has ended its side, and nothing before that is missing.
    fn take_fin(&mut self, now_ns: u64) -> Option<Event> {
        if self.receiving.fin != Some(self.receiving.next) {
            return None;
        }
        self.receiving.next += 1;
        self.receiving.fin = None;
        self.receiving.acknowledge_now = true;
        self.state = match self.state {
            State::Established => State::CloseWait,
            State::FinWait1 => State::Closing,
            State::FinWait2 => self.wait_out(now_ns),
            other => other,
        };
        Some(Event::Ended)
    }

    fn fin_is_acknowledged(&mut self, now_ns: u64) {
        self.state = match self.state {
            State::FinWait1 => State::FinWait2,
            State::Closing => self.wait_out(now_ns),
            State::LastAck => {
                self.forget();
                State::Closed
            }
            other => other,
        };
    }

    const fn wait_out(&mut self, now_ns: u64) -> State {
        self.timers.retransmit_ns = NEVER;
        self.timers.keep_alive_ns = NEVER;
        self.timers.time_wait_ns = now_ns + TIME_WAIT_NS;
        State::TimeWait
    }

    /// After both sides have ended, a reset is no failure: all was said (RFC 9293, 3.10.7.4).
    fn on_reset(&mut self) -> Option<Event> {
        let all_is_said = matches!(self.state, State::Closing | State::LastAck | State::TimeWait);
        let event = self.fail(Failure::Reset);
        (!all_is_said).then_some(event)
    }

    fn fail(&mut self, failure: Failure) -> Event {
        self.forget();
        Event::Failed(failure)
    }
}

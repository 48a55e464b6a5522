//! What is done though nothing comes.

use super::{Connection, Failure, NEVER, State, Wire};
use crate::limits::{KEEP_ALIVE_NS, MAX_RETRIES, MAX_RTO_NS, MAX_SYN_RETRIES, MIN_MSS};
use crate::wire::icmp::TooBig;

/// Bytes of an IP header and a TCP header without options, for each family.
const HEADERS: [u32; 2] = [40, 60];

impl Connection {
    /// The next time at which [`Connection::on_time`] has something to do.
    #[must_use]
    pub fn wakes_at(&self) -> u64 {
        let timers = &self.timers;
        timers
            .retransmit_ns
            .min(timers.acknowledge_ns)
            .min(timers.probe_ns)
            .min(timers.keep_alive_ns)
            .min(timers.time_wait_ns)
    }

    /// Does what is due. Gives the failure with which the connection ended, if it did.
    pub fn on_time(&mut self, now_ns: u64, wire: &mut impl Wire) -> Option<Failure> {
        if self.timers.time_wait_ns <= now_ns {
            self.forget();
            return None;
        }
        if self.timers.retransmit_ns <= now_ns {
            let failure = self.retransmit(now_ns, wire);
            if failure.is_some() {
                return failure;
            }
        }
        if self.timers.probe_ns <= now_ns {
            self.timers.probes += 1;
            self.counters.window_probes += 1;
            let pause_ns = self.rtt.timeout_ns().saturating_mul(1 << self.timers.probes.min(16));
            self.timers.probe_ns = now_ns + pause_ns.min(MAX_RTO_NS);
            self.probe(now_ns, wire);
        }
        if self.timers.keep_alive_ns <= now_ns {
            self.timers.keep_alive_ns = now_ns + KEEP_ALIVE_NS;
            if self.sending.in_flight.is_empty() && self.state == State::Established {
                self.probe(now_ns, wire);
            }
        }
        if self.timers.acknowledge_ns <= now_ns {
            self.acknowledge(now_ns, wire);
        }
        None
    }

    /// The oldest segment was not acknowledged in time.
    fn retransmit(&mut self, now_ns: u64, wire: &mut impl Wire) -> Option<Failure> {
        self.retries += 1;
        self.rtt.back_off();
        self.counters.timeouts += 1;
        let most = if self.state == State::SynSent { MAX_SYN_RETRIES } else { MAX_RETRIES };
        if self.retries > most {
            self.abort(wire);
            return Some(Failure::TimedOut);
        }
        if self.state == State::SynSent {
            self.send_syn(now_ns, wire);
            return None;
        }
        self.timers.retransmit_ns = NEVER;
        if self.sending.in_flight.is_empty() {
            return None;
        }
        let on_the_way = self.sending.next.since(self.sending.una);
        self.congestion.timed_out(self.sending.next, on_the_way);
        self.sending.in_flight.lose_all();
        self.timers.retransmit_ns = now_ns + self.rtt.timeout_ns();
        self.flush(now_ns, wire);
        None
    }

    /// A router says that packets must be smaller. What was never sent is not believed, and neither
    /// is a path that would be wider.
    pub fn narrow(&mut self, told: &TooBig, now_ns: u64, wire: &mut impl Wire) {
        let sending = &self.sending;
        let is_ours = sending.una.is_up_to(told.seq) && told.seq.is_before(sending.next);
        let headers = HEADERS[usize::from(told.destination.is_ipv6())];
        let mss = told.mtu.saturating_sub(headers).max(u32::from(MIN_MSS));
        if !is_ours || mss >= u32::from(self.agreed.mss) {
            return;
        }
        self.agreed.mss = mss as u16;
        self.congestion.resize(self.agreed.mss);
        let mss = self.mss();
        self.sending.in_flight.divide(mss);
        self.flush(now_ns, wire);
    }
}

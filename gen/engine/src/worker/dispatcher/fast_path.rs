//! The dispatcher's fast path: the replies that nearly all requests get.

use super::base::sample;
use super::dispatch::Taken;
use super::{Base, Dispatch, Dispatcher};
use crate::measure::outcome::Outcome;
use crate::units::{ConnId, Nanos};
use crate::worker::connection::State;
use crate::worker::flight::Flight;
use stallion_resp::limits::MAX_COMMANDS;

/// Answers whose counters are fetched before they are taken: no more than usually come at once.
const EXPECTED_AT_ONCE: usize = 64;

impl<D: Dispatch> Dispatcher<D> {
    /// Takes the replies that nearly all requests get off the front of `input`, as long as they
    /// come: two comparisons for each, and one record for all that were sent together.
    #[inline]
    pub(super) fn receive_fast_path(&mut self, id: ConnId, input: &mut &[u8], now: Nanos) {
        let Base { settings, expected, accounting, connections, .. } = &mut self.base;
        let connection = &mut connections[id];
        if connection.state != State::Open || !connection.parser.at_border() {
            return;
        }
        let flights = &mut connection.flights;
        while let Some((span, left)) = flights.head_span() {
            if span.is_resent {
                return;
            }
            if let Some(cluster) = &accounting.intervals.current.cluster {
                flights.show(left.min(EXPECTED_AT_ONCE), |_, slot, _| cluster.expect_slot(slot));
            }
            let mut by_command = [0; MAX_COMMANDS];
            let mut count = 0;
            while count < left {
                // By runs of one command: a count in memory for each reply is 2 ns more, because each
                // waits for the one before.
                let command = flights.command(count);
                let fast_reply = *expected.fast_reply(command);
                let goes_on =
                    |taken| count + taken < left && flights.command(count + taken) == command;
                let taken = fast_reply.strip_while(input, goes_on);
                if taken == 0 {
                    break;
                }
                by_command[command.index()] += taken as u32;
                count += taken;
            }
            if count == 0 {
                return;
            }
            let (response_ns, open) = (now.since(span.due), settings.open);
            let interval = &mut accounting.intervals.current;
            let (expected, response) = (&*expected, open.then_some(response_ns));
            let by_command = &by_command[..expected.count()];
            interval.end_fast_path(by_command, expected.reads(), response, now.since(span.sent));
            if response_ns >= settings.slow_ns {
                let flights = &*flights;
                let node = self.dispatch.node(connection.pool);
                interval.slow.offer_many(count as u64, response_ns, |index| {
                    let flight = Flight { node, ..flights.get(index as usize) };
                    let is_read = expected.reads() >> flight.command.0 & 1 != 0;
                    let outcome = if is_read { Outcome::Hit } else { Outcome::Ok };
                    sample(id, flight, outcome, now)
                });
            }
            let taken = Taken { flights, expected, count, pool: connection.pool };
            self.dispatch.count_fast_path(interval, taken, now);
            flights.pop_many(count);
            accounting.in_flight -= count;
        }
    }
}

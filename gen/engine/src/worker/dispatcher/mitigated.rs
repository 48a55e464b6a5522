//! The dispatcher's steps of a mitigation: requests that end before they are sent, that are sent to several
//! copies of their key, or that wait for another one's answer; and what each answer says of its age.

use super::{Dispatcher, Routed};
use crate::measure::mitigation::Tally;
use crate::measure::outcome::Outcome;
use crate::mitigation::Step;
use crate::mitigation::joined::Waiter;
use crate::ring::Ring;
use crate::units::{ConnId, Nanos};
use crate::worker::flight::{Flight, Route};
use stallion_resp::op::Op;
use stallion_resp::units::KeyId;

impl Dispatcher<Routed> {
    /// Takes up one request of the schedule as the mitigation says.
    pub(super) fn issue_mitigated(&mut self, ring: &mut impl Ring, op: Op, due: Nanos, now: Nanos) {
        let Some(mitigation) = &mut self.dispatch.mitigation else {
            self.issue_one(ring, (op, 0), due, now);
            return;
        };
        let is_read = self.base.expected.is_value_of_key(op.command);
        let (step, version) = if is_read {
            (mitigation.read(op.key, due, now), 0)
        } else {
            mitigation.write(op.key, now)
        };
        self.tally(if is_read { Tally::Reads } else { Tally::Writes });
        match step {
            Step::Send(key) => self.issue_or_end(ring, (Op { key, ..op }, version), due, now),
            Step::SendCopies(copies) => {
                for index in 0..copies {
                    if index > 0 {
                        self.tally(Tally::Copies);
                        self.base.accounting.intervals.current.counts.due += 1;
                        self.base.accounting.due += 1;
                    }
                    let Some(mitigation) = &self.dispatch.mitigation else { return };
                    let op = Op { key: mitigation.copy(op.key, index), ..op };
                    self.issue_or_end(ring, (op, version), due, now);
                }
            }
            Step::Known(version) => {
                self.tally(Tally::FromMemory);
                self.judge(op.key, version, now, now);
                self.base.count_unsent_end(&flight_of(op, due, now), Outcome::Hit, now);
                // In the closed model nothing else wakes the worker.
                self.dispatch.hungry = !self.base.settings.open;
            }
            Step::Wait => self.tally(Tally::Joined),
        }
    }

    /// Issues a request; one for which there is no place is over, and those that wait for it with it.
    fn issue_or_end(
        &mut self,
        ring: &mut impl Ring,
        (op, version): (Op, u64),
        due: Nanos,
        now: Nanos,
    ) {
        if self.issue_one(ring, (op, version), due, now) {
            return;
        }
        let Some(mitigation) = &mut self.dispatch.mitigation else { return };
        if self.base.expected.is_value_of_key(op.command) {
            mitigation.end_read(op.key, None, now, |_| {});
        } else {
            mitigation.end_write(op.key, None, now);
        }
    }

    fn tally(&mut self, tally: Tally) {
        if let Some(counts) = &mut self.base.accounting.intervals.current.mitigation {
            counts.count(tally);
        }
    }

    /// Judges the version that a read returned, which was sent at `sent`.
    fn judge(&mut self, key: KeyId, version: u64, sent: Nanos, now: Nanos) {
        let (Some(mitigation), Some(counts)) =
            (&mut self.dispatch.mitigation, &mut self.base.accounting.intervals.current.mitigation)
        else {
            return;
        };
        let judgement = mitigation.judge(key, version, sent, now);
        counts.count(Tally::Judged);
        if let Some(behind_ns) = judgement.behind_ns {
            counts.count(Tally::Stale);
            counts.behind.record(behind_ns);
        }
        if judgement.went_back {
            counts.count(Tally::WentBack);
        }
    }

    /// A request ended: what the mitigation makes of it, and those that waited for it.
    pub(super) fn end_mitigated(&mut self, flight: &Flight, outcome: Outcome, now: Nanos) {
        if !self.base.expected.is_value_of_key(flight.command) {
            let acknowledged = (outcome == Outcome::Ok).then_some(flight.route.version);
            if let Some(mitigation) = &mut self.dispatch.mitigation {
                mitigation.end_write(flight.key, acknowledged, now);
            }
            return;
        }
        let version = (outcome == Outcome::Hit).then(|| self.version_of(flight.route.version, now));
        if let Some(version) = version {
            self.judge(flight.key, version, flight.sent, now);
        }
        let Self { base, dispatch } = self;
        let Some(mitigation) = &mut dispatch.mitigation else { return };
        mitigation.end_read(flight.key, version, now, |Waiter { due, joined }| {
            let waited = Flight { due, ready: due, sent: joined, ahead: 0, ..*flight };
            base.count_unsent_end(&waited, outcome, now);
        });
    }

    /// A version that no write of this run can have written is that of what was there before.
    fn version_of(&self, version: u64, now: Nanos) -> u64 {
        if (self.base.accounting.intervals.begun().0..=now.0).contains(&version) {
            version
        } else {
            0
        }
    }

    /// A write was lost with its connection, and may or may not have been made.
    pub(super) fn doubt(&mut self, flight: &Flight) {
        let is_write = !self.base.expected.is_value_of_key(flight.command);
        if let Some(mitigation) = self.dispatch.mitigation.as_mut().filter(|_| is_write) {
            mitigation.doubt_write(flight.key);
        }
    }

    /// The server sent a message of its own: keys that have changed.
    pub(super) fn take_invalidations(&mut self, id: ConnId, now: Nanos) {
        let pushed = &mut self.base.connections[id].pushed;
        let (Some(mitigation), Some(counts)) =
            (&mut self.dispatch.mitigation, &mut self.base.accounting.intervals.current.mitigation)
        else {
            return pushed.clear();
        };
        pushed.end();
        if pushed.is_everything() {
            mitigation.forget();
            counts.count(Tally::Flushes);
        }
        for key in pushed.keys() {
            if let Some(behind_ns) = mitigation.invalidate(*key, now) {
                counts.count(Tally::Invalidations);
                if let Some(behind_ns) = behind_ns {
                    counts.invalidation.record(behind_ns);
                }
            }
        }
        pushed.clear();
    }

    /// A connection was lost: of what was read on it no change will be told any more.
    pub(super) fn forget_cached(&mut self) {
        if let Some(mitigation) = &mut self.dispatch.mitigation {
            mitigation.forget();
            self.tally(Tally::Flushes);
        }
    }
}

fn flight_of(op: Op, due: Nanos, sent: Nanos) -> Flight {
    let Op { command, nonce, key, .. } = op;
    let (route, node) = (Route::default(), None);
    Flight { due, ready: due, sent, command, nonce, key, ahead: 0, route, node }
}

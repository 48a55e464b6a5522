//! A single server: every connection serves every request.

use std::collections::VecDeque;

use super::base::Ended;
use super::{Base, Dispatch, Dispatcher};
use crate::measure::outcome::Outcome;
use crate::ring::Ring;
use crate::units::{ConnId, Nanos};
use crate::worker::connection::Connection;
use crate::worker::flight::Flight;
use crate::worker::intervals::Intervals;
use crate::worker::settings::{Requests, Settings};

/// How requests find the connections of a single server.
#[derive(Debug)]
pub struct Direct {
    /// Connections with room for a request, in turn.
    ready: VecDeque<ConnId>,
}

impl Dispatcher<Direct> {
    pub(in crate::worker) fn direct(
        settings: Settings,
        requests: Requests,
        intervals: Intervals,
    ) -> Self {
        let pipeline = settings.pipeline;
        let dispatch = Direct { ready: VecDeque::with_capacity(settings.connections) };
        let base = Base::new(settings, requests, intervals, |_| Connection::new(pipeline));
        Self { base, dispatch }
    }
}

impl Dispatch for Direct {
    const IS_ROUTED: bool = false;

    #[inline]
    fn ready(&mut self, _: usize) -> &mut VecDeque<ConnId> {
        &mut self.ready
    }

    #[inline]
    fn next_issue(dispatcher: &Dispatcher<Self>) -> Nanos {
        if dispatcher.dispatch.ready.is_empty() {
            return Nanos::NEVER;
        }
        dispatcher.base.requests.arrivals.next_due()
    }

    #[inline]
    fn issue(dispatcher: &mut Dispatcher<Self>, ring: &mut impl Ring, now: Nanos) {
        let Dispatcher { base, dispatch } = dispatcher;
        base.issue_on(ring, &mut dispatch.ready, now, |_, _| None);
    }

    #[inline]
    fn end_flight(
        dispatcher: &mut Dispatcher<Self>,
        id: ConnId,
        flight: Flight,
        outcome: Outcome,
        now: Nanos,
    ) {
        dispatcher.base.leave_flight(&flight, outcome);
        dispatcher.base.end_request(id, Ended { flight, outcome, owner: None }, now);
    }
}

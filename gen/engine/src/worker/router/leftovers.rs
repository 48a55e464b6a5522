//! What still waits: for how long, and when the run is over.

use std::cmp::Reverse;

use super::Router;
use crate::units::{Nanos, NodeId};
use crate::worker::waiting::Waiting;

impl Router {
    /// The oldest of the requests for a node that were sent before and last before `deadline`.
    pub fn take_overdue(&mut self, node: NodeId, deadline: Nanos) -> Option<Waiting> {
        let queue = &mut self.nodes[node.index()].again;
        self.waiting.first(queue).filter(|first| first.sent <= deadline)?;
        self.waiting.pop(queue)
    }

    /// The run is over: gives the requests that were sent before, one after the other.
    pub fn take_any(&mut self) -> Option<Waiting> {
        if let Some(Reverse((_, _, place))) = self.delayed.pop() {
            return Some(self.waiting.release(place));
        }
        let node = self.nodes.iter_mut().find(|node| !node.again.is_empty())?;
        self.waiting.pop(&mut node.again)
    }

    /// The run is over: gives the requests that were never sent, one after the other.
    pub fn take_never_sent(&mut self) -> Option<Waiting> {
        let node = self.nodes.iter_mut().find(|node| !node.fresh.is_empty())?;
        let waiting = self.waiting.pop(&mut node.fresh)?;
        self.fresh -= 1;
        Some(waiting)
    }

    /// The earliest intended time of what waits for nodes.
    #[must_use]
    pub fn oldest_due(&self) -> Option<Nanos> {
        let queues = self.nodes.iter().flat_map(|node| [&node.fresh, &node.again]);
        queues.filter_map(|queue| self.waiting.first(queue)).map(|waiting| waiting.due).min()
    }
}

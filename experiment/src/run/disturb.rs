//! The faults and tasks of a scenario, each at its time, recorded in one timeline.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stallion_server::Target;
use stallion_timeline::Chaos;
use stallion_timeline::clock::monotonic_ns;

use crate::scenario::FaultPlan;
use stallion_fault::{Endpoint, FaultError};
use stallion_stack::interrupt::Interrupt;
use stallion_stack::{Links, Relay};

/// When actions begin, and what ends them.
pub(super) struct Schedule<'a> {
    pub(super) target: &'a Target,
    /// Servers of ours that scenarios name, with their addresses.
    pub(super) places: &'a [(String, String)],
    /// What the servers hear each other through.
    pub(super) links: &'a Links,
    /// The link through which the load goes.
    pub(super) relay: Option<Relay>,
    /// The start of the measured phase, from which all times count.
    pub(super) start_ns: u64,
    /// Raised when the measured phase is over: what has not begun then does not begin.
    pub(super) over: &'a Interrupt,
    /// Raised by the user: what has begun is cut short.
    pub(super) interrupt: &'a Interrupt,
    /// Whether servers that Stallion did not start may be harmed.
    pub(super) allow_foreign: bool,
}

/// Does everything at its time; each action has a thread, so that one may outlast the next one's
/// begin. `tell` hears of each when it is over. Ends when all have ended.
pub(super) fn disturb(
    plans: &[&FaultPlan],
    schedule: &Schedule<'_>,
    mut tell: impl FnMut(Chaos) -> io::Result<()>,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for plan in plans {
            let sender = sender.clone();
            scope.spawn(move || {
                if let Some(record) = schedule.act(plan) {
                    // The receiver outlives this scope's threads unless writing failed.
                    let _ = sender.send(record);
                }
            });
        }
        drop(sender);
        let told = receiver.iter().try_for_each(&mut tell);
        if told.is_err() {
            schedule.over.raise();
        }
        told
    })
}

impl Schedule<'_> {
    fn address_of(&self, name: &str) -> Option<String> {
        let place = self.places.iter().find(|(place, _)| place == name);
        place.map(|(_, address)| address.clone())
    }

    /// Waits for an action's time and does it; none when the run was over before.
    fn act(&self, plan: &FaultPlan) -> Option<Chaos> {
        let after_ns = u64::try_from(plan.start().as_nanos()).unwrap_or(u64::MAX);
        let due_ns = self.start_ns.saturating_add(after_ns);
        let left = Duration::from_nanos(due_ns.saturating_sub(monotonic_ns()));
        if !self.over.sleep(left) {
            return None;
        }
        let begin_ns = monotonic_ns();
        let refused = |error: FaultError| Chaos {
            action: plan.action.as_ref().clone(),
            target: self.target.to_string(),
            begin_ns,
            end_ns: monotonic_ns(),
            outcome: error.to_string(),
            detail: serde_json::Value::Null,
        };
        let record = plan.injection(|name| self.address_of(name)).and_then(|injection| {
            let mut endpoint = Endpoint::connect(self.target, self.interrupt, self.allow_foreign)?;
            endpoint.relay.clone_from(&self.relay);
            endpoint.links.clone_from(self.links);
            injection.perform(&mut endpoint)
        });
        Some(record.unwrap_or_else(refused))
    }
}

//! The chaos of a scenario, each action at its time, recorded in one timeline.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stallion_server::Target;
use stallion_timeline::Chaos;
use stallion_timeline::clock::monotonic_ns;

use crate::scenario::ChaosPlan;
use stallion_fault::{self as fault, Endpoint, FaultError};
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
    plans: &[ChaosPlan],
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
    /// Waits for an action's time and does it; none when the run was over before.
    fn act(&self, plan: &ChaosPlan) -> Option<Chaos> {
        let after_ns = u64::try_from(plan.start().as_nanos()).unwrap_or(u64::MAX);
        let due_ns = self.start_ns.saturating_add(after_ns);
        let left = Duration::from_nanos(due_ns.saturating_sub(monotonic_ns()));
        if !self.over.sleep(left) {
            return None;
        }
        let begin_ns = monotonic_ns();
        let name = plan.action.as_ref();
        let refused = |error: FaultError| Chaos {
            action: name.clone(),
            target: self.target.to_string(),
            begin_ns,
            end_ns: monotonic_ns(),
            outcome: error.to_string(),
            detail: serde_json::Value::Null,
        };
        let record = fault::find(name).and_then(|action| {
            let mut endpoint = Endpoint::connect(self.target, self.interrupt, self.allow_foreign)?;
            endpoint.relay.clone_from(&self.relay);
            let mut parameters = plan.parameters();
            endpoint.links.clone_from(self.links);
            let named = self.places.iter().find(|(name, _)| parameters.to.as_ref() == Some(name));
            if let Some((_, address)) = named {
                parameters.to = Some(address.clone());
            }
            fault::perform(action, &mut endpoint, &parameters)
        });
        Some(record.unwrap_or_else(refused))
    }
}

//! The chaos of a scenario, each action at its time, recorded in one timeline.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stallion_timeline::Chaos;
use stallion_timeline::clock::monotonic_ns;

use crate::chaos::{self, ChaosError, Site};
use crate::interrupt::Interrupt;
use crate::scenario::ChaosPlan;
use crate::target::Target;

/// Does everything at its time; each action has a thread, so that one may outlast the next one's
/// begin. `tell` hears of each when it is over. Ends when all have ended.
pub(super) fn disturb(
    plans: &[ChaosPlan],
    target: &Target,
    start_ns: u64,
    interrupt: &Interrupt,
    mut tell: impl FnMut(Chaos) -> io::Result<()>,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for plan in plans {
            let sender = sender.clone();
            scope.spawn(move || {
                let due_ns = start_ns + u64::try_from(plan.start().as_nanos()).unwrap_or(u64::MAX);
                if let Some(record) = act_at(plan, target, due_ns, interrupt) {
                    // The receiver outlives this scope's threads unless writing failed.
                    let _ = sender.send(record);
                }
            });
        }
        drop(sender);
        let told = receiver.iter().try_for_each(&mut tell);
        if told.is_err() {
            interrupt.raise();
        }
        told
    })
}

fn act_at(plan: &ChaosPlan, target: &Target, due_ns: u64, interrupt: &Interrupt) -> Option<Chaos> {
    let left = Duration::from_nanos(due_ns.saturating_sub(monotonic_ns()));
    if !interrupt.sleep(left) {
        return None;
    }
    let begin_ns = monotonic_ns();
    let refused = |error: ChaosError| Chaos {
        action: plan.action.as_ref().clone(),
        target: target.to_string(),
        begin_ns,
        end_ns: monotonic_ns(),
        outcome: error.to_string(),
        detail: serde_json::Value::Null,
    };
    let record = chaos::find(plan.action.as_ref()).and_then(|action| {
        let mut site = Site::connect(target, interrupt, false)?;
        chaos::perform(action, &mut site, &plan.parameters())
    });
    Some(record.unwrap_or_else(refused))
}

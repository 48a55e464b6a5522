//! `add-node`: an empty server joins a cluster, and gets its fair share of the slots while they are
//! in use.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::json;

use super::reshard::Move;
use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};
use crate::info::Info;
use crate::members::{Member, SLOTS, members};

const KNOWN_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) struct AddNode;

impl Action for AddNode {
    fn name(&self) -> &'static str {
        "add-node"
    }

    fn about(&self) -> &'static str {
        "lets the empty server `to` join the cluster, and moves a fair share of the slots to it"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::To]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let wrong = || ChaosError::Value {
            action: self.name(),
            text: "`to` is HOST:PORT of an empty server with cluster-enabled".to_owned(),
        };
        let to = parameters.to.as_deref().ok_or_else(wrong)?;
        let (host, port) = to.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        meet(site, host, port)?;
        let start = Instant::now();
        let primaries: Vec<Member> = members(&mut site.connection)?
            .into_iter()
            .filter(|member| member.is_primary && member.slot_count() > 0)
            .collect();
        let (mut slots, mut keys) = (0, 0);
        for range in fair(&primaries) {
            let mut move_ = Move::prepare(site, &range, Some(to))?;
            let carried = move_.carry(site, range, None)?;
            slots += carried.slots;
            keys += carried.keys;
        }
        Ok(Detail::from_iter([
            ("to".to_owned(), json!(to)),
            ("slots_moved".to_owned(), json!(slots)),
            ("keys_moved".to_owned(), json!(keys)),
            ("rebalance_ms".to_owned(), json!(start.elapsed().as_millis())),
        ]))
    }
}

/// Everybody knows the new one, so that none of them refuses it a slot.
fn meet(site: &mut Site, host: &str, port: u16) -> Result<(), ChaosError> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("MEET").arg(host).arg(port).query::<()>(&mut site.connection)?;
    let start = Instant::now();
    let mut newcomer = site.target.beside(host, port).connect()?;
    loop {
        let all = members(&mut site.connection)?;
        let text: String = redis::cmd("CLUSTER").arg("INFO").query(&mut newcomer)?;
        // For a moment a newcomer thinks that the cluster is down, and takes no keys.
        let mut known = Info::parse(&text).text("cluster_state") == "ok";
        known &= members(&mut newcomer)?.len() == all.len();
        for member in all.iter().filter(|member| !member.has_failed) {
            let mut other = site.target.beside(&member.host, member.port).connect()?;
            known &= members(&mut other)?.iter().any(|one| one.port == port);
        }
        if known {
            return Ok(());
        }
        if start.elapsed() > KNOWN_WITHIN {
            let text = format!("{host}:{port} is not known to all after {KNOWN_WITHIN:?}");
            return Err(ChaosError::Failed(text));
        }
        site.wait(LOOK_EVERY)?;
    }
}

/// From each primary as much as leaves all with the same, from its first slots on.
fn fair(primaries: &[Member]) -> Vec<RangeInclusive<u16>> {
    let each = usize::from(SLOTS) / (primaries.len() + 1);
    let mut taken = Vec::new();
    for member in primaries {
        let mut left = member.slot_count().saturating_sub(each);
        for range in &member.slots {
            let length = usize::from(range.end() - range.start()) + 1;
            let some = left.min(length);
            if some > 0 {
                taken.push(*range.start()..=range.start() + some as u16 - 1);
                left -= some;
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_the_same_in_the_end() {
        let member = |slots: RangeInclusive<u16>| Member {
            is_primary: true,
            slots: vec![slots],
            ..Member::default()
        };
        let taken = fair(&[member(0..=8_191), member(8_192..=16_383)]);
        assert_eq!(taken, [0..=2_730, 8_192..=10_922]);
    }
}

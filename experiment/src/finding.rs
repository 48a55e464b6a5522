//! What was found, in sentences that are made from the data: other data, other words.

mod say;

mod general;

mod ceiling;

mod pipelining;

mod hot_key;

mod eviction;

mod fsync;

mod fork;

mod big_key;

mod reshard;

mod expiry;

mod stampede;

mod cold_start;

mod pool;

mod churn;

mod connections;

mod client_cache;

mod atomicity;

mod long_script;

mod proxy;

mod growth;

mod growth_live;

mod sharding;

mod failover_timeout;

mod partition;

mod replica_reads;

mod replica_lag;

mod resync;

mod lost_writes;

mod memory;

mod guard_rail;

mod durability;

mod io_threads;

mod vertical;

pub(crate) use say::{doubt, verdict};

use crate::data::Data;
use crate::scenario::Scenario;

/// The sentences that a finding makes of data.
type Sentences = fn(&Data) -> Vec<String>;

/// What makes sentences of data, by the name that a scenario's `finding` has.
const FINDINGS: [(&str, Sentences); 32] = [
    ("ceiling", ceiling::tell),
    ("pipelining", pipelining::tell),
    ("hot-key", hot_key::tell),
    ("eviction", eviction::tell),
    ("fsync", fsync::tell),
    ("fork", fork::tell),
    ("big-key", big_key::tell),
    ("reshard", reshard::tell),
    ("expiry", expiry::tell),
    ("stampede", stampede::tell),
    ("cold-start", cold_start::tell),
    ("pool", pool::tell),
    ("churn", churn::tell),
    ("connections", connections::tell),
    ("client-cache", client_cache::tell),
    ("atomicity", atomicity::tell),
    ("long-script", long_script::tell),
    ("proxy", proxy::tell),
    ("growth", growth::tell),
    ("growth-live", growth_live::tell),
    ("sharding", sharding::tell),
    ("failover-timeout", failover_timeout::tell),
    ("partition", partition::tell),
    ("replica-reads", replica_reads::tell),
    ("replica-lag", replica_lag::tell),
    ("resync", resync::tell),
    ("lost-writes", lost_writes::tell),
    ("memory", memory::tell),
    ("guard-rail", guard_rail::tell),
    ("durability", durability::tell),
    ("io-threads", io_threads::tell),
    ("vertical", vertical::tell),
];

/// The sentences of a scenario's finding.
#[must_use]
pub fn sentences(scenario: &Scenario, data: &Data) -> Vec<String> {
    let name = scenario.finding.as_ref().map(|name| name.as_ref().as_str());
    let own = FINDINGS.iter().find(|(finding, _)| Some(*finding) == name);
    let mut told = own.map_or_else(|| general::tell(scenario, data), |(_, tell)| tell(data));
    told.extend(general::doubts(data));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_that_of_a_scenario_and_no_scenario_has_another() {
        let mut named: Vec<&str> = crate::scenario::findings().collect();
        let mut told: Vec<&str> = FINDINGS.iter().map(|(name, _)| *name).collect();
        for all in [&mut named, &mut told] {
            all.sort_unstable();
            all.dedup();
        }
        assert_eq!(named, told);
    }
}

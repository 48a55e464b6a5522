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

/// The sentences of a scenario's finding.
#[must_use]
pub fn sentences(scenario: &Scenario, data: &Data) -> Vec<String> {
    let name = scenario.finding.as_ref().map(|name| name.as_ref().as_str());
    let mut told = match name {
        Some("ceiling") => ceiling::tell(data),
        Some("pipelining") => pipelining::tell(data),
        Some("hot-key") => hot_key::tell(data),
        Some("eviction") => eviction::tell(data),
        Some("fsync") => fsync::tell(data),
        Some("fork") => fork::tell(data),
        Some("big-key") => big_key::tell(data),
        Some("reshard") => reshard::tell(data),
        Some("expiry") => expiry::tell(data),
        Some("stampede") => stampede::tell(data),
        Some("cold-start") => cold_start::tell(data),
        Some("pool") => pool::tell(data),
        Some("churn") => churn::tell(data),
        Some("connections") => connections::tell(data),
        Some("client-cache") => client_cache::tell(data),
        Some("atomicity") => atomicity::tell(data),
        Some("long-script") => long_script::tell(data),
        Some("proxy") => proxy::tell(data),
        Some("growth") => growth::tell(data),
        Some("growth-live") => growth_live::tell(data),
        Some("sharding") => sharding::tell(data),
        Some("failover-timeout") => failover_timeout::tell(data),
        Some("partition") => partition::tell(data),
        Some("replica-reads") => replica_reads::tell(data),
        Some("replica-lag") => replica_lag::tell(data),
        Some("resync") => resync::tell(data),
        Some("lost-writes") => lost_writes::tell(data),
        Some("memory") => memory::tell(data),
        Some("guard-rail") => guard_rail::tell(data),
        Some("durability") => durability::tell(data),
        Some("io-threads") => io_threads::tell(data),
        Some("vertical") => vertical::tell(data),
        _ => general::tell(scenario, data),
    };
    told.extend(general::doubts(data));
    told
}

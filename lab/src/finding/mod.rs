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
        _ => general::tell(scenario, data),
    };
    told.extend(general::doubts(data));
    told
}

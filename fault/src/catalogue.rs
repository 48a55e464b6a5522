//! The faults by their names, and how one is made and recorded.

use serde_json::Value;
use stallion_timeline::Chaos;
use stallion_timeline::clock::monotonic_ns;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::parameters::Parameters;
use crate::{
    add_node, aof_rewrite, bgsave, bigkey, bigkey_cure, client_flood, contend, cpu_hog, defrag,
    expiry_storm, failover, fsync_policy, guard_rail, kill_primary, long_script, lose_primary,
    maxmemory, memory_footprint, net_delay, net_loss, partition, pause, replica_cut, replica_lag,
    reshard, restart, try_commands,
};

/// Every fault, in the order in which they are listed to users.
pub const FAULTS: [&dyn Fault; 27] = [
    &bgsave::BGSAVE,
    &aof_rewrite::AOF_REWRITE,
    &bigkey::BigKeyOn,
    &bigkey_cure::BigKeyCure,
    &expiry_storm::ExpiryStorm,
    &pause::Pause,
    &fsync_policy::FsyncPolicy,
    &restart::Restart,
    &long_script::LongScript,
    &contend::Contend,
    &try_commands::TryCommands,
    &replica_lag::ReplicaLag,
    &lose_primary::LosePrimary,
    &maxmemory::MaxMemory,
    &defrag::Defrag,
    &memory_footprint::MemoryFootprint,
    &guard_rail::GuardRail,
    &client_flood::ClientFlood,
    &cpu_hog::CpuHog,
    &reshard::Reshard,
    &add_node::AddNode,
    &failover::Failover,
    &kill_primary::KillPrimary,
    &replica_cut::ReplicaCut,
    &net_delay::NetDelay,
    &net_loss::NetLoss,
    &partition::Partition,
];

fn names() -> String {
    let names: Vec<&str> = FAULTS.iter().map(|fault| fault.name()).collect();
    names.join(", ")
}

fn takes(fault: &dyn Fault) -> String {
    let names: Vec<&str> = fault.parameters().iter().map(|parameter| parameter.name()).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; it takes: {}", names.join(", ")),
    }
}

/// The fault of a name.
///
/// # Errors
/// [`FaultError::Unknown`], which lists the valid ones.
pub fn find(name: &str) -> Result<&'static dyn Fault, FaultError> {
    FAULTS
        .into_iter()
        .find(|fault| fault.name() == name)
        .ok_or_else(|| FaultError::Unknown { name: name.to_owned(), known: names() })
}

/// Checks that a fault takes the parameters it is given.
///
/// # Errors
/// [`FaultError::Parameter`], naming the first that it does not take.
pub fn check(fault: &dyn Fault, parameters: &Parameters) -> Result<(), FaultError> {
    match parameters.given().find(|given| !fault.parameters().contains(given)) {
        None => Ok(()),
        Some(parameter) => Err(FaultError::Parameter {
            action: fault.name(),
            parameter: parameter.name(),
            takes: takes(fault),
        }),
    }
}

/// Checks that a fault may be done at a server.
///
/// # Errors
/// [`FaultError::Foreign`] for a destructive one at a server that Stallion did not start.
pub fn permit(fault: &dyn Fault, endpoint: &mut Endpoint) -> Result<(), FaultError> {
    if !fault.destructive() || endpoint.may_be_harmed() {
        return Ok(());
    }
    Err(FaultError::Foreign { action: fault.name(), target: endpoint.target.to_string() })
}

/// Makes a fault and records it. What goes wrong while it acts becomes the record's outcome.
///
/// # Errors
/// [`FaultError`] when it was refused before it began.
pub fn perform(
    fault: &dyn Fault,
    endpoint: &mut Endpoint,
    parameters: &Parameters,
) -> Result<Chaos, FaultError> {
    check(fault, parameters)?;
    permit(fault, endpoint)?;
    let begin_ns = monotonic_ns();
    let result = fault.inject(endpoint, parameters);
    let end_ns = monotonic_ns();
    let (outcome, detail) = match result {
        Ok(detail) => ("ok".to_owned(), detail),
        Err(error) => (error.to_string(), Detail::new()),
    };
    Ok(Chaos {
        action: fault.name().to_owned(),
        target: endpoint.target.to_string(),
        begin_ns,
        end_ns,
        outcome,
        detail: Value::Object(detail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_fault_is_told_the_valid_ones() {
        let text = find("explode").err().unwrap().to_string();
        for fault in FAULTS {
            assert!(text.contains(fault.name()), "{text}");
            assert!(!fault.about().is_empty());
        }
    }

    #[test]
    fn a_parameter_that_a_fault_does_not_take_is_named() {
        let parameters = Parameters { fields: Some(1), ..Parameters::default() };
        let text = check(find("pause").unwrap(), &parameters).unwrap_err().to_string();
        assert_eq!(text, "`pause` takes no `fields`; it takes: for");
        assert!(check(find("bigkey-on").unwrap(), &parameters).is_ok());
    }
}

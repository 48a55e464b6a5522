//! Disturbances on purpose, recorded with their begin and end.
//!
//! One file for each [`Action`]; [`ACTIONS`] is the list of them. An action leaves the server as
//! it found it, also when it is interrupted or fails half-way.

mod parameters;

mod site;

pub mod log;

mod child_job;

mod bgsave;

mod aof_rewrite;

mod bigkey;

mod bigkey_cure;

mod expiry_storm;

mod pause;

mod fsync_policy;

mod reshard;

mod kill_master;

mod failover;

mod add_node;

mod restart;

mod long_script;

mod contend;

mod try_commands;

mod replica_lag;

mod ledger;

mod lose_primary;

mod isolation;

mod maxmemory;

mod replica_cut;

mod client_flood;

mod cpu_hog;

mod defrag;

mod forms;

mod weigh;

mod acknowledged;

mod respawn;

mod guard_rail;

mod link;

mod net_delay;

mod net_loss;

mod partition;

use serde_json::{Map, Value};
use stallion_timeline::Chaos;
use stallion_timeline::clock::monotonic_ns;
use thiserror::Error;

pub use self::log::Log;
pub use self::parameters::{Parameter, Parameters};
pub use self::site::Site;
use crate::target::TargetError;

/// Every action, in the order in which they are listed to users.
pub const ACTIONS: [&dyn Action; 27] = [
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
    &weigh::Weigh,
    &guard_rail::GuardRail,
    &client_flood::ClientFlood,
    &cpu_hog::CpuHog,
    &reshard::Reshard,
    &add_node::AddNode,
    &failover::Failover,
    &kill_master::KillMaster,
    &replica_cut::ReplicaCut,
    &net_delay::NetDelay,
    &net_loss::NetLoss,
    &partition::Partition,
];

/// What an action did, in figures, for the `detail` of its record.
pub type Detail = Map<String, Value>;

/// One kind of disturbance.
pub trait Action: Sync {
    /// The name that `--action` and scenarios take.
    fn name(&self) -> &'static str;

    /// What it does, in one line for users.
    fn about(&self) -> &'static str;

    /// Which fields of [`Parameters`] it reads.
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// Whether it may harm those who use the server; such a one is kept to servers of our own.
    fn destructive(&self) -> bool {
        false
    }

    /// Does it, and returns when it is over. Parameters that it does not name are absent.
    ///
    /// # Errors
    /// [`ChaosError`], with the server as it was before.
    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError>;
}

/// Why an action was refused, or went wrong.
#[derive(Debug, Error)]
pub enum ChaosError {
    /// No action has this name.
    #[error("there is no action `{name}`; there are: {}", names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The action does not know the parameter.
    #[error("`{action}` takes no `{parameter}`{}", takes(.action))]
    Parameter {
        /// The action.
        action: &'static str,
        /// The parameter's name.
        parameter: &'static str,
    },
    /// A parameter has a value that makes no sense.
    #[error("`{action}`: {text}")]
    Value {
        /// The action.
        action: &'static str,
        /// What is wrong, and what is right.
        text: String,
    },
    /// The server was not started by Stallion.
    #[error(
        "`{action}` may harm those who use {target}, and Stallion did not start that server; \
         if it is yours to harm, add --allow-foreign"
    )]
    Foreign {
        /// The action.
        action: &'static str,
        /// The server.
        target: String,
    },
    /// The server could not be reached.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The server refused a command.
    #[error("the server refused a command: {0}")]
    Refused(#[from] redis::RedisError),
    /// The server reported that what it was asked to do failed.
    #[error("{0}")]
    Failed(String),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

fn names() -> String {
    let names: Vec<&str> = ACTIONS.iter().map(|action| action.name()).collect();
    names.join(", ")
}

fn takes(action: &str) -> String {
    let parameters = find(action).map_or(&[][..], Action::parameters);
    let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name()).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; it takes: {}", names.join(", ")),
    }
}

/// The action of a name.
///
/// # Errors
/// [`ChaosError::Unknown`], which lists the valid ones.
pub fn find(name: &str) -> Result<&'static dyn Action, ChaosError> {
    ACTIONS
        .into_iter()
        .find(|action| action.name() == name)
        .ok_or_else(|| ChaosError::Unknown { name: name.to_owned() })
}

/// Checks that an action takes the parameters it is given.
///
/// # Errors
/// [`ChaosError::Parameter`], naming the first that it does not take.
pub fn check(action: &dyn Action, parameters: &Parameters) -> Result<(), ChaosError> {
    match parameters.given().find(|given| !action.parameters().contains(given)) {
        None => Ok(()),
        Some(parameter) => {
            Err(ChaosError::Parameter { action: action.name(), parameter: parameter.name() })
        }
    }
}

/// Checks that an action may be done at a server.
///
/// # Errors
/// [`ChaosError::Foreign`] for a destructive one at a server that Stallion did not start.
pub fn permit(action: &dyn Action, site: &mut Site) -> Result<(), ChaosError> {
    if !action.destructive() || site.may_be_harmed() {
        return Ok(());
    }
    Err(ChaosError::Foreign { action: action.name(), target: site.target.to_string() })
}

/// Does an action and records it. What goes wrong while it acts becomes the record's outcome.
///
/// # Errors
/// [`ChaosError`] when it was refused before it began.
pub fn perform(
    action: &dyn Action,
    site: &mut Site,
    parameters: &Parameters,
) -> Result<Chaos, ChaosError> {
    check(action, parameters)?;
    permit(action, site)?;
    let begin_ns = monotonic_ns();
    let result = action.act(site, parameters);
    let end_ns = monotonic_ns();
    let (outcome, detail) = match result {
        Ok(detail) => ("ok".to_owned(), detail),
        Err(error) => (error.to_string(), Detail::new()),
    };
    Ok(Chaos {
        action: action.name().to_owned(),
        target: site.target.to_string(),
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
    fn an_unknown_action_is_told_the_valid_ones() {
        let text = find("explode").err().unwrap().to_string();
        for action in ACTIONS {
            assert!(text.contains(action.name()), "{text}");
            assert!(!action.about().is_empty());
        }
    }

    #[test]
    fn a_parameter_that_an_action_does_not_take_is_named() {
        let parameters = Parameters { fields: Some(1), ..Parameters::default() };
        let text = check(find("pause").unwrap(), &parameters).unwrap_err().to_string();
        assert_eq!(text, "`pause` takes no `fields`; it takes: for");
        assert!(check(find("bigkey-on").unwrap(), &parameters).is_ok());
    }
}

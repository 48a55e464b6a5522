//! The faults and tasks by their names, and how one is made and recorded.

use std::collections::BTreeMap;

use clap::{ArgMatches, Args, Command};
use serde_json::Value;
use stallion_timeline::Chaos;
use stallion_timeline::clock::monotonic_ns;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::Fault;
use crate::{
    add_node, aof_rewrite, bgsave, bigkey, bigkey_cure, client_flood, contend, cpu_hog, defrag,
    expiry_storm, failover, fsync_policy, guard_rail, kill_primary, long_script, lose_primary,
    maxmemory, memory_footprint, net_delay, net_loss, partition, pause, replica_cut, replica_lag,
    reshard, restart, try_commands,
};

/// Every fault and task, in the order in which they are listed to users.
pub const FAULTS: [Kind; 27] = [
    Kind::fault::<bgsave::Bgsave>("bgsave"),
    Kind::fault::<aof_rewrite::AofRewrite>("aof-rewrite"),
    Kind::fault::<bigkey::BigKeyOn>("bigkey-on"),
    Kind::fault::<bigkey_cure::BigKeyCure>("bigkey-cure"),
    Kind::fault::<expiry_storm::ExpiryStorm>("expiry-storm"),
    Kind::fault::<pause::Pause>("pause"),
    Kind::fault::<fsync_policy::FsyncPolicy>("fsync-policy"),
    Kind::fault::<restart::Restart>("restart"),
    Kind::fault::<long_script::LongScript>("long-script"),
    Kind::fault::<replica_lag::ReplicaLag>("replica-lag"),
    Kind::fault::<lose_primary::LosePrimary>("lose-primary"),
    Kind::fault::<maxmemory::MaxMemory>("maxmemory"),
    Kind::fault::<defrag::Defrag>("defrag"),
    Kind::fault::<client_flood::ClientFlood>("client-flood"),
    Kind::fault::<cpu_hog::CpuHog>("cpu-hog"),
    Kind::fault::<reshard::Reshard>("reshard"),
    Kind::fault::<add_node::AddNode>("add-node"),
    Kind::fault::<failover::Failover>("failover"),
    Kind::fault::<kill_primary::KillPrimary>("kill-primary").known_as("kill-master"),
    Kind::fault::<replica_cut::ReplicaCut>("replica-cut"),
    Kind::fault::<net_delay::NetDelay>("net-delay"),
    Kind::fault::<net_loss::NetLoss>("net-loss"),
    Kind::fault::<partition::Partition>("partition"),
    Kind::task::<contend::Contend>("contend"),
    Kind::task::<try_commands::TryCommands>("try-commands"),
    Kind::task::<memory_footprint::MemoryFootprint>("memory-footprint").known_as("weigh"),
    Kind::task::<guard_rail::GuardRail>("guard-rail"),
];

/// One line of the catalogue.
#[derive(Debug)]
pub struct Kind {
    /// Its name on the command line and in scenarios.
    pub name: &'static str,
    /// Its name in records, which readers of older timelines know; as a name it is still taken.
    pub recorded_as: &'static str,
    /// Whether it measures instead of disturbing.
    pub is_task: bool,
    augment: fn(Command) -> Command,
    read: fn(&ArgMatches) -> Result<Box<dyn Fault>, clap::Error>,
}

impl Kind {
    const fn fault<F: Fault + Args + 'static>(name: &'static str) -> Self {
        Self {
            name,
            recorded_as: name,
            is_task: false,
            augment: F::augment_args,
            read: |matches| Ok(Box::new(F::from_arg_matches(matches)?)),
        }
    }

    const fn task<F: Fault + Args + 'static>(name: &'static str) -> Self {
        Self { is_task: true, ..Self::fault::<F>(name) }
    }

    const fn known_as(self, recorded_as: &'static str) -> Self {
        Self { recorded_as, ..self }
    }

    /// The command with its arguments, for a command line to add to.
    #[must_use]
    pub fn command(&self) -> Command {
        let command = (self.augment)(Command::new(self.name));
        if self.recorded_as == self.name { command } else { command.alias(self.recorded_as) }
    }

    /// What was typed for its command.
    ///
    /// # Errors
    /// clap's, for matches of another command.
    pub fn typed(&'static self, matches: &ArgMatches) -> Result<Injection, clap::Error> {
        let command = self.command();
        let given = command.get_arguments().filter_map(|arg| {
            let id = arg.get_id().as_str();
            (matches.value_source(id)? == clap::parser::ValueSource::CommandLine).then_some(())?;
            let words: Vec<_> = matches.get_raw(id)?.map(|word| word.to_string_lossy()).collect();
            Some((arg.get_long()?.to_owned(), words.join(",")))
        });
        let arguments = given.collect();
        Ok(Injection { kind: self, fault: (self.read)(matches)?, arguments })
    }

    /// Reads arguments by their names, which are those of the flags, also with underscores.
    ///
    /// # Errors
    /// [`FaultError::Argument`] or [`FaultError::Value`], naming the first that is wrong.
    pub fn read<'a>(
        &'static self,
        arguments: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Injection, FaultError> {
        let command = self.command().no_binary_name(true).disable_help_flag(true);
        let mut words = Vec::new();
        for (name, value) in arguments {
            let long = name.replace('_', "-");
            let mut known = command.get_arguments().flat_map(|arg| {
                arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default())
            });
            if !known.any(|one| one == long) {
                let (argument, takes) = (name.to_owned(), takes(&command));
                return Err(FaultError::Argument { action: self.name, argument, takes });
            }
            words.push(format!("--{long}={value}"));
        }
        let wrong =
            |error: clap::Error| FaultError::Value { action: self.name, text: sentence(&error) };
        let matches = command.try_get_matches_from(words).map_err(wrong)?;
        self.typed(&matches).map_err(wrong)
    }
}

/// clap's error without what is about command lines.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let told = text.split("\n\nUsage:").next().unwrap_or_default();
    let told = told.split("\n\nFor more information").next().unwrap_or_default();
    let words: Vec<&str> = told.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

fn takes(command: &Command) -> String {
    let names: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; it takes: {}", names.join(", ")),
    }
}

fn names() -> String {
    FAULTS.map(|kind| kind.name).join(", ")
}

/// The fault or task of a name.
///
/// # Errors
/// [`FaultError::Unknown`], which lists the valid ones.
pub fn find(name: &str) -> Result<&'static Kind, FaultError> {
    const ALL: &[Kind] = &FAULTS;
    ALL.iter()
        .find(|kind| kind.name == name || kind.recorded_as == name)
        .ok_or_else(|| FaultError::Unknown { name: name.to_owned(), known: names() })
}

/// A fault with its arguments.
#[derive(Debug)]
pub struct Injection {
    kind: &'static Kind,
    fault: Box<dyn Fault>,
    arguments: BTreeMap<String, String>,
}

impl Injection {
    /// Its line of the catalogue.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The arguments that were given, for a timeline's header.
    #[must_use]
    pub fn arguments(&self) -> Value {
        let value = |text: &String| match text.parse::<u64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(text.as_str()),
        };
        self.arguments.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    /// Checks that it may be done at a server.
    ///
    /// # Errors
    /// [`FaultError::Foreign`] for a destructive one at a server that Stallion did not start.
    pub fn permit(&self, endpoint: &mut Endpoint) -> Result<(), FaultError> {
        if !self.fault.destructive() || endpoint.may_be_harmed() {
            return Ok(());
        }
        Err(FaultError::Foreign { action: self.kind.name, target: endpoint.target.to_string() })
    }

    /// Does it and records it. What goes wrong meanwhile becomes the record's outcome.
    ///
    /// # Errors
    /// [`FaultError`] when it was refused before it began.
    pub fn perform(&self, endpoint: &mut Endpoint) -> Result<Chaos, FaultError> {
        self.permit(endpoint)?;
        let begin_ns = monotonic_ns();
        let result = self.fault.inject(endpoint);
        let end_ns = monotonic_ns();
        let (outcome, detail) = match result {
            Ok(detail) => ("ok".to_owned(), detail),
            Err(error) => (error.to_string(), crate::fault::Detail::new()),
        };
        Ok(Chaos {
            action: self.kind.recorded_as.to_owned(),
            target: endpoint.target.to_string(),
            begin_ns,
            end_ns,
            outcome,
            detail: Value::Object(detail),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_fault_is_told_the_valid_ones() {
        let text = find("explode").err().unwrap().to_string();
        for kind in FAULTS {
            assert!(text.contains(kind.name), "{text}");
            kind.command().debug_assert();
            assert!(kind.command().get_about().is_some(), "{}", kind.name);
        }
    }

    #[test]
    fn an_argument_that_a_fault_does_not_take_is_named() {
        let refused = |name, arguments: &[(&str, &str)]| {
            let read = find(name).unwrap().read(arguments.iter().copied());
            read.err().map(|error| error.to_string())
        };
        let text = refused("pause", &[("fields", "1")]).unwrap();
        assert_eq!(text, "`pause` takes no `fields`; it takes: for");
        assert_eq!(refused("bigkey-on", &[("fields", "1")]), None);
        let text = refused("fsync-policy", &[("appendfsync", "sometimes")]).unwrap();
        assert!(text.contains("sometimes") && text.contains("no, everysec, always"), "{text}");
        let text = refused("net-loss", &[]).unwrap();
        assert!(text.contains("--device"), "{text}");
    }

    /// What scenarios and command lines wrote before each argument had a name of its own.
    #[test]
    fn older_names_are_still_taken() {
        for (name, arguments) in [
            ("weigh", &[("policy", "hash-100"), ("keys", "10")][..]),
            ("kill-master", &[("for", "24s")]),
            ("contend", &[("kind", "get-set"), ("count", "4"), ("keys", "100")]),
            (
                "guard-rail",
                &[("kind", "aof-rewrite"), ("policy", "child-first"), ("memory", "70%")],
            ),
            ("lose-primary", &[("policy", "min-replicas"), ("delay", "300ms")]),
            ("maxmemory", &[("policy", "allkeys-lru"), ("memory", "100mb")]),
            ("restart", &[("policy", "snapshot")]),
            ("replica-cut", &[("policy", "overflowed")]),
            ("long-script", &[("policy", "killed")]),
            ("expiry-storm", &[("policy", "lazy")]),
            ("failover", &[("policy", "takeover")]),
            ("fsync-policy", &[("policy", "no")]),
            ("bigkey-cure", &[("kind", "lrange"), ("fields", "9")]),
        ] {
            let read = find(name).unwrap().read(arguments.iter().copied());
            assert!(read.is_ok(), "{name}: {read:?}");
        }
    }
}

//! Values from one place, and what they become on a command line.

use std::ffi::OsString;
use std::fmt;

use clap::{Arg, ArgAction, Command};

use crate::exit::Failure;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The variable's name.
    Environment(String),
    /// The file's path and a line of it.
    File(String, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "the environment ({name})"),
            Self::File(path, line) => write!(f, "{path} line {line}"),
        }
    }
}

/// One flag's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// By which clap knows it.
    pub(super) id: String,
    /// Its name, without dashes.
    pub(super) flag: String,
    /// What it is on a command line; nothing for a switch that is off.
    pub(super) words: Vec<String>,
    /// Where it stands.
    pub(super) origin: Origin,
}

impl Found {
    pub(super) fn new(arg: &Arg, values: &[String], origin: Origin) -> Result<Self, Failure> {
        let flag = arg.get_long().unwrap_or_default().to_owned();
        let words = if is_switch(arg) {
            switch(&flag, values, &origin)?
        } else {
            values.iter().map(|value| format!("--{flag}={value}")).collect()
        };
        Ok(Self { id: arg.get_id().to_string(), flag, words, origin })
    }

    /// Its values; of what may be a secret none.
    pub(super) fn shown(&self) -> String {
        let values = self.words.iter().filter_map(|word| Some(word.split_once('=')?.1));
        // Addresses may have a password before the host.
        if self.flag == "pass" || values.clone().any(|value| value.contains('@')) {
            return "…".to_owned();
        }
        values.collect::<Vec<_>>().join(", ")
    }
}

/// All values from one place.
pub(super) type Layer = Vec<Found>;

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn switch(flag: &str, values: &[String], origin: &Origin) -> Result<Vec<String>, Failure> {
    match values.first().map_or("", String::as_str) {
        "true" | "1" | "yes" | "on" => Ok(vec![format!("--{flag}")]),
        "false" | "0" | "no" | "off" | "" => Ok(Vec::new()),
        other => {
            let text =
                format!("{origin}: --{flag} is on or off: give true or false, not {other:?}");
            Err(Failure::usage(text))
        }
    }
}

/// The flags of a verb that can be set from elsewhere: all that have a long name and take part in
/// what the verb does.
pub(super) fn flags(verb: &Command) -> impl Iterator<Item = &Arg> {
    let apart = ["help", "version", "config"];
    verb.get_arguments()
        .filter(move |arg| arg.get_long().is_some_and(|long| !apart.contains(&long)))
}

/// Every verb that does something, with its way from the program.
pub(super) fn verbs(program: &Command) -> Vec<(Vec<&str>, &Command)> {
    let mut open = vec![(Vec::new(), program)];
    let mut found = Vec::new();
    while let Some((path, command)) = open.pop() {
        let mut inner = command.get_subcommands().filter(|sub| sub.get_name() != "help").peekable();
        if inner.peek().is_none() && !path.is_empty() {
            found.push((path, command));
            continue;
        }
        open.extend(inner.map(|sub| ([path.clone(), vec![sub.get_name()]].concat(), sub)));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// Every command with its way: verbs, and those that only have verbs below them.
pub(super) fn tables(program: &Command) -> Vec<(Vec<&str>, &Command)> {
    let mut open = vec![(Vec::new(), program)];
    let mut found = Vec::new();
    while let Some((path, command)) = open.pop() {
        let inner = command.get_subcommands().filter(|sub| sub.get_name() != "help");
        open.extend(inner.map(|sub| ([path.clone(), vec![sub.get_name()]].concat(), sub)));
        if !path.is_empty() {
            found.push((path, command));
        }
    }
    found
}

/// The flags of a verb, or of all verbs below a command.
pub(super) fn flags_within(command: &Command) -> Vec<&Arg> {
    let inner = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    flags(command).chain(inner.flat_map(flags_within)).collect()
}

/// `STALLION_DRIVE_`, `STALLION_LAB_RUN_`.
fn prefix(path: &[&str]) -> String {
    format!("STALLION_{}_", path.join("_").to_uppercase().replace('-', "_"))
}

/// What the variables say of one verb. A name that begins as those of any verb and is none of its
/// flags is a slip, and is told: the run would be another one than was meant.
pub(super) fn environment(
    program: &Command,
    path: &[&str],
    verb: &Command,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Layer, Failure> {
    let all = tables(program);
    let mut layer = Layer::new();
    let mut named: Vec<(usize, Found)> = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("STALLION_")) else {
            continue;
        };
        let Some(value) = value.to_str() else { continue };
        let origin = Origin::Environment(name.to_owned());
        if name == "STALLION_LOG"
            && let Some(arg) = flags(verb).find(|arg| arg.get_long() == Some("log"))
        {
            layer.push(Found::new(arg, &[value.to_owned()], origin)?);
            continue;
        }
        let of_verb = all.iter().filter_map(|(path, verb)| {
            let flag = name.strip_prefix(&prefix(path))?.to_lowercase().replace('_', "-");
            Some((path, *verb, flag))
        });
        // `lab run` and a flag of `lab` could begin alike: the longest way goes first.
        let Some((table, owner, flag)) = of_verb.min_by_key(|(_, _, flag)| flag.len()) else {
            continue;
        };
        let known = flags_within(owner);
        if !known.iter().any(|arg| arg.get_long() == Some(flag.as_str())) {
            let names = known.iter().filter_map(|arg| arg.get_long());
            let meant = similar(&flag, names)
                .map(|long| {
                    let long = long.to_uppercase().replace('-', "_");
                    format!("; is {}{long} meant?", &name[..name.len() - flag.len()])
                })
                .unwrap_or_default();
            let text = format!("{name} in the environment: there is no flag --{flag}{meant}");
            return Err(Failure::usage(text));
        }
        // A command's table is meant for all verbs below it that have the flag.
        let arg = flags(verb).find(|arg| arg.get_long() == Some(flag.as_str()));
        if let Some(arg) = arg.filter(|_| path.starts_with(table)) {
            named.push((table.len(), Found::new(arg, &[value.to_owned()], origin)?));
        }
    }
    named.sort_by(|(one, _), (other, _)| other.cmp(one));
    for (_, found) in named {
        if layer.iter().all(|known| known.id != found.id) {
            layer.push(found);
        }
    }
    layer.sort_by(|one, other| one.flag.cmp(&other.flag));
    Ok(layer)
}

/// The name that was probably meant.
pub(super) fn similar<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
    let best = near.filter(|(likeness, _)| *likeness > 0.6);
    best.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, known)| known)
}

//! Flags from the environment and from a file, for what the command line leaves open: the command line
//! goes first, then the environment (`STALLION_DRIVE_RATE`), then the file (`rate` under `[drive]`),
//! then a flag's default.
//!
//! What is found is added to the command line's words before they are parsed: so each value is read,
//! checked and refused as if it had been typed.

mod layer;

mod file;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::exit::Failure;
use file::read_file;
use layer::{Found, Layer, environment};

/// The file that is read where nothing else is said.
const USUAL: &str = "stallion.toml";

/// Given for a file, it means none.
const NONE: &str = "none";

/// The words of a command line, completed.
#[derive(Debug)]
pub(crate) struct Completed {
    /// All of them.
    pub(crate) words: Vec<OsString>,
    added: Vec<Found>,
}

impl Completed {
    fn typed(words: Vec<OsString>) -> Self {
        Self { words, added: Vec::new() }
    }

    /// Says on standard error what did not come from the command line: it bears on what is measured.
    pub(crate) fn tell(&self) {
        for found in &self.added {
            eprintln!("note: --{} {} from {}", found.flag, found.shown(), found.origin);
        }
    }

    /// Prints what is wrong with the words, and where a value that was not typed stands.
    pub(crate) fn refuse(&self, error: &clap::Error) -> u8 {
        // There is nobody to tell if standard error is gone.
        let _ = error.print();
        let text = error.to_string();
        let blamed = |found: &&Found| text.contains(&format!("'--{}", found.flag));
        for found in self.added.iter().filter(blamed) {
            eprintln!("--{} is from {}", found.flag, found.origin);
        }
        u8::try_from(error.exit_code()).unwrap_or(2)
    }
}

/// Completes a command line.
///
/// # Errors
/// A file that cannot be read, or names in it or in the environment that no verb has.
pub(crate) fn complete(program: &Command, words: Vec<OsString>) -> Result<Completed, Failure> {
    // What is missing may yet be found; what is wrong is refused when all is there.
    let mut program = program.clone().ignore_errors(true);
    // Flags of all verbs are handed down to each.
    program.build();
    let Ok(matches) = program.clone().try_get_matches_from(&words) else {
        // Help, or a version.
        return Ok(Completed::typed(words));
    };
    let Some((path, verb, typed)) = innermost(&program, &matches) else {
        return Ok(Completed::typed(words));
    };
    let mut layers = vec![environment(&program, &path, verb, std::env::vars_os())?];
    if let Some(source) = file_of(typed)? {
        layers.push(read_file(&source, &program, &path, verb)?);
    }
    let mut taken: Vec<String> = verb
        .get_arguments()
        .map(|arg| arg.get_id().to_string())
        .filter(|id| typed.value_source(id) == Some(ValueSource::CommandLine))
        .collect();
    let mut added = Vec::new();
    for layer in layers {
        take(layer, verb, &mut taken, &mut added);
    }
    Ok(Completed { words: with(words, &added), added })
}

/// The verb that the words name, with its way from the program and what was typed for it.
fn innermost<'a>(
    program: &'a Command,
    matches: &'a ArgMatches,
) -> Option<(Vec<&'a str>, &'a Command, &'a ArgMatches)> {
    let (mut path, mut verb, mut typed) = (Vec::new(), program, matches);
    while let Some((name, of_verb)) = typed.subcommand() {
        verb = verb.find_subcommand(name)?;
        path.push(verb.get_name());
        typed = of_verb;
    }
    (!path.is_empty()).then_some((path, verb, typed))
}

/// The file to read: the one that is named, or the usual one where it is.
fn file_of(typed: &ArgMatches) -> Result<Option<PathBuf>, Failure> {
    let flag = typed.get_one::<PathBuf>("config").cloned();
    let named = flag.or_else(|| std::env::var_os("STALLION_CONFIG").map(PathBuf::from));
    match named {
        Some(path) if path == Path::new(NONE) || path.as_os_str().is_empty() => Ok(None),
        Some(path) if path.is_file() => Ok(Some(path)),
        Some(path) => {
            let text =
                format!("--config {}: there is no such file; give a path, or none", path.display());
            Err(Failure::usage(text))
        }
        None => Ok(Some(PathBuf::from(USUAL)).filter(|path| path.is_file())),
    }
}

/// Takes of a layer what no layer above it has said, nor said otherwise.
fn take(layer: Layer, verb: &Command, taken: &mut Vec<String>, added: &mut Vec<Found>) {
    let mut new = Vec::new();
    for found in layer {
        let Some(arg) = verb.get_arguments().find(|arg| arg.get_id().as_str() == found.id) else {
            continue;
        };
        let excludes = |one: &clap::Arg, other: &str| {
            let conflicts = verb.get_arg_conflicts_with(one);
            conflicts.iter().any(|conflict| conflict.get_id().as_str() == other)
        };
        let settled = taken.iter().any(|id| {
            let theirs = verb.get_arguments().find(|arg| arg.get_id().as_str() == id);
            *id == found.id
                || excludes(arg, id)
                || theirs.is_some_and(|arg| excludes(arg, &found.id))
        });
        if settled {
            continue;
        }
        new.push(found.id.clone());
        // A switch that is off is said, and adds no word.
        if !found.words.is_empty() {
            added.push(found);
        }
    }
    taken.extend(new);
}

/// The words with what was added: behind the flags, before what follows `--`.
fn with(mut words: Vec<OsString>, added: &[Found]) -> Vec<OsString> {
    let end = words.iter().position(|word| word == OsStr::new("--")).unwrap_or(words.len());
    let new = added.iter().flat_map(|found| found.words.iter().map(OsString::from));
    words.splice(end..end, new);
    words
}

/// A file of all flags of all verbs, each in a comment with its help and its default.
pub(crate) fn template(program: &Command) -> String {
    let mut program = program.clone();
    program.build();
    file::template(&program)
}

#[cfg(test)]
mod tests;

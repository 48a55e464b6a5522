//! `stallion.toml`: a table for each verb with its flags as keys; keys above the tables are meant for
//! every verb that has them.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::layer::{Found, Layer, Origin, flags, flags_within, similar, verbs};
use crate::exit::Failure;

/// A file that is read.
struct Source<'a> {
    name: String,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
    }

    fn wrong(&self, at: usize, text: &str) -> Failure {
        Failure::usage(format!("{} line {}: {text}", self.name, self.line(at)))
    }
}

/// Reads a file, all of it: a slip in another verb's table is told now, and not when that verb is
/// run.
pub(super) fn read_file(
    path: &Path,
    program: &Command,
    wanted: &[&str],
    verb: &Command,
) -> Result<Layer, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("--config {name}: {error}")))?;
    let source = Source { name, text: &text };
    let parsed = DeTable::parse(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        source.wrong(at, error.message())
    })?;
    let values: Table = toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        source.wrong(at, error.message())
    })?;
    let mut layers = Layers { source, program, wanted, verb, found: Vec::new() };
    layers.table(parsed.get_ref(), &values, &mut Vec::new())?;
    // What stands in the verb's own table goes before what stands in one above it, or above all.
    let mut found = layers.found;
    found.sort_by(|(one, _), (other, _)| other.cmp(one));
    let mut own = Layer::new();
    for (_, found) in found {
        if own.iter().all(|known| known.id != found.id) {
            own.push(found);
        }
    }
    Ok(own)
}

struct Layers<'a> {
    source: Source<'a>,
    program: &'a Command,
    wanted: &'a [&'a str],
    verb: &'a Command,
    /// What the file says of the verb, each with how deep its table is.
    found: Vec<(usize, Found)>,
}

impl Layers<'_> {
    fn table(
        &mut self,
        table: &DeTable<'_>,
        values: &Table,
        path: &mut Vec<String>,
    ) -> Result<(), Failure> {
        for (key, value) in table {
            let name = key.get_ref().replace('_', "-");
            let at = key.span().start;
            let Some(plain) = values.get(key.get_ref().as_ref()) else { continue };
            match (value.get_ref(), plain) {
                (DeValue::Table(inner), Value::Table(plain)) => {
                    path.push(name);
                    self.verb_at(path, at)?;
                    self.table(inner, plain, path)?;
                    path.pop();
                }
                _ => self.flag(&name, value, plain, at, path)?,
            }
        }
        Ok(())
    }

    /// The command at a way.
    fn verb_at(&self, path: &[String], at: usize) -> Result<&Command, Failure> {
        let mut command = self.program;
        for name in path {
            let Some(found) = command.find_subcommand(name) else {
                let names = command.get_subcommands().map(Command::get_name);
                let meant = meant(similar(name, names));
                return Err(self.source.wrong(at, &format!("there is no verb `{name}`{meant}")));
            };
            command = found;
        }
        Ok(command)
    }

    fn flag(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        plain: &Value,
        at: usize,
        path: &[String],
    ) -> Result<(), Failure> {
        let values = self.words(plain, value.span().start)?;
        let origin = Origin::File(self.source.name.clone(), self.source.line(at));
        if path.is_empty() {
            let all = verbs(self.program);
            let mut every = all.iter().flat_map(|(_, verb)| flags(verb));
            if !every.any(|arg| arg.get_long() == Some(name)) {
                let names = all.iter().flat_map(|(_, verb)| flags(verb)).filter_map(Arg::get_long);
                let meant = meant(similar(name, names));
                let text = format!("no verb has a flag --{name}{meant}");
                return Err(self.source.wrong(at, &text));
            }
        } else {
            let known = flags_within(self.verb_at(path, at)?);
            if !known.iter().any(|arg| arg.get_long() == Some(name)) {
                let meant = meant(similar(name, known.iter().filter_map(|arg| arg.get_long())));
                let text = format!("`stallion {}` has no flag --{name}{meant}", path.join(" "));
                return Err(self.source.wrong(at, &text));
            }
        }
        let within = self.wanted.len() >= path.len()
            && self.wanted.iter().zip(path).all(|(one, other)| one == other);
        let arg = flags(self.verb).find(|arg| arg.get_long() == Some(name));
        if let Some(arg) = arg.filter(|_| within) {
            self.found.push((path.len(), Found::new(arg, &values, origin)?));
        }
        Ok(())
    }

    /// A value as it would be typed; of an array each of its values.
    fn words(&self, value: &Value, at: usize) -> Result<Vec<String>, Failure> {
        match value {
            Value::String(text) => Ok(vec![text.clone()]),
            Value::Integer(number) => Ok(vec![number.to_string()]),
            Value::Float(number) => Ok(vec![number.to_string()]),
            Value::Boolean(on) => Ok(vec![on.to_string()]),
            Value::Array(all) => {
                let each: Result<Vec<_>, _> =
                    all.iter().map(|value| self.words(value, at)).collect();
                Ok(each?.concat())
            }
            Value::Datetime(_) | Value::Table(_) => {
                let text = "a flag's value is a text, a number, true or false, or an array of them";
                Err(self.source.wrong(at, text))
            }
        }
    }
}

fn meant(name: Option<&str>) -> String {
    name.map(|name| format!("; is `{name}` meant?")).unwrap_or_default()
}

/// A file of all flags of all verbs, each in a comment with its help and its default.
pub(super) fn template(program: &Command) -> String {
    let mut text = String::from(
        "# Settings of stallion: every flag of every verb. Take the # away from a line to set it.\n\
         # The command line goes before the environment (STALLION_DRIVE_RATE), that before this file.\n\
         # Keys that stand above all tables are meant for every verb that has them.\n",
    );
    for (path, verb) in verbs(program) {
        let _ = writeln!(text, "\n[{}]", path.join("."));
        for arg in flags(verb) {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines() {
                let _ = writeln!(text, "# {line}");
            }
            let _ = writeln!(text, "#{} = {}", arg.get_long().unwrap_or_default(), example(arg));
        }
    }
    text
}

/// A flag's default as TOML has it, or what kind of value it takes.
fn example(arg: &Arg) -> String {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return "false".to_owned();
    }
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let names = arg.get_value_names().unwrap_or_default();
    let value = match defaults.as_slice() {
        [] => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        values => values.join(","),
    };
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    if is_number { value } else { Value::String(value).to_string() }
}

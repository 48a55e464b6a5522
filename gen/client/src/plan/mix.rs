//! Mixes as people write them: by flags, or as a TOML file whose errors name line and field.

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use stallion_resp::command::{Command, CommandError, Commands, built_in, name_apart};

/// Why a mix cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MixError {
    /// A part of `--mix` that is no name and weight.
    #[error("{0:?} is no part of a mix: give NAME=WEIGHT, for example get=80,set=15,mget:8=5")]
    Part(String),
    /// A command that cannot be.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file; the text names file, line and field.
    #[error("{0}")]
    File(String),
}

/// `get=80,set=15,mget:8=5`: names that are known, with a count where they take one, by weight.
///
/// # Errors
/// [`MixError`] with the part that is wrong.
pub fn parse(text: &str) -> Result<Vec<Command>, MixError> {
    let part = |part: &str| {
        let wrong = || MixError::Part(part.to_owned());
        let (name, weight) = part.split_once('=').ok_or_else(wrong)?;
        let weight = weight.trim().parse().map_err(|_| wrong())?;
        Ok(Command { weight, ..built_in(name.trim())? })
    };
    text.split(',').map(part).collect()
}

/// A command by a template, with an optional weight before it: `5=HSET __key__ field __data__`.
///
/// # Errors
/// [`MixError`] when it is no command.
pub fn parse_template(text: &str) -> Result<Command, MixError> {
    let (weight, template) = match text.split_once('=') {
        Some((weight, template)) if weight.bytes().all(|byte| byte.is_ascii_digit()) => {
            (weight.parse().map_err(|_| MixError::Part(text.to_owned()))?, template)
        }
        _ => (1, text),
    };
    Ok(Command { weight, ..Command::from_template(template)? })
}

/// A file's commands: `[mix]` with names and weights, and `[[command]]` with a template or a script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mix: Option<Spanned<std::collections::BTreeMap<Spanned<String>, u32>>>,
    #[serde(default)]
    command: Vec<Entry>,
    #[serde(default)]
    tx: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    name: Option<String>,
    weight: u32,
    #[serde(default)]
    template: Option<Spanned<String>>,
    #[serde(default)]
    lua: Option<Spanned<String>>,
    #[serde(default)]
    args: Option<Spanned<String>>,
}

/// Reads a file; `name` is how errors call it.
///
/// # Errors
/// [`MixError::File`] with file, line and field.
pub fn parse_file(name: &str, text: &str) -> Result<Commands, MixError> {
    let wrong = |at: usize, field: &str, why: &str| {
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        MixError::File(format!("{name}:{line}: {field}: {why}"))
    };
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let begin = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        wrong(at, line.split('=').next().unwrap_or_default().trim(), error.message())
    })?;
    let mut list = Vec::new();
    for (known, weight) in file.mix.into_iter().flat_map(Spanned::into_inner) {
        let field = format!("mix.{}", known.as_ref());
        let command = built_in(known.as_ref())
            .map_err(|error| wrong(known.span().start, &field, &error.to_string()))?;
        list.push(Command { weight, ..command });
    }
    for entry in file.command {
        let command = match (&entry.template, &entry.lua) {
            (Some(template), None) => Command::from_template(template.as_ref())
                .map_err(|e| wrong(template.span().start, "command.template", &e.to_string()))?,
            (None, Some(lua)) => {
                let (args, at) =
                    entry.args.as_ref().map_or(("__key__", lua.span().start), |args| {
                        (args.as_ref(), args.span().start)
                    });
                Command::from_script(lua.as_ref(), args)
                    .map_err(|e| wrong(at, "command.args", &e.to_string()))?
            }
            (Some(both), Some(_)) => {
                return Err(wrong(
                    both.span().start,
                    "command",
                    "give a template or lua, not both",
                ));
            }
            (None, None) => {
                let why = "every [[command]] needs a template or lua";
                return Err(MixError::File(format!("{name}: command: {why}")));
            }
        };
        let name = entry.name.unwrap_or_else(|| command.name.clone());
        list.push(Command { name, weight: entry.weight, ..command });
    }
    if list.is_empty() {
        return Err(wrong(0, "mix", "there is no command in it: give [mix] or [[command]]"));
    }
    name_apart(&mut list);
    Ok(Commands { list, transaction: file.tx })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_read() {
        let mix = parse("get=80,set=15, mget:8=5").unwrap();
        let found: Vec<_> = mix.iter().map(|c| (c.name.as_str(), c.weight, c.keys())).collect();
        assert_eq!(found, [("get", 80, 1), ("set", 15, 1), ("mget", 5, 8)]);
        for text in ["", "get", "get=x", "nope=1", "get=1,,set=1", "get:3=1"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn templates_may_have_a_weight() {
        let template = parse_template("5=HSET __key__ a=b __data__").unwrap();
        assert_eq!((template.weight, template.words.len()), (5, 4));
        assert_eq!(parse_template("SET k a=b").unwrap().weight, 1);
    }

    #[test]
    fn a_file_is_read() {
        let text = "tx = 4\n[mix]\nget = 80\n\"mget:8\" = 5\n\n[[command]]\nname = \"cart\"\nweight = 5\n\
                    template = \"HSET {__key__} item __data__\"\n\n[[command]]\nweight = 1\n\
                    lua = \"return redis.call('INCR', KEYS[1])\"\n";
        let commands = parse_file("mix.toml", text).unwrap();
        let names: Vec<_> = commands.list.iter().map(|command| command.name.as_str()).collect();
        assert_eq!(names, ["get", "mget", "cart", "evalsha"]);
        assert_eq!(commands.transaction, Some(4));
    }

    #[test]
    fn errors_name_file_line_and_field() {
        for (text, words) in [
            ("[mix]\nget = 1\ngeet = 2\n", &["m.toml:3", "mix.geet", "lrange"][..]),
            ("[mix]\nget = \"x\"\n", &["m.toml:2", "get", "u32"]),
            (
                "\n[[command]]\nweight = 1\ntemplate = \"SUBSCRIBE a\"\n",
                &["m.toml:4", "command.template"],
            ),
            ("[[command]]\nweight = 1\nname = \"x\"\n", &["m.toml", "template or lua"]),
            ("wait = 1\n", &["m.toml:1", "wait"]),
            ("", &["m.toml:1", "no command"]),
            ("[mix\n", &["m.toml:1"]),
        ] {
            let error = parse_file("m.toml", text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{text:?}: {error}");
        }
    }
}

//! The flags that say which commands are sent.

use std::path::{Path, PathBuf};

use stallion_client::plan::mix::{parse, parse_file, parse_template};
use stallion_resp::command::{Command, Commands, name_apart};

use super::read::ratio;
use crate::exit::Failure;

/// Which commands, and how often.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Commands")]
pub(crate) struct Mix {
    /// Reads to writes: GET and SET by weight
    #[arg(long, value_name = "R:W", default_value = "1:0", value_parser = ratio)]
    rw_ratio: (u32, u32),
    /// Commands by weight, such as get=80,set=15,mget:8=5, or a TOML file (*.toml). Names: get, set,
    /// incr, del:N, unlink:N, mget:N, mset:N, hset, hget, hgetall, lpush, lpop, lrange:N, zadd, zrange:N,
    /// scan:N, wait:N, evalsha
    #[arg(long, value_name = "MIX|FILE", conflicts_with = "rw_ratio")]
    mix: Option<String>,
    /// One more command, as a template with __key__, __other__, __data__, __field__ or __number__,
    /// and a weight before it: "5=HSET __key__ name __data__"; may be given again
    #[arg(long, value_name = "[W=]WORDS", conflicts_with = "rw_ratio")]
    command: Vec<String>,
    /// One more command: this Lua script, by EVALSHA
    #[arg(long, value_name = "[W=]FILE", conflicts_with = "rw_ratio")]
    script: Option<String>,
    /// The words that follow the script's number of keys; those with a key are its KEYS
    #[arg(long, value_name = "WORDS", default_value = "__key__", requires = "script")]
    script_args: String,
    /// Send N commands of the mix at a time between MULTI and EXEC: one request, one latency
    #[arg(long, value_name = "N")]
    tx: Option<usize>,
}

impl Mix {
    /// The commands that the flags ask for.
    pub(crate) fn read(&self) -> Result<Commands, Failure> {
        let mut commands = Commands::of(Vec::new());
        match &self.mix {
            Some(file) if has_extension(file, "toml") => {
                commands = parse_file(file, &text_of(Path::new(file), "--mix")?)
                    .map_err(Failure::usage)?;
            }
            Some(mix) => {
                let wrong = |error| Failure::usage(format!("--mix {mix}: {error}"));
                commands.list = parse(mix).map_err(wrong)?;
            }
            None => {}
        }
        for text in &self.command {
            let wrong = |error| Failure::usage(format!("--command {text}: {error}"));
            commands.list.push(parse_template(text).map_err(wrong)?);
        }
        commands.list.extend(self.read_script()?);
        if commands.list.is_empty() {
            let (reads, writes) = self.rw_ratio;
            commands = Commands::reads_and_writes(reads, writes);
        }
        name_apart(&mut commands.list);
        commands.transaction = self.tx.or(commands.transaction);
        Ok(commands)
    }

    fn read_script(&self) -> Result<Option<Command>, Failure> {
        let Some(text) = &self.script else { return Ok(None) };
        let (weight, file) = match text.split_once('=') {
            Some((weight, file)) if weight.parse::<u32>().is_ok() => {
                (weight.parse().unwrap_or(1), file)
            }
            _ => (1, text.as_str()),
        };
        let lua = text_of(&PathBuf::from(file), "--script")?;
        let wrong = |error| Failure::usage(format!("--script-args {}: {error}", self.script_args));
        let command = Command::from_script(&lua, &self.script_args).map_err(wrong)?;
        Ok(Some(Command { weight, ..command }))
    }
}

fn has_extension(file: &str, wanted: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

fn text_of(path: &Path, flag: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("{flag} {}: {error}; is this the file's path?", path.display()))
    })
}

//! `stallion chaos`: one fault or task, on its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgMatches, Command, FromArgMatches};
use serde_json::json;
use stallion_fault::{self as fault, Endpoint, FAULTS, Injection, Log, log};
use stallion_server::{Target, duration};
use stallion_stack::Interrupt;

use crate::client::Place;
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  stallion chaos bgsave -p 6379
  stallion chaos bigkey-on -p 6379 --fields 500000 --after 5s --out results/chaos.jsonl
  stallion chaos pause -p 6379 --for 2s --allow-foreign
  stallion chaos reshard -p 7000 --slots 0-999 --to 127.0.0.1:7001 --for 20s --allow-foreign

With --out the fault is a timeline that `stallion report` joins with those of drive and probe.
Faults that may harm others act only on servers that Stallion itself started, unless
--allow-foreign. A task disturbs in order to measure.";

const OF_EACH: &str = "\
Times are 500ms, 5s or 2m; a bare number is seconds. TLS and logs are set as for `stallion drive`.";

// What each fault takes besides its own arguments. (A doc comment would become the help of each.)
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    place: Place,
    /// Wait this long before it begins
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration::parse)]
    after: Duration,
    /// Also write it as a timeline into this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Harm a server that Stallion did not start
    #[arg(long)]
    allow_foreign: bool,
}

/// A fault, and where and when it is injected.
#[derive(Debug)]
pub(crate) struct Args {
    injection: Injection,
    common: Common,
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let unknown = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(unknown)?;
        let kind = fault::find(name).map_err(|_| unknown())?;
        Ok(Self { injection: kind.typed(matches)?, common: Common::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The catalogue of faults makes the subcommands: one that is added there is here, too.
impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        let each = FAULTS.iter().map(|kind| {
            let own = kind.command();
            let about = own.get_about().cloned().unwrap_or_default();
            let command = Common::augment_args(own.next_help_heading("Everywhere")).about(about);
            let is_tls = |arg: &clap::Arg| arg.get_long().is_some_and(|one| one.starts_with("tls"));
            let command = command.mut_args(|arg| if is_tls(&arg) { arg.hide(true) } else { arg });
            command.disable_help_flag(true).after_help(OF_EACH)
        });
        command.subcommands(each).subcommand_required(true).after_help(EXAMPLES)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The words of `stallion chaos --action NAME …`, the form before each fault was a subcommand, as they
/// are written today.
///
/// # Errors
/// For a name that no fault has.
pub(crate) fn modern(mut words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let Some(verb) = words.iter().position(|word| word == "chaos") else { return Ok(words) };
    let begins_with = |word: &OsString, start| word.to_string_lossy().starts_with(start);
    if verb > 1 && !begins_with(&words[1], "-") {
        return Ok(words);
    }
    let Some(at) = words.iter().position(|word| begins_with(word, "--action")) else {
        return Ok(words);
    };
    let flag = words.remove(at).to_string_lossy().into_owned();
    let name = match flag.strip_prefix("--action=") {
        Some(name) => name.to_owned(),
        None if flag == "--action" && at < words.len() => {
            words.remove(at).to_string_lossy().into_owned()
        }
        None => return Err(Failure::usage(format!("{flag}: write `stallion chaos NAME`"))),
    };
    let kind = fault::find(&name).map_err(Failure::usage)?;
    eprintln!(
        "note: `stallion chaos --action {name}` is now `stallion chaos {}`; the old form goes with the \
         next release",
        kind.name
    );
    words.insert(verb + 1, kind.name.into());
    Ok(words)
}

pub(crate) fn run(args: &Args) -> Outcome {
    let Args { injection, common } = args;
    let target = common.place.lab_target()?;
    let interrupt = Interrupt::on_signals().context("cannot handle Ctrl-C")?;
    let mut endpoint =
        Endpoint::connect(&target, &interrupt, common.allow_foreign).map_err(Failure::usage)?;
    injection.permit(&mut endpoint).map_err(Failure::usage)?;
    let out = open_log(args, &target)?;
    if !interrupt.sleep(common.after) {
        return Err(anyhow::anyhow!("interrupted before it began").into());
    }
    let record = injection.perform(&mut endpoint).map_err(|error| Failure::Failed(error.into()))?;
    println!("{}", log::line(&record));
    let failed = (record.outcome != "ok").then(|| format!("{}: {}", record.action, record.outcome));
    if let Some(mut out) = out {
        out.append(record).context("--out")?;
        out.finish(interrupt.raised()).context("--out")?;
    }
    match failed {
        None => Ok(()),
        Some(text) => Err(anyhow::anyhow!(text).into()),
    }
}

fn open_log(args: &Args, target: &Target) -> Result<Option<Log>, Failure> {
    let Some(path) = &args.common.out else {
        return Ok(None);
    };
    let Args { injection, .. } = args;
    let plan =
        json!({ "action": injection.kind().recorded_as, "parameters": injection.arguments() });
    let tool = concat!("stallion ", env!("CARGO_PKG_VERSION"));
    Log::create(path, tool, target, plan)
        .map(Some)
        .map_err(|error| Failure::usage(format!("--out: {error}")))
}

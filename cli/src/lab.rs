//! `stallion lab`: whole experiments from one file.

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Context as _;
use serde_json::Value;
use stallion_experiment::Scenario;
use stallion_experiment::experiment::{self, Again, Request};
use stallion_experiment::run::{Finished, Options};
use stallion_experiment::scenario::{self, EMBEDDED};
use stallion_experiment::sweep::{self, Scale};
use stallion_server::Url;
use stallion_stack::Interrupt;
use stallion_stack::Registry;
use stallion_timeline::clock::monotonic_ns;
use stallion_view::Watch;

use crate::client::Tls;
use crate::exit::{Failure, Outcome};
use crate::live;

const EXAMPLES: &str = "\
Examples:
  stallion lab list
  stallion lab run demo
  stallion lab run demo --tui                 on the whole terminal, with the stalls as they happen
  stallion lab run eviction --scale small
  stallion lab run pipelining --set load.value_size=4096 --set sweep.drive.pipeline=[1,32]
  stallion lab run pipelining --stack redis://10.0.0.7:6379
  stallion lab show demo > mine.toml && stallion lab run mine.toml --out results/mine --quick
  stallion lab render results

The servers are started on free ports of the loopback in a temporary folder, and are gone at the
end, also after Ctrl-C. A sweep that was interrupted goes on where it was. The probes need root.

The exit code is 1 when a disturbance failed or did not begin, 99 when a claim of the scenario does
not hold, and 0 also when what others have published does not hold here: that is a finding.";

/// The flags of `lab`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Name the scenarios that this program carries, with their questions
    List,
    /// Print a scenario, to read it or to start one of your own
    Show {
        /// Name of a scenario, or path of a .toml file
        scenario: String,
    },
    /// Run a scenario from its servers to its report
    #[command(after_help = EXAMPLES)]
    Run(RunArgs),
    /// Make the pages, plots and index of a folder of results anew from their data
    Render {
        /// The folder, such as results
        folder: PathBuf,
    },
    /// Print the JSON Schema of scenarios, for editors
    Schema,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Name of a scenario, or path of a .toml file
    scenario: String,
    /// Folder of the results [default: results/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set a field of the scenario, such as drive.conns=10 or sweep.drive.pipeline=[1,8]; may be
    /// given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = sweep::assignment)]
    set: Vec<(String, Value)>,
    /// How large: full as the scenario is written, small as its [small] or [quick] table says
    #[arg(long, value_enum, default_value_t = Size::Full)]
    scale: Size,
    /// The same as --scale small
    #[arg(long)]
    quick: bool,
    /// Servers to use: local starts the scenario's own; or your server's URL, of a cluster those of
    /// its primaries; may be given again. What they hold under the scenario's keys is overwritten
    #[arg(long, value_name = "local|URL", default_value = "local")]
    stack: Vec<String>,
    #[command(flatten)]
    tls: Tls,
    /// Also disturb servers that Stallion did not start in ways that may harm others
    #[arg(long)]
    allow_foreign: bool,
    /// Run again what is finished
    #[arg(long)]
    fresh: bool,
    /// Of what is finished run those again in which the client was late or the bottleneck, as it may be
    /// on a host that is busy for a while
    #[arg(long, conflicts_with = "fresh")]
    retry_invalid: bool,
    /// Show it on the whole terminal while it lasts, with the stalls that the probes see; q ends it.
    /// Without a terminal there are lines
    #[arg(long)]
    tui: bool,
    /// Do not probe the server (needs no root then)
    #[arg(long)]
    no_probes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Size {
    Small,
    Full,
}

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.verb {
        Verb::List => list(),
        Verb::Show { scenario } => show(scenario),
        Verb::Run(args) => run_scenario(args),
        Verb::Render { folder } => {
            let index = experiment::index(folder).map_err(Failure::usage)?;
            println!("{}", index.display());
            Ok(())
        }
        Verb::Schema => {
            print!("{}", scenario::json_schema());
            Ok(())
        }
    }
}

fn list() -> Outcome {
    for (name, text) in EMBEDDED {
        let scenario = Scenario::parse(name, text).map_err(Failure::usage)?;
        println!("{name:12} {}", scenario.question);
    }
    Ok(())
}

fn show(name: &str) -> Outcome {
    let (file, text) = Scenario::source(name).map_err(Failure::usage)?;
    Scenario::parse(&file, &text).map_err(Failure::usage)?;
    print!("{text}");
    Ok(())
}

fn run_scenario(args: &RunArgs) -> Outcome {
    let (file, source) = Scenario::source(&args.scenario).map_err(Failure::usage)?;
    let scale = if args.quick || args.scale == Size::Small { Scale::Small } else { Scale::Full };
    let sweep = sweep::read(&file, &source, scale, &args.set).map_err(Failure::usage)?;
    let default_out = || PathBuf::from("results").join(&sweep.scenario.name);
    let urls: Vec<String> = args.stack.iter().filter(|url| *url != "local").cloned().collect();
    println!("{}: {}", sweep.scenario.name, sweep.scenario.question);
    let screen = args.tui.then(|| live::of_lab(&sweep.scenario.name)).flatten();
    let options = Options {
        program: std::env::current_exe().context("cannot find this program's own file")?,
        tool: concat!("stallion ", env!("CARGO_PKG_VERSION")).to_owned(),
        out: args.out.clone().unwrap_or_else(default_out),
        probes: !args.no_probes,
        source: sweep.text.clone(),
        registry: Registry::of_this_user(),
        tls: args.tls.lab(by_tls(&urls)?)?,
        urls,
        allow_foreign: args.allow_foreign,
        quiet: sweep.scenario.is_experiment() || screen.is_some(),
        folders: screen.as_ref().map(|(_, folders)| folders.clone()),
    };
    let interrupt = Interrupt::on_signals().context("cannot handle Ctrl-C")?;
    let said = Said::new(screen.map(|(watch, _)| watch));
    let say = |line: &str| said.line(line);
    if sweep.scenario.is_experiment() {
        let command = command(args, scale);
        let again = match (args.fresh, args.retry_invalid) {
            (true, _) => Again::Everything,
            (_, true) => Again::Spoilt,
            _ => Again::Nothing,
        };
        let request = Request { sweep, scale, again, command, options };
        let done = experiment::run(&request, &interrupt, &say);
        said.end();
        return conclude(&done.map_err(anyhow::Error::from)?);
    }
    let scenario = &sweep.points.first().context("the scenario has no run")?.scenario;
    let finished = stallion_experiment::run(scenario, &options, &interrupt, &say);
    said.end();
    let finished = finished.map_err(anyhow::Error::from)?;
    print(&finished);
    end(&finished)
}

/// Whether one of the servers is to be spoken to by TLS.
fn by_tls(urls: &[String]) -> Result<bool, Failure> {
    let mut found = false;
    for url in urls {
        found |= Url::parse(url).map_err(Failure::usage)?.by_tls;
    }
    Ok(found)
}

/// Where the lab's own lines go: to standard output, or to the screen and to standard output when
/// that is over.
struct Said {
    watch: Option<Watch>,
    lines: Mutex<Vec<String>>,
}

impl Said {
    fn new(watch: Option<Watch>) -> Self {
        Self { watch, lines: Mutex::default() }
    }

    fn line(&self, line: &str) {
        tracing::info!("{line}");
        let Some(watch) = &self.watch else {
            println!("- {line}");
            return;
        };
        watch.tell(|model| {
            model.doing = line.to_owned();
            model.note(monotonic_ns(), line);
        });
        if let Ok(mut lines) = self.lines.lock() {
            lines.push(line.to_owned());
        }
    }

    fn end(self) {
        drop(self.watch);
        for line in self.lines.into_inner().unwrap_or_default() {
            println!("- {line}");
        }
    }
}

/// The command line that asks for the same again; addresses may hold passwords, and are left out.
fn command(args: &RunArgs, scale: Scale) -> String {
    let mut words = vec!["stallion lab run".to_owned(), args.scenario.clone()];
    if scale == Scale::Small {
        words.push("--scale small".to_owned());
    }
    for (name, value) in &args.set {
        words.push(format!("--set '{name}={}'", sweep::word(value)));
    }
    if args.no_probes {
        words.push("--no-probes".to_owned());
    }
    if args.stack.iter().any(|url| url != "local") {
        words.push("--stack URL".to_owned());
    }
    words.join(" ")
}

fn conclude(done: &experiment::Done) -> Outcome {
    println!();
    for line in &done.lines {
        println!("* {line}");
    }
    for warning in &done.warnings {
        println!("note: {warning}");
    }
    println!("\npage: {}", done.page.display());
    if done.interrupted {
        return Err(anyhow::anyhow!("interrupted; run it again to go on from here").into());
    }
    all_done(&done.undone)?;
    if done.broken.is_empty() {
        return Ok(());
    }
    Err(Failure::SloBroken(format!(
        "{} of the claims: {}",
        done.broken.len(),
        done.broken.join("; ")
    )))
}

/// What a disturbance should have shown was not seen when it failed.
fn all_done(undone: &[String]) -> Outcome {
    if undone.is_empty() {
        return Ok(());
    }
    Err(anyhow::anyhow!("not all disturbances were done: {}", undone.join("; ")).into())
}

fn print(finished: &Finished) {
    println!();
    for line in &finished.summary {
        println!("{line}");
    }
    for warning in &finished.warnings {
        println!("note: {warning}");
    }
    if let Some(html) = &finished.html {
        println!("\nreport: {}", html.display());
    }
}

fn end(finished: &Finished) -> Outcome {
    if finished.interrupted {
        return Err(anyhow::anyhow!("interrupted; the report covers what was measured").into());
    }
    all_done(&finished.undone)?;
    if finished.invalid {
        let text = "the client was the bottleneck or missed its rate; the report says why";
        return Err(Failure::Invalid(text.to_owned()));
    }
    Ok(())
}

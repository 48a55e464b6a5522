//! `stallion lab`: whole experiments from one file.

use std::path::PathBuf;

use anyhow::Context as _;
use stallion_lab::run::{Finished, Options};
use stallion_lab::scenario::EMBEDDED;
use stallion_lab::stack::Registry;
use stallion_lab::{Interrupt, Scenario};

use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  stallion lab list
  stallion lab run demo
  stallion lab show demo > mine.toml && stallion lab run mine.toml --out results/mine --quick

The servers are started on free ports of the loopback in a temporary folder, and are gone at the
end, also after Ctrl-C. The probes need root.";

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
    Run(RunArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Name of a scenario, or path of a .toml file
    scenario: String,
    /// Folder of the results [default: results/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Fewer keys and shorter phases, as the scenario's [quick] table says
    #[arg(long)]
    quick: bool,
    /// Do not probe the server (needs no root then)
    #[arg(long)]
    no_probes: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.verb {
        Verb::List => list(),
        Verb::Show { scenario } => show(scenario),
        Verb::Run(args) => run_scenario(args),
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
    let mut scenario = Scenario::parse(&file, &source).map_err(Failure::usage)?;
    if args.quick {
        scenario = scenario.quick();
    }
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("results").join(&scenario.name));
    let options = Options {
        program: std::env::current_exe().context("cannot find this program's own file")?,
        tool: concat!("stallion ", env!("CARGO_PKG_VERSION")).to_owned(),
        out,
        probes: !args.no_probes,
        source,
        registry: Registry::of_this_user(),
    };
    let interrupt = Interrupt::on_signals().context("cannot handle Ctrl-C")?;
    println!("{}: {}", scenario.name, scenario.question);
    let say = |line: &str| println!("- {line}");
    let finished =
        stallion_lab::run(&scenario, &options, &interrupt, &say).map_err(anyhow::Error::from)?;
    print(&finished);
    end(&finished)
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
    if finished.invalid {
        let text = "the client was the bottleneck or missed its rate; the report says why";
        return Err(Failure::Invalid(text.to_owned()));
    }
    Ok(())
}

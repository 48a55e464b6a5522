//! `stallion report`.

use std::path::PathBuf;

use stallion_report::analysis::analyse;
use stallion_report::files::{self, Format};
use stallion_report::render;

use crate::exit::{Failure, Outcome};

/// The flags of `report`.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Join the timelines of one run, attribute each slow request to the stalls that \
                  delayed it, and write the report.\n\nThe files are those that `drive`, `probe`, \
                  `chaos` and `load` wrote; one alone is enough for a part of the report. Nothing \
                  is contacted, so a run can be analysed on any host and at any time.",
    after_help = "Examples:\n  stallion report results/demo                  all timelines of a \
                  folder\n  stallion report drive.jsonl probe.jsonl       two named ones\n  \
                  stallion report run --format json --out /tmp  figures only, elsewhere"
)]
pub(crate) struct Args {
    /// Timelines, or folders whose *.jsonl are meant
    #[arg(required = true, value_name = "FILE|DIR")]
    inputs: Vec<PathBuf>,
    /// Folder for the report [default: beside the first timeline]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Which forms to write
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["html", "markdown", "json"])]
    format: Vec<FormatName>,
}

/// The forms as the flag names them.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormatName {
    Html,
    Markdown,
    Json,
}

impl FormatName {
    fn format(self) -> Format {
        match self {
            Self::Html => Format::Html,
            Self::Markdown => Format::Markdown,
            Self::Json => Format::Json,
        }
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let timelines = files::timelines(&args.inputs).map_err(Failure::usage)?;
    let analysis = analyse(&timelines).map_err(Failure::usage)?;
    let folder = args.out.clone().unwrap_or_else(|| files::default_folder(&args.inputs));
    let formats: Vec<Format> = args.format.iter().map(|name| name.format()).collect();
    let written = files::write(&analysis, &folder, &formats).map_err(anyhow::Error::from)?;
    print!("{}", render::terminal::render(&analysis));
    println!();
    for path in written {
        println!("{}", path.display());
    }
    Ok(())
}

//! `stallion export`: a run in the files that other tools open.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use stallion_export::perfetto::Found;
use stallion_export::source::{Named, client};
use stallion_export::{ExportError, csv, hdr, memtier, perfetto, tables};
use stallion_report::analysis::{SpikeReport, analyse};
use stallion_report::files::{default_folder, timelines};
use stallion_timeline::Timeline;

use crate::client::human_us;
use crate::exit::{Failure, Outcome};
use crate::inputs;

const EXAMPLES: &str = "\
Examples:
  stallion export results/run --to hdr               results/run/drive.hlog, for every HdrHistogram
  stallion export results/run --to perfetto          results/run/run.pftrace: drop it on ui.perfetto.dev
  stallion export results/run --to parquet           results/run/parquet/*.parquet, for DuckDB
  stallion export results/run --to csv --out - | head
  stallion export other-tool.hlog --to parquet       logs of other tools are read, too
docs/book/src/analysis.md has ten questions to the Parquet files.";

/// The flags of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Timelines, folders whose *.jsonl are meant, or HdrHistogram logs
    #[arg(required = true, value_name = "FILE|DIR")]
    inputs: Vec<PathBuf>,
    /// Which format
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: To,
    /// The file to write (for parquet the folder), or - for standard output [default: beside the
    /// first timeline]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    /// HdrHistogram interval log: response times, and by tag service times and schedule lag
    Hdr,
    /// The JSON of memtier_benchmark
    Memtier,
    /// A line for each interval
    Csv,
    /// A trace for ui.perfetto.dev: spikes, stalls, disturbances, slow requests, counters
    Perfetto,
    /// A folder of tables in columns
    Parquet,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let named = inputs::read(&args.inputs)?;
    let timelines: Vec<Timeline> = named.iter().map(|named| named.timeline.clone()).collect();
    if args.to == To::Parquet {
        return parquet(args, &named);
    }
    let name = client_name(&named);
    let (bytes, file) = match args.to {
        To::Hdr => (wanted(&timelines, hdr::write)?.into_bytes(), format!("{name}.hlog")),
        To::Csv => (wanted(&timelines, csv::write)?.into_bytes(), format!("{name}.csv")),
        To::Memtier => {
            let object = wanted(&timelines, memtier::write)?;
            let text = serde_json::to_string_pretty(&object).context("the object as JSON")? + "\n";
            (text.into_bytes(), format!("{name}.memtier.json"))
        }
        To::Perfetto | To::Parquet => {
            let found = spikes(&args.inputs);
            let written = perfetto::write(&timelines, &found).map_err(Failure::usage)?;
            if written.left_out > 0 {
                eprintln!("note: {} slow requests found no lane in the trace", written.left_out);
            }
            (written.bytes, "run.pftrace".to_owned())
        }
    };
    put(args, &bytes, &file)
}

/// Turns the client's timeline into something.
fn wanted<T>(
    timelines: &[Timeline],
    write: fn(&Timeline) -> Result<T, ExportError>,
) -> Result<T, Failure> {
    client(timelines).and_then(write).map_err(Failure::usage)
}

/// The name of the client's file.
fn client_name(named: &[Named]) -> &str {
    let is_client = |named: &&Named| client(std::slice::from_ref(&named.timeline)).is_ok();
    named.iter().find(is_client).map_or("run", |named| named.name.as_str())
}

fn put(args: &Args, bytes: &[u8], file: &str) -> Outcome {
    if args.out.as_deref() == Some(Path::new("-")) {
        std::io::stdout().write_all(bytes).context("standard output")?;
        return Ok(());
    }
    let path = args.out.clone().unwrap_or_else(|| default_folder(&args.inputs).join(file));
    write(&path, bytes)?;
    println!("{}", path.display());
    Ok(())
}

fn parquet(args: &Args, named: &[Named]) -> Outcome {
    if args.out.as_deref() == Some(Path::new("-")) {
        return Err(Failure::usage("--to parquet writes several files: give --out a folder"));
    }
    let folder = args.out.clone().unwrap_or_else(|| default_folder(&args.inputs).join("parquet"));
    for table in tables::write(named).map_err(Failure::usage)? {
        let path = folder.join(format!("{}.parquet", table.name));
        write(&path, &table.bytes)?;
        println!("{} ({} rows)", path.display(), table.rows);
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("{}", path.display()))
}

/// The report's spikes; without a client's timeline there are none.
fn spikes(inputs: &[PathBuf]) -> Vec<Found> {
    let analysis = timelines(inputs).ok().and_then(|files| analyse(&files).ok());
    let found = analysis.iter().flat_map(|analysis| &analysis.spikes);
    found.map(spike).collect()
}

fn spike(report: &SpikeReport) -> Found {
    let spike = &report.spike;
    let us = |ns: u64| human_us(ns as f64 / 1e3);
    let shares = spike.attribution.shares.iter().zip(&report.labels);
    let mut detail: Vec<(String, String)> = shares
        .map(|(share, label)| {
            let percent = f64::from(share.share_basis_points) / 100.0;
            (label.clone(), format!("{percent:.1} % of the delay"))
        })
        .collect();
    let first = report.labels.first().map_or("spike", String::as_str);
    detail.push(("slow requests".to_owned(), spike.attribution.requests.to_string()));
    detail.push(("disturbances".to_owned(), report.chaos.join(", ")));
    Found {
        track: "spikes",
        name: format!("{} at most: {first}", us(spike.response.max_ns)),
        start_ns: spike.start_ns,
        end_ns: spike.end_ns,
        detail,
    }
}

//! `stallion capture`: what clients ask a server, as a trace that `drive --trace` replays.

use std::path::PathBuf;
use std::time::Duration;

use stallion_client::control::capture::{Capture, CaptureError, capture};

use crate::client::{self, human_count};
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  stallion capture -p 6379 --out monday.trace --for 60s
  stallion drive -p 7000 --trace monday.trace --speed 2

MONITOR slows a busy server (Redis's manual measures a half), and shows no AUTH. Words are kept byte
for byte: a trace holds keys and values, so treat it as the data that it is.";

/// The flags of `capture`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: client::Server,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long to listen; Ctrl-C ends it earlier
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = client::duration)]
    length: Duration,
    /// End when the file has this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    max_bytes: u64,
    /// Write what it came to as one JSON object to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let (target, credentials) = args.server.resolve()?;
    let database = args.server.named_database()?;
    let (length, max_bytes) = (args.length, args.max_bytes);
    let plan = Capture { target, credentials, database, length, max_bytes };
    let stop = client::stop_flag()?;
    let found = capture(&plan, &args.out, &stop).map_err(|error| match error {
        CaptureError::File { .. } => Failure::Failed(error.into()),
        _ => Failure::usage(error),
    })?;
    if let Some(path) = &args.json {
        client::write_json(path, &found)?;
    }
    eprintln!(
        "{}: {} requests in {} bytes{}; {} commands of scripts left out, {} lines unreadable",
        args.out.display(),
        human_count(found.requests as f64),
        human_count(found.bytes as f64),
        if found.full { " (the bound of --max-bytes)" } else { "" },
        human_count(found.by_scripts as f64),
        human_count(found.unreadable as f64)
    );
    if found.of_other_databases > 0 {
        let count = human_count(found.of_other_databases as f64);
        eprintln!("{count} requests of other databases were left out; name none to capture all");
    }
    if found.breaks > 0 {
        eprintln!(
            "the server ended the stream {} times: what was asked meanwhile is lost; raise \
             `client-output-buffer-limit normal`, or capture less of its load",
            found.breaks
        );
    }
    Ok(())
}

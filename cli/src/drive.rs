//! `stallion drive`.

use crate::exit::{Failure, Outcome};

/// The flags of `drive`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Outcome {
    Err(Failure::usage("not merged yet"))
}

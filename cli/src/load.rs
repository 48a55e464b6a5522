//! `stallion load`.

use crate::exit::{Failure, Outcome};

/// The flags of `load`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Outcome {
    Err(Failure::usage("not merged yet"))
}

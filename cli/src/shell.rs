//! `stallion shell`: completions and the manual, generated from the flags.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Command;
use clap_complete::Shell;

use crate::exit::Outcome;
use crate::settings;

/// The flags of `shell`.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  stallion shell --completions bash > /etc/bash_completion.d/stallion
  stallion shell --completions zsh > ~/.zfunc/_stallion
  stallion shell --completions fish > ~/.config/fish/completions/stallion.fish
  stallion shell --man /usr/local/share/man/man1     stallion.1, and a page for each verb
  stallion shell --settings > stallion.toml          every flag of every verb, to be edited"
)]
pub(crate) struct Args {
    /// Print the completions of a shell
    #[arg(long, value_name = "SHELL", conflicts_with = "man")]
    completions: Option<Shell>,
    /// Write the manual's pages to a folder
    #[arg(long, value_name = "DIR")]
    man: Option<PathBuf>,
    /// Print a file of settings: every flag of every verb in a comment, with its help and its default
    #[arg(long, conflicts_with_all = ["completions", "man"])]
    settings: bool,
}

pub(crate) fn run(args: &Args, mut program: Command) -> Outcome {
    if args.settings {
        print!("{}", settings::template(&program));
    }
    if let Some(shell) = args.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut program, "stallion", &mut script);
        print!("{}", String::from_utf8_lossy(&script));
    }
    if let Some(folder) = &args.man {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        clap_mangen::generate_to(program, folder)
            .with_context(|| format!("--man {}", folder.display()))?;
        println!("{}", folder.join("stallion.1").display());
    }
    Ok(())
}

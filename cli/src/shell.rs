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
    /// Print the help of every verb as one page of Markdown
    #[arg(long, conflicts_with_all = ["completions", "man", "settings"])]
    reference: bool,
}

pub(crate) fn run(args: &Args, mut program: Command) -> Outcome {
    if args.settings {
        print!("{}", settings::template(&program));
    }
    if args.reference {
        print!("{}", reference(program.clone()));
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

/// How wide the help stands in the reference, so that it is the same on every terminal.
const REFERENCE_COLUMNS: usize = 100;

/// The help of every verb, as the book has it.
fn reference(program: Command) -> String {
    let mut program = program.term_width(REFERENCE_COLUMNS);
    program.build();
    let mut page = String::from(
        "# Command line\n\nThis page is generated from the flags (`stallion shell --reference`). \
         `stallion VERB --help` prints\nthe same on the terminal.\n",
    );
    let about = program.render_long_help();
    page += &format!("\n## stallion\n\n```text\n{}\n```\n", trimmed(&about.to_string()));
    for verb in program.get_subcommands_mut().filter(|verb| !verb.is_hide_set()) {
        describe(verb, "stallion", &mut page);
    }
    page
}

/// Adds the help of a verb and of those below it.
fn describe(verb: &mut Command, above: &str, page: &mut String) {
    let name = format!("{above} {}", verb.get_name());
    if verb.get_name() == "help" {
        return;
    }
    let help = verb.render_long_help().to_string();
    *page += &format!("\n## {name}\n\n```text\n{}\n```\n", trimmed(&help));
    for below in verb.get_subcommands_mut().filter(|verb| !verb.is_hide_set()) {
        describe(below, &name, page);
    }
}

/// Without the spaces at the ends of lines that the help is padded with.
fn trimmed(help: &str) -> String {
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

//! `cargo xtask book`: writes the book's reference of the command line, and builds the book.

use std::fs;

use crate::{install, shell};

const REFERENCE: &str = "docs/book/src/cli.md";
const MDBOOK: &str = "0.5.4";

/// `features` are those with which the program was built before.
pub(crate) fn run(features: &[&str]) -> anyhow::Result<()> {
    let program = [&["cargo", "run", "--quiet", "--package", "stallion"], features].concat();
    let words = [program.as_slice(), &["--", "shell", "--reference"]].concat();
    fs::write(shell::root().join(REFERENCE), shell::output(&words)?)?;
    println!("{REFERENCE}");
    let slim = ["--version", MDBOOK, "--no-default-features", "--features", "search"];
    install::ensure_cargo_tool("mdbook", &slim)?;
    let folder = shell::target().join("book").display().to_string();
    shell::run(&["mdbook", "build", "docs/book", "--dest-dir", &folder])?;
    println!("{folder}/index.html");
    Ok(())
}

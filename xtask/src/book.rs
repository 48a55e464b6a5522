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
    let own = install::target().join("tools/bin/mdbook");
    if !own.is_file() {
        let root = install::target().join("tools").display().to_string();
        let install = ["cargo", "install", "mdbook", "--version", MDBOOK, "--locked"];
        let slim = ["--no-default-features", "--features", "search", "--root", &root];
        shell::run(&[install.as_slice(), &slim].concat())?;
    }
    let mdbook = own.display().to_string();
    let folder = install::target().join("book").display().to_string();
    shell::run(&[&mdbook, "build", "docs/book", "--dest-dir", &folder])?;
    println!("{folder}/index.html");
    Ok(())
}

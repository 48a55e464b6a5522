//! `cargo xtask tidy`: the project's rules, as far as a machine can check them.

mod source;

mod test_code;

mod lengths;

mod panics;

mod names;

mod words;

mod modules;

mod paths;

mod order;

mod architecture;

mod crates;

mod links;

mod flags;

use anyhow::bail;

use self::source::{Finding, Tree};
use crate::shell;

/// `features` are arguments for cargo: those with which the program was built before, so that it
/// is not built again only to be asked for its flags.
pub(crate) fn run(features: &[&str]) -> anyhow::Result<()> {
    let tree = Tree::read(shell::root())?;
    let checks: [(&str, Vec<Finding>); 9] = [
        ("lengths", lengths::check(&tree)),
        ("panics", panics::check(&tree)),
        ("names", names::check(&tree)),
        ("words", words::check(&tree)),
        ("module order", order::check(&tree)),
        ("architecture", architecture::check(&tree)),
        ("crates", crates::check(&tree)),
        ("links", links::check(&tree)),
        ("flags", flags::check(&tree, features)?),
    ];
    let mut count = tree.broken.len();
    for finding in &tree.broken {
        println!("{finding}");
    }
    for (name, findings) in &checks {
        for finding in findings {
            println!("{finding} [{name}]");
        }
        count += findings.len();
    }
    if let Err(error) = schema_is_fresh() {
        println!("timeline/schema.json: {error:#}");
        count += 1;
    }
    match count {
        0 => {
            println!("tidy: {} files, nothing to mend", tree.files.len());
            Ok(())
        }
        _ => bail!("tidy has {count} findings, listed above"),
    }
}

/// The schema's own test knows how to make it; asking that test keeps one truth.
fn schema_is_fresh() -> anyhow::Result<()> {
    let test = "the_committed_schema_is_fresh";
    shell::run(&[
        "cargo",
        "test",
        "--quiet",
        "--package",
        "stallion-timeline",
        "--test",
        "files",
        "--",
        "--exact",
        test,
    ])
}

//! What the documents type, the program understands: every flag in a command line of README.md
//! and docs/ is in the `--help` of its verb.

use std::collections::BTreeMap;

use super::source::{File, Finding, Tree};
use crate::shell;

const PROGRAM: &str = "stallion";

pub(super) fn check(tree: &Tree, features: &[&str]) -> anyhow::Result<Vec<Finding>> {
    let Some(_) = tree.file("README.md") else {
        return Ok(vec![Finding {
            path: "README.md".to_owned(),
            line: 0,
            text: "is missing".to_owned(),
        }]);
    };
    shell::run(&[&["cargo", "build", "--quiet", "--package", PROGRAM], features].concat())?;
    let mut helps: BTreeMap<Vec<String>, Option<String>> = BTreeMap::new();
    let mut findings = Vec::new();
    for (file, line, command) in documents(tree).flat_map(commands) {
        let help = helps.entry(command.verb.clone()).or_insert_with(|| help_of(&command.verb));
        let wrong = match help {
            None => vec![format!("`{} {}` is no command", PROGRAM, command.verb.join(" "))],
            Some(help) => missing(&command, help),
        };
        findings.extend(wrong.into_iter().map(|text| file.finding(line, text)));
    }
    Ok(findings)
}

fn documents(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| {
        let in_docs = file.path.starts_with("docs/") && file.path.ends_with(".md");
        // The reference is made of the help itself.
        in_docs && file.path != "docs/book/src/cli.md" || file.path == "README.md"
    })
}

/// One command line of a document.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    /// The verb, and for those that have verbs below them one of these.
    verb: Vec<String>,
    flags: Vec<String>,
}

/// The command lines in a document's code blocks, with their lines.
fn commands(file: &File) -> Vec<(&File, usize, Typed)> {
    let mut within = false;
    let mut found = Vec::new();
    // A backslash at the end of a line continues it.
    let mut open: Option<(usize, String)> = None;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            within = !within;
        } else if within {
            let (number, before) = open.take().unwrap_or((index + 1, String::new()));
            let whole = format!("{before} {line}");
            match whole.strip_suffix('\\') {
                Some(start) => open = Some((number, start.to_owned())),
                None => found.extend(typed(&whole).map(|command| (file, number, command))),
            }
        }
    }
    found
}

/// What is typed in one line, if it calls the program.
fn typed(line: &str) -> Option<Typed> {
    let line = line.split(" #").next()?;
    let mut words = line.split_whitespace().peekable();
    words.find(|word| *word == PROGRAM || word.ends_with(&format!("/{PROGRAM}")))?;
    let mut verb = Vec::new();
    while let Some(word) = words.next_if(|word| !word.starts_with('-')) {
        verb.push(word.to_owned());
        if !["lab", "chaos"].contains(&word) {
            break;
        }
    }
    let flags = words
        .take_while(|word| !["|", "&&", ";", ">"].contains(word))
        .filter_map(|word| word.strip_prefix("--"))
        .map(|flag| flag.split('=').next().unwrap_or(flag).to_owned())
        .filter(|flag| !flag.is_empty())
        .collect();
    Some(Typed { verb, flags })
}

fn help_of(verb: &[String]) -> Option<String> {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let program = format!("{target}/debug/{PROGRAM}");
    let words: Vec<&str> = std::iter::once(program.as_str())
        .chain(verb.iter().map(String::as_str))
        .chain(["--help"])
        .collect();
    shell::output(&words).ok()
}

fn missing(command: &Typed, help: &str) -> Vec<String> {
    let knows = |flag: &str| {
        help.split(|c: char| !(c.is_alphanumeric() || c == '-'))
            .any(|word| word == format!("--{flag}"))
    };
    let unknown = command.flags.iter().filter(|flag| !knows(flag));
    unknown
        .map(|flag| format!("`{} {}` has no flag --{flag}", PROGRAM, command.verb.join(" ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    #[test]
    fn command_lines_are_read_from_code_blocks() {
        let text = "stallion drive --prose\n```sh\n$ sudo ./target/release/stallion lab run x \\\n  \
                    --quick --out=a | tee --append b\nstallion report . # --not-a-flag\n```\n";
        let tree = tree(&[("README.md", text)]);
        let found: Vec<(usize, Typed)> =
            commands(&tree.files[0]).into_iter().map(|(_, line, typed)| (line, typed)).collect();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(
            found,
            [
                (3, Typed { verb: words(&["lab", "run"]), flags: words(&["quick", "out"]) }),
                (5, Typed { verb: words(&["report"]), flags: vec![] }),
            ]
        );
    }

    #[test]
    fn a_flag_is_known_as_a_whole_word() {
        let command = Typed {
            verb: vec!["drive".to_owned()],
            flags: vec!["rate".to_owned(), "conn".to_owned()],
        };
        let found = missing(&command, "  --rate <N>  how fast\n  --conns <N>");
        assert_eq!(found, ["`stallion drive` has no flag --conn"]);
    }
}

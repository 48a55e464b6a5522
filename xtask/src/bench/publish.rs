//! Results, to `results/bench/NAME.json` and to the table in `docs/book/src/performance.md`.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::effort::Effort;
use crate::{host, shell};

const PAGE: &str = "docs/book/src/performance.md";

/// One table: the heads of its columns, and its rows.
pub(super) struct Table {
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", " --- |".repeat(self.heads.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.heads) + &rule + &rows
    }
}

/// Writes both, with the facts of this host.
pub(super) fn publish(
    name: &str,
    effort: Effort,
    data: Value,
    tables: &[Table],
    note: &str,
) -> anyhow::Result<()> {
    let facts = host::facts()?;
    let result = json!({ "bench": name, "host": facts, "results": data });
    let tables: Vec<String> = tables.iter().map(Table::markdown).collect();
    let text = format!(
        "`cargo xtask bench {name}` on {}. {note}\n\n{}",
        host::line(&facts),
        tables.join("\n")
    );
    println!("\n{text}");
    if !effort.publish {
        println!("Too short to rely on: nothing was written.");
        return Ok(());
    }
    let folder = shell::root().join("results/bench");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.json"));
    fs::write(&file, serde_json::to_string_pretty(&result)? + "\n")?;
    let page = shell::root().join(PAGE);
    let old = fs::read_to_string(&page).with_context(|| PAGE.to_owned())?;
    fs::write(&page, replaced(&old, name, &text)?).with_context(|| PAGE.to_owned())
}

/// The page with what is between a benchmark's markers replaced.
fn replaced(page: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- bench:{name} -->"), format!("<!-- /bench:{name} -->"));
    let missing = || format!("{PAGE} has no {begin} … {end}");
    let (before, rest) = page.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n";
        let new = replaced(page, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n");
        assert_eq!(replaced(&new, "x", "new\n").unwrap(), new);
        assert!(replaced(page, "y", "new").is_err());
    }

    #[test]
    fn tables_are_markdown() {
        let mut table = Table::new(&["a", "b"]);
        table.rows.push(vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(table.markdown(), "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }

    #[test]
    fn the_page_has_a_place_for_each_benchmark() {
        let page = fs::read_to_string(shell::root().join(PAGE)).unwrap();
        for name in [
            "engine", "peers", "pacing", "hot", "link", "load", "scale", "ceiling", "probes",
            "cluster", "metrics", "tls",
        ] {
            assert!(replaced(&page, name, "").is_ok(), "{name}");
        }
    }
}

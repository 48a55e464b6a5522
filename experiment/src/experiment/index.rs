//! The index of all experiments: question, curve, finding, command.

use std::fs;
use std::path::{Path, PathBuf};

use super::claims::published;
use super::{ExperimentError, read, render};
use crate::finding::sentences;
use crate::plot::svg;
use crate::scenario::EMBEDDED;

const HEAD: &str = "\
# What was found

Each part is one experiment: its question, its curve, what was found, and the command that makes it
again. The sentences are made from the data beside them by code (`stallion lab render results`),
and so are the verdicts on what others have published, here in our words: the data confirms it,
refines it (by the runs in which it does not hold) or contradicts it, on this host and at this size.
Absolute figures are those of the host that each page names, with server and client on one core
each; ratios carry further. `cargo xtask truth` holds the probes to what was done to a server on
purpose: [truth](truth/README.md). What `stallion triage` says of a hit rate that fell, and of one that
did not, stands in [triage](triage/README.md). `stallion plan` computes with the ceilings, fork costs
and bytes an entry that are measured here: [capacity planning](../docs/book/src/capacity.md). The client's own
figures are in [performance](../docs/book/src/performance.md).
";

/// Renders every experiment in a folder anew, and writes the folder's index. Gives the index's path.
///
/// # Errors
/// [`ExperimentError`], when a file is missing or wrong.
pub fn index(folder: &Path) -> Result<PathBuf, ExperimentError> {
    let mut text = HEAD.to_owned();
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).map_err(ExperimentError::file(folder))? {
        let entry = entry.map_err(ExperimentError::file(folder))?;
        if entry.path().join("data.json").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    // In the order of the program's own list, then the user's own.
    let place = |name: &String| EMBEDDED.iter().position(|(embedded, _)| embedded == name);
    names.sort_by_key(|name| (place(name).unwrap_or(usize::MAX), name.clone()));
    for name in &names {
        render(&folder.join(name))?;
        text += &part(folder, name)?;
    }
    let path = folder.join("README.md");
    fs::write(&path, text).map_err(ExperimentError::file(&path))?;
    Ok(path)
}

fn part(folder: &Path, name: &str) -> Result<String, ExperimentError> {
    let (scenario, _, data) = read(&folder.join(name))?;
    let mut text = format!("\n## [{}]({name}/README.md)\n\n*{}*\n", name, scenario.question);
    if let Some(plot) = scenario.plots.iter().find(|plot| svg(plot, &data).is_some()) {
        text += &format!("\n![{}]({name}/{}.svg)\n", plot.title, plot.name);
    }
    text.push('\n');
    for sentence in sentences(&scenario, &data) {
        text += &format!("- {sentence}\n");
    }
    for verdict in published(&scenario, &data) {
        text += &format!("- {verdict}\n");
    }
    text += &format!("\n```sh\n{}\n```\n", data.command);
    Ok(text)
}

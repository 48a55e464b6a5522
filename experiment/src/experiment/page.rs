//! The page of one experiment, made of its data: finding, plots, claims, table, host and plan.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::claims::{checked, published};
use super::{ExperimentError, read};
use crate::data::Data;
use crate::finding::sentences;
use crate::plot::{human, svg};
use crate::scenario::{Claim, Scenario};

/// Figures that stand in the table whatever is plotted.
const ALWAYS: [&str; 2] = ["ops_per_sec", "p99_us"];

/// What a page says, for the terminal and for the exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The finding and the claims, in lines.
    pub lines: Vec<String>,
    /// The scenario's claims that do not hold.
    pub broken: Vec<String>,
}

/// Writes plots and page of a results' folder from its data and scenario.
///
/// # Errors
/// [`ExperimentError`], when a file is missing or wrong.
pub fn render(folder: &Path) -> Result<Rendered, ExperimentError> {
    let (scenario, text, data) = read(folder)?;
    let mut pictures = Vec::new();
    for plot in &scenario.plots {
        let Some(picture) = svg(plot, &data) else { continue };
        let path = folder.join(format!("{}.svg", plot.name));
        fs::write(&path, picture).map_err(ExperimentError::file(&path))?;
        pictures.push((plot.name.clone(), plot.title.clone()));
    }
    let told = sentences(&scenario, &data);
    let claims = checked(&scenario, &data);
    let path = folder.join("README.md");
    let judged = published(&scenario, &data);
    let mut page = format!("# {}\n\n*{}*\n\n", scenario.name, scenario.question);
    page += &found(&told, &data.command, &pictures);
    page += &list("Claims", claims.iter().map(|claim| claim.text.as_str()));
    page += &list("What others have published", judged.iter().map(String::as_str));
    page += &table(&scenario, &data);
    page += &surroundings(&data);
    page += &plan(&text);
    fs::write(&path, page).map_err(ExperimentError::file(&path))?;
    let broken = claims.iter().filter(|claim| claim.broken);
    let broken = broken.map(|claim| claim.text.clone()).collect();
    let claims = claims.into_iter().map(|claim| claim.text);
    Ok(Rendered { lines: told.into_iter().chain(claims).chain(judged).collect(), broken })
}

fn found(told: &[String], command: &str, pictures: &[(String, String)]) -> String {
    let sentences: String = told.iter().map(|sentence| format!("- {sentence}\n")).collect();
    let pictures: String =
        pictures.iter().map(|(name, title)| format!("\n![{title}]({name}.svg)\n")).collect();
    format!("{sentences}\n```sh\n{command}\n```\n{pictures}")
}

/// A part with a line for each; nothing for none.
fn list<'a>(title: &str, lines: impl Iterator<Item = &'a str>) -> String {
    let lines: String = lines.map(|line| format!("- {line}\n")).collect();
    if lines.is_empty() { lines } else { format!("\n## {title}\n\n{lines}") }
}

fn plan(text: &str) -> String {
    let text = text.trim_end();
    format!("\n<details><summary>The plan</summary>\n\n```toml\n{text}\n```\n\n</details>\n")
}

/// A row for each run: its settings, what is plotted, and what is claimed.
fn table(scenario: &Scenario, data: &Data) -> String {
    let mut figures: Vec<String> = ALWAYS.map(str::to_owned).to_vec();
    let plotted = scenario.plots.iter().filter(|plot| plot.x != "time");
    let own = scenario.claims.iter().map(|claim| &claim.holds);
    let holds = own.chain(scenario.published.iter().map(|claim| &claim.holds));
    let claimed = holds.filter_map(|holds| Claim::parse(holds.as_ref()).ok());
    let more = plotted.flat_map(|plot| [plot.x.clone(), plot.y.clone()]);
    for name in more.chain(claimed.map(|claim| claim.figure)) {
        let is_there = data.points.iter().any(|point| point.figure(&name).is_some());
        if is_there && !figures.contains(&name) {
            figures.push(name);
        }
    }
    let settings: Vec<String> = data.points.iter().flat_map(|point| point.at.keys().cloned()).fold(
        Vec::new(),
        |mut all, name| {
            if !all.contains(&name) {
                all.push(name);
            }
            all
        },
    );
    let mut text = String::from("\n## Runs\n\n|");
    for name in settings.iter().chain(&figures) {
        // Writing to a String cannot fail.
        let _ = write!(text, " {} |", name.replace('|', "/"));
    }
    text += " bound |\n|";
    text += &"---|".repeat(settings.len());
    text += &"--:|".repeat(figures.len());
    text += "---|\n";
    for point in &data.points {
        text += "|";
        for name in &settings {
            let _ = write!(text, " {} |", point.word(name));
        }
        for name in &figures {
            let value = point.figure(name).map_or_else(|| "-".to_owned(), human);
            let _ = write!(text, " {value} |");
        }
        let valid = match (point.valid, point.is_doubtful()) {
            (true, _) => "",
            (_, true) => " (invalid)",
            (_, false) => " (rate missed)",
        };
        let bound = point.words.get("bound").map_or("-", String::as_str);
        let _ = writeln!(text, " {bound}{valid} |");
    }
    text + "\nEvery figure, with its unit in its name, is in [data.json](data.json).\n"
}

fn surroundings(data: &Data) -> String {
    let host = &data.host;
    let kind = if host.virtualised { "a virtual machine" } else { "a machine" };
    let probed = data.points.iter().filter(|point| point.probed).count();
    let mut text = format!(
        "\n## Where\n\n{kind} with {} cores of {} and {:.0} GiB, Linux {}, huge pages `{}`; {}; {}; \
         scale {}; the kernel was watched in {probed} of {} runs.\n",
        host.cpus,
        host.cpu,
        host.memory_bytes as f64 / f64::from(1 << 30),
        host.kernel,
        host.transparent_hugepage,
        data.server,
        data.tool,
        data.scale,
        data.points.len(),
    );
    let mut told: Vec<&String> = Vec::new();
    for warning in data.points.iter().flat_map(|point| &point.warnings) {
        if !told.contains(&warning) {
            told.push(warning);
            let _ = writeln!(text, "\n> {warning}");
        }
    }
    text
}

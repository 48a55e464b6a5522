//! The page of one experiment, made of its data: finding, plots, claims, table, host and plan.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{ExperimentError, read};
use crate::data::Data;
use crate::finding::sentences;
use crate::plot::{human, svg};
use crate::scenario::{Claim, Scenario};

/// Figures that stand in the table whatever is plotted.
const ALWAYS: [&str; 2] = ["ops_per_sec", "p99_us"];

/// Writes plots and page of a results' folder from its data and scenario; gives the lines for the
/// terminal.
///
/// # Errors
/// [`ExperimentError`], when a file is missing or wrong.
pub fn render(folder: &Path) -> Result<Vec<String>, ExperimentError> {
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
    let page = page(&scenario, &text, &data, &told, &claims, &pictures);
    fs::write(&path, page).map_err(ExperimentError::file(&path))?;
    Ok(told.into_iter().chain(claims).collect())
}

/// Each claim with how often it holds.
#[must_use]
pub fn checked(scenario: &Scenario, data: &Data) -> Vec<String> {
    scenario.claims.iter().map(|plan| check(plan, data)).collect()
}

fn check(plan: &crate::scenario::ClaimPlan, data: &Data) -> String {
    let text = plan.holds.as_ref();
    // Checked when the scenario was read.
    let Ok(claim) = Claim::parse(text) else { return format!("`{text}` is no claim") };
    let found: Vec<(f64, &str)> = data
        .points
        .iter()
        .filter(|point| point.matches(&plan.filter))
        .filter_map(|point| Some((point.claimed(&claim)?, point.label.as_str())))
        .collect();
    let broken: Vec<String> = found
        .iter()
        .filter(|(value, _)| !claim.holds(*value))
        .map(|(value, label)| match *label {
            "" => human(*value),
            label => format!("{} with {label}", human(*value)),
        })
        .collect();
    match (found.len(), broken.len()) {
        (0, _) => format!("`{text}`: not measured"),
        (_, 0) => {
            let values = found.iter().map(|(value, _)| *value);
            let (low, high) =
                (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
            format!("`{text}`: holds ({} to {} in {} runs)", human(low), human(high), found.len())
        }
        (all, some) => {
            format!("`{text}`: does not hold in {some} of {all} runs ({})", broken.join("; "))
        }
    }
}

fn page(
    scenario: &Scenario,
    text: &str,
    data: &Data,
    told: &[String],
    claims: &[String],
    pictures: &[(String, String)],
) -> String {
    let mut page = format!("# {}\n\n*{}*\n\n", scenario.name, scenario.question);
    let mut add = |lines: &str| page.push_str(lines);
    for sentence in told {
        add(&format!("- {sentence}\n"));
    }
    add(&format!("\n```sh\n{}\n```\n", data.command));
    for (name, title) in pictures {
        add(&format!("\n![{title}]({name}.svg)\n"));
    }
    if !claims.is_empty() {
        add("\n## Claims\n\n");
        for claim in claims {
            add(&format!("- {claim}\n"));
        }
    }
    add(&table(scenario, data));
    add(&surroundings(data));
    add(&format!(
        "\n<details><summary>The plan</summary>\n\n```toml\n{}\n```\n\n</details>\n",
        text.trim_end()
    ));
    page
}

/// A row for each run: its settings, what is plotted, and what is claimed.
fn table(scenario: &Scenario, data: &Data) -> String {
    let mut figures: Vec<String> = ALWAYS.map(str::to_owned).to_vec();
    let plotted = scenario.plots.iter().filter(|plot| plot.x != "time");
    let claimed =
        scenario.claims.iter().filter_map(|claim| Claim::parse(claim.holds.as_ref()).ok());
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
        let valid = if point.valid { "" } else { " (invalid)" };
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

//! The runs of a scenario: what is swept, set, and made smaller, as one scenario for each.

use serde_json::Value as Json;
use sha1_smol::Sha1;
use toml::{Table, Value};

use crate::scenario::{Scenario, ScenarioError, Settings};

/// More runs than this are a slip of the pen.
const MOST_POINTS: usize = 2_000;

/// The name under which a point's case stands among its settings.
pub const CASE: &str = "case";

/// What a point does not need: it is one run.
const NOT_OF_A_POINT: [&str; 8] =
    ["sweep", "case", "small", "plot", "claim", "published", "finding", "quick"];

/// How large a scenario is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// As its `[small]` table says, or its `[quick]` table.
    Small,
    /// As it is written.
    Full,
}

impl Scale {
    /// The word of `--scale`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Full => "full",
        }
    }
}

/// One run of a scenario.
#[derive(Debug, Clone)]
pub struct Point {
    /// Its settings, as text for people and folders.
    pub label: String,
    /// The swept settings with their values here, and the case.
    pub at: Settings,
    /// The run.
    pub scenario: Scenario,
    /// The run as a scenario of its own.
    pub text: String,
    /// Of the run's own text: what has the same digest is the same run.
    pub digest: String,
}

/// A scenario as it is asked for, and its runs.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The scenario.
    pub scenario: Scenario,
    /// Its text, with what was set.
    pub text: String,
    /// Its runs.
    pub points: Vec<Point>,
}

/// Reads a scenario, makes it as large as asked, sets what `sets` says, and spreads the sweep.
///
/// # Errors
/// [`ScenarioError`]; what a setting breaks is told with the setting.
pub fn read(
    file: &str,
    text: &str,
    scale: Scale,
    sets: &[(String, Json)],
) -> Result<Sweep, ScenarioError> {
    let mut scenario = Scenario::parse(file, text)?;
    let mut table: Table = text.parse().map_err(|error| syntax(file, error))?;
    let mut axes = flat(&scenario.sweep);
    let small: Vec<(String, Json)> = match scale {
        Scale::Small => flat(&scenario.small).into_iter().collect(),
        Scale::Full => Vec::new(),
    };
    let mut changed = false;
    for (name, value) in small.iter().chain(sets) {
        apply(&mut table, &mut axes, name, value).map_err(|text| setting(file, name, &text))?;
        changed = true;
    }
    let whole = if changed { toml_text(file, &table)? } else { text.to_owned() };
    if changed {
        scenario = Scenario::parse(&format!("{file} as it was set"), &whole)?;
    }
    axes.retain(|_, values| values.as_array().is_none_or(|values| !values.is_empty()));
    let quick = scale == Scale::Small && scenario.small.is_empty();
    if quick {
        scenario = scenario.quick();
    }
    let points = spread(file, &scenario, &table, &axes, quick)?;
    Ok(Sweep { scenario, text: whole, points })
}

/// One setting, there or among the axes; a setting that is swept is not swept any more.
fn apply(table: &mut Table, axes: &mut Settings, name: &str, value: &Json) -> Result<(), String> {
    if let Some(axis) = name.strip_prefix("sweep.") {
        axes.insert(axis.to_owned(), value.clone());
        return Ok(());
    }
    axes.remove(name);
    set(table, name, value)
}

/// All cases with all values of all axes.
fn spread(
    file: &str,
    scenario: &Scenario,
    table: &Table,
    axes: &Settings,
    quick: bool,
) -> Result<Vec<Point>, ScenarioError> {
    let mut all: Vec<(Settings, Settings)> = scenario
        .cases
        .iter()
        .map(|case| {
            let at = Settings::from([(CASE.to_owned(), Json::String(case.label.clone()))]);
            (at, flat(&case.set))
        })
        .collect();
    if all.is_empty() {
        all.push((Settings::new(), Settings::new()));
    }
    for (name, values) in axes {
        let values = values.as_array().ok_or_else(|| {
            setting(file, &format!("sweep.{name}"), "a sweep is a list of values, such as [1, 8]")
        })?;
        let with = |(at, sets): &(Settings, Settings), value: &Json| {
            let (mut at, mut sets) = (at.clone(), sets.clone());
            at.insert(name.clone(), value.clone());
            sets.insert(name.clone(), value.clone());
            (at, sets)
        };
        all = all.iter().flat_map(|one| values.iter().map(move |value| with(one, value))).collect();
        if all.len() > MOST_POINTS {
            let text = format!("more than {MOST_POINTS} runs: sweep fewer settings or values");
            return Err(setting(file, "sweep", &text));
        }
    }
    all.iter().map(|(at, sets)| point(file, table, at, sets, quick)).collect()
}

fn point(
    file: &str,
    table: &Table,
    at: &Settings,
    sets: &Settings,
    quick: bool,
) -> Result<Point, ScenarioError> {
    let label = label(at);
    let mut table = table.clone();
    for name in NOT_OF_A_POINT {
        table.remove(name);
    }
    for (name, value) in sets {
        set(&mut table, name, value).map_err(|text| setting(file, name, &text))?;
    }
    let text = toml_text(file, &table)?;
    let called = if label.is_empty() { file.to_owned() } else { format!("{file} with {label}") };
    let mut scenario = Scenario::parse(&called, &text)?;
    if quick {
        scenario = scenario.quick();
    }
    let digest = Sha1::from(format!("{text}{quick}")).digest().to_string();
    Ok(Point { label, at: at.clone(), scenario, text, digest })
}

/// Settings for people: `drive.pipeline 8, case MULTI`.
#[must_use]
pub fn label(at: &Settings) -> String {
    let words: Vec<String> =
        at.iter().map(|(name, value)| format!("{name} {}", word(value))).collect();
    words.join(", ")
}

/// A value without its quotes.
#[must_use]
pub fn word(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Tables within tables as dotted names.
fn flat(settings: &Settings) -> Settings {
    let mut all = Settings::new();
    for (name, value) in settings {
        match value.as_object() {
            Some(within) => {
                let within = within.iter().map(|(name, value)| (name.clone(), value.clone()));
                let within = flat(&within.collect());
                all.extend(
                    within.into_iter().map(|(rest, value)| (format!("{name}.{rest}"), value)),
                );
            }
            None => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    all
}

/// Sets a dotted name; numbers are places in lists, counted from 0.
fn set(table: &mut Table, name: &str, value: &Json) -> Result<(), String> {
    let value = Value::try_from(value).map_err(|error| error.to_string())?;
    let mut whole = Value::Table(std::mem::take(table));
    let placed = place(&mut whole, name, value);
    if let Value::Table(changed) = whole {
        *table = changed;
    }
    placed
}

fn place(at: &mut Value, name: &str, value: Value) -> Result<(), String> {
    let (first, rest) = match name.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    let slot = match at {
        Value::Table(table) => table.entry(first).or_insert_with(|| Value::Table(Table::new())),
        Value::Array(items) => {
            let count = items.len();
            let place = first.parse().ok().and_then(|place: usize| items.get_mut(place));
            place.ok_or_else(|| format!("`{first}` is no place in a list of {count}"))?
        }
        _ => return Err(format!("`{first}` is within a value, not within a table")),
    };
    match rest {
        None => *slot = value,
        Some(rest) => place(slot, rest, value)?,
    }
    Ok(())
}

fn toml_text(file: &str, table: &Table) -> Result<String, ScenarioError> {
    toml::to_string(table).map_err(|error| setting(file, "--set", &error.to_string()))
}

fn syntax(file: &str, error: toml::de::Error) -> ScenarioError {
    ScenarioError::Syntax { file: file.to_owned(), error: Box::new(error) }
}

fn setting(file: &str, name: &str, text: &str) -> ScenarioError {
    ScenarioError::Setting { file: file.to_owned(), name: name.to_owned(), text: text.to_owned() }
}

/// Reads `key=value`; what is no number, truth value or list is text.
///
/// # Errors
/// A sentence for people.
pub fn assignment(text: &str) -> Result<(String, Json), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or_else(|| format!("`{text}` sets nothing; write KEY=VALUE, as drive.pipeline=8"))?;
    let parsed: Option<Table> = format!("value = {value}").parse().ok();
    let parsed = parsed.and_then(|mut table| table.remove("value"));
    let json = parsed.and_then(|value| serde_json::to_value(value).ok());
    Ok((name.trim().to_owned(), json.unwrap_or_else(|| Json::String(value.trim().to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = r#"
name = "mine"
question = "What?"
[load]
keys = 1000
value_size = 100
[drive]
rate = 5000
conns = 4
duration = "10s"
[[chaos]]
at = "4s"
action = "pause"
[sweep]
drive.pipeline = [1, 8]
"load.value_size" = [10, 20, 30]
[[case]]
label = "calm"
set = { "chaos.0.for" = "1ms" }
[[case]]
label = "wild"
set.drive.conns = 9
[small]
"sweep.load.value_size" = []
"load.keys" = 10
"#;

    #[test]
    fn cases_and_axes_are_spread() {
        let sweep = read("mine.toml", TEXT, Scale::Full, &[]).unwrap();
        assert_eq!(sweep.points.len(), 12);
        assert_eq!(sweep.text, TEXT);
        let last = sweep.points.last().unwrap();
        assert_eq!(last.label, "case wild, drive.pipeline 8, load.value_size 30");
        assert_eq!((last.scenario.drive.conns, last.scenario.load.value_size), (9, 30));
        assert_eq!(last.at["drive.pipeline"], json!(8));
        let calm = &sweep.points[0].scenario.chaos[0];
        assert_eq!(calm.argument("for").as_deref(), Some("1ms"));
        let mut digests: Vec<&str> = sweep.points.iter().map(|one| one.digest.as_str()).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 12);
    }

    #[test]
    fn small_and_set_change_the_plan() {
        let sets = [assignment("drive.pipeline=4").unwrap(), assignment("drive.rate=max").unwrap()];
        let sweep = read("mine.toml", TEXT, Scale::Small, &sets).unwrap();
        assert_eq!(sweep.points.len(), 2);
        let scenario = &sweep.points[0].scenario;
        assert_eq!((scenario.load.keys.get(), scenario.drive.pipeline), (10, Some(4)));
        assert_eq!(scenario.drive.rate, crate::scenario::Rate::Max);
    }

    #[test]
    fn what_a_setting_breaks_is_told_with_it() {
        let refused = |set: &str| {
            let sets = [assignment(set).unwrap()];
            read("mine.toml", TEXT, Scale::Full, &sets).unwrap_err().to_string()
        };
        for (set, part) in [
            ("drive.conns=many", "conns"),
            ("drive.conns.x=1", "not within a table"),
            ("chaos.7.for=1s", "no place in a list of 1"),
            ("sweep.drive.conns=3", "a list of values"),
            ("sweep.drive.dist=[1]", "with case calm, drive.dist 1"),
        ] {
            assert!(refused(set).contains(part), "{set}: {}", refused(set));
        }
        assert!(assignment("drive.conns").unwrap_err().contains("KEY=VALUE"));
    }
}

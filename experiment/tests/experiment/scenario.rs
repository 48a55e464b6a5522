//! Scenarios are read, shortened, and refused with file, line and field.

use std::time::Duration;

use stallion_experiment::scenario::{EMBEDDED, Rate, Scenario, ScenarioError, json_schema};
use stallion_experiment::sweep::{self, Scale};

const GOOD: &str = "\
name = \"mine\"
question = \"What?\"
[load]
keys = 1000
value_size = 100
[drive]
rate = 5000
conns = 4
duration = \"10s\"
[[phase]]
at = \"5s\"
label = \"second half\"
[[chaos]]
at = \"4s\"
action = \"pause\"
for = \"500ms\"
[quick]
keys = 0.5
time = 0.1
";

/// The error of the good scenario with one text replaced.
fn refused(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    let text = GOOD.replacen(from, to, 1);
    Scenario::parse("mine.toml", &text).unwrap_err().to_string()
}

#[test]
fn every_embedded_scenario_is_good_and_named_for_its_file() {
    for (name, text) in EMBEDDED {
        let scenario = Scenario::parse(name, text).unwrap();
        assert_eq!(scenario.name, name);
        for scale in [Scale::Small, Scale::Full] {
            let sweep = sweep::read(name, text, scale, &[]).unwrap();
            assert!(!sweep.points.is_empty());
        }
        let last = scenario.injections().iter().map(|plan| plan.start()).max();
        assert!(last.unwrap_or_default() < scenario.drive.duration);
    }
}

#[test]
fn quick_shortens_everything_by_its_table() {
    let scenario = Scenario::parse("mine.toml", GOOD).unwrap();
    assert_eq!(scenario.drive.rate, Rate::PerSecond(5_000));
    let quick = scenario.quick();
    assert_eq!(quick.load.keys.get(), 500);
    assert_eq!(quick.drive.duration, Duration::from_secs(1));
    assert_eq!(quick.phases[0].start(), Duration::from_millis(500));
    assert_eq!(quick.chaos[0].start(), Duration::from_millis(400));
    assert_eq!(quick.chaos[0].argument("for").as_deref(), Some("50ms"));
}

#[test]
fn errors_name_file_line_and_field() {
    let cases = [
        ("keys = 1000", "keyz = 1000", 4, "keyz"),
        ("keys = 1000", "keys = 0", 4, "keys"),
        ("keys = 1000", "keys = \"many\"", 4, "keys"),
        ("rate = 5000", "rate = 0", 7, "rate"),
        ("rate = 5000", "rate = \"fast\"", 7, "rate"),
        ("\"10s\"", "\"10 miles\"", 9, "duration"),
        ("\"10s\"", "\"0s\"", 9, "duration"),
        ("at = \"5s\"", "at = \"10s\"", 11, "phase.at"),
        ("at = \"4s\"", "at = \"later\"", 14, "chaos.at"),
        ("\"pause\"", "\"explode\"", 15, "chaos.action"),
        ("for = \"500ms\"", "fields = 3", 15, "chaos.action"),
        ("[quick]", "[quicker]", 17, "quicker"),
        ("[quick]", "[[claim]]\nholds = \"p99\"\n[quick]", 18, "claim.holds"),
        ("name = ", "finding = \"x\"\nname = ", 1, "finding"),
    ];
    for (from, to, line, field) in cases {
        let text = refused(from, to);
        for part in ["mine.toml", &format!("line {line}"), field] {
            assert!(text.contains(part), "{to}: {part} is not in: {text}");
        }
    }
}

#[test]
fn an_unknown_scenario_is_told_the_known_ones() {
    let error = Scenario::source("demoo").unwrap_err();
    assert!(error.to_string().contains("demo"), "{error}");
    assert!(matches!(Scenario::source("absent.toml").unwrap_err(), ScenarioError::Io { .. }));
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, json_schema()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, json_schema(), "run it again with UPDATE_SCHEMA=1");
}

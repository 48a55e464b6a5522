//! `stallion lab` as a user meets it.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use std::fs;
use std::process::Command;

fn lab(words: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_stallion")).arg("lab").args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn scenarios_are_listed_and_shown() {
    let (code, list, _) = lab(&["list"]);
    assert_eq!(code, Some(0));
    assert!(list.contains("demo") && list.contains('?'), "{list}");
    let (code, text, _) = lab(&["show", "demo"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("[[chaos]]"), "{text}");
}

#[test]
fn a_bad_scenario_is_refused_with_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let (_, demo, _) = lab(&["show", "demo"]);
    fs::write(&file, demo.replacen("conns = 50", "connz = 50", 1)).unwrap();
    let (code, _, error) = lab(&["run", file.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{error}");
    for part in ["mine.toml", "line ", "connz"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    let (code, _, error) = lab(&["run", "nonsense"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("demo"), "{error}");
}

//! The committed results: every sentence comes from the data beside it, and other data makes other
//! sentences.

use std::fs;
use std::path::PathBuf;

use stallion_experiment::data::Data;
use stallion_experiment::experiment::render;
use stallion_experiment::finding::sentences;
use stallion_experiment::scenario::{EMBEDDED, Scenario};

/// Folders of `results/` that have data.
fn committed() -> Vec<PathBuf> {
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/../results");
    let all = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.join("data.json").is_file()).collect()
}

fn read(folder: &std::path::Path) -> (Scenario, Data) {
    let text = fs::read_to_string(folder.join("scenario.toml")).unwrap();
    let data = fs::read(folder.join("data.json")).unwrap();
    (Scenario::parse("scenario.toml", &text).unwrap(), serde_json::from_slice(&data).unwrap())
}

#[test]
fn each_experiment_has_a_result_with_a_finding_a_picture_and_its_command() {
    let names: Vec<String> = committed()
        .iter()
        .map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    for (name, text) in EMBEDDED {
        if !Scenario::parse(name, text).unwrap().is_experiment() {
            continue;
        }
        assert!(names.iter().any(|one| one == name), "results/{name} is missing");
    }
    for folder in committed() {
        let (scenario, data) = read(&folder);
        assert!(!sentences(&scenario, &data).is_empty(), "{}", scenario.name);
        assert!(data.command.starts_with("stallion lab run "), "{}", data.command);
        assert!(folder.join(format!("{}.svg", scenario.plots[0].name)).is_file());
    }
}

#[test]
fn committed_pages_are_those_of_their_data() {
    for folder in committed() {
        let copy = tempfile::tempdir().unwrap();
        for name in ["scenario.toml", "data.json"] {
            fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
        render(copy.path()).unwrap();
        let page = |folder: &std::path::Path| fs::read_to_string(folder.join("README.md")).unwrap();
        let name = folder.display();
        assert_eq!(page(&folder), page(copy.path()), "{name}: stallion lab render results");
    }
}

#[test]
fn other_data_makes_other_words() {
    for folder in committed() {
        let (scenario, data) = read(&folder);
        let mut other = data.clone();
        for (number, point) in other.points.iter_mut().enumerate() {
            for (name, figure) in &mut point.figures {
                // Not all by the same, so that ratios change, too.
                *figure *= 1.3 + 0.17 * number as f64 + 0.013 * name.len() as f64;
            }
            // A story is told in the words of who saw it.
            for (_, story) in point.words.iter_mut().filter(|(name, _)| name.ends_with(".story")) {
                story.push_str(", and more");
            }
        }
        let (told, otherwise) = (sentences(&scenario, &data), sentences(&scenario, &other));
        let doubts = |text: &String| text.starts_with("Not to be believed");
        for (one, two) in told.iter().zip(&otherwise).filter(|(one, _)| !doubts(one)) {
            // What has no figure in it may stay.
            let has_figures = one.chars().filter(char::is_ascii_digit).count() > 3;
            assert!(one != two || !has_figures, "{}: {one}", scenario.name);
        }
        assert_ne!(told, otherwise, "{}", scenario.name);
    }
}

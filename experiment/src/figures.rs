//! From the files of one run to its figures.

mod time_series;

mod client;

mod server;

mod report;

pub(crate) mod derived;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use stallion_timeline::{Chaos, Record, Timeline};

use crate::data::{PointData, rounded};
use crate::run::snapshot::Snapshots;

/// How a figure gets into the data.
struct Sink<'a>(&'a mut PointData);

impl Sink<'_> {
    fn put(&mut self, name: impl Into<String>, value: f64) {
        if value.is_finite() {
            self.0.figures.insert(name.into(), rounded(value));
        }
    }

    fn maybe(&mut self, name: impl Into<String>, value: Option<f64>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn word(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.0.words.insert(name.to_owned(), text.to_owned());
        }
    }
}

/// Reads everything that a run left in its folder; what is not there has no figures.
#[must_use]
pub fn of(folder: &Path) -> PointData {
    let mut data = PointData::default();
    let mut sink = Sink(&mut data);
    let drive = json(&folder.join("drive.json"));
    client::summary(&mut sink, &drive);
    client::ceiling(&mut sink, &json(&folder.join("ceiling.json")));
    let snapshots = Snapshots::read(&folder.join("counters.json"));
    server::counters(&mut sink, &snapshots, drive["duration_s"].as_f64());
    report::causes(&mut sink, &json(&folder.join("report.json")));
    let chaos = chaos(&folder.join("chaos.jsonl"));
    server::actions(&mut sink, &chaos);
    time_series::windows(&mut sink, &folder.join("drive.jsonl"), &chaos);
    data
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_default()).unwrap_or_default()
}

/// The disturbances in the order of their begin.
fn chaos(path: &Path) -> Vec<Chaos> {
    let records = Timeline::read(path).map(|timeline| timeline.records).unwrap_or_default();
    let mut all: Vec<Chaos> = records
        .into_iter()
        .filter_map(|record| match record {
            Record::Chaos(chaos) => Some(chaos),
            _ => None,
        })
        .collect();
    all.sort_by_key(|chaos| chaos.begin_ns);
    all
}

/// Disturbances with their names; of several of one name the later ones have a number.
fn named(all: &[Chaos]) -> Vec<(String, &Chaos)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let named = all.iter().map(|chaos| {
        let name = name_of(chaos);
        let times = seen.entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
        (if *times == 1 { name } else { format!("{name}#{times}") }, chaos)
    });
    named.collect()
}

/// An action with what it was about: `bigkey-on:lrange`.
fn name_of(chaos: &Chaos) -> String {
    match chaos.detail["kind"].as_str() {
        Some(kind) => format!("{}:{kind}", chaos.action),
        None => chaos.action.clone(),
    }
}

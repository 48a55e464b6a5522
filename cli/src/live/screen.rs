//! A run on the whole terminal.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use signal_hook::consts::SIGINT;
use signal_hook::low_level::raise;
use stallion_client::ceiling::Tried;
use stallion_client::ceiling::search::Step;
use stallion_client::plan::{Plan, Rate, Work};
use stallion_client::record::Progress;
use stallion_client::run::background::Background;
use stallion_server::Place;
use stallion_stack::Placement;
use stallion_view::course::Course;
use stallion_view::tail::Tail;
use stallion_view::terminal::Hands;
use stallion_view::{Model, Second, Watch};

use super::Shown;
use crate::client::{human_count, on_terminal};

/// The terminal, if it was asked for and there is one.
pub(super) enum Screen {
    /// Lines: none was asked for.
    Lines,
    /// Lines: what was asked for is no terminal.
    LinesInstead,
    /// It is taken with the first second.
    Wanted(Box<Model>, Option<PathBuf>),
    /// It is taken.
    Taken(Watch, Box<Course>),
}

impl Screen {
    pub(super) fn wanted(verb: &str, plan: &Plan, shown: &Shown) -> Self {
        if !shown.tui {
            return Self::Lines;
        }
        if !is_terminal() {
            return Self::LinesInstead;
        }
        let mut model =
            Model::new(&format!("stallion {verb} {}", plan.credentials.url(&plan.target)));
        model.doing = doing(plan);
        // What the search does takes as long as it takes.
        let has_length = verb != "ceiling" && !matches!(plan.work, Work::Fill { .. });
        let length_s = plan.duration_ns as f64 / 1e9;
        model.length_s = Some(length_s).filter(|s| has_length && *s < 1e9);
        model.unwatched = unwatched(&plan.target, shown.stalls.as_deref());
        Self::Wanted(Box::new(model), shown.stalls.clone())
    }

    pub(super) fn wants_lines(&self) -> bool {
        match self {
            Self::Lines => on_terminal(),
            Self::LinesInstead => true,
            Self::Wanted(..) | Self::Taken(..) => false,
        }
    }

    /// The thread that draws is started by the one that records, and so stands aside as that does.
    fn take(&mut self, progress: &Progress) {
        let Self::Wanted(model, stalls) = self else { return };
        let mut model = std::mem::take(&mut **model);
        if model.length_s.is_some() {
            let origin_ns = progress.merged.end_ns as i64 - progress.at_ns;
            model.origin_ns = Some(origin_ns.max(0) as u64);
        }
        let mut tail = stalls.as_deref().map(Tail::of);
        let mut course = Course::default();
        let look = move |model: &mut Model| {
            let records = tail.as_mut().map(Tail::look).unwrap_or_default();
            records.iter().for_each(|record| course.record(record, model));
            !records.is_empty()
        };
        *self = match Watch::begin(model, Hands { look: Box::new(look), stop: Box::new(stop) }) {
            Ok(watch) => Self::Taken(watch, Box::default()),
            Err(error) => {
                eprintln!("--tui: {error}; lines instead");
                Self::LinesInstead
            }
        };
    }

    pub(super) fn second(&mut self, progress: &Progress, open: bool) {
        self.take(progress);
        let Self::Taken(watch, course) = self else { return };
        watch.tell(|model| {
            model.second(second_of(progress, open));
            progress.servers.iter().for_each(|server| model.server(server));
            progress.events.iter().for_each(|record| course.record(record, model));
        });
    }

    pub(super) fn step(&self, tried: &Tried) {
        let Self::Taken(watch, _) = self else { return };
        let summary = &tried.summary;
        let stage = serde_json::to_value(tried.stage).unwrap_or_default();
        watch.tell(|model| {
            model.step(stallion_view::Step {
                stage: stage.as_str().unwrap_or_default().to_owned(),
                asked_per_s: tried.rate as f64,
                p50_us: summary.response_us.p50,
                p99_us: summary.response_us.p99,
                server_busy: summary.server_busy,
                broken: (tried.step == Step::Broken).then(|| tried.reason.clone()),
            });
        });
    }
}

/// Whether there is a terminal that can be drawn on.
fn is_terminal() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stdout().is_terminal() && !dumb
}

/// Asks the run to end, as Ctrl-C would: the terminal's own is not a signal while keys are read.
fn stop() {
    // Refused only for signals that cannot be raised.
    let _ = raise(SIGINT);
}

fn doing(plan: &Plan) -> String {
    let model = match &plan.rate {
        Rate::Max => "closed model".to_owned(),
        Rate::Steady(rate) => format!("{} a second", human_count(*rate as f64)),
        rate => format!("{rate} a second"),
    };
    format!("{model}, {} connections, pipeline {}", plan.conns, plan.pipeline)
}

fn unwatched(target: &Place, stalls: Option<&Path>) -> String {
    if let Some(path) = stalls {
        return format!("{} is not there yet", path.display());
    }
    let port = match target {
        Place::Tcp { port, .. } => port.to_string(),
        Place::Unix(_) => "PORT".to_owned(),
    };
    format!(
        "nobody watches the server: `sudo stallion probe -p {port} --out stalls.jsonl` on its host, and \
         --stalls stalls.jsonl here"
    )
}

/// One second of the client.
fn second_of(progress: &Progress, open: bool) -> Second {
    let merged = &progress.merged;
    let seconds = (merged.end_ns.saturating_sub(merged.start_ns)) as f64 / 1e9;
    let per_s = |count: u64| count as f64 / seconds.max(1e-9);
    let response = merged.response_of(open);
    let us = |quantile| response.value_at_quantile(quantile) as f64 / 1e3;
    let (hits, misses) = merged
        .commands
        .iter()
        .fold((0, 0), |(hits, misses), command| (hits + command.hits, misses + command.misses));
    let cluster = progress.cluster.as_ref();
    Second {
        start_ns: merged.start_ns,
        end_ns: merged.end_ns,
        warmup: progress.at_ns < 0,
        due_per_s: open.then(|| per_s(merged.counts.due)),
        answered_per_s: per_s(merged.counts.answered),
        errors_per_s: per_s(merged.counts.failed + merged.counts.timeouts + merged.counts.lost),
        hit_share: (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64),
        p50_us: us(0.5),
        p99_us: us(0.99),
        p999_us: us(0.999),
        max_us: us(1.0),
        lag_p99_us: merged.lag.value_at_quantile(0.99) as f64 / 1e3,
        backlog: merged.backlog,
        cores: merged.busy(),
        nodes: cluster
            .iter()
            .flat_map(|cluster| &cluster.nodes)
            .map(|node| (node.node.clone(), per_s(node.ops)))
            .collect(),
        slots: cluster
            .iter()
            .flat_map(|cluster| &cluster.hot_slots)
            .map(|slot| (slot.slot, per_s(slot.ops)))
            .collect(),
    }
}

/// The terminal for a scenario, whose runs write timelines into folders that are told; none where
/// there is no terminal.
pub(crate) fn of_lab(scenario: &str) -> Option<(Watch, Sender<PathBuf>)> {
    if !is_terminal() {
        return None;
    }
    let (told, folders) = channel();
    let mut model = Model::new(&format!("stallion lab run {scenario}"));
    model.unwatched = "the probes do not watch".to_owned();
    let mut files = Files { folders, followed: Vec::new() };
    let look = move |model: &mut Model| files.look(model);
    // Not on the server's core; nor on the client's, where there is another.
    let cores = Placement::of_this_host().map_or_else(
        |_| Vec::new(),
        |placement| {
            let spare = placement.others.iter().any(|core| Some(*core) != placement.client);
            let client = placement.client.filter(|_| spare);
            placement.server.into_iter().chain(client).collect()
        },
    );
    let _background = Background::of(&cores);
    let watch = Watch::begin(model, Hands { look: Box::new(look), stop: Box::new(stop) }).ok()?;
    Some((watch, told))
}

/// The timelines of the run that is under way.
struct Files {
    folders: Receiver<PathBuf>,
    followed: Vec<(Tail, Course)>,
}

impl Files {
    fn look(&mut self, model: &mut Model) -> bool {
        if let Some(folder) = self.folders.try_iter().last() {
            let names = ["drive.jsonl", "probe.jsonl", "chaos.jsonl"];
            let follow = |name| (Tail::of(&folder.join(name)), Course::default());
            self.followed = names.map(follow).into();
        }
        let mut news = false;
        for (tail, course) in &mut self.followed {
            let records = tail.look();
            news |= !records.is_empty();
            records.iter().for_each(|record| course.record(record, model));
        }
        news
    }
}

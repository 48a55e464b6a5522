//! What is known of a run so far, in bounded memory.

use std::collections::{BTreeMap, VecDeque};

use stallion_timeline::{Server, Stall, StallClass, ThreadRole};

/// Seconds that are kept: a quarter of an hour, more than the widest terminal has columns.
pub const SECONDS: usize = 900;

/// Events that are kept; older ones go.
pub const EVENTS: usize = 200;

/// Steps of a search that are kept.
pub const STEPS: usize = 200;

/// A stall shorter than this is summed up by its cause, and not listed by itself.
pub const LISTED_NS: u64 = 1_000_000;

/// Events of one kind and text that are less apart than this share a line.
const SAME_NS: u64 = 1_000_000_000;

/// The newest lines among which one of the same kind is looked for.
const NEAR: usize = 8;

/// What a client did in one second. Times are CLOCK_MONOTONIC nanoseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Second {
    /// Its start.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// It comes before what is measured.
    pub warmup: bool,
    /// Requests a second that the schedule wanted; none in the closed model.
    pub due_per_s: Option<f64>,
    /// Answers a second.
    pub answered_per_s: f64,
    /// Errors, time-outs and lost requests a second.
    pub errors_per_s: f64,
    /// Share of the reads that found something; none without reads.
    pub hit_share: Option<f64>,
    /// Median response time, microseconds.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// 99th percentile of the schedule lag.
    pub lag_p99_us: f64,
    /// Requests due and not sent at its end.
    pub backlog: u64,
    /// Busy share of each core of the client, 0 to 1.
    pub cores: Vec<f64>,
    /// Requests a second by node, of a cluster.
    pub nodes: Vec<(String, f64)>,
    /// Requests a second of the busiest hash slots, of a cluster.
    pub slots: Vec<(u16, f64)>,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server, or a thread of it, could not go on.
    Stall(StallClass),
    /// A disturbance that Stallion made.
    Disturbance,
    /// A slow command by the server's own log.
    Slowlog,
    /// Slots of a cluster failed.
    Outage,
    /// The client itself was late.
    Client,
    /// A word of the program's own.
    Note,
}

/// One line of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it began.
    pub at_ns: u64,
    /// What kind.
    pub kind: Kind,
    /// How long it took; none for what has no length.
    pub length_us: Option<f64>,
    /// What it was.
    pub text: String,
    /// How many of the same kind and text it stands for, all within a second of the one before; the
    /// length is that of the longest.
    pub count: u64,
}

impl Event {
    /// One event.
    #[must_use]
    pub const fn new(at_ns: u64, kind: Kind, length_us: Option<f64>, text: String) -> Self {
        Self { at_ns, kind, length_us, text, count: 1 }
    }

    /// Whether another one is more of the same.
    fn takes(&self, other: &Self) -> bool {
        let near = other.at_ns.abs_diff(self.at_ns) < SAME_NS;
        near && self.kind == other.kind && self.text == other.text && self.kind != Kind::Note
    }
}

/// What all stalls of one class on the main thread come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cause {
    /// Stalled time.
    pub busy_ns: u64,
    /// How many.
    pub count: u64,
}

/// One rate that a search tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What the search was doing.
    pub stage: String,
    /// Requests a second that were asked.
    pub asked_per_s: f64,
    /// Median response time, microseconds.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Busy share of the server's main thread, where it is known.
    pub server_busy: Option<f64>,
    /// Why it broke the objective; none when it met it.
    pub broken: Option<String>,
}

/// How busy one server is, by its own word.
#[derive(Debug, Clone, PartialEq)]
pub struct Busy {
    /// Which server.
    pub target: String,
    /// Share of a core that its main thread had since the last look, 0 to 1.
    pub share: Option<f64>,
    cpu_s: f64,
    at_ns: u64,
}

/// What is known of a run.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// What runs, for the first line: the verb and its target.
    pub title: String,
    /// What is being done now.
    pub doing: String,
    /// Length of what is measured, where it has one.
    pub length_s: Option<f64>,
    /// What time is counted from: the start of what is measured.
    pub origin_ns: Option<u64>,
    /// What is said while nobody watches the server for stalls.
    pub unwatched: String,
    /// Somebody watches it.
    pub watched: bool,
    /// Events that nobody could keep.
    pub lost: u64,
    pub(crate) seconds: VecDeque<Second>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) causes: BTreeMap<StallClass, Cause>,
    pub(crate) busy: Vec<Busy>,
    pub(crate) steps: VecDeque<Step>,
    pub(crate) ending: bool,
}

impl Model {
    /// Nothing is known yet but what runs.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    /// Seconds since the start of what is measured.
    pub(crate) fn at_s(&self, at_ns: u64) -> f64 {
        let origin_ns = self.origin_ns.unwrap_or(at_ns);
        (at_ns as f64 - origin_ns as f64) / 1e9
    }

    /// Takes in a second.
    pub fn second(&mut self, second: Second) {
        self.origin_ns.get_or_insert(second.start_ns);
        keep(&mut self.seconds, second, SECONDS);
    }

    /// The seconds that are kept, the oldest first.
    pub fn seconds(&self) -> impl Iterator<Item = &Second> {
        self.seconds.iter()
    }

    /// Takes in a step of a search.
    pub fn step(&mut self, step: Step) {
        keep(&mut self.steps, step, STEPS);
    }

    /// Takes in an event; more of the same is counted by the line that is there.
    pub fn event(&mut self, event: Event) {
        let same = self.events.iter_mut().rev().take(NEAR).find(|known| known.takes(&event));
        if let Some(known) = same {
            known.count += event.count;
            known.at_ns = known.at_ns.max(event.at_ns);
            let length_us = [known.length_us, event.length_us].into_iter().flatten();
            known.length_us = length_us.max_by(f64::total_cmp);
            return;
        }
        keep(&mut self.events, event, EVENTS);
    }

    /// Takes in a word of the program's own.
    pub fn note(&mut self, at_ns: u64, text: &str) {
        self.event(Event::new(at_ns, Kind::Note, None, text.to_owned()));
    }

    /// Takes in a stall: its cause's sum, and a line when it is long enough.
    pub fn stall(&mut self, stall: &Stall) {
        self.watched = true;
        if stall.thread == ThreadRole::Main {
            let cause = self.causes.entry(stall.class).or_default();
            cause.busy_ns += stall.busy_ns;
            cause.count += stall.count;
        }
        if stall.busy_ns < LISTED_NS {
            return;
        }
        let thread = match stall.thread {
            ThreadRole::Main => "",
            ThreadRole::Background => " (background)",
            ThreadRole::Child => " (child)",
        };
        let text = format!("{}{thread}", stall.what).trim().to_owned();
        let length_us = Some(stall.busy_ns as f64 / 1e3);
        let kind = Kind::Stall(stall.class);
        self.event(Event {
            count: stall.count,
            ..Event::new(stall.start_ns, kind, length_us, text)
        });
    }

    /// Takes in what a server said of itself: how busy its main thread is, and its slow commands.
    pub fn server(&mut self, server: &Server) {
        for slow in &server.slowlog {
            let (text, length_us) = (slow.command.clone(), Some(slow.duration_us as f64));
            self.event(Event::new(server.at_ns, Kind::Slowlog, length_us, text));
        }
        let time = |field: &str| server.info.get(field).copied();
        let main = time("used_cpu_user_main_thread").zip(time("used_cpu_sys_main_thread"));
        let Some(cpu_s) = main.map(|(user_s, system_s)| user_s + system_s) else { return };
        let new = Busy { target: server.target.clone(), share: None, cpu_s, at_ns: server.at_ns };
        match self.busy.iter_mut().find(|known| known.target == new.target) {
            None => self.busy.push(new),
            Some(known) => {
                let wall_s = server.at_ns.saturating_sub(known.at_ns) as f64 / 1e9;
                let share = (wall_s > 0.0).then(|| (cpu_s - known.cpu_s) / wall_s);
                *known = Busy { share: share.map(|share| share.clamp(0.0, 1.0)), ..new };
            }
        }
    }

    /// Another run begins: its curves are its own, and the feed goes on.
    pub(crate) fn restart(&mut self) {
        self.seconds.clear();
        self.causes.clear();
        self.busy.clear();
        self.origin_ns = None;
    }

    /// Says that the run was asked to end.
    pub(crate) fn end(&mut self) {
        self.ending = true;
    }

    /// Causes, the dearest first.
    pub(crate) fn ranking(&self) -> Vec<(StallClass, Cause)> {
        let mut all: Vec<_> = self.causes.iter().map(|(class, cause)| (*class, *cause)).collect();
        all.sort_by_key(|(_, cause)| std::cmp::Reverse(cause.busy_ns));
        all
    }
}

/// Adds to what is kept; the oldest goes for it.
fn keep<T>(kept: &mut VecDeque<T>, new: T, most: usize) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(new);
}

/// The name of a class as timelines have it.
pub(crate) fn class_name(class: StallClass) -> String {
    let name = serde_json::to_value(class).unwrap_or_default();
    name.as_str().unwrap_or_default().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn stall(busy_ns: u64, thread: ThreadRole) -> Stall {
        Stall {
            class: StallClass::Fork,
            pid: 1,
            port: 6379,
            tid: 1,
            thread,
            start_ns: 5,
            end_ns: 5 + busy_ns,
            busy_ns,
            count: 1,
            what: "bgsave".to_owned(),
            detail: BTreeMap::new(),
        }
    }

    #[test]
    fn a_short_stall_is_summed_and_a_long_one_is_listed_too() {
        let mut model = Model::new("x");
        model.stall(&stall(LISTED_NS - 1, ThreadRole::Main));
        model.stall(&stall(LISTED_NS, ThreadRole::Main));
        model.stall(&stall(LISTED_NS, ThreadRole::Background));
        let [(StallClass::Fork, cause)] = model.ranking()[..] else { panic!("{model:?}") };
        assert_eq!((cause.busy_ns, cause.count), (2 * LISTED_NS - 1, 2));
        let texts: Vec<&str> = model.events.iter().map(|event| event.text.as_str()).collect();
        assert_eq!(texts, ["bgsave", "bgsave (background)"]);
    }

    #[test]
    fn more_of_the_same_shares_a_line() {
        let mut model = Model::new("x");
        for (at_ns, ms) in
            [(0, 2.0), (900_000_000, 5.0), (1_800_000_000, 1.0), (3_000_000_000, 1.0)]
        {
            model.event(Event::new(at_ns, Kind::Client, Some(ms), "late".to_owned()));
        }
        let lines: Vec<_> =
            model.events.iter().map(|event| (event.count, event.length_us)).collect();
        assert_eq!(lines, [(3, Some(5.0)), (1, Some(1.0))]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut model = Model::new("x");
        for at_ns in 0..2 * SECONDS as u64 {
            model.second(Second { start_ns: at_ns, ..Second::default() });
            model.note(at_ns, "note");
        }
        assert_eq!((model.seconds.len(), model.events.len()), (SECONDS, EVENTS));
        assert_eq!(model.seconds[0].start_ns, SECONDS as u64);
    }

    #[test]
    fn a_server_is_busy_by_the_difference_of_two_looks() {
        let mut model = Model::new("x");
        for (at_ns, user_s) in [(1_000_000_000, 1.0), (2_000_000_000, 1.4)] {
            let info = [("used_cpu_user_main_thread", user_s), ("used_cpu_sys_main_thread", 0.0)];
            let info = info.map(|(name, value)| (name.to_owned(), value)).into();
            model.server(&Server { at_ns, target: "a".to_owned(), info, ..Server::default() });
        }
        assert!((model.busy[0].share.unwrap() - 0.4).abs() < 1e-9);
    }
}

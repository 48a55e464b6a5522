//! What stands on the screen, at several sizes: golden files in `tests/screens`
//! (`UPDATE_CASES=1 cargo nextest run -p stallion-view` writes them anew).
#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use stallion_timeline::histogram::{empty, encode};
use stallion_timeline::{
    ClusterInterval, Interval, NodeShare, OpCounts, Phase, PhaseName, Record, Server, SlotShare,
    Stall, StallClass, ThreadRole,
};
use stallion_view::course::Course;
use stallion_view::theme::Theme;
use stallion_view::{Event, Kind, Model, Second, Step, draw};

const S: u64 = 1_000_000_000;

/// A run of a minute, with a fork in its middle.
fn run() -> Model {
    let mut model = Model::new("stallion drive redis://127.0.0.1:6379");
    model.length_s = Some(120.0);
    model.origin_ns = Some(10 * S);
    model.unwatched = "nobody watches the server: --stalls FILE".to_owned();
    for at in 0..60_u64 {
        let slow = if at == 30 { 40.0 } else { 1.0 };
        model.second(Second {
            start_ns: (9 + at) * S,
            end_ns: (10 + at) * S,
            warmup: at == 0,
            due_per_s: Some(20_000.0),
            answered_per_s: 20_000.0 - 100.0 * slow,
            hit_share: Some(0.995),
            p50_us: 90.0 + at as f64,
            p99_us: 400.0 * slow,
            p999_us: 700.0 * slow,
            max_us: 1_500.0 * slow,
            lag_p99_us: 12.0,
            cores: vec![0.31, 0.84],
            ..Second::default()
        });
    }
    model.server(&looked(10 * S, 1.0));
    model.server(&looked(11 * S, 1.97));
    model
}

fn looked(at_ns: u64, user_s: f64) -> Server {
    let fields = [("used_cpu_user_main_thread", user_s), ("used_cpu_sys_main_thread", 0.0)];
    Server {
        at_ns,
        target: "redis://127.0.0.1:6379".to_owned(),
        info: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Server::default()
    }
}

fn stall(class: StallClass, at_s: f64, ms: u64, what: &str) -> Stall {
    let start_ns = (at_s * 1e9) as u64;
    Stall {
        class,
        pid: 1,
        port: 6379,
        tid: 1,
        thread: if class == StallClass::Fsync { ThreadRole::Background } else { ThreadRole::Main },
        start_ns,
        end_ns: start_ns + ms * 1_000_000,
        busy_ns: ms * 1_000_000,
        count: 1,
        what: what.to_owned(),
        detail: BTreeMap::new(),
    }
}

fn stalled() -> Model {
    let mut model = run();
    let bgsave = "bgsave".to_owned();
    model.event(Event::new(40 * S - S / 10, Kind::Disturbance, Some(2_300_000.0), bgsave));
    model.stall(&stall(StallClass::Fork, 40.0, 45, "clone"));
    model.stall(&stall(StallClass::CowFault, 40.2, 12, ""));
    model.stall(&stall(StallClass::Fsync, 41.0, 230, "fdatasync"));
    for at_s in [55.0, 55.2, 55.9] {
        model.stall(&stall(StallClass::RunQueue, at_s, 3, "rcu_sched had the core"));
    }
    model
}

fn cluster() -> Model {
    let mut model = stalled();
    let nodes = (0..6).map(|n| (format!("127.0.0.1:{}", 7000 + n), 4_000.0 - 500.0 * f64::from(n)));
    model.second(Second {
        start_ns: 69 * S,
        end_ns: 70 * S,
        due_per_s: Some(20_000.0),
        answered_per_s: 12_000.0,
        errors_per_s: 31.0,
        p50_us: 90.0,
        p99_us: 400.0,
        p999_us: 700.0,
        max_us: 1_500.0,
        backlog: 8_000,
        cores: vec![1.0],
        nodes: nodes.collect(),
        slots: vec![(12_539, 9_000.0), (77, 800.0), (1, 20.0)],
        ..Second::default()
    });
    model
}

fn search() -> Model {
    let mut model = run();
    model.title = "stallion ceiling redis://127.0.0.1:6379".to_owned();
    for (stage, asked, broken) in [
        ("climb", 18_000.0, None),
        ("climb", 36_000.0, None),
        ("bisect", 43_000.0, Some("p99<1ms was 1812 us".to_owned())),
    ] {
        model.step(Step {
            stage: stage.to_owned(),
            asked_per_s: asked,
            p50_us: 88.0,
            p99_us: 640.0,
            server_busy: Some(0.61),
            broken,
        });
    }
    model
}

/// What stands on a screen of this size, and whether any of it is in colour.
fn screen(model: &Model, (width, height): (u16, u16), colour: bool) -> (String, bool) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, Theme::new(colour))).unwrap();
    let buffer = terminal.backend().buffer();
    let coloured = buffer.content().iter().any(|cell| cell.fg != Color::Reset);
    let rows = buffer.content().chunks(usize::from(width.max(1)));
    let line = |row: &[ratatui::buffer::Cell]| {
        let text: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.trim_end().to_owned() + "\n"
    };
    (rows.map(line).collect(), coloured)
}

#[test]
fn screens_are_as_they_were_looked_at() {
    let cases = [
        ("drive-120x40", stalled(), (120, 40)),
        ("drive-80x24", stalled(), (80, 24)),
        ("drive-60x20", stalled(), (60, 20)),
        ("drive-40x12", stalled(), (40, 12)),
        ("drive-80x6", stalled(), (80, 6)),
        ("drive-30x1", stalled(), (30, 1)),
        ("unwatched-100x30", run(), (100, 30)),
        ("cluster-110x36", cluster(), (110, 36)),
        ("ceiling-110x30", search(), (110, 30)),
        ("empty-80x24", Model::new("stallion drive redis://127.0.0.1:6379"), (80, 24)),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    for (name, model, size) in cases {
        for (colour, suffix) in [(true, ""), (false, "-plain")] {
            // Without colours only the marks of the curves differ: one size shows them.
            if !colour && name != "drive-80x24" {
                continue;
            }
            let path = folder.join(format!("{name}{suffix}.txt"));
            let (text, coloured) = screen(&model, size, colour);
            assert!(colour || !coloured, "{name}: there is colour without colours");
            if std::env::var_os("UPDATE_CASES").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let golden = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(text, golden, "{name}{suffix}");
        }
    }
}

/// An interval of a tenth of a second in which all requests took as long.
fn interval(at: u64, response_us: u64) -> Record {
    let mut histogram = empty();
    histogram.record_n(response_us * 1_000, 200).unwrap();
    let nodes = vec![NodeShare { node: "a:1".to_owned(), ops: 200, ..NodeShare::default() }];
    let hot_slots = vec![SlotShare { slot: 7, ops: 150, ..SlotShare::default() }];
    Record::Interval(Interval {
        start_ns: at * S / 10,
        end_ns: (at + 1) * S / 10,
        due: 200,
        answered: 200,
        ops: [("get".to_owned(), OpCounts { ok: 200, hits: 150, misses: 50, errors: 0 })].into(),
        response_hdr: encode(&histogram),
        client_busy: vec![0.25, 0.5],
        cluster: Some(ClusterInterval { nodes, hot_slots, ..ClusterInterval::default() }),
        ..Interval::default()
    })
}

#[test]
fn a_timeline_becomes_the_same_seconds() {
    let (mut course, mut model) = (Course::default(), Model::new("lab"));
    let phase = |name, start_ns| Record::Phase(Phase { name, start_ns, label: String::new() });
    course.record(&phase(PhaseName::Warmup, 0), &mut model);
    course.record(&phase(PhaseName::Measure, S), &mut model);
    for at in 0..20 {
        course.record(&interval(at, if at == 15 { 9_000 } else { 100 }), &mut model);
    }
    let [warmup, second] = &model.seconds().collect::<Vec<_>>()[..] else { panic!("{model:?}") };
    assert!(warmup.warmup && !second.warmup);
    assert_eq!(second.due_per_s, Some(2_000.0));
    assert_eq!((second.answered_per_s, second.hit_share), (2_000.0, Some(0.75)));
    let near = |found: f64, wanted: f64| (found / wanted - 1.0).abs() < 0.002;
    assert!(near(second.p50_us, 100.0) && near(second.p99_us, 9_000.0), "{second:?}");
    assert!(near(second.cores[0], 0.25) && near(second.cores[1], 0.5), "{second:?}");
    assert_eq!(second.nodes, [("a:1".to_owned(), 2_000.0)]);
    assert_eq!(second.slots, [(7, 1_500.0)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_size_and_no_second_is_too_odd(
        width in 0_u16..200,
        height in 0_u16..70,
        figures in proptest::collection::vec(prop_oneof![Just(0.0), Just(f64::MAX), Just(1e-9), 0.0..1e12_f64], 8),
        cores in 0_usize..40,
    ) {
        let mut model = if cores % 2 == 0 { cluster() } else { search() };
        model.second(Second {
            start_ns: 1,
            end_ns: 0,
            due_per_s: Some(figures[0]),
            answered_per_s: figures[1],
            errors_per_s: figures[2],
            p50_us: figures[3],
            p99_us: figures[4],
            p999_us: figures[5],
            max_us: figures[6],
            lag_p99_us: figures[7],
            cores: vec![figures[0]; cores],
            slots: vec![(1, figures[1]); cores / 2],
            ..Second::default()
        });
        screen(&model, (width, height), cores % 3 == 0);
    }
}

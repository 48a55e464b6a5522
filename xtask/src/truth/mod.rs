//! `cargo xtask truth`: stalls induced by construction, at random times over a steady load, and what
//! the probes and the report make of them: a confusion matrix, in stalled milliseconds.

mod redis;

mod disk;

mod relay;

mod stage;

mod tracer;

mod pageout;

mod group;

mod induced;

mod own;

mod cores;

mod disks;

mod induce;

mod incident;

mod matrix;

mod publish;

use std::fs;
use std::time::Duration;

use anyhow::{bail, ensure};

use crate::{install, shell};
use incident::{Counted, Incident, LINKS, OUT_OF_MEMORY, SLOW_DEVICE};
use induce::{ALWAYS, DEAR, EVERYSEC, HUGE, NO_SYNC, PLAIN, RELAYED};
use induced::Inducer;
use matrix::Matrix;
use stage::{Disturbance, Session, Stage, Told};

/// How much is induced.
pub(crate) struct Effort<'a> {
    /// What is drawn depends on it.
    pub(crate) seed: u64,
    /// Once each, and not to be relied on.
    pub(crate) quick: bool,
    /// Only what has this in its name; nothing is written then.
    pub(crate) only: Option<&'a str>,
}

impl Effort<'_> {
    const fn repeats(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    const fn quiet_s(&self) -> u64 {
        if self.quick { 10 } else { 60 }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|part| name.contains(part))
    }
}

/// The word by which `--only` asks for the time without a stall.
const QUIET: &str = "quiet";

/// Longest pause between two stalls; the shortest is half of it.
const PAUSE: Duration = Duration::from_millis(1_200);

/// A server, and what is done to it.
struct Act {
    session: Session,
    inducers: &'static [Inducer],
    incidents: &'static [Incident],
    /// Done once, when all else is done.
    last: Option<Incident>,
}

impl Act {
    const fn of(session: Session, inducers: &'static [Inducer]) -> Self {
        Self { session, inducers, incidents: &[], last: None }
    }
}

const ACTS: [Act; 8] = [
    Act::of(Session::Plain, PLAIN),
    Act::of(Session::Huge, HUGE),
    Act::of(Session::Always, ALWAYS),
    Act::of(Session::Everysec, EVERYSEC),
    Act::of(Session::NoSync, NO_SYNC),
    Act::of(Session::Relayed, RELAYED),
    Act { incidents: SLOW_DEVICE, ..Act::of(Session::Stacked, &[]) },
    Act { incidents: LINKS, last: Some(OUT_OF_MEMORY), ..Act::of(Session::Dear, DEAR) },
];

pub(crate) fn run(effort: &Effort<'_>) -> anyhow::Result<()> {
    if !install::is_root() {
        bail!("eBPF programs are loaded by root only (sudo cargo xtask truth)");
    }
    if !shell::installed(&["redis-server"]) {
        install::ensure_apt(&["redis-server"])?;
    }
    shell::run(&["cargo", "build", "--release", "--package", "stallion"])?;
    let mut matrix = Matrix::default();
    let mut random = Random(effort.seed);
    for act in &ACTS {
        play(act, effort, &mut random, &mut matrix)?;
    }
    if effort.wants(QUIET) {
        println!("\nquiet: {} s without a disturbance", effort.quiet_s());
        let quiet = Stage::set_up(Session::Plain)?;
        std::thread::sleep(Duration::from_secs(effort.quiet_s()));
        let Told { report, stalls, .. } = quiet.finish(&[])?;
        matrix.quiet(&report, &stalls)?;
    }
    ensure!(!matrix.is_empty(), "nothing was induced");
    publish::write(&matrix, effort.seed, effort.repeats(), !effort.quick && effort.only.is_none())
}

/// Plays one act, as far as it is wanted.
fn play(
    act: &Act,
    effort: &Effort<'_>,
    random: &mut Random,
    matrix: &mut Matrix,
) -> anyhow::Result<()> {
    let inducers: Vec<Inducer> =
        act.inducers.iter().filter(|inducer| effort.wants(inducer.name)).copied().collect();
    let mut incidents: Vec<Incident> =
        act.incidents.iter().filter(|incident| effort.wants(incident.name)).copied().collect();
    incidents = incidents.repeat(effort.repeats());
    incidents.extend(act.last.filter(|last| effort.wants(last.name)));
    if inducers.is_empty() && incidents.is_empty() {
        return Ok(());
    }
    println!("\n{}:", act.session.name());
    let mut stage = Stage::set_up(act.session)?;
    let mut induced = Vec::new();
    for inducer in drawn_order(&inducers, effort.repeats(), random) {
        pause(random);
        let found = (inducer.act)(&mut stage, random)?;
        println!("  {:<42} {:7.1} ms by {}", inducer.name, found.truth_ms(), inducer.truth);
        induced.push((*inducer, found));
    }
    let mut counted: Vec<(Incident, Counted)> = Vec::new();
    for incident in incidents {
        pause(random);
        let found = (incident.act)(&mut stage)?;
        println!("  {:.1} {} by {}", found.truth, incident.name, incident.truth);
        counted.push((incident, found));
    }
    stage.settle();
    let told: Vec<Disturbance> =
        induced.iter().map(|(inducer, found)| found.told(inducer)).collect();
    let Told { report, words, page, stalls } = stage.finish(&told)?;
    matrix.add(&report, &induced)?;
    matrix.count(&stalls, &counted);
    if act.session == Session::Plain {
        matrix.story = words;
        let folder = shell::root().join("target/truth");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("report.html"), page)?;
    }
    Ok(())
}

fn pause(random: &mut Random) {
    std::thread::sleep(PAUSE / 2 + PAUSE.mul_f64(random.next_share() / 2.0));
}

/// Every stall as often as asked, in an order drawn by the seed.
fn drawn_order<'a>(
    inducers: &'a [Inducer],
    repeats: usize,
    random: &mut Random,
) -> Vec<&'a Inducer> {
    let mut order: Vec<&Inducer> =
        inducers.iter().flat_map(|inducer| std::iter::repeat_n(inducer, repeats)).collect();
    for index in (1..order.len()).rev() {
        let other = (random.next_share() * (index + 1) as f64) as usize;
        order.swap(index, other.min(index));
    }
    order
}

/// Sebastiano Vigna's splitmix64.
pub(crate) struct Random(u64);

impl Random {
    /// From 0 to just under 1.
    fn next_share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Milliseconds between two bounds.
    fn between_ms(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(
            ((low + ((high - low) as f64 * self.next_share()) as u64) * 1_000).max(1),
        )
    }
}

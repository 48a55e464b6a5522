//! `cargo xtask truth`: stalls induced by construction, at random times over a steady load, and what
//! the probes and the report make of them: a confusion matrix, in stalled milliseconds.

mod redis;

mod disk;

mod stage;

mod tracer;

mod pageout;

mod group;

mod induce;

mod matrix;

mod publish;

use std::time::Duration;

use anyhow::{bail, ensure};

use crate::{ebpf, install, shell};
use induce::{ALWAYS, EVERYSEC, HUGE, Inducer, NO_SYNC, PLAIN};
use matrix::Matrix;
use stage::{Disturbance, Session, Stage};

/// Repetitions of each stall, and seconds without any.
struct Effort {
    repeats: usize,
    quiet_s: u64,
}

/// Longest pause between two stalls; the shortest is half of it.
const PAUSE: Duration = Duration::from_millis(1_200);

pub(crate) fn run(seed: u64, quick: bool) -> anyhow::Result<()> {
    if !install::is_root() {
        bail!("eBPF programs are loaded by root only (sudo cargo xtask truth)");
    }
    let effort =
        if quick { Effort { repeats: 1, quiet_s: 10 } } else { Effort { repeats: 3, quiet_s: 60 } };
    if !shell::installed(&["redis-server"]) {
        install::ensure_apt(&["redis-server"])?;
    }
    ebpf::run()?;
    shell::run(&["cargo", "build", "--release", "--package", "stallion", "--features", "probes"])?;
    let mut matrix = Matrix::default();
    let mut random = Random(seed);
    let sessions: [(Session, &[Inducer]); 5] = [
        (Session::Plain, PLAIN),
        (Session::Huge, HUGE),
        (Session::Always, ALWAYS),
        (Session::Everysec, EVERYSEC),
        (Session::NoSync, NO_SYNC),
    ];
    for (session, inducers) in sessions {
        println!(
            "\n{}: {} kinds of stall, {} times each",
            session.name(),
            inducers.len(),
            effort.repeats
        );
        let mut order = drawn_order(inducers, effort.repeats, &mut random);
        let mut stage = Stage::set_up(session)?;
        let mut induced = Vec::new();
        for inducer in &mut order {
            std::thread::sleep(PAUSE / 2 + PAUSE.mul_f64(random.next_share() / 2.0));
            let found = (inducer.act)(&mut stage, &mut random)?;
            println!("  {:<34} {:7.1} ms by {}", inducer.name, found.truth_ms(), inducer.truth);
            induced.push((**inducer, found));
        }
        stage.settle();
        let told: Vec<Disturbance> =
            induced.iter().map(|(inducer, found)| found.told(inducer)).collect();
        let (report, words) = stage.finish(&told)?;
        matrix.add(&report, &induced)?;
        if session == Session::Plain {
            matrix.story = words;
        }
    }
    println!("\nquiet: {} s without a disturbance", effort.quiet_s);
    let quiet = Stage::set_up(Session::Plain)?;
    std::thread::sleep(Duration::from_secs(effort.quiet_s));
    matrix.quiet(&quiet.finish(&[])?.0)?;
    ensure!(!matrix.rows.is_empty(), "nothing was induced");
    publish::write(&matrix, seed, effort.repeats, !quick)
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

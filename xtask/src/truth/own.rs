//! Stalls of the server's own doing: what it is told to do takes long.

use std::fs;
use std::time::Duration;

use super::Random;
use super::induced::{Induced, command, timed};
use super::stage::{Stage, wait_for};
use super::tracer::{Timed, Tracer};

pub(super) fn fork(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let mut redis = stage.redis()?;
    let found = timed(|| redis.ask(&["BGSAVE"]).map(drop), || Ok(0))?;
    let truth_ns = (redis.info("latest_fork_usec")? * 1e3) as u64;
    wait_for(|| redis.info("rdb_bgsave_in_progress").is_ok_and(|running| running < 0.5))?;
    Ok(Induced { truth_ns, ..found })
}

pub(super) fn debug_sleep(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let seconds = format!("{:.3}", random.between_ms(100, 400).as_secs_f64());
    command(stage, &["DEBUG", "SLEEP", &seconds])
}

pub(super) fn lua(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let turns = 4_000_000 + (random.next_share() * 8e6) as u64;
    let script = format!("local n = 0 for i = 1, {turns} do n = n + i % 7 end return n");
    command(stage, &["EVAL", &script, "0"])
}

pub(super) fn keys(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    command(stage, &["KEYS", "no such key*"])
}

pub(super) fn set_range(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let found = command(stage, &["SETRANGE", "truth:large", "268435455", "x"])?;
    // Freed by a background thread, so that the next one faults its pages in again.
    stage.redis()?.ask(&["UNLINK", "truth:large"])?;
    Ok(found)
}

/// Large values are freed at once: their pages go back to the kernel, in one system call for each.
pub(super) fn free(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let mut redis = stage.redis()?;
    let names: Vec<String> = (0..6).map(|number| format!("truth:large:{number}")).collect();
    for name in &names {
        redis.ask(&["SETRANGE", name, "268435455", "x"])?;
    }
    std::thread::sleep(Duration::from_millis(500));
    let delete: Vec<&str> =
        std::iter::once("DEL").chain(names.iter().map(String::as_str)).collect();
    let tracer = Tracer::start(stage.server.id(), Timed::Call("madvise"))?;
    let found = timed(|| redis.ask(&delete).map(drop), || Ok(0))?;
    Ok(Induced { truth_ns: tracer.within_ns(found.span(), LONG_CALL_NS)?, ..found })
}

/// What the probes call a stall.
const LONG_CALL_NS: u64 = 1_000_000;

/// A child that saves slowly, and a script that changes pages which it shares with it.
pub(super) fn writes_after_fork(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let mut redis = stage.redis()?;
    redis.ask(&["CONFIG", "SET", "rdb-key-save-delay", "5"])?;
    redis.ask(&["BGSAVE"])?;
    redis.ask(&["CONFIG", "SET", "rdb-key-save-delay", "0"])?;
    std::thread::sleep(Duration::from_millis(200));
    let step = 40 + (random.next_share() * 20.0) as u64;
    let script = format!(
        "for i = 0, 1999999, {step} do redis.call('SETRANGE', string.format('key:%012d', i), 0, 'x') end"
    );
    let found = command(stage, &["EVAL", &script, "0"])?;
    let pid = stage.server.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_whitespace().filter_map(|word| word.parse::<i32>().ok()) {
        // SAFETY: touches no memory; a child of the server that this suite started.
        unsafe { libc::kill(child, libc::SIGKILL) };
    }
    wait_for(|| redis.info("rdb_bgsave_in_progress").is_ok_and(|running| running < 0.5))?;
    Ok(found)
}

//! What threads for sockets give: how much of the main thread's time is the kernel's, and what becomes
//! of the rate when others take it over.

use super::say::{count, doubt, percent, published_unless, time, times, values};
use crate::data::{Data, PointData};
use crate::sweep::CASE;

const THREADS: &str = "stack.io_threads";
const DEPTH: &str = "drive.pipeline";
/// The server's cores in the cases of the scenario.
const ALONE: &str = "one core";
/// What redis.conf asks for before threads are worth the trouble.
const CORES: u32 = 4;

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for depth in values(data, DEPTH) {
        let of_depth = |point: &&PointData| point.word(DEPTH) == depth;
        let points: Vec<&PointData> = data.points.iter().filter(of_depth).collect();
        let base = |case: &str| {
            let mut there = points.iter().filter(|point| point.word(CASE) == case);
            there.find(|point| point.number(THREADS) == Some(1.0)).copied()
        };
        let Some(first) = base(ALONE) else { continue };
        told.extend(kernel(&depth, first));
        for case in values(data, CASE) {
            let Some(one) = base(&case) else { continue };
            let others = points
                .iter()
                .filter(|point| point.word(CASE) == case && point.number(THREADS) != Some(1.0));
            told.extend(others.filter_map(|point| gain(&depth, point, one)));
        }
    }
    told.extend(twice(data));
    let cores = data.host.cpus;
    told.push(format!(
        "This host has {cores} cores, and the client needs one of them: what threads would give with cores to \
         spare cannot be seen here{}.",
        if cores > 4 { " beyond those" } else { ", only what they could give at most, and what they cost" }
    ));
    told
}

/// The most that threads could give: all of the kernel's time taken off the main thread.
fn kernel(depth: &str, point: &PointData) -> Option<String> {
    let (rate, share) = (point.figure("ops_per_sec")?, point.figure("main_thread_kernel_share")?);
    Some(format!(
        "At pipeline {depth} one thread serves {} requests/s and spends {} of its CPU in the kernel, nearly all \
         of it for sockets: were all of that taken over, it could be {} at most.",
        count(rate),
        percent(share),
        times(1.0, 1.0 - share)
    ))
}

/// What redis.conf promises, where the server may have every core.
fn twice(data: &Data) -> Option<String> {
    let points: Vec<&PointData> = data
        .points
        .iter()
        .filter(|point| point.word(CASE) != ALONE && point.number(DEPTH) == Some(1.0))
        .collect();
    let of = |threads: f64| points.iter().find(|point| point.number(THREADS) == Some(threads));
    let one = of(1.0)?.figure("ops_per_sec")?;
    let others = points.iter().filter(|point| point.number(THREADS) != Some(1.0));
    let runs = others.filter_map(|point| {
        let rate = point.figure("ops_per_sec")?;
        let text = format!("{} with {} threads", times(rate, one), point.word(THREADS));
        Some((rate >= 2.0 * one, text))
    });
    let claim = (
        "redis.conf of Redis 7.0",
        "threads easily speed Redis up two times without pipelining (on machines with at least 4 cores)",
    );
    let runs: Vec<(bool, String)> = runs.collect();
    published_unless(&doubt(data, CORES, true), claim, &runs)
}

fn gain(depth: &str, point: &PointData, one: &PointData) -> Option<String> {
    let (rate, before) = (point.figure("ops_per_sec")?, one.figure("ops_per_sec")?);
    Some(format!(
        "At pipeline {depth} on {}, {} io-threads make {} requests/s, {} of what one makes; p99 {} instead of \
         {}.",
        point.word(CASE),
        point.word(THREADS),
        count(rate),
        times(rate, before),
        time(point.figure("p99_us")?),
        time(one.figure("p99_us")?)
    ))
}

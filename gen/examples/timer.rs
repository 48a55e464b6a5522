//! The floor under the schedule: the same ring waits for the same times and sends nothing. How
//! late it wakes is the host's doing, not the engine's.
//!
//! `timer IO WAIT RATE SECONDS CPU`; prints one JSON object. `cargo xtask bench pacing` runs it.

use std::error::Error;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use stallion_gen::shard::ring::epoll::Epoll;
use stallion_gen::shard::ring::socket::Address;
use stallion_gen::shard::ring::uring::Uring;
use stallion_gen::shard::ring::{Ring, WaitPolicy};
use stallion_gen::units::Nanos;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [io, wait, rate, seconds, cpu] = words.as_slice() else {
        return Err("give IO WAIT RATE SECONDS CPU".into());
    };
    let id = cpu.parse()?;
    core_affinity::set_for_current(core_affinity::CoreId { id });
    let wait = match wait.as_str() {
        "block" => WaitPolicy::Block,
        "adaptive" => WaitPolicy::Adaptive,
        "spin" => WaitPolicy::Spin,
        _ => return Err("WAIT is block, adaptive or spin".into()),
    };
    let (rate, seconds): (u64, f64) = (rate.parse()?, seconds.parse()?);
    let count = (rate as f64 * seconds) as u64;
    // Nothing is ever opened, so nobody need be there.
    let address = Address::resolve("127.0.0.1", 1)?;
    let found = match io.as_str() {
        "uring" => run(Uring::new(address, 1, 64, wait)?, rate, count),
        "epoll" => run(Epoll::new(address, 1, 64, wait)?, rate, count),
        _ => return Err("IO is uring or epoll".into()),
    }?;
    println!("{found}");
    Ok(())
}

fn run<R: Ring>(mut ring: R, rate: u64, count: u64) -> Result<Value, Box<dyn Error>> {
    let mut lag = Histogram::<u64>::new(3)?;
    let (before, start) = (ring.usage(), ring.now());
    let due = |index: u64| Nanos(start.0 + index * 1_000_000_000 / rate);
    let mut index = 0;
    while index < count {
        ring.wait(due(index));
        let now = ring.now();
        while index < count && due(index) <= now {
            lag.record(now.since(due(index)))?;
            index += 1;
        }
        while ring.next().is_some() {}
    }
    let (after, wall_ns) = (ring.usage(), ring.now().since(start));
    let at_us = |quantile| lag.value_at_quantile(quantile) as f64 / 1e3;
    Ok(json!({
        "lag_us": { "p50": at_us(0.5), "p99": at_us(0.99), "p999": at_us(0.999), "max": at_us(1.0) },
        "busy": (after.cpu_ns - before.cpu_ns) as f64 / wall_ns as f64,
    }))
}

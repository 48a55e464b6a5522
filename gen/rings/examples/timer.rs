//! The floor under the schedule: the same ring waits for the same times, and either sends nothing
//! (how late it wakes is the host's doing) or sends the same bytes each time (what is later then is
//! the kernel's sending and receiving). Neither is the engine's.
//!
//! `timer IO WAIT RATE SECONDS CPU [PORT CONNECTIONS]`; prints one JSON object. `cargo xtask bench
//! pacing` runs it.

use std::error::Error;
use std::net::SocketAddr;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use stallion_engine::ring::{Completion, Ring};
use stallion_engine::units::{ConnId, Nanos};
use stallion_resp::encoder::request;
use stallion_rings::epoll::Epoll;
use stallion_rings::socket::Address;
use stallion_rings::uring::Uring;
use stallion_rings::wait::WaitPolicy;

const TICK_NS: u64 = 100_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ([io, wait, rate, seconds, cpu], rest) = words.split_first_chunk().ok_or(USAGE)?;
    let (port, connections) = match rest {
        // Nothing is ever opened, so nobody need be there.
        [] => (1, 0),
        [port, connections] => (port.parse()?, connections.parse()?),
        _ => return Err(USAGE.into()),
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
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
    let sockets = connections.max(1);
    let found = match io.as_str() {
        "uring" => run(Uring::new(address, sockets, 64, wait)?, connections, rate, count),
        "epoll" => run(Epoll::new(address, sockets, 64, wait)?, connections, rate, count),
        _ => return Err("IO is uring or epoll".into()),
    }?;
    println!("{found}");
    Ok(())
}

const USAGE: &str = "give IO WAIT RATE SECONDS CPU [PORT CONNECTIONS]";

fn run<R: Ring>(
    mut ring: R,
    connections: usize,
    rate: u64,
    count: u64,
) -> Result<Value, Box<dyn Error>> {
    let bytes = request(&[b"GET", b"key:000000012345"]);
    open(&mut ring, connections, &bytes);
    let mut lag = Histogram::<u64>::new(3)?;
    let (before, start) = (ring.usage(), ring.now());
    let due = |index: u64| Nanos(start.0 + index * 1_000_000_000 / rate);
    let mut index = 0;
    while index < count {
        let now = ring.wait(due(index));
        while index < count && due(index) <= now {
            lag.record(ring.now().since(due(index)))?;
            if connections > 0 {
                ring.send(ConnId(index as u32 % connections as u32), 0, bytes.len(), false);
            }
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

fn open<R: Ring>(ring: &mut R, connections: usize, bytes: &[u8]) {
    for id in (0..connections).map(|index| ConnId(index as u32)) {
        ring.outgoing(id, 0)[..bytes.len()].copy_from_slice(bytes);
        ring.open(id);
    }
    let mut opened = 0;
    while opened < connections {
        ring.wait(Nanos(ring.now().0 + TICK_NS));
        while let Some(completion) = ring.next() {
            opened += usize::from(matches!(completion, Completion::Opened(_)));
        }
    }
}

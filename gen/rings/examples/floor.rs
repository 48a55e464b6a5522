//! The floor under the engine: the same ring with the same flags, and nothing else. The same
//! bytes are sent again and again and the answers' bytes are counted: no RESP, no keys, no
//! schedule, no histogram, no books.
//!
//! `floor IO PORT PIPELINE CONNECTIONS SECONDS CPU`, against `stallion null` with values of
//! 100 bytes; prints one JSON object. `cargo xtask bench engine` runs it.

use std::error::Error;
use std::net::SocketAddr;

use serde_json::{Value, json};
use stallion_engine::ring::{Completion, Ring};
use stallion_engine::units::{ConnId, Nanos};
use stallion_resp::encoder::request;
use stallion_rings::epoll::Epoll;
use stallion_rings::socket::Address;
use stallion_rings::uring::Uring;
use stallion_rings::wait::WaitPolicy;

/// `$100`, the value, and three line ends.
const REPLY_BYTES: usize = 108;

const TICK_NS: u64 = 100_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [io, port, pipeline, connections, seconds, cpu] = words.as_slice() else {
        return Err("give IO PORT PIPELINE CONNECTIONS SECONDS CPU".into());
    };
    let id = cpu.parse()?;
    core_affinity::set_for_current(core_affinity::CoreId { id });
    let load = Load {
        pipeline: pipeline.parse()?,
        connections: connections.parse()?,
        length_ns: (seconds.parse::<f64>()? * 1e9) as u64,
    };
    let requests = request(&[b"GET", b"key:000000012345"]).repeat(load.pipeline);
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port.parse()?)));
    let (count, half, wait) = (load.connections, requests.len(), WaitPolicy::Block);
    let found = match io.as_str() {
        "uring" => run(Uring::new(address, count, half, wait)?, &load, &requests),
        "epoll" => run(Epoll::new(address, count, half, wait)?, &load, &requests),
        _ => return Err("IO is uring or epoll".into()),
    };
    println!("{found}");
    Ok(())
}

struct Load {
    pipeline: usize,
    connections: usize,
    length_ns: u64,
}

fn run<R: Ring>(mut ring: R, load: &Load, requests: &[u8]) -> Value {
    open(&mut ring, load, requests);
    let expected = load.pipeline * REPLY_BYTES;
    let mut missing = vec![expected; load.connections];
    let mut to_send: Vec<ConnId> = ids(load).collect();
    let (before, start) = (ring.usage(), ring.now());
    let (mut now, mut ops) = (start, 0_u64);
    while now.since(start) < load.length_ns {
        for id in to_send.drain(..) {
            ring.send(id, 0, requests.len(), false);
        }
        now = ring.wait(Nanos(now.0 + TICK_NS));
        while let Some(completion) = ring.next() {
            if let Completion::Received(id, bytes) = completion {
                let missing = &mut missing[id.index()];
                *missing = missing.saturating_sub(bytes.len());
                if *missing == 0 {
                    *missing = expected;
                    ops += load.pipeline as u64;
                    to_send.push(id);
                }
            }
        }
    }
    let after = ring.usage();
    let (cpu_ns, seconds) = (after.cpu_ns - before.cpu_ns, now.since(start) as f64 / 1e9);
    json!({
        "ops": ops,
        "ops_per_sec": ops as f64 / seconds,
        "cpu_ns_per_op": cpu_ns as f64 / ops.max(1) as f64,
        "syscalls_per_op": (after.syscalls - before.syscalls) as f64 / ops.max(1) as f64,
    })
}

fn ids(load: &Load) -> impl Iterator<Item = ConnId> + use<> {
    (0..load.connections).map(|index| ConnId(index as u32))
}

fn open<R: Ring>(ring: &mut R, load: &Load, requests: &[u8]) {
    for id in ids(load) {
        ring.outgoing(id, 0).copy_from_slice(requests);
        ring.open(id);
    }
    let mut opened = 0;
    while opened < load.connections {
        ring.wait(Nanos(ring.now().0 + TICK_NS));
        while let Some(completion) = ring.next() {
            opened += usize::from(matches!(completion, Completion::Opened(_)));
        }
    }
}

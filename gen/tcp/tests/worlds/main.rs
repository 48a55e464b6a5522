//! Thousands of networks by their seeds: bytes that go through a TCP of other people and back are the
//! same, in order, whatever the network loses, repeats, reorders or damages, and every connection ends.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

mod client;

mod network;

mod server;

use client::Client;
use network::{Faults, Network, Side};
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use server::Server;

/// Simulated time after which a world is stuck.
const PATIENCE_NS: u64 = 3_600_000_000_000;

/// One world, drawn from its seed.
#[derive(Debug, Clone, Copy)]
struct World {
    seed: u64,
    faults: Faults,
    connections: usize,
    bytes: usize,
    window: usize,
    v6: bool,
}

impl World {
    fn of(seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut share = |most: f64| {
            if random.random_bool(0.5) { random.random_range(0.0..most) } else { 0.0 }
        };
        let faults = Faults {
            lost: share(0.2),
            repeated: share(0.1),
            reordered: share(0.3),
            damaged: share(0.05),
            mtu: None,
        };
        Self {
            seed,
            faults,
            connections: random.random_range(1..4),
            bytes: random.random_range(1..60_000),
            window: if random.random_bool(0.3) { 100 } else { 30_000 },
            v6: random.random_bool(0.3),
        }
    }

    fn play(self) -> Client {
        let ends: [std::net::IpAddr; 2] = match self.v6 {
            true => ["fd00::2".parse().unwrap(), "fd00::9".parse().unwrap()],
            false => ["10.0.0.2".parse().unwrap(), "10.0.0.9".parse().unwrap()],
        };
        // A tiny window makes many tiny segments: fewer bytes take as long.
        let bytes = if self.window < 1_000 { self.bytes / 20 + 1 } else { self.bytes };
        let mut network = Network::new(self.seed, self.faults);
        let mut server = Server::new(ends[1], self.connections, self.window, self.seed);
        let mut client = Client::new(ends, self.connections, bytes, self.seed);
        let mut now_ns = 1_000_000;
        while !client.is_done() {
            assert!(now_ns < PATIENCE_NS, "{self:?} is stuck: {client:?}");
            while let Some((side, frame)) = network.take(now_ns) {
                match side {
                    Side::Client => client.receive(&frame, now_ns),
                    Side::Server => server.card.received.push_back(frame),
                }
            }
            client.act(now_ns);
            server.poll(now_ns);
            for frame in client.frames.sent.drain(..) {
                network.send(Side::Server, frame, now_ns);
            }
            for frame in server.card.sent.drain(..) {
                network.send(Side::Client, frame, now_ns);
            }
            let next = network.next_at().min(client.wakes_at()).min(server.next_at(now_ns));
            now_ns = next.max(now_ns + 1_000);
        }
        client
    }
}

/// How many worlds are played: STALLION_SEEDS, or some.
fn seeds() -> u64 {
    std::env::var("STALLION_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn every_byte_comes_back_in_order_through_any_network() {
    let (mut retransmitted, mut timeouts, mut recoveries, mut reordered) = (0, 0, 0, 0);
    let mut never_opened = 0;
    for seed in 0..seeds() {
        let client = World::of(seed).play();
        let given_up = client.failed - client.never_opened;
        assert_eq!(given_up, 0, "{:?}: an open connection was given up", World::of(seed));
        never_opened += client.never_opened;
        for counters in client.counters() {
            retransmitted += counters.retransmitted;
            timeouts += counters.timeouts;
            recoveries += counters.fast_recoveries;
            reordered += counters.out_of_order;
        }
    }
    // Seven SYNs or their answers, all of them lost: once in some thousand connections of the worst worlds.
    assert!(never_opened as u64 * 1_000 <= seeds().max(1_000), "{never_opened} never opened");
    println!(
        "{retransmitted} retransmissions, {timeouts} time-outs, {recoveries} fast recoveries, \
         {reordered} segments out of order"
    );
    assert!(timeouts > 0 && recoveries > 0 && reordered > 0, "the worlds were too kind");
}

#[test]
fn nothing_is_sent_twice_through_a_network_that_loses_nothing() {
    for seed in 0..20 {
        let world = World { faults: Faults::default(), window: 30_000, ..World::of(seed) };
        let client = world.play();
        for counters in client.counters() {
            assert_eq!(counters.retransmitted, 0, "{world:?}: {counters:?}");
            assert_eq!(counters.dropped, 0, "{world:?}: {counters:?}");
        }
    }
}

#[test]
fn a_connection_nobody_answers_is_given_up() {
    let faults = Faults { mtu: Some(50), ..Faults::default() };
    let world = World { faults, connections: 1, bytes: 100, window: 30_000, v6: false, seed: 1 };
    // The SYN has 60 bytes of headers: it never arrives.
    assert_eq!(world.play().failed, 1);
}

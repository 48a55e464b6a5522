//! What the engine does for each request, piece by piece, in nanoseconds.
//!
//! `cargo bench -p stallion-client --bench hot`, or `cargo xtask bench hot`, which writes the figures
//! down. Under `cargo test` each piece runs once.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use hdrhistogram::Histogram;
use rand::distr::Distribution;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_engine::measure::histogram::Recording;
use stallion_engine::workload::keys::{Keys, Zipf};
use stallion_engine::workload::mix::{Mix, Ttl};
use stallion_engine::workload::{Fill, Traffic, Workload};
use stallion_null::reply::{Kind, Owed, Replies};
use stallion_null::request::{Reader, Shapes};
use stallion_resp::command::{Command, Commands};
use stallion_resp::encoder::{Encoder, request};
use stallion_resp::fast_reply::FastReply;
use stallion_resp::op::Op;
use stallion_resp::reply::Parser;
use stallion_resp::units::{CommandId, KeyId};
use stallion_resp::values::Values;

/// Repetitions in one timed call, so that reading the clock does not count; `cargo xtask bench`
/// reads times for a call and divides by it.
const BATCH: u64 = 1_000;

fn main() {
    divan::main();
}

fn random() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

fn batch(bencher: Bencher<'_, '_>, mut piece: impl FnMut(u64)) {
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for index in 0..BATCH {
            piece(index);
        }
    });
}

fn encode(bencher: Bencher<'_, '_>, command: Command) {
    let commands = Commands::of(vec![command]);
    let mut encoder = Encoder::new(commands, "key:", Values::fixed(1, 100));
    let workload = Workload::Fill(Fill::new(0, 1, 0, 1, Ttl::NONE, 1, 1));
    let mut out = vec![0; encoder.longest()];
    batch(bencher, |index| {
        let key = KeyId(index * 7_919);
        let op = Op { command: CommandId(0), nonce: 0, key, ttl_s: 0 };
        black_box(encoder.encode(black_box(op), workload.distributions(), &mut out));
    });
}

#[divan::bench]
fn encode_get(bencher: Bencher<'_, '_>) {
    encode(bencher, Command::get(1));
}

#[divan::bench]
fn encode_set_100_bytes(bencher: Bencher<'_, '_>) {
    encode(bencher, Command::set(1));
}

/// All that a request takes before it is sent: drawn from its distributions, and encoded.
#[divan::bench]
fn draw_and_encode_get(bencher: Bencher<'_, '_>) {
    let commands = Commands::of(vec![Command::get(1)]);
    let mix = Mix::new(&commands.list, Ttl::NONE);
    let mut encoder = Encoder::new(commands, "key:", Values::fixed(1, 100));
    let mut workload = Workload::Traffic(Traffic::new(Keys::Uniform { keys: 1_000_000 }, mix, 7));
    let mut out = vec![0; encoder.longest() * BATCH as usize];
    let mut at = 0;
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        at = 0;
        workload.draw_many(BATCH as usize, |op, distributions| {
            at += encoder.encode(op, distributions, &mut out[at..])
        });
        black_box(&out);
    });
}

fn parse(bencher: Bencher<'_, '_>, reply: &[u8]) {
    let stream = reply.repeat(BATCH as usize);
    let mut parser = Parser::new();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut input = stream.as_slice();
        while let Ok(Some(reply)) = parser.next(&mut input, |_, _| {}) {
            black_box(reply);
        }
    });
}

#[divan::bench]
fn parse_value_100_bytes(bencher: Bencher<'_, '_>) {
    parse(bencher, format!("$100\r\n{}\r\n", "x".repeat(100)).as_bytes());
}

#[divan::bench]
fn parse_ok(bencher: Bencher<'_, '_>) {
    parse(bencher, b"+OK\r\n");
}

/// The same by the way that a run goes: two comparisons.
fn strip(bencher: Bencher<'_, '_>, fast_reply: FastReply, reply: &[u8]) {
    let stream = reply.repeat(BATCH as usize + 1);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut input = black_box(stream.as_slice());
        while let Some(rest) = fast_reply.strip(input) {
            input = rest;
        }
        black_box(input);
    });
}

#[divan::bench]
fn usual_value_100_bytes(bencher: Bencher<'_, '_>) {
    strip(bencher, FastReply::value(100), format!("$100\r\n{}\r\n", "x".repeat(100)).as_bytes());
}

#[divan::bench]
fn usual_ok(bencher: Bencher<'_, '_>) {
    strip(bencher, FastReply::ok(), b"+OK\r\n");
}

fn draw(bencher: Bencher<'_, '_>, mut keys: Keys) {
    let mut random = random();
    batch(bencher, |_| {
        black_box(keys.draw(0, &mut random));
    });
}

#[divan::bench]
fn draw_uniform_1e6(bencher: Bencher<'_, '_>) {
    draw(bencher, Keys::Uniform { keys: 1_000_000 });
}

#[divan::bench]
fn draw_uniform_1e9(bencher: Bencher<'_, '_>) {
    draw(bencher, Keys::Uniform { keys: 1_000_000_000 });
}

fn zipf(keys: u64) -> Keys {
    Keys::Zipfian(Box::new(Zipf::new(keys, 0.99)))
}

#[divan::bench]
fn draw_zipf_1e6(bencher: Bencher<'_, '_>) {
    draw(bencher, zipf(1_000_000));
}

#[divan::bench]
fn draw_zipf_1e9(bencher: Bencher<'_, '_>) {
    draw(bencher, zipf(1_000_000_000));
}

fn draw_rand_distr(bencher: Bencher<'_, '_>, keys: f64) {
    let (mut random, law) = (random(), rand_distr::Zipf::new(keys, 0.99));
    let Ok(law) = law else { return };
    batch(bencher, |_| {
        black_box(law.sample(&mut random));
    });
}

#[divan::bench]
fn draw_zipf_1e6_by_rand_distr(bencher: Bencher<'_, '_>) {
    draw_rand_distr(bencher, 1e6);
}

#[divan::bench]
fn draw_zipf_1e9_by_rand_distr(bencher: Bencher<'_, '_>) {
    draw_rand_distr(bencher, 1e9);
}

/// Durations as a run has them: most near 100 us, some far above.
fn durations() -> Vec<u64> {
    let mut random = random();
    (0..BATCH).map(|_| 80_000 + (20_000.0 / (1.0 - random.random::<f64>())) as u64).collect()
}

#[divan::bench]
fn record(bencher: Bencher<'_, '_>) {
    let (mut recording, durations) = (Recording::default(), durations());
    batch(bencher, |index| {
        recording.record(black_box(durations[index as usize]));
    });
}

#[divan::bench]
fn record_by_hdrhistogram(bencher: Bencher<'_, '_>) {
    let Ok(mut histogram) = Histogram::<u64>::new_with_max(3_600_000_000_000, 3) else {
        return;
    };
    let durations = durations();
    batch(bencher, |index| {
        histogram.saturating_record(black_box(durations[index as usize]));
    });
}

/// What the null server does for each request: count it, and copy the answer.
#[divan::bench]
fn null_server_answers_get(bencher: Bencher<'_, '_>) {
    let stream: Vec<u8> = (0..BATCH)
        .flat_map(|key| request(&[b"GET", format!("key:{key:012}").as_bytes()]))
        .collect();
    let (mut reader, mut shapes, mut owed) =
        (Reader::default(), Shapes::default(), Owed::default());
    let replies = Replies::new(100);
    let mut out = vec![0; replies.length(Kind::Value) * BATCH as usize];
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let read = reader.read(&mut shapes, black_box(&stream), |kind, count| {
            let _ = owed.add(kind, count, &replies);
        });
        let _ = black_box(read);
        black_box(owed.write(&replies, &mut out))
    });
}

//! A server that is stopped for two seconds: the response times follow from the schedule by
//! arithmetic, and service times hide nearly all of it.
//!
//! With requests due at a rate R, a stop of length D, and answers at a rate K afterwards, the
//! request that is due t after the beginning of the stop is answered D - t (1 - R / K) after its
//! due time: it waits for the end of the stop, and for the R t requests before it, less the time
//! that has gone by. So R (D - X) / (1 - R / K) requests take longer than X, and the longest D.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use stallion_timeline::clock::monotonic_ns;
use stallion_timeline::{Interval, Record, Timeline, histogram};

use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, timeline};

const RATE: u64 = 20_000;
const CONNS: u64 = 16;
const PIPELINE: u64 = 8;
const SECONDS: u64 = 8;
const STOP_NS: u64 = 2_000_000_000;

/// Another load on the machine for one moment bends the figures: so many runs may.
const ATTEMPTS: usize = 5;

/// What the arithmetic and the run may differ by.
const TOLERANCE: f64 = 0.05;

/// One stop and what the client saw of it.
struct Stopped {
    begin_ns: u64,
    end_ns: u64,
    timeline: Timeline,
    summary: Value,
    printed: String,
}

fn drive_through_a_stop() -> Stopped {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let (rate, conns, pipeline) = (RATE.to_string(), CONNS.to_string(), PIPELINE.to_string());
    let seconds = format!("{SECONDS}s");
    let args = [
        &["drive", "-p", &server.port, "--keys", "1000", "--warmup", "1s", "--duration", &seconds]
            [..],
        &["--rate", &rate, "--arrivals", "constant", "--conns", &conns, "--pipeline", &pipeline],
        &["--interval", "10ms", "--out", out, "--allow-invalid"],
    ]
    .concat();
    let run = Running::start(&args, None);
    std::thread::sleep(Duration::from_secs(4));
    let begin_ns = monotonic_ns();
    server.signal(Signal::SIGSTOP);
    while monotonic_ns() < begin_ns + STOP_NS {
        let left_ns = (begin_ns + STOP_NS).saturating_sub(monotonic_ns());
        std::thread::sleep(Duration::from_nanos(left_ns));
    }
    server.signal(Signal::SIGCONT);
    let end_ns = monotonic_ns();
    let ended = run.end();
    ended.expect(0, &[]);
    let timeline = timeline(folder.path());
    let summary = timeline.footer.clone().unwrap().summary;
    Stopped { begin_ns, end_ns, timeline, summary, printed: ended.out }
}

impl Stopped {
    fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.timeline.records.iter().filter_map(|record| match record {
            Record::Interval(interval) => Some(interval),
            _ => None,
        })
    }

    /// Answers a second while the backlog was worked off.
    fn work_off_rate(&self) -> f64 {
        let after = self.intervals().filter(|interval| interval.start_ns >= self.end_ns);
        let busy: Vec<&Interval> = after.take_while(|interval| interval.backlog > 0).collect();
        let answered: u64 = busy.iter().map(|interval| interval.answered).sum();
        let length_ns: u64 = busy.iter().map(|interval| interval.end_ns - interval.start_ns).sum();
        answered as f64 * 1e9 / length_ns as f64
    }

    /// Requests whose time in one of the histograms is more than `over_ns`.
    fn slower(&self, encoded: impl Fn(&Interval) -> &str, over_ns: u64) -> u64 {
        self.intervals()
            .map(|interval| {
                let found = histogram::decode(encoded(interval)).unwrap();
                found.count_between(over_ns, histogram::MAX_NS)
            })
            .sum()
    }

    /// Pairs of what is expected and what was measured, by name.
    fn figures(&self) -> Vec<(String, f64, f64)> {
        let stop_ns = self.end_ns - self.begin_ns;
        let slope = 1.0 - RATE as f64 / self.work_off_rate();
        let mut figures: Vec<_> = [100_000_000, 500_000_000, 1_000_000_000, 1_500_000_000]
            .into_iter()
            .map(|over_ns| {
                let due = RATE as f64 * (stop_ns - over_ns) as f64 / 1e9 / slope;
                let measured = self.slower(|interval| &interval.response_hdr, over_ns) as f64;
                (format!("requests over {} ms", over_ns / 1_000_000), due, measured)
            })
            .collect();
        let max_ms = self.summary["response_us"]["max"].as_f64().unwrap() / 1e3;
        figures.push(("longest, ms".to_owned(), stop_ns as f64 / 1e6, max_ms));
        figures
    }
}

#[test]
fn a_stop_of_two_seconds_is_in_the_response_times_by_arithmetic() {
    for attempt in 1..=ATTEMPTS {
        let stopped = drive_through_a_stop();
        println!("attempt {attempt}: K = {:.0} answers a second", stopped.work_off_rate());
        let figures = stopped.figures();
        for (name, expected, measured) in &figures {
            let percent = (measured / expected - 1.0) * 100.0;
            println!(
                "{name:<24} {expected:>10.0} expected {measured:>10.0} seen {percent:>+6.2} %"
            );
        }
        println!("{}", stopped.printed);
        service_time_hides_it(&stopped);
        let agrees = |(_, expected, measured): &(String, f64, f64)| {
            (measured / expected - 1.0).abs() <= TOLERANCE
        };
        if figures.iter().all(agrees) {
            return;
        }
    }
    panic!("the figures above differ by more than {TOLERANCE} in each of {ATTEMPTS} runs");
}

/// These hold on any machine, at any load.
fn service_time_hides_it(stopped: &Stopped) {
    let summary = &stopped.summary;
    // Nothing is forgotten. (On a busy machine the last few may fall due with no time left.)
    let accounting = &summary["accounting"];
    assert_eq!(accounting["due"], RATE * (SECONDS + 1));
    let count = |name: &str| accounting[name].as_u64().unwrap();
    assert_eq!(count("due"), count("answered") + count("unsent"), "{accounting}");
    assert!(count("unsent") < RATE / 10, "{accounting}");
    // Only what was in flight when the stop began has a long service time.
    let hidden = stopped.slower(|interval| &interval.service_hdr, 1_000_000_000);
    let shown = stopped.slower(|interval| &interval.response_hdr, 1_000_000_000);
    println!("over 1 s: {shown} by response time, {hidden} by service time");
    assert!(hidden <= CONNS * PIPELINE, "{hidden}");
    assert!(shown > RATE * 9 / 10, "{shown}");
    // Side by side in summary and text: a p90 of the response time of about 0.4 s.
    let p90 = |name: &str| summary[name]["p90"].as_f64().unwrap();
    assert!(p90("response_us") > 100_000.0, "{summary}");
    assert!(p90("service_us") < p90("response_us") / 4.0, "{summary}");
    for line in ["response (from due)", "service (from send)", "schedule lag"] {
        assert!(stopped.printed.contains(line));
    }
    // The stop was the server's doing, and the verdict does not blame the client for it.
    let lag = summary["own_lag_us"]["p99"].as_f64().unwrap();
    assert!(lag < 100_000.0, "the client's own part of the lag: {summary}");
}

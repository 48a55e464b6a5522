//! Synthetic timelines: a server with one FIFO queue and known stalls, and a client that drives
//! it at a steady rate. The truth is known by construction, and everything is deterministic.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use stallion_timeline::{
    Chaos, Clock, ClusterInterval, Footer, Header, HostFacts, Interval, NodeShare, OpCounts,
    Outage, Outcome, Phase, PhaseName, ProbeState, ProbeStatus, Record, Redirects, Role,
    SCHEMA_VERSION, Server, SlotShare, SlowOp, SlowlogEntry, Stall, StallClass, ThreadRole, Writer,
    histogram,
};

use crate::queue::{self, Done, Load};
pub(crate) use crate::queue::{MS, Rng, S, START};

const WALL: u64 = 1_790_000_000 * S;
const MAIN_TID: u32 = 4_711;

/// A run to be made: rates, length, stalls, and what the server says.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) rate: u64,
    pub(crate) capacity: u64,
    pub(crate) seconds: u64,
    pub(crate) slow_over_ns: u64,
    pub(crate) samples: usize,
    pub(crate) phases: Vec<(PhaseName, u64, &'static str)>,
    pub(crate) stalls: Vec<Stall>,
    /// Stalls that the server makes and no probe reports.
    pub(crate) hidden: Vec<(u64, u64)>,
    /// The client does not send in these spans, although connections are free.
    pub(crate) client_late: Vec<(u64, u64)>,
    pub(crate) servers: Vec<Server>,
    pub(crate) chaos: Vec<Chaos>,
    /// Nodes of a cluster, among which the keys lie in turn; 0 for a single server.
    pub(crate) nodes: u64,
    pub(crate) outages: Vec<Outage>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            rate: 20_000,
            capacity: 80_000,
            seconds: 4,
            slow_over_ns: MS,
            samples: 32,
            phases: vec![(PhaseName::Measure, 0, "")],
            stalls: Vec::new(),
            hidden: Vec::new(),
            client_late: Vec::new(),
            servers: Vec::new(),
            chaos: Vec::new(),
            nodes: 0,
            outages: Vec::new(),
        }
    }
}

/// A single stall of the main thread; times count from the start of the run.
pub(crate) fn stall(class: StallClass, at_ns: u64, length_ns: u64) -> Stall {
    sum(class, at_ns, length_ns, length_ns, 1)
}

/// Many small stalls within a window.
pub(crate) fn sum(
    class: StallClass,
    at_ns: u64,
    length_ns: u64,
    busy_ns: u64,
    count: u64,
) -> Stall {
    Stall {
        class,
        pid: MAIN_TID,
        port: 0,
        tid: MAIN_TID,
        thread: ThreadRole::Main,
        start_ns: START + at_ns,
        end_ns: START + at_ns + length_ns,
        busy_ns,
        count,
        what: String::new(),
        detail: BTreeMap::new(),
    }
}

pub(crate) fn chaos(action: &str, at_ns: u64, length_ns: u64) -> Chaos {
    Chaos {
        action: action.to_owned(),
        target: "127.0.0.1:7000".to_owned(),
        begin_ns: START + at_ns,
        end_ns: START + at_ns + length_ns,
        outcome: "ok".to_owned(),
        detail: json!({}),
    }
}

pub(crate) fn server(at_ns: u64, info: &[(&str, f64)]) -> Server {
    Server {
        at_ns: START + at_ns,
        target: "127.0.0.1:7000".to_owned(),
        info: info.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        ..Server::default()
    }
}

pub(crate) fn slowlog(
    mut server: Server,
    ended_ns: u64,
    duration_us: i64,
    command: &str,
) -> Server {
    server.slowlog.push(SlowlogEntry {
        id: 1,
        unix_s: ((WALL + ended_ns) / S) as i64,
        duration_us,
        command: command.to_owned(),
    });
    server
}

pub(crate) fn header(role: Role) -> Header {
    Header {
        schema: SCHEMA_VERSION,
        tool: "stallion 0.1.0".to_owned(),
        role,
        host: HostFacts {
            name: "lab".to_owned(),
            kernel: "6.1.0".to_owned(),
            cpu: "Synthetic CPU".to_owned(),
            cpus: 8,
            memory_bytes: 32 << 30,
            virtualised: false,
            clocksource: "tsc".to_owned(),
            transparent_hugepage: "madvise".to_owned(),
            governor: "performance".to_owned(),
        },
        clock: Clock {
            monotonic_ns: START,
            wall_ns: WALL,
            offset_ns: 0,
            offset_error_ns: 0,
            boot_id: "synthetic".to_owned(),
        },
        plan: json!({}),
        target: "redis://127.0.0.1:7000".to_owned(),
        probes: Vec::new(),
    }
}

fn probes() -> Vec<ProbeState> {
    let state = |name: &str, hook: &str, status, reason: &str| ProbeState {
        name: name.to_owned(),
        hook: hook.to_owned(),
        status,
        reason: reason.to_owned(),
    };
    vec![
        state("fork", "uprobe libc fork", ProbeStatus::Active, ""),
        state("page_fault", "raw_tp page_fault_user, page_fault_kernel", ProbeStatus::Active, ""),
        state(
            "block_io",
            "raw_tp block_rq_issue",
            ProbeStatus::Disabled,
            "nothing waits for a disk",
        ),
    ]
}

/// Writes `drive.jsonl` and `probe.jsonl` into a folder.
pub(crate) fn write(scenario: &Scenario, folder: &Path) {
    let mut drive = header(Role::Drive);
    drive.plan = json!({"rate": scenario.rate, "arrivals": "constant", "conns": 50, "pipeline": 1,
        "keys": 1_000_000, "value_size": 100, "slow_threshold_ns": scenario.slow_over_ns,
        "interval_ns": 100 * MS});
    let mut writer = Writer::create(&folder.join("drive.jsonl"), drive).unwrap();
    let (records, summary) = client(scenario);
    for record in &records {
        writer.append(record).unwrap();
    }
    let end_ns = START + scenario.seconds * S;
    writer.finish(Footer { end_ns, reason: "complete".to_owned(), summary }).unwrap();

    let mut probe = header(Role::Probe);
    probe.probes = probes();
    let mut writer = Writer::create(&folder.join("probe.jsonl"), probe).unwrap();
    for stall in &scenario.stalls {
        writer.append(&Record::Stall(stall.clone())).unwrap();
    }
    let reason = "complete".to_owned();
    writer.finish(Footer { end_ns, reason, summary: json!({}) }).unwrap();
}

/// Spans in which the server does nothing, merged and in order. A sum over a window becomes one
/// halt in each of its milliseconds.
fn halts(scenario: &Scenario) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> =
        scenario.hidden.iter().map(|(from, to)| (START + from, START + to)).collect();
    for stall in scenario.stalls.iter().filter(|stall| stall.thread == ThreadRole::Main) {
        let length = stall.end_ns - stall.start_ns;
        if stall.busy_ns == length {
            spans.push((stall.start_ns, stall.end_ns));
            continue;
        }
        for at in (stall.start_ns..stall.end_ns).step_by(MS as usize) {
            spans.push((at, at + stall.busy_ns * MS / length));
        }
    }
    spans.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn client(scenario: &Scenario) -> (Vec<Record>, serde_json::Value) {
    let requests = queue::serve(&Load {
        rate: scenario.rate,
        capacity: scenario.capacity,
        seconds: scenario.seconds,
        halts: halts(scenario),
        client_late: scenario.client_late.clone(),
    });
    let mut records: Vec<Record> = Vec::new();
    for (name, at_ns, label) in &scenario.phases {
        records.push(Record::Phase(Phase {
            name: *name,
            start_ns: START + at_ns,
            label: (*label).to_owned(),
        }));
    }
    let last = requests.iter().map(|request| request.done_ns).max().unwrap_or(START);
    let intervals = (last - START) / (100 * MS) + 1;
    let mut rng = Rng(11);
    let mut begun = 0;
    let mut sums = [0_u64; 3];
    for number in 0..intervals {
        let (from, to) = (START + number * 100 * MS, START + (number + 1) * 100 * MS);
        let done = requests[begun..].iter().take_while(|request| request.done_ns < to).count();
        let answered = &requests[begun..begun + done];
        begun += done;
        let count = |time: fn(&Done) -> u64| {
            requests.iter().filter(|r| (from..to).contains(&time(r))).count() as u64
        };
        let (due, sent) = (count(|r| r.due_ns), count(|r| r.sent_ns));
        sums = [sums[0] + due, sums[1] + sent, sums[2] + answered.len() as u64];
        let (interval, slow) = interval(scenario, answered, from, to, &mut rng);
        records.extend(slow.into_iter().map(Record::SlowOp));
        records.push(Record::Interval(Interval {
            due,
            sent,
            in_flight: sums[1] - sums[2],
            backlog: sums[0] - sums[1],
            ..interval
        }));
    }
    records.extend(scenario.servers.iter().cloned().map(Record::Server));
    records.extend(scenario.chaos.iter().cloned().map(Record::Chaos));
    records.extend(scenario.outages.iter().cloned().map(Record::Outage));
    let total = requests.len();
    let summary = json!({"model": "open", "ops": total, "verdict": {"valid": true, "reasons": []},
        "client": {"cpu_ns_per_op": 5_100.0, "busy_max": 0.21},
        "accounting": {"due": total, "sent": total, "answered": total, "failed": 0, "timeouts": 0,
            "lost": 0, "unsent": 0}});
    (records, summary)
}

fn interval(
    scenario: &Scenario,
    answered: &[Done],
    from: u64,
    to: u64,
    rng: &mut Rng,
) -> (Interval, Vec<SlowOp>) {
    let encoded = |value: fn(&Done) -> u64| {
        let mut all = histogram::empty();
        for request in answered {
            all.saturating_record(value(request).max(1));
        }
        histogram::encode(&all)
    };
    let mut slow: Vec<&Done> =
        answered.iter().filter(|r| r.done_ns - r.due_ns > scenario.slow_over_ns).collect();
    let (slow_count, slow_sum_ns) =
        (slow.len() as u64, slow.iter().map(|r| r.done_ns - r.due_ns).sum());
    while slow.len() > scenario.samples {
        slow.swap_remove(rng.below(slow.len() as u64) as usize);
    }
    let ok = answered.len() as u64;
    let counts = OpCounts { ok, hits: ok, misses: 0, errors: 0 };
    let interval = Interval {
        start_ns: from,
        end_ns: to,
        answered: ok,
        ops: BTreeMap::from([("get".to_owned(), counts)]),
        response_hdr: encoded(|r| r.done_ns - r.due_ns),
        service_hdr: encoded(|r| r.done_ns - r.sent_ns),
        lag_hdr: encoded(|r| r.sent_ns - r.due_ns),
        own_lag_hdr: encoded(|r| r.own_lag_ns),
        client_busy_max: 0.2,
        slow_count,
        slow_sum_ns,
        cluster: (scenario.nodes > 0).then(|| cluster(scenario, answered)),
        ..Interval::default()
    };
    // The one server that there is answers in the name of the first node.
    let node = (scenario.nodes > 0).then(|| "127.0.0.1:7000".to_owned());
    let slow = slow.into_iter().map(|done| SlowOp { node: node.clone(), ..slow_op(done) });
    (interval, slow.collect())
}

/// Every request of the node 7001 in the first 100 ms of a second is redirected once.
fn cluster(scenario: &Scenario, answered: &[Done]) -> ClusterInterval {
    let moved = |r: &&Done| r.key % scenario.nodes == 1 && (r.due_ns - START) % S < 100 * MS;
    let moved = answered.iter().filter(moved).count() as u64;
    let node = |number: u64| {
        let ops = answered.iter().filter(|r| r.key % scenario.nodes == number).count() as u64;
        let errors = if number == 1 && moved > 0 {
            BTreeMap::from([("MOVED".to_owned(), moved)])
        } else {
            BTreeMap::new()
        };
        NodeShare { node: format!("127.0.0.1:{}", 7_000 + number), ops, bytes: ops * 200, errors }
    };
    let nodes: Vec<NodeShare> = (0..scenario.nodes).map(node).collect();
    ClusterInterval {
        redirects: Redirects { moved, ..Redirects::default() },
        hot_slots: vec![SlotShare { slot: 12, ops: nodes[0].ops, ..SlotShare::default() }],
        nodes,
        ..ClusterInterval::default()
    }
}

fn slow_op(request: &Done) -> SlowOp {
    SlowOp {
        due_ns: request.due_ns,
        sent_ns: request.sent_ns,
        done_ns: request.done_ns,
        command: "get".to_owned(),
        key: request.key,
        slot: (request.key % 16_384) as u16,
        connection: (request.key % 50) as u32,
        outcome: Outcome::Ok,
        ahead: 0,
        own_lag_ns: request.own_lag_ns,
        node: None,
    }
}

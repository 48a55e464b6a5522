//! Known stalls, the timelines they make, and what the report must say about them.
//!
//! `UPDATE_CASES=1 cargo test -p stallion-report cases` writes the golden files anew.

use std::path::{Path, PathBuf};

use stallion_report::analysis::{Analysis, analyse};
use stallion_report::attribute::Attribution;
use stallion_report::cause::Cause;
use stallion_report::finding::findings;
use stallion_report::render;
use stallion_timeline::StallClass;

use crate::{scenarios, synthetic};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// Checks the committed timelines against the generator and the report against `expected.md`.
fn check(name: &str) -> Analysis {
    let scenario = scenarios::scenario(name);
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let fresh = tempfile::tempdir().unwrap();
    synthetic::write(&scenario, fresh.path());
    let files = ["drive.jsonl", "probe.jsonl"];
    for file in files {
        let made = std::fs::read_to_string(fresh.path().join(file)).unwrap();
        golden(&folder(name).join(file), &made, update);
    }
    let mut analysis = analyse(&files.map(|file| folder(name).join(file))).unwrap();
    for source in &mut analysis.run.sources {
        source.file = Path::new(&source.file).file_name().unwrap().to_str().unwrap().to_owned();
    }
    golden(&folder(name).join("expected.md"), &render::markdown::render(&analysis), update);
    adds_up(&analysis);
    analysis
}

fn golden(path: &Path, made: &str, update: bool) {
    if update {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, made).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap();
    assert!(stored == made, "{} differs; UPDATE_CASES=1 writes it anew", path.display());
}

fn adds_up(analysis: &Analysis) {
    let spikes = analysis.spikes.iter().map(|told| &told.spike.attribution);
    for attribution in spikes.chain([&analysis.total]) {
        let sum: u32 = attribution.shares.iter().map(|share| share.share_basis_points).sum();
        let time: u64 = attribution.shares.iter().map(|s| s.direct_ns + s.inherited_ns).sum();
        assert_eq!(time, attribution.delay_ns);
        assert_eq!(sum, if time == 0 { 0 } else { 10_000 });
        assert_eq!(attribution.shares.last().unwrap().cause, Cause::Unexplained);
    }
}

fn percent(attribution: &Attribution, class: StallClass) -> f64 {
    f64::from(attribution.share_of(Cause::Stall(class))) / 100.0
}

#[test]
fn a_fork_and_its_page_faults() {
    let analysis = check("fork");
    let spike = &analysis.spikes[0].spike;
    let fork = percent(&spike.attribution, StallClass::Fork);
    let copies = percent(&spike.attribution, StallClass::CowFault);
    assert!(fork > 80.0, "{fork}");
    assert!(fork + copies > 95.0, "{fork} + {copies}");
    assert!(analysis.spikes[0].labels[0].contains("fork of BGSAVE"));
}

#[test]
fn a_phase_of_fsyncs() {
    let analysis = check("fsync");
    let phase = &analysis.phases[1];
    assert_eq!(phase.span.label, "appendfsync always");
    assert!(percent(&phase.attribution, StallClass::Fsync) > 90.0);
    assert_eq!(analysis.phases[0].attribution.delay_ns, 0);
    let disk = percent(&phase.attribution, StallClass::BlockIo);
    assert!(disk < 0.01, "{disk}: what the disk did is within the fsync, not beside it");
    let label = &analysis.spikes[0].labels[0];
    assert!(label.contains("on vda (of ") && label.contains("the disk was busy for"), "{label}");
    assert_eq!(analysis.crosscheck.missed[0].cause, Cause::Stall(StallClass::Fsync));
}

#[test]
fn two_seconds_of_sigstop_follow_the_arithmetic_of_the_schedule() {
    let analysis = check("sigstop");
    let response = analysis.latency.response.unwrap();
    assert!(response.max_ns.abs_diff(2 * synthetic::S) < 20 * synthetic::MS, "{}", response.max_ns);
    // 2 s of arrivals and those of the drain, 2 s * 20 000 / (80 000 - 20 000) long.
    let late = (2.0 + 2.0 / 3.0) * 20_000.0;
    let slow = analysis.total.requests as f64;
    assert!((slow / late - 1.0).abs() < 0.05, "{slow} against {late}");
    assert!(percent(&analysis.total, StallClass::Stopped) > 99.0);
}

#[test]
fn a_big_key_is_named_by_slowlog() {
    let analysis = check("bigkey");
    let told = &analysis.spikes[0];
    assert!(percent(&told.spike.attribution, StallClass::Command) > 95.0);
    assert!(told.labels[0].contains("KEYS *"), "{:?}", told.labels);
    let row = &analysis.crosscheck.rows[0];
    assert!(row.difference_percent.unwrap().abs() < 5.0, "{row:?}");
}

#[test]
fn two_causes_at_once_share_a_spike() {
    let analysis = check("two_causes");
    let attribution = &analysis.spikes[0].spike.attribution;
    let direct = |class| {
        let share = attribution.shares.iter().find(|share| share.cause == Cause::Stall(class));
        share.unwrap().direct_ns as f64
    };
    // Who comes due within the first 40 ms waits what is left of them and the next 45 ms.
    let (fsync, queue) = (40.0 * 40.0 / 2.0, 40.0 * 45.0 + 45.0 * 45.0 / 2.0);
    let found = direct(StallClass::Fsync) / direct(StallClass::RunQueue);
    assert!((found / (fsync / queue) - 1.0).abs() < 0.1, "{found} against {}", fsync / queue);
    assert!(attribution.share_of(Cause::Unexplained) < 200);
}

#[test]
fn incidents_are_told_and_claim_no_time() {
    let analysis = check("incidents");
    assert!(percent(&analysis.total, StallClass::Reclaim) > 95.0);
    assert!(percent(&analysis.total, StallClass::Network) < 0.01);
    let told: Vec<String> =
        findings(&analysis).into_iter().map(|finding| finding.headline).collect();
    let tells = |words: &str| assert!(told.iter().any(|text| text.contains(words)), "{told:#?}");
    tells("ended at 3.710 s: killed by the kernel's OOM killer (SIGKILL)");
    tells("OOM killer chose the server (process 4711) at 3.700 s");
    tells("4 retransmits (mostly 10.0.0.9:40000)");
    tells("1 client that did not read (10.0.0.9:40000) for up to 2.00 s");
    tells("2 resets by clients (10.0.0.9:40000)");
    tells("memory reclaim (memory cgroup at its limit)");
}

#[test]
fn a_quiet_run_is_blamed_on_nothing() {
    let analysis = check("quiet");
    assert!(analysis.spikes.is_empty());
    assert_eq!(analysis.total.delay_ns, 0);
}

#[test]
fn what_no_probe_saw_is_unexplained_and_the_clients_own_is_the_clients() {
    let analysis = check("unexplained");
    let share = |cause| f64::from(analysis.total.share_of(cause)) / 100.0;
    assert!(share(Cause::Unexplained) > 40.0, "{}", share(Cause::Unexplained));
    assert!(share(Cause::Client) > 30.0, "{}", share(Cause::Client));
    assert!(percent(&analysis.total, StallClass::ZeroFault) < 2.0);
}

#[test]
fn a_cluster_by_node_with_what_each_disturbance_did() {
    let analysis = check("cluster");
    let cluster = analysis.cluster.as_ref().unwrap();
    let sum: u64 = cluster.nodes.iter().map(|node| node.ops).sum();
    assert_eq!(sum, analysis.traffic.answered);
    let moved: u64 = cluster.nodes.iter().map(|node| node.redirects.moved).sum();
    assert_eq!(moved, cluster.redirects.moved);
    assert!(moved > 0 && !cluster.hot_slots_exact);
    let [outage] = &cluster.outages[..] else { panic!("{:?}", cluster.outages) };
    assert_eq!((outage.outage.slots, outage.recovered_after_ns), (100, Some(690 * synthetic::MS)));
    assert_eq!(outage.chaos, ["kill-master"]);
    let [there, back, kill] = &analysis.around[..] else { panic!("{:?}", analysis.around) };
    assert_eq!((&*there.action, &*back.action), ("reshard there", "reshard back"));
    assert!(there.before.seconds < 0.6 && there.after.seconds < 0.4, "up to its neighbours");
    assert_eq!(kill.until_axis_ns, 2_700 * synthetic::MS as i64, "until all was answered again");
    let p99 = |stretch: &stallion_report::around::Stretch| stretch.response.unwrap().p99_ns;
    assert!(p99(&kill.during) > 100 * p99(&kill.before), "{kill:?}");
    let spike = &analysis.spikes[0].spike;
    assert!(spike.attribution.share_of(Cause::Outage) > 1_000, "{:?}", spike.attribution);
    let [missed] = &analysis.crosscheck.missed[..] else { panic!("{:?}", analysis.crosscheck) };
    assert_eq!(
        missed.cause,
        Cause::Stall(StallClass::Command),
        "another node's SLOWLOG is no witness"
    );
    assert!(render::html::render(&analysis).contains("cluster-figure"));
}

//! Runs a scenario: servers, load, probes, drive, chaos and report, in this order.

mod flags;

mod verb;

mod timing;

mod disturb;

mod summary;

mod results;

mod outcome;

mod server_evidence;

mod measured;

pub mod snapshot;

mod rival;

mod bench;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::Sender;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use stallion_server::duration::text;
use stallion_server::{Target, Tls};
use stallion_timeline::clock::monotonic_ns;

pub use self::bench::Bench;
use self::disturb::{Schedule, disturb};
use self::flags::Plan;
pub use self::measured::Measured;
pub use self::outcome::{Finished, RunError};
use self::outcome::{failed, succeeded};
use self::results::Results;
use self::snapshot::Snapshots;
use self::timing::{has_header, measure_start_ns, wait_for};
use self::verb::{Importance, Verb};
use crate::scenario::{CeilingPlan, Rate, Scenario};
use stallion_fault::{Log, log};
use stallion_stack::interrupt::Interrupt;
use stallion_stack::{Links, Registry, Relay, StackKind};

/// eBPF programs are loaded and verified one by one; on a slow host that takes seconds.
const PROBES_READY_WITHIN: Duration = Duration::from_secs(30);
/// From the start of `drive` to its measured phase, on top of the warm-up: connections come about,
/// and the phase's record is flushed.
const MEASURE_STARTS_WITHIN: Duration = Duration::from_secs(30);
/// The exit code of `drive` for a run whose figures must not be believed.
const INVALID: i32 = 3;

/// How a scenario is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program whose verbs are started: this one.
    pub program: PathBuf,
    /// Name and version of the program, for headers.
    pub tool: String,
    /// The folder of the results.
    pub out: PathBuf,
    /// Whether the server is probed, if the scenario wants it.
    pub probes: bool,
    /// The scenario's own text, kept beside the results.
    pub source: String,
    /// Where the servers' folders are.
    pub registry: Registry,
    /// The user's own servers, which are driven instead of started ones.
    pub urls: Vec<String>,
    /// How those speak TLS, if they do.
    pub tls: Option<Tls>,
    /// Whether those may be harmed.
    pub allow_foreign: bool,
    /// Whether the output of `load` and `drive` goes to files beside the results.
    pub quiet: bool,
    /// Hears into which folder a run writes its timelines, when it begins.
    pub folders: Option<Sender<PathBuf>>,
}

/// Runs a scenario. `say` hears what is being done, a line at a time.
///
/// The servers die with the thread that calls this.
///
/// # Errors
/// [`RunError`]; the servers are gone then, too, and what was measured so far stays.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    interrupt: &Interrupt,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Finished, RunError> {
    let mut bench = Bench::start(&scenario.stack, options, say)?;
    let measured = bench.measure(scenario, options, interrupt, say)?;
    drop(bench);
    measured.report(options, interrupt, say)
}

impl Bench {
    /// Loads, drives and disturbs; what the servers hold already is not loaded again.
    ///
    /// # Errors
    /// [`RunError`]; what was measured so far stays.
    pub fn measure(
        &mut self,
        scenario: &Scenario,
        options: &Options,
        interrupt: &Interrupt,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Measured, RunError> {
        let results = Results::prepare(&options.out, &options.source).map_err(RunError::Results)?;
        if let Some(folders) = &options.folders {
            // Whoever hears it may have gone.
            let _ = folders.send(options.out.clone());
        }
        let targets = self.targets();
        let local = targets.iter().filter(|target| target.is_local());
        let plan = Plan {
            scenario,
            placement: &self.placement,
            loaded: self.flags(true),
            server: self.flags(false),
            ports: local.map(|target| target.place().1).collect(),
            out: &options.out,
        };
        let allow_foreign = self.is_ours() || options.allow_foreign;
        let (target, results) = (self.target(), &results);
        let stage = Stage {
            plan,
            target,
            targets,
            relay: self.relay(),
            links: self.links(),
            places: self.places(),
            allow_foreign,
            results,
            options,
            interrupt,
            say,
        };
        if self.loaded.as_ref() != Some(&scenario.load) {
            stage.load()?;
            self.await_replicas(interrupt);
            if let Some(times) = scenario.stack.working_set {
                let limit = self.limit_memory(times)?;
                say(&format!("maxmemory {limit}: what was loaded is {times} times of it"));
            }
        }
        let (mut warnings, mut undone) = (Vec::new(), Vec::new());
        let rate = stage.rate(&mut warnings)?;
        let prober = stage.start_probe(&mut warnings)?;
        let logs = self.logs().filter(|_| scenario.stack.kind == StackKind::Cluster);
        if logs.is_some() {
            warnings.extend(server_evidence::begin(&self.targets()).err());
        }
        let status = stage.drive(rate, &mut warnings, &mut undone)?;
        let mut servers = Vec::new();
        if let Some(logs) = logs {
            let (summary, out) = (results.drive_summary(), results.servers());
            servers = server_evidence::end(&self.targets(), &logs, &summary, &out)
                .map_err(RunError::Results)?;
        }
        if let Some(mut prober) = prober {
            prober.stop().map_err(failed("probe", Some(results.probe_log())))?;
        }
        let report = stage.plan.report();
        self.loaded = Some(scenario.load.clone());
        let invalid = status.code() == Some(INVALID);
        let results = Results::of(&options.out);
        Ok(Measured { results, report, servers, invalid, warnings, undone })
    }
}

/// Everything that the steps of a run share.
struct Stage<'a> {
    plan: Plan<'a>,
    target: Target,
    targets: Vec<Target>,
    relay: Option<Relay>,
    links: Links,
    /// Servers that scenarios name, with their addresses.
    places: Vec<(String, String)>,
    /// The servers are ours, or their owner allowed harm.
    allow_foreign: bool,
    results: &'a Results,
    options: &'a Options,
    interrupt: &'a Interrupt,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Stage<'_> {
    fn load(&self) -> Result<(), RunError> {
        let load = &self.plan.scenario.load;
        (self.say)(&format!("loading {} keys of {} bytes", load.keys, load.value_size));
        let mut verb = self.start("load", &self.plan.load(), self.log_of("load").as_deref())?;
        let status = verb.wait(self.interrupt).map_err(failed("load", None))?;
        if self.interrupt.raised() {
            return Err(RunError::Interrupted);
        }
        succeeded("load", status, self.log_of("load"))
    }

    /// The rate of the measured load; where it is a share of the ceiling, that is searched first.
    fn rate(&self, warnings: &mut Vec<String>) -> Result<Rate, RunError> {
        let scenario = self.plan.scenario;
        if let Some(lua) = &scenario.drive.lua {
            fs::write(self.plan.script(), lua).map_err(RunError::Results)?;
        }
        let Some(plan) = &scenario.ceiling else {
            return Ok(scenario.drive.rate);
        };
        let ceiling = self.ceiling(plan, warnings)?;
        match (scenario.drive.rate, ceiling["ceiling_ops_per_sec"].as_f64()) {
            (Rate::OfCeiling(share), Some(found)) => {
                Ok(Rate::PerSecond(((found * share).round() as u64).max(1)))
            }
            (Rate::OfCeiling(_), None) => {
                let what = format!("found no rate that meets {}", plan.slo);
                Err(RunError::Verb { verb: "ceiling", what, log: Some(self.results.ceiling_log()) })
            }
            (rate, _) => Ok(rate),
        }
    }

    fn ceiling(&self, plan: &CeilingPlan, warnings: &mut Vec<String>) -> Result<Value, RunError> {
        (self.say)(&format!("searching the highest rate that meets {}", plan.slo));
        let (path, log) = (self.results.ceiling(), self.results.ceiling_log());
        let mut verb = self.start("ceiling", &self.plan.ceiling(plan), Some(&log))?;
        let status = verb.wait(self.interrupt).map_err(failed("ceiling", Some(log.clone())))?;
        if self.interrupt.raised() {
            return Err(RunError::Interrupted);
        }
        let Ok(text) = fs::read(&path) else {
            succeeded("ceiling", status, Some(log.clone()))?;
            let what = "wrote no result".to_owned();
            return Err(RunError::Verb { verb: "ceiling", what, log: Some(log) });
        };
        let mut ceiling: Value = serde_json::from_slice(&text).unwrap_or_default();
        if status.code() == Some(INVALID) {
            warnings.push("`stallion ceiling` calls its own figures invalid".to_owned());
        }
        if plan.redis_benchmark {
            match rival::requests_per_s(self.plan.scenario, &self.target) {
                Ok(figure) => ceiling["redis_benchmark_ops_per_sec"] = json!(figure),
                Err(reason) => warnings.push(format!("no second opinion: {reason}")),
            }
            let text = serde_json::to_vec(&ceiling).map_err(|e| RunError::Results(e.into()))?;
            fs::write(&path, text).map_err(RunError::Results)?;
        }
        Ok(ceiling)
    }

    /// Starts the probes and waits until they watch. A host that refuses them is no failure.
    fn start_probe(&self, warnings: &mut Vec<String>) -> Result<Option<Verb>, RunError> {
        if !self.plan.scenario.probe.enabled || !self.options.probes {
            warnings.push("the probes were off: nothing is attributed to the kernel".to_owned());
            return Ok(None);
        }
        if self.plan.ports.is_empty() {
            let text = "the servers are on other hosts, where `stallion probe` would have to run";
            warnings.push(format!("no probes ({text}): nothing is attributed to the kernel"));
            return Ok(None);
        }
        let timeline = self.results.probe_timeline();
        let log = self.results.probe_log();
        let mut verb = self.start("probe", &self.plan.probe(&timeline), Some(&log))?;
        let ready = wait_for(&mut verb, PROBES_READY_WITHIN, self.interrupt, || {
            has_header(&timeline).then_some(())
        })
        .map_err(failed("probe", Some(log.clone())))?;
        if ready.is_some() {
            (self.say)("the probes watch the server");
            return Ok(Some(verb));
        }
        let reason = self.results.last_line_of_probe_log();
        warnings.push(format!("no probes ({reason}): nothing is attributed to the kernel"));
        Ok(None)
    }

    /// Drives and disturbs; gives how `drive` ended. `undone` gets what disturbance failed.
    fn drive(
        &self,
        rate: Rate,
        warnings: &mut Vec<String>,
        undone: &mut Vec<String>,
    ) -> Result<ExitStatus, RunError> {
        let drive = &self.plan.scenario.drive;
        (self.say)(&format!(
            "driving {rate} requests/s for {} after {} of warm-up",
            text(drive.duration),
            text(drive.warmup)
        ));
        let mut verb =
            self.start("drive", &self.plan.drive(rate), self.log_of("drive").as_deref())?;
        let within = drive.warmup + MEASURE_STARTS_WITHIN;
        let timeline = self.results.drive_timeline();
        let start_ns = wait_for(&mut verb, within, self.interrupt, || measure_start_ns(&timeline))
            .map_err(failed("drive", None))?;
        // The phase is written down when the warm-up begins.
        let until_ns = start_ns.unwrap_or(0).saturating_sub(monotonic_ns());
        // An interrupt is heeded below.
        let _ = self.interrupt.sleep(Duration::from_nanos(until_ns));
        let mut snapshots =
            Snapshots { before: snapshot::ask(&self.targets), ..Default::default() };
        let over = &self.interrupt.inner();
        let (status, disturbed) = thread::scope(|scope| {
            let chaos = start_ns.map(|start_ns| scope.spawn(move || self.disturb(start_ns, over)));
            let status = verb.wait(self.interrupt);
            over.raise();
            (status, chaos.map(ScopedJoinHandle::join))
        });
        let status = status.map_err(failed("drive", None))?;
        snapshots.after = snapshot::ask(&self.targets);
        snapshots.write(&self.results.counters()).map_err(RunError::Results)?;
        match disturbed {
            Some(Ok(result)) => undone.extend(result.map_err(RunError::Results)?),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => {}
        }
        match status.code() {
            Some(INVALID) => {
                let text = "`stallion drive` calls its own figures invalid; the report says why";
                warnings.push(text.to_owned());
                Ok(status)
            }
            _ if self.interrupt.raised() && start_ns.is_none() => Err(RunError::Interrupted),
            _ if self.interrupt.raised() => Ok(status),
            _ => succeeded("drive", status, self.log_of("drive")).map(|()| status),
        }
    }

    /// Does the scenario's chaos; gives what failed and what did not begin.
    fn disturb(&self, start_ns: u64, over: &Interrupt) -> io::Result<Vec<String>> {
        let plans = self.plan.scenario.injections();
        let path = self.results.chaos_timeline();
        let plan = json!({ "scenario": self.plan.scenario.name });
        let mut log = Log::create(&path, &self.options.tool, &self.target, plan)?;
        let mut undone = Vec::new();
        let mut done = 0;
        let schedule = Schedule {
            target: &self.target,
            places: &self.places,
            links: &self.links,
            relay: self.relay.clone(),
            start_ns,
            over,
            interrupt: self.interrupt,
            allow_foreign: self.allow_foreign,
        };
        disturb(&plans, &schedule, |record| {
            done += 1;
            (self.say)(&log::line(&record));
            if record.outcome != "ok" {
                undone.push(format!("{}: {}", record.action, record.outcome));
            }
            log.append(record)
        })?;
        log.finish(self.interrupt.raised())?;
        if done < plans.len() {
            let (left, all) = (plans.len() - done, plans.len());
            undone.push(format!("{left} of {all} disturbances did not begin: the run was over"));
        }
        Ok(undone)
    }

    fn log_of(&self, verb: &str) -> Option<PathBuf> {
        self.options.quiet.then(|| self.options.out.join(format!("{verb}.log")))
    }

    fn start(
        &self,
        verb: &'static str,
        flags: &[String],
        log: Option<&Path>,
    ) -> Result<Verb, RunError> {
        let importance = match verb {
            "drive" | "probe" => Importance::Instrument,
            _ => Importance::Other,
        };
        Verb::start(&self.options.program, flags, log, importance).map_err(failed(verb, None))
    }
}

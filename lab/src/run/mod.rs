//! Runs a scenario: servers, load, probes, drive, chaos and report, in this order.

mod flags;

mod verb;

mod timing;

mod disturb;

mod summary;

mod results;

mod testimony;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde_json::json;
use thiserror::Error;

use self::disturb::{Schedule, disturb};
use self::flags::Plan;
use self::results::Results;
use self::timing::{has_header, measure_start_ns, wait_for};
use self::verb::{Importance, Verb};
use crate::chaos::{Log, log};
use crate::duration::text;
use crate::interrupt::Interrupt;
use crate::placement::Placement;
use crate::scenario::Scenario;
use crate::stack::{Registry, Stack, StackError, StackKind};
use crate::target::Target;

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
}

/// What a run left.
#[derive(Debug)]
pub struct Finished {
    /// The findings in lines: each stall with its milliseconds and share.
    pub summary: Vec<String>,
    /// The HTML report; none when the report failed.
    pub html: Option<PathBuf>,
    /// What the user should know before he believes the figures.
    pub warnings: Vec<String>,
    /// `drive` itself said that its figures must not be believed.
    pub invalid: bool,
    /// The user interrupted.
    pub interrupted: bool,
}

/// Why a scenario could not be run to its end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The servers did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A verb could not be started, or failed.
    #[error("`stallion {verb}` {what}{}", seen_in(.log))]
    Verb {
        /// The verb.
        verb: &'static str,
        /// What happened.
        what: String,
        /// Where its output is; none when it went to the terminal.
        log: Option<PathBuf>,
    },
    /// The results could not be written.
    #[error("the results cannot be written: {0}")]
    Results(io::Error),
    /// The user interrupted before anything was measured.
    #[error("interrupted before anything was measured")]
    Interrupted,
}

fn seen_in(log: &Option<PathBuf>) -> String {
    log.as_ref().map_or_else(String::new, |log| format!("; its output is in {}", log.display()))
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
    let results = Results::prepare(&options.out, &options.source).map_err(RunError::Results)?;
    let placement = Placement::of_this_host().map_err(StackError::io("cannot read the cores"))?;
    let stack = Stack::start(&scenario.stack, &placement, &options.registry)?;
    say(&describe(&stack, &placement));
    let reserved = placement
        .leave_the_server_alone()
        .map_err(StackError::io("cannot leave the server's core"))?;
    let stage = Stage {
        plan: Plan { scenario, placement: &placement, port: stack.port(), out: &options.out },
        target: stack.target(),
        results: &results,
        options,
        interrupt,
        say,
    };
    stage.load()?;
    let mut warnings = Vec::new();
    let prober = stage.start_probe(&mut warnings)?;
    let is_cluster = scenario.stack.kind == StackKind::Cluster;
    if is_cluster {
        warnings.extend(testimony::begin(&stack.targets()).err());
    }
    let status = stage.measure(&mut warnings)?;
    let mut servers = Vec::new();
    if is_cluster {
        let (summary, out) = (results.drive_summary(), results.servers());
        servers = testimony::end(&stack.targets(), &stack.logs(), &summary, &out)
            .map_err(RunError::Results)?;
    }
    if let Some(mut prober) = prober {
        prober.stop().map_err(failed("probe", Some(results.probe_log())))?;
    }
    drop((stack, reserved));
    if interrupt.raised() {
        say("interrupted: reporting what was measured until then");
    }
    stage.report()?;
    Ok(Finished {
        summary: results.summary().into_iter().chain(servers).collect(),
        html: results.html(),
        invalid: status.code() == Some(INVALID),
        interrupted: interrupt.raised(),
        warnings,
    })
}

/// Everything that the steps of a run share.
struct Stage<'a> {
    plan: Plan<'a>,
    target: Target,
    results: &'a Results,
    options: &'a Options,
    interrupt: &'a Interrupt,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Stage<'_> {
    fn load(&self) -> Result<(), RunError> {
        let load = &self.plan.scenario.load;
        (self.say)(&format!("loading {} keys of {} bytes", load.keys, load.value_size));
        let mut verb = self.start("load", &self.plan.load(), None)?;
        let status = verb.wait(self.interrupt).map_err(failed("load", None))?;
        if self.interrupt.raised() {
            return Err(RunError::Interrupted);
        }
        succeeded("load", status, None)
    }

    /// Starts the probes and waits until they watch. A host that refuses them is no failure.
    fn start_probe(&self, warnings: &mut Vec<String>) -> Result<Option<Verb>, RunError> {
        if !self.plan.scenario.probe.enabled || !self.options.probes {
            warnings.push("the probes were off: nothing is attributed to the kernel".to_owned());
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

    /// Drives and disturbs; gives how `drive` ended.
    fn measure(&self, warnings: &mut Vec<String>) -> Result<ExitStatus, RunError> {
        let drive = &self.plan.scenario.drive;
        (self.say)(&format!(
            "driving {} requests/s for {} after {} of warm-up",
            drive.rate,
            text(drive.duration),
            text(drive.warmup)
        ));
        let mut verb = self.start("drive", &self.plan.drive(), None)?;
        let within = drive.warmup + MEASURE_STARTS_WITHIN;
        let timeline = self.results.drive_timeline();
        let start_ns = wait_for(&mut verb, within, self.interrupt, || measure_start_ns(&timeline))
            .map_err(failed("drive", None))?;
        let over = &self.interrupt.inner();
        let (status, disturbed) = thread::scope(|scope| {
            let chaos = start_ns.map(|start_ns| scope.spawn(move || self.disturb(start_ns, over)));
            let status = verb.wait(self.interrupt);
            over.raise();
            (status, chaos.map(ScopedJoinHandle::join))
        });
        let status = status.map_err(failed("drive", None))?;
        match disturbed {
            Some(Ok(result)) => warnings.extend(result.map_err(RunError::Results)?),
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
            _ => succeeded("drive", status, None).map(|()| status),
        }
    }

    /// Does the scenario's chaos; gives what went otherwise than planned.
    fn disturb(&self, start_ns: u64, over: &Interrupt) -> io::Result<Vec<String>> {
        let plans = &self.plan.scenario.chaos;
        let path = self.results.chaos_timeline();
        let plan = json!({ "scenario": self.plan.scenario.name });
        let mut log = Log::create(&path, &self.options.tool, &self.target, plan)?;
        let mut warnings = Vec::new();
        let mut done = 0;
        let schedule = Schedule { target: &self.target, start_ns, over, interrupt: self.interrupt };
        disturb(plans, &schedule, |record| {
            done += 1;
            (self.say)(&log::line(&record));
            if record.outcome != "ok" {
                warnings.push(format!("{}: {}", record.action, record.outcome));
            }
            log.append(record)
        })?;
        log.finish(self.interrupt.raised())?;
        if done < plans.len() {
            let (left, all) = (plans.len() - done, plans.len());
            warnings.push(format!("{left} of {all} disturbances did not begin: the run was over"));
        }
        Ok(warnings)
    }

    fn report(&self) -> Result<(), RunError> {
        let log = self.results.report_log();
        let mut verb = self.start("report", &self.plan.report(), Some(&log))?;
        // The user's Ctrl-C ended the measurement; its report is still wanted.
        let status = verb.wait(&Interrupt::new()).map_err(failed("report", Some(log.clone())))?;
        succeeded("report", status, Some(log))
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

fn failed(verb: &'static str, log: Option<PathBuf>) -> impl FnOnce(io::Error) -> RunError {
    move |error| RunError::Verb { verb, what: format!("cannot run: {error}"), log }
}

fn succeeded(verb: &'static str, status: ExitStatus, log: Option<PathBuf>) -> Result<(), RunError> {
    if status.success() {
        return Ok(());
    }
    Err(RunError::Verb { verb, what: format!("failed ({status})"), log })
}

fn describe(stack: &Stack, placement: &Placement) -> String {
    let cores = match (placement.server, placement.client) {
        (Some(server), Some(client)) => format!("server on core {server}, client on core {client}"),
        _ => "one core for server and client: latencies are those of their rivalry".to_owned(),
    };
    let (program, port, pid) = (stack.program(), stack.port(), stack.pid());
    match stack.ports().len() {
        1 => format!("{program} on port {port} (pid {pid}); {cores}"),
        count => format!("a cluster of {count} {program}, one on port {port} (pid {pid}); {cores}"),
    }
}

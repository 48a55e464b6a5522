//! A scenario as the flags of the other verbs. The verbs check the values, so that a scenario
//! and a command line are refused with the same words.

use std::path::Path;

use crate::scenario::{CeilingPlan, Rate, Scenario};
use stallion_server::duration::text;
use stallion_stack::StackKind;
use stallion_stack::placement::Placement;

/// What the flags of every verb are made from.
pub(super) struct Plan<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) placement: &'a Placement,
    /// The flags by which `load` finds the first server.
    pub(super) loaded: Vec<String>,
    /// The flags by which the first server is found.
    pub(super) server: Vec<String>,
    /// Ports of the servers that can be probed.
    pub(super) ports: Vec<u16>,
    pub(super) out: &'a Path,
}

impl Plan<'_> {
    pub(super) fn load(&self) -> Vec<String> {
        let mut flags = self.work("load", &self.loaded);
        flags.maybe("--cores", self.placement.client);
        flags.0
    }

    /// What `load`, `ceiling` and `drive` have in common.
    fn work(&self, verb: &str, server: &[String]) -> Flags {
        let load = &self.scenario.load;
        let mut flags = Flags::verb(verb);
        flags.0.extend(server.iter().cloned());
        if self.scenario.stack.kind == StackKind::Cluster {
            flags.add("--topology", "cluster");
        }
        flags.add("--keys", load.keys);
        flags.add("--value-size", load.value_size);
        flags.maybe("--seed", load.seed);
        // What comes from a store has a time to live of its own.
        let stored = self.scenario.drive.args.iter().any(|word| word == "--store");
        if verb == "load" || !stored {
            flags.maybe("--ttl-frac", load.ttl_frac);
            flags.maybe("--ttl-range", load.ttl_range.as_ref());
        }
        flags
    }

    /// What `ceiling` and `drive` have in common.
    fn traffic(&self, verb: &str) -> Flags {
        let drive = &self.scenario.drive;
        let mut flags = self.work(verb, &self.server);
        flags.maybe("--arrivals", drive.arrivals.as_ref());
        flags.add("--conns", drive.conns);
        flags.maybe("--pipeline", drive.pipeline.map(|depth| depth.max(1)));
        flags.maybe("--tx", drive.tx.filter(|commands| *commands > 0));
        flags.maybe("--rw-ratio", drive.rw_ratio.as_ref());
        flags.maybe("--mix", drive.mix.as_ref());
        if drive.lua.is_some() {
            flags.add("--script", self.script().display());
            flags.maybe("--script-args", drive.lua_args.as_ref());
        }
        flags.maybe("--dist", drive.dist.as_ref());
        flags.maybe("--zipf-s", drive.zipf_s);
        flags.maybe("--wait", drive.wait.as_ref());
        flags.maybe("--cores", self.placement.client);
        flags
    }

    /// Where a scenario's Lua script is written.
    pub(super) fn script(&self) -> std::path::PathBuf {
        self.out.join("script.lua")
    }

    pub(super) fn ceiling(&self, ceiling: &CeilingPlan) -> Vec<String> {
        let mut flags = self.traffic("ceiling");
        flags.add("--slo", &ceiling.slo);
        flags.add("--step", text(ceiling.step));
        flags.maybe("--precision", ceiling.precision);
        flags.maybe("--repeats", ceiling.repeats);
        flags.add("--out", self.out.display());
        flags.0
    }

    pub(super) fn drive(&self, rate: Rate) -> Vec<String> {
        let drive = &self.scenario.drive;
        let mut flags = self.traffic("drive");
        flags.add("--rate", rate);
        flags.maybe("--mitigation", drive.mitigation.as_ref());
        flags.add("--warmup", text(drive.warmup));
        flags.add("--duration", text(drive.duration));
        flags.maybe("--interval", drive.interval.map(text));
        flags.maybe("--slow-threshold", drive.slow_threshold.map(text));
        if drive.verify {
            flags.0.push("--verify".to_owned());
        }
        for phase in &self.scenario.phases {
            flags.add("--phase-label", format!("{}={}", text(phase.start()), phase.label));
        }
        flags.0.extend(drive.args.iter().cloned());
        flags.add("--out", self.out.display());
        flags.add("--json", self.out.join("drive.json").display());
        flags.0
    }

    pub(super) fn probe(&self, timeline: &Path) -> Vec<String> {
        let mut flags = Flags::verb("probe");
        for port in &self.ports {
            flags.add("--port", port);
        }
        flags.add("--out", timeline.display());
        flags.0
    }

    pub(super) fn report(&self) -> Vec<String> {
        let mut flags = Flags::verb("report");
        flags.0.push(self.out.display().to_string());
        flags.add("--out", self.out.display());
        flags.0
    }
}

struct Flags(Vec<String>);

impl Flags {
    fn verb(verb: &str) -> Self {
        Self(vec![verb.to_owned()])
    }

    fn add(&mut self, flag: &str, value: impl ToString) {
        self.0.push(flag.to_owned());
        self.0.push(value.to_string());
    }

    fn maybe(&mut self, flag: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(flag, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_becomes_command_lines() {
        let (file, text) = Scenario::source("demo").unwrap();
        let scenario = Scenario::parse(&file, &text).unwrap();
        let placement = Placement { server: Some(0), client: Some(1), others: vec![1] };
        let server = ["--host", "127.0.0.1", "--port", "7001"].map(str::to_owned).to_vec();
        let plan = Plan {
            scenario: &scenario,
            placement: &placement,
            loaded: server.clone(),
            server,
            ports: vec![7001],
            out: Path::new("results/demo"),
        };
        let drive = plan.drive(scenario.drive.rate).join(" ");
        for part in [
            "drive --host 127.0.0.1 --port 7001",
            "--rate 20000",
            "--phase-label 30s=appendfsync always",
            "--cores 1",
            "--out results/demo",
        ] {
            assert!(drive.contains(part), "{part} not in {drive}");
        }
        let load = plan.load().join(" ");
        assert!(load.contains("--keys 800000 --value-size 1024"), "{load}");
        assert_eq!(plan.report().join(" "), "report results/demo --out results/demo");
    }
}

//! A scenario as the flags of the other verbs. The verbs check the values, so that a scenario
//! and a command line are refused with the same words.

use std::path::Path;

use crate::duration::text;
use crate::placement::Placement;
use crate::scenario::Scenario;
use crate::stack::StackKind;

/// What the flags of every verb are made from.
pub(super) struct Plan<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) placement: &'a Placement,
    pub(super) port: u16,
    pub(super) out: &'a Path,
}

impl Plan<'_> {
    pub(super) fn load(&self) -> Vec<String> {
        let load = &self.scenario.load;
        let mut flags = Flags::verb("load");
        flags.server(self.port);
        flags.topology(self.scenario);
        flags.add("--keys", load.keys);
        flags.add("--value-size", load.value_size);
        flags.maybe("--seed", load.seed);
        flags.maybe("--cores", self.placement.client);
        flags.0
    }

    pub(super) fn drive(&self) -> Vec<String> {
        let Scenario { load, drive, .. } = self.scenario;
        let mut flags = Flags::verb("drive");
        flags.server(self.port);
        flags.topology(self.scenario);
        flags.add("--rate", drive.rate);
        flags.maybe("--arrivals", drive.arrivals.as_ref());
        flags.add("--conns", drive.conns);
        flags.maybe("--pipeline", drive.pipeline);
        flags.maybe("--rw-ratio", drive.rw_ratio.as_ref());
        flags.add("--value-size", load.value_size);
        flags.add("--keys", load.keys);
        flags.maybe("--seed", load.seed);
        flags.maybe("--dist", drive.dist.as_ref());
        flags.maybe("--zipf-s", drive.zipf_s);
        flags.add("--warmup", text(drive.warmup));
        flags.add("--duration", text(drive.duration));
        flags.maybe("--interval", drive.interval.map(text));
        flags.maybe("--slow-threshold", drive.slow_threshold.map(text));
        if drive.verify {
            flags.0.push("--verify".to_owned());
        }
        flags.maybe("--cores", self.placement.client);
        for phase in &self.scenario.phases {
            flags.add("--phase-label", format!("{}={}", text(phase.start()), phase.label));
        }
        flags.add("--out", self.out.display());
        flags.add("--json", self.out.join("drive.json").display());
        flags.0
    }

    pub(super) fn probe(&self, timeline: &Path) -> Vec<String> {
        let mut flags = Flags::verb("probe");
        flags.add("--port", self.port);
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

    fn server(&mut self, port: u16) {
        self.add("--host", "127.0.0.1");
        self.add("--port", port);
    }

    fn topology(&mut self, scenario: &Scenario) {
        if scenario.stack.kind == StackKind::Cluster {
            self.add("--topology", "cluster");
        }
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
        let plan = Plan {
            scenario: &scenario,
            placement: &placement,
            port: 7001,
            out: Path::new("results/demo"),
        };
        let drive = plan.drive().join(" ");
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

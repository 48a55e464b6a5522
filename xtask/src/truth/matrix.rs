//! Induced against attributed: a pure function of the reports.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::incident::{Counted, Incident};
use super::induced::{Induced, Inducer};

/// One kind of stall, over its repetitions.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) expected: &'static [&'static str],
    pub(super) truth_source: &'static str,
    /// Times it was induced.
    pub(super) count: usize,
    /// Time for which the main thread could not go on, by the source of truth.
    pub(super) truth_ns: u64,
    /// Stalled time of the main thread by cause, within the stall.
    pub(super) stalled_ns: BTreeMap<String, u64>,
    /// Delay of the slow requests that it met, by cause.
    pub(super) delay_ns: BTreeMap<String, u64>,
}

impl Row {
    fn right(&self, by_cause: &BTreeMap<String, u64>) -> u64 {
        self.expected.iter().filter_map(|cause| by_cause.get(*cause)).sum()
    }

    /// Share of the induced time that was attributed to the right causes; none when there was none.
    pub(super) fn found(&self) -> Option<f64> {
        let right = self.right(&self.stalled_ns) as f64;
        (self.truth_ns > 0).then(|| right / self.truth_ns as f64)
    }

    /// Share of the attributed time that is right.
    pub(super) fn purity(&self) -> f64 {
        let all: u64 = self.stalled_ns.values().sum();
        self.right(&self.stalled_ns) as f64 / all.max(1) as f64
    }

    /// Share of the requests' delay that is given to the right causes.
    pub(super) fn of_delay(&self) -> f64 {
        let all: u64 = self.delay_ns.values().sum();
        self.right(&self.delay_ns) as f64 / all.max(1) as f64
    }
}

/// One kind of incident, over its repetitions.
#[derive(Debug, Clone, Default)]
pub(super) struct Count {
    pub(super) name: &'static str,
    pub(super) truth_source: &'static str,
    /// Times it was induced.
    pub(super) count: usize,
    pub(super) truth: f64,
    /// What the prober said of it.
    pub(super) told: f64,
}

/// All of them, and the time in which nothing was induced.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    pub(super) rows: Vec<Row>,
    pub(super) counts: Vec<Count>,
    pub(super) quiet_s: f64,
    pub(super) quiet_ns: BTreeMap<String, u64>,
    /// Who had the server's core in that time while it wanted it.
    pub(super) quiet_holders_ns: BTreeMap<String, u64>,
    pub(super) lost_events: u64,
    /// The report of the first session, in words.
    pub(super) story: String,
}

impl Matrix {
    /// Adds a report on what was induced.
    pub(super) fn add(
        &mut self,
        report: &Value,
        induced: &[(Inducer, Induced)],
    ) -> anyhow::Result<()> {
        let told = report["disturbances"].as_array().context("the report has no disturbances")?;
        ensure!(told.len() == induced.len(), "{} of {} are told", told.len(), induced.len());
        for ((inducer, found), told) in induced.iter().zip(told) {
            ensure!(told["action"] == inducer.name, "the report tells {}", told["action"]);
            let index = self.rows.iter().position(|row| row.name == inducer.name);
            let index = index.unwrap_or_else(|| {
                self.rows.push(Row {
                    name: inducer.name,
                    expected: inducer.expected,
                    truth_source: inducer.truth,
                    ..Row::default()
                });
                self.rows.len() - 1
            });
            let row = &mut self.rows[index];
            row.count += 1;
            row.truth_ns += found.truth_ns;
            add_up(&mut row.stalled_ns, &told["stalled"], &["busy_ns"]);
            add_up(
                &mut row.delay_ns,
                &told["attribution"]["shares"],
                &["direct_ns", "inherited_ns"],
            );
        }
        self.lost_events += lost(report);
        Ok(())
    }

    /// Adds incidents with what the prober's stall records say of them.
    pub(super) fn count(&mut self, stalls: &[Value], counted: &[(Incident, Counted)]) {
        for (incident, found) in counted {
            let index = self.counts.iter().position(|count| count.name == incident.name);
            let index = index.unwrap_or_else(|| {
                self.counts.push(Count {
                    name: incident.name,
                    truth_source: incident.truth,
                    ..Count::default()
                });
                self.counts.len() - 1
            });
            let count = &mut self.counts[index];
            count.count += 1;
            count.truth += found.truth;
            count.told += stalls.iter().map(|stall| (incident.told)(stall, found)).sum::<f64>();
        }
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.counts.is_empty() && self.quiet_s <= 0.0
    }

    /// Adds a report on a time without a disturbance.
    pub(super) fn quiet(&mut self, report: &Value, stalls: &[Value]) -> anyhow::Result<()> {
        for stall in stalls.iter().filter(|stall| stall["class"] == "run_queue") {
            let what = stall["what"].as_str().unwrap_or_default();
            let name = what.rsplit_once(" (").map_or(what, |(name, _)| name).to_owned();
            let busy_ns = stall["busy_ns"].as_u64().unwrap_or(0);
            *self.quiet_holders_ns.entry(name).or_default() += busy_ns;
        }
        let seconds = report["measured_seconds"].as_f64();
        self.quiet_s += seconds.context("the report has no length")?;
        add_up(&mut self.quiet_ns, &report["stalled"], &["main_ns"]);
        self.lost_events += lost(report);
        Ok(())
    }

    /// Share of the quiet time that was attributed to anything.
    pub(super) fn quiet_share(&self) -> f64 {
        self.quiet_ns.values().sum::<u64>() as f64 / (self.quiet_s * 1e9).max(1.0)
    }

    /// Every cause that anything was attributed to.
    pub(super) fn causes(&self) -> Vec<&str> {
        let mut causes: Vec<&str> =
            self.rows.iter().flat_map(|row| row.stalled_ns.keys()).map(String::as_str).collect();
        causes.sort_unstable();
        causes.dedup();
        causes
    }
}

fn add_up(sums: &mut BTreeMap<String, u64>, list: &Value, fields: &[&str]) {
    for entry in list.as_array().into_iter().flatten() {
        let cause = entry["cause"].as_str().unwrap_or("unknown").to_owned();
        let sum = fields.iter().filter_map(|field| entry[field].as_u64()).sum::<u64>();
        *sums.entry(cause).or_default() += sum;
    }
}

fn lost(report: &Value) -> u64 {
    let losses = report["losses"].as_array();
    losses.into_iter().flatten().filter_map(|loss| loss["count"].as_u64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_right_is_told_from_what_is_not() {
        let inducer = super::super::induce::PLAIN[0];
        let induced = Induced { begin_ns: 0, end_ns: 10, truth_ns: 100 };
        let report = json!({ "disturbances": [{
            "action": inducer.name,
            "stalled": [{ "cause": "fork", "busy_ns": 96 }, { "cause": "command", "busy_ns": 4 }],
            "attribution": { "shares": [
                { "cause": "fork", "direct_ns": 3, "inherited_ns": 5 },
                { "cause": "unexplained", "direct_ns": 2, "inherited_ns": 0 },
            ] },
        }] });
        let mut matrix = Matrix::default();
        matrix.add(&report, &[(inducer, induced)]).unwrap();
        let row = &matrix.rows[0];
        assert!((row.found().unwrap() - 0.96).abs() < 1e-9 && (row.purity() - 0.96).abs() < 1e-9);
        assert!((row.of_delay() - 0.8).abs() < 1e-9);
        assert_eq!(matrix.causes(), ["command", "fork"]);
        assert!(matrix.add(&json!({ "disturbances": [] }), &[(inducer, induced)]).is_err());
    }

    #[test]
    fn what_was_told_while_it_happened_is_counted() {
        let again = super::super::incident::LINKS[0];
        let stall = |what, start_ns| json!({ "class": "network", "what": what, "count": 2, "start_ns": start_ns });
        let stalls = [
            stall("retransmit to 127.0.0.1:5", 11),
            stall("retransmit to 127.0.0.1:5", 30),
            stall("reset by 127.0.0.1:5", 12),
        ];
        let counted = Counted { begin_ns: 10, end_ns: 20, truth: 3.0, subject: String::new() };
        let mut matrix = Matrix::default();
        assert!(matrix.is_empty());
        matrix.count(&stalls, &[(again, counted)]);
        assert!((matrix.counts[0].told - 2.0).abs() < 1e-9 && matrix.counts[0].count == 1);
        assert!(!matrix.is_empty());
    }
}

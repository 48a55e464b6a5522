//! The rows of each table, and its columns.

mod of_interval;

use serde::Serialize;
use stallion_timeline::{
    Chaos, Loss, Outage, Phase, Record, Server, SlowOp, SlowlogEntry, Stall, Timeline,
};

use super::Table;
use super::parquet::{Cell, table};
use crate::source::ExportError;

use of_interval::IntervalRows;

/// One row: which file it is from, its times moved, and the record.
#[derive(Debug, Clone)]
struct Row<T> {
    run: String,
    /// Its time (begin) on the client's clock.
    at_ns: u64,
    /// Its end.
    end_ns: u64,
    /// Its time since the begin of what is measured, in seconds.
    at_s: f64,
    of: T,
}

/// What is known of one file.
#[derive(Debug, Clone)]
struct Run {
    role: String,
    tool: String,
    target: String,
    host: String,
    wall_ns: u64,
    ended: String,
    plan: String,
    summary: String,
}

/// How the times of a file become those of the tables.
#[derive(Debug, Clone)]
struct Times {
    run: String,
    shift_ns: i64,
    origin_ns: u64,
}

impl Times {
    fn row<T>(&self, start_ns: u64, end_ns: u64, of: T) -> Row<T> {
        let at_ns = start_ns.saturating_add_signed(self.shift_ns);
        Row {
            run: self.run.clone(),
            at_ns,
            end_ns: end_ns.saturating_add_signed(self.shift_ns),
            at_s: (at_ns as f64 - self.origin_ns as f64) / 1e9,
            of,
        }
    }
}

/// The rows of all tables.
#[derive(Debug, Default)]
pub(super) struct Rows {
    origin_ns: u64,
    runs: Vec<Row<Run>>,
    phases: Vec<Row<Phase>>,
    intervals: IntervalRows,
    slow_ops: Vec<Row<SlowOp>>,
    stalls: Vec<Row<Stall>>,
    chaos: Vec<Row<Chaos>>,
    outages: Vec<Row<Outage>>,
    losses: Vec<Row<Loss>>,
    /// Server, field of INFO, value.
    info: Vec<Row<(String, String, f64)>>,
    slowlog: Vec<Row<(String, SlowlogEntry)>>,
}

impl Rows {
    pub(super) fn new(origin_ns: u64) -> Self {
        Self { origin_ns, ..Self::default() }
    }

    pub(super) fn timeline(
        &mut self,
        name: &str,
        timeline: &Timeline,
        shift_ns: i64,
    ) -> Result<(), ExportError> {
        let times = Times { run: name.to_owned(), shift_ns, origin_ns: self.origin_ns };
        self.run(timeline, &times);
        for record in &timeline.records {
            match record {
                Record::Interval(interval) => self.intervals.add(interval, &times)?,
                Record::Server(server) => self.server(server, &times),
                Record::Phase(phase) => {
                    let end_ns = end_of(phase, timeline);
                    self.phases.push(times.row(phase.start_ns, end_ns, phase.clone()));
                }
                Record::SlowOp(op) => {
                    self.slow_ops.push(times.row(op.due_ns, op.done_ns, op.clone()));
                }
                Record::Stall(stall) => {
                    self.stalls.push(times.row(stall.start_ns, stall.end_ns, stall.clone()));
                }
                Record::Chaos(chaos) => {
                    self.chaos.push(times.row(chaos.begin_ns, chaos.end_ns, chaos.clone()));
                }
                Record::Outage(outage) => {
                    self.outages.push(times.row(outage.start_ns, outage.end_ns, outage.clone()));
                }
                Record::Loss(loss) => {
                    self.losses.push(times.row(loss.at_ns, loss.at_ns, loss.clone()));
                }
                Record::ClientLate(late) => self.intervals.late(late, &times),
                Record::Header(_) | Record::PeerClock(_) | Record::Footer(_) => {}
            }
        }
        Ok(())
    }

    fn run(&mut self, timeline: &Timeline, times: &Times) {
        let header = &timeline.header;
        let (start_ns, footer) = (header.clock.monotonic_ns, timeline.footer.as_ref());
        let end_ns = footer.map_or(start_ns, |footer| footer.end_ns);
        let run = Run {
            role: word(&header.role),
            tool: header.tool.clone(),
            target: header.target.clone(),
            host: header.host.line(),
            wall_ns: header.clock.wall_ns,
            ended: footer.map_or_else(|| "cut off".to_owned(), |footer| footer.reason.clone()),
            plan: header.plan.to_string(),
            summary: footer.map_or_else(String::new, |footer| footer.summary.to_string()),
        };
        self.runs.push(times.row(start_ns, end_ns, run));
    }

    fn server(&mut self, server: &Server, times: &Times) {
        for (field, value) in &server.info {
            let of = (server.target.clone(), field.clone(), *value);
            self.info.push(times.row(server.at_ns, server.at_ns, of));
        }
        for entry in &server.slowlog {
            let of = (server.target.clone(), entry.clone());
            self.slowlog.push(times.row(server.at_ns, server.at_ns, of));
        }
    }

    pub(super) fn tables(self) -> Result<Vec<Table>, ExportError> {
        let mut tables = self.of_the_run()?;
        tables.extend(self.of_the_server()?);
        tables.extend(self.intervals.tables()?);
        Ok(tables)
    }

    fn of_the_run(&self) -> Result<Vec<Table>, ExportError> {
        Ok(vec![
            table(
                "runs",
                &with_times(vec![
                    ("role", Cell::Text(|row: &Row<Run>| row.of.role.clone())),
                    ("tool", Cell::Text(|row| row.of.tool.clone())),
                    ("target", Cell::Text(|row| row.of.target.clone())),
                    ("host", Cell::Text(|row| row.of.host.clone())),
                    ("wall_ns", Cell::Count(|row| row.of.wall_ns)),
                    ("ended", Cell::Text(|row| row.of.ended.clone())),
                    ("plan_json", Cell::Text(|row| row.of.plan.clone())),
                    ("summary_json", Cell::Text(|row| row.of.summary.clone())),
                ]),
                &self.runs,
            )?,
            table(
                "phases",
                &with_times(vec![
                    ("phase", Cell::Text(|row: &Row<Phase>| word(&row.of.name))),
                    ("label", Cell::Text(|row| row.of.label.clone())),
                ]),
                &self.phases,
            )?,
            table(
                "chaos",
                &with_times(vec![
                    ("action", Cell::Text(|row: &Row<Chaos>| row.of.action.clone())),
                    ("target", Cell::Text(|row| row.of.target.clone())),
                    ("outcome", Cell::Text(|row| row.of.outcome.clone())),
                    ("detail_json", Cell::Text(|row| row.of.detail.to_string())),
                ]),
                &self.chaos,
            )?,
            table(
                "losses",
                &with_times(vec![
                    ("source", Cell::Text(|row: &Row<Loss>| row.of.source.clone())),
                    ("count", Cell::Count(|row| row.of.count)),
                ]),
                &self.losses,
            )?,
            table("slow_ops", &slow_op_columns(), &self.slow_ops)?,
        ])
    }

    fn of_the_server(&self) -> Result<Vec<Table>, ExportError> {
        Ok(vec![
            table("stalls", &stall_columns(), &self.stalls)?,
            table(
                "info",
                &with_times(vec![
                    ("target", Cell::Text(|row: &Row<(String, String, f64)>| row.of.0.clone())),
                    ("field", Cell::Text(|row| row.of.1.clone())),
                    ("value", Cell::Real(|row| row.of.2)),
                ]),
                &self.info,
            )?,
            table(
                "slowlog",
                &with_times(vec![
                    ("target", Cell::Text(|row: &Row<(String, SlowlogEntry)>| row.of.0.clone())),
                    ("id", Cell::Count(|row| row.of.1.id.unsigned_abs())),
                    ("unix_s", Cell::Count(|row| row.of.1.unix_s.unsigned_abs())),
                    ("duration_us", Cell::Count(|row| row.of.1.duration_us.unsigned_abs())),
                    ("command", Cell::Text(|row| row.of.1.command.clone())),
                ]),
                &self.slowlog,
            )?,
            table(
                "outages",
                &with_times(vec![
                    ("node", Cell::Text(|row: &Row<Outage>| row.of.node.clone())),
                    (
                        "first_answer_after_ns",
                        Cell::Count(|row| row.of.first_answer_ns - row.of.start_ns),
                    ),
                    ("slots", Cell::Count(|row| u64::from(row.of.slots))),
                    ("slots_back", Cell::Count(|row| u64::from(row.of.slots_back))),
                    ("ring", Cell::Count(|row| u64::from(row.of.ring))),
                ]),
                &self.outages,
            )?,
        ])
    }
}

/// The columns that every table has, and those of its own.
fn with_times<T>(own: Vec<(&'static str, Cell<Row<T>>)>) -> Vec<(&'static str, Cell<Row<T>>)> {
    let mut columns: Vec<(&'static str, Cell<Row<T>>)> = vec![
        ("run", Cell::Text(|row| row.run.clone())),
        ("start_ns", Cell::Count(|row| row.at_ns)),
        ("end_ns", Cell::Count(|row| row.end_ns)),
        ("at_s", Cell::Real(|row| row.at_s)),
    ];
    columns.extend(own);
    columns
}

fn slow_op_columns() -> Vec<(&'static str, Cell<Row<SlowOp>>)> {
    with_times(vec![
        ("response_ns", Cell::Count(|row: &Row<SlowOp>| row.of.done_ns - row.of.due_ns)),
        ("service_ns", Cell::Count(|row| row.of.done_ns - row.of.sent_ns)),
        ("command", Cell::Text(|row| row.of.command.clone())),
        ("key", Cell::Count(|row| row.of.key)),
        ("slot", Cell::Count(|row| u64::from(row.of.slot))),
        ("connection", Cell::Count(|row| u64::from(row.of.connection))),
        ("outcome", Cell::Text(|row| word(&row.of.outcome))),
        ("ahead", Cell::Count(|row| u64::from(row.of.ahead))),
        ("own_lag_ns", Cell::Count(|row| row.of.own_lag_ns)),
        ("node", Cell::Text(|row| row.of.node.clone().unwrap_or_default())),
    ])
}

fn stall_columns() -> Vec<(&'static str, Cell<Row<Stall>>)> {
    with_times(vec![
        ("class", Cell::Text(|row: &Row<Stall>| word(&row.of.class))),
        ("pid", Cell::Count(|row| u64::from(row.of.pid))),
        ("port", Cell::Count(|row| u64::from(row.of.port))),
        ("tid", Cell::Count(|row| u64::from(row.of.tid))),
        ("thread", Cell::Text(|row| word(&row.of.thread))),
        ("busy_ns", Cell::Count(|row| row.of.busy_ns)),
        ("count", Cell::Count(|row| row.of.count)),
        ("what", Cell::Text(|row| row.of.what.clone())),
        (
            "detail_json",
            Cell::Text(|row| serde_json::to_string(&row.of.detail).unwrap_or_default()),
        ),
    ])
}

/// The end of a phase: where the next one starts, or the run ends.
fn end_of(phase: &Phase, timeline: &Timeline) -> u64 {
    let later = timeline.records.iter().filter_map(|record| match record {
        Record::Phase(other) if other.start_ns > phase.start_ns => Some(other.start_ns),
        _ => None,
    });
    let end_ns = timeline.footer.as_ref().map(|footer| footer.end_ns);
    later.min().or(end_ns).unwrap_or(phase.start_ns)
}

/// A name of the schema, as its lines have it.
fn word(named: &impl Serialize) -> String {
    let value = serde_json::to_value(named).unwrap_or_default();
    value.as_str().map(str::to_owned).unwrap_or_default()
}

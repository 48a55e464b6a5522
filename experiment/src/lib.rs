//! Experiments: scenarios that join servers, load, faults, probes and a report.
//!
//! A [`Scenario`] asks for a stack of servers; [`run`](run()) starts the other verbs of the same
//! program against it and lets faults disturb it on the way. The verbs meet in one folder of timelines,
//! as they would when each ran alone on its own host. [`experiment`] makes all runs of a scenario,
//! [`figures`] reads what they left, [`plot`] and [`finding`] make pictures and sentences of it.

pub mod scenario;

pub mod sweep;

pub mod run;

pub mod data;

pub mod figures;

pub mod plot;

pub mod finding;

pub mod experiment;

pub use run::run;
pub use scenario::Scenario;

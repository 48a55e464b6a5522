//! The lab: real servers to experiment on, disturbances to make, and scenarios that join both with
//! load, probes and a report.
//!
//! A module uses only those above it:
//! a [`Scenario`] asks for a [`Stack`] on the cores that a [`Placement`] gives it; [`run`](run())
//! starts the other verbs of the same program against it and lets [`chaos`] act on the way. The
//! verbs meet in one folder of timelines, as they would when each ran alone on its own host.

pub mod duration;

pub mod interrupt;

pub mod target;

pub mod info;

pub mod members;

pub mod survey;

pub mod placement;

pub mod group;

pub mod stack;

pub mod chaos;

pub mod scenario;

pub mod sweep;

pub mod run;

pub mod data;

pub mod figures;

pub mod plot;

pub mod finding;

pub mod experiment;

pub use interrupt::Interrupt;
pub use placement::Placement;
pub use run::run;
pub use scenario::Scenario;
pub use stack::Stack;
pub use target::{Target, Tls};

//! Why the hit rate fell: from what servers say of themselves to a cause with its evidence.
//!
//! A pure function from [`Facts`], which somebody else gathers, to a [`Triage`]. Five causes are
//! known; each has a rule, and each rule says what speaks for it, or why it is not the one. The
//! modules in the order of their use:
//!
//! 1. [`facts`]: what was seen, of every server and of a sample of its keys.
//! 2. [`families`]: names of keys as patterns, so that a sample can be compared with another one.
//! 3. [`scene`]: now against an earlier snapshot, or against the server's whole life.
//! 4. [`cause`]: a cause, its strength, its evidence.
//! 5. [`rules`]: one file for each cause.
//! 6. [`verdict`]: which of them it is, healthy, or not shown.
//! 7. [`render`]: for a terminal at 3 a.m.

pub mod facts;

pub mod families;

pub mod scene;

pub mod cause;

pub mod rules;

pub mod verdict;

pub mod render;

pub use facts::Facts;
pub use verdict::{Triage, Verdict, triage};

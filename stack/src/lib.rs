//! Real servers to experiment on: single, replicated, as a cluster or as a ring, with proxies and links
//! between them, on cores of their own, and gone without a trace at the end.
//!
//! A [`StackPlan`] says what a [`Stack`] is, a [`Placement`] on which cores it runs, and
//! [`respawn`] lets one of its servers die and come back. [`survey`] asks servers, also those of
//! others, what bears on a hit rate.

pub mod interrupt;

pub mod survey;

pub mod placement;

mod memory_group;

mod error;

mod relay;

mod links;

pub mod stack_plan;

mod process;

mod ports;

mod cluster;

mod proxy;

mod registry;

mod stack;

pub mod respawn;

pub use error::StackError;
pub use interrupt::Interrupt;
pub use links::{Links, NodeLinks};
pub use memory_group::MemoryGroup;
pub use placement::Placement;
pub use process::die_with_parent;
pub use registry::Registry;
pub use relay::Relay;
pub use stack::Stack;
pub use stack_plan::{StackKind, StackPlan};

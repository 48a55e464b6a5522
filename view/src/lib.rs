//! A run on the whole terminal while it lasts: `--tui`.
//!
//! Who measures hands over a [`Second`] each second, or a timeline is followed as it grows; one thread
//! draws, and is the only one that touches the terminal. The modules in the order of their use:
//!
//! 1. [`words`]: durations and counts as people read them.
//! 2. [`model`]: what is known of the run so far, in bounded memory.
//! 3. [`course`]: what the records of a timeline add to it.
//! 4. [`tail`]: timelines that are still being written.
//! 5. [`theme`]: colours, or none.
//! 6. [`plan`]: which panels have room on a screen, and where.
//! 7. [`panels`]: what each of them shows.
//! 8. [`terminal`]: the terminal itself, its keys, and how it gets back what it was.

pub mod words;

pub mod model;

pub mod course;

pub mod tail;

pub mod theme;

mod plan;

mod panels;

pub mod terminal;

pub use model::{Event, Kind, Model, Second, Step};
pub use panels::draw;
pub use terminal::Watch;

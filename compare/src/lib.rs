//! Whether one run was slower than another, or only looks so.
//!
//! Percentiles of two runs always differ. What tells chance from a change is how much they would
//! differ if the same were measured again, and that is estimated here by a bootstrap over the
//! intervals of the timelines. Neighbouring intervals are alike (a fork slows ten in a row), so whole
//! blocks of them are drawn, as long as the likeness lasts; of several runs of each side, runs are
//! drawn first. A pure function from timelines and a seed. The modules in the order of their use:
//!
//! 1. [`series`]: timelines as sparse histograms over time.
//! 2. [`blocks`]: how long neighbours are alike, and draws of blocks.
//! 3. [`comparison`]: percentiles of both sides, their differences, intervals and verdicts.
//! 4. [`limit`]: which differences a user does not accept.

pub mod series;

pub mod blocks;

pub mod comparison;

pub mod limit;

pub use comparison::{Comparison, Difference, Metric, Verdict, compare};
pub use limit::Limit;
pub use series::{CompareError, Side};

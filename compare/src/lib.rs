//! Whether one run was slower than another, or only looks so.
//!
//! Percentiles of two runs always differ. What tells chance from a change is how much they would
//! differ if the same were measured again, and that is estimated here by a bootstrap over the
//! intervals of the timelines. Neighbouring intervals are alike (a fork slows ten in a row), so whole
//! blocks of them are drawn, as long as the likeness lasts; of three runs or more of a side, whole runs
//! are drawn. Latencies are compared by ratios, whose logarithm is what varies evenly. A pure function
//! from timelines and a seed. The modules in the order of their use:
//!
//! 1. [`series`]: timelines as sparse histograms over time.
//! 2. [`conditions`]: whether the runs are to be believed, and what else differs between them.
//! 3. [`blocks`]: how long neighbours are alike, and draws of blocks.
//! 4. [`bootstrap`]: both sides drawn, and intervals that hold together.
//! 5. [`stationarity`]: runs that changed while they lasted.
//! 6. [`shape`]: modes of the distribution that appear or vanish.
//! 7. [`causes`]: what the slow time of each side was due to.
//! 8. [`comparison`]: the figures of both sides, their ratios and the answers.
//! 9. [`limit`]: which differences a user does not accept.
//! 10. [`trial`]: runs by seed whose truth is known, to see how often the answers are right.

pub mod series;

pub mod conditions;

pub mod blocks;

pub(crate) mod bootstrap;

pub mod stationarity;

pub mod shape;

pub mod causes;

pub mod comparison;

pub mod limit;

pub mod trial;

pub use causes::{CauseTime, Causes};
pub use comparison::{Answer, Comparison, Difference, Metric, compare};
pub use conditions::{Condition, conditions};
pub use limit::{Held, Limit};
pub use series::{CompareError, Side};

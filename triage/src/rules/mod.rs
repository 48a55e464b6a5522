//! One rule for each cause: what would be seen if it were the one, and how much of it is.

mod degraded;

mod resharding;

mod renamed;

mod ttls;

mod evictions;

use crate::cause::Cause;
use crate::scene::Scene;

/// A cause that takes this share of the misses on itself is large enough to be the one.
const LARGE: f64 = 0.2;
/// Rates that have not grown by this factor are as they were.
const GROWN: f64 = 2.0;

/// What every rule says, in the order of [`crate::cause::Kind`].
#[must_use]
pub fn all(scene: &Scene<'_>) -> Vec<Cause> {
    vec![
        degraded::judge(scene),
        resharding::judge(scene),
        renamed::judge(scene),
        ttls::judge(scene),
        evictions::judge(scene),
    ]
}

/// A rate with what it was.
fn against(scene: &Scene<'_>, now: f64, before: Option<f64>) -> String {
    let now = crate::cause::per_second(now);
    match before {
        None => now,
        Some(before) => {
            let when = match scene.against {
                crate::scene::Against::Snapshot(_) => "before",
                _ => "on average since its start",
            };
            format!("{now}, {} {when}", crate::cause::per_second(before))
        }
    }
}

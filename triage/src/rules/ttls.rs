//! Shorter times to live: far more keys expire than did, enough of them to make the misses, and what
//! is left to the living is less.

use super::{GROWN, LARGE, against};
use crate::cause::{Cause, Kind, Strength, percent, seconds};
use crate::facts::{Facts, Family};
use crate::families::alike;
use crate::scene::Scene;

/// A family with fewer keys in the sample says nothing.
const FEWEST: u64 = 20;
/// Expiring keys a second that could be anything.
const NOISE: f64 = 1.0;

pub(super) fn judge(scene: &Scene<'_>) -> Cause {
    let mut cause = Cause::new(Kind::ShorterTtls);
    let (now, before) = (scene.rates(), scene.rates_before());
    let expired_before = before.map(|rates| rates.expired);
    let of_misses = now.expired / now.misses.max(f64::MIN_POSITIVE);
    let large = now.expired > NOISE && of_misses >= LARGE;
    let grown = expired_before.is_some_and(|before| now.expired > GROWN * before + NOISE);
    let shorter = scene.snapshot().map(|before| shorter(scene.now, before)).unwrap_or_default();
    if now.expired > NOISE {
        let text = format!(
            "{} keys expired ({} of the misses)",
            against(scene, now.expired, expired_before),
            percent(of_misses.min(1.0))
        );
        cause.add("INFO expired_keys", text);
    }
    cause.raise(match (large, grown, shorter.is_empty()) {
        (true, true, false) => Strength::Strong,
        (true, true, true) => Strength::Likely,
        (true, false, _) | (_, true, _) | (_, _, false) => Strength::Hint,
        (false, false, true) => Strength::None,
    });
    shorter.into_iter().for_each(|text| cause.add("TTL of a sample", text));
    match cause.strength {
        Strength::None => {
            let text = "expired keys do not explain the misses, and times to live are as they were";
            cause.add("INFO expired_keys", text.to_owned());
        }
        Strength::Hint if large && scene.snapshot().is_none() => {
            let text = "whether keys lived longer before, only an earlier snapshot can tell \
                        (--save on a good day, then --since)";
            cause.add("-", text.to_owned());
        }
        _ => {}
    }
    cause
}

/// Families that are still in use, and whose keys have much less time left than they had.
fn shorter(now: &Facts, before: &Facts) -> Vec<String> {
    let told =
        now.sample.families.iter().filter(|family| is_alive(family, now)).filter_map(|family| {
            let then =
                before.sample.families.iter().find(|then| alike(&then.pattern, &family.pattern))?;
            tell(family, then)
        });
    told.collect()
}

/// What nobody writes any more grows older by itself.
fn is_alive(family: &Family, now: &Facts) -> bool {
    family.keys >= FEWEST && (family.touched > 0 || !now.sample.idle_known)
}

fn tell(now: &Family, then: &Family) -> Option<String> {
    let share = |family: &Family| family.expiring as f64 / family.keys.max(1) as f64;
    let (had, has) = (share(then), share(now));
    if has >= 0.5 && had < has / GROWN {
        let left = seconds(now.ttl_p50_s);
        return Some(format!(
            "{}: {} of the keys expire (half within {left}), before {}",
            now.pattern,
            percent(has),
            percent(had)
        ));
    }
    let less = |now: f64, then: f64| now * GROWN < then;
    // What was written before the change still lives long: then the median falls first.
    let fell = less(now.ttl_p50_s, then.ttl_p50_s) || less(now.ttl_p90_s, then.ttl_p90_s);
    (now.expiring >= FEWEST && then.expiring >= FEWEST && fell).then(|| {
        format!(
            "{}: half of the keys have less than {} left (nine of ten: {}), before {} ({})",
            now.pattern,
            seconds(now.ttl_p50_s),
            seconds(now.ttl_p90_s),
            seconds(then.ttl_p50_s),
            seconds(then.ttl_p90_s)
        )
    })
}

//! Renamed keys: a family of keys that was in use lies idle or is gone, and another one has come, or
//! nothing that is asked for is there.

use super::GROWN;
use crate::cause::{Cause, Kind, Strength, per_second, percent, seconds};
use crate::facts::{Facts, Family, Sample};
use crate::families::alike;
use crate::scene::Scene;

/// A family that is less of the sample says nothing.
const LEAST: f64 = 0.05;
/// And with fewer keys, too.
const FEWEST: u64 = 20;
/// A family of which less is touched is idle.
const IDLE: f64 = 0.01;
/// Misses that are less of the reads need no explanation of this kind.
const MISSING: f64 = 0.05;

pub(super) fn judge(scene: &Scene<'_>) -> Cause {
    let mut cause = Cause::new(Kind::RenamedKeys);
    let (now, rates) = (scene.now, scene.rates());
    let missing = rates.reads > 0.0 && rates.misses >= MISSING * rates.reads;
    let idle = idle(scene);
    let fresh = scene.snapshot().map(|before| new_in(now, before)).unwrap_or_default();
    let gone = scene.snapshot().map(|before| new_in(before, now)).unwrap_or_default();
    let old = !idle.is_empty() || !gone.is_empty();
    let alive = large(&now.sample).any(|family| share_touched(family) > IDLE);
    cause.raise(match (missing, scene.snapshot().is_some()) {
        (false, _) => Strength::None,
        (true, true) if old && !fresh.is_empty() => Strength::Strong,
        // Their names are asked for, and nobody stores anything under them.
        (true, true) if !idle.is_empty() && grown(scene) => Strength::Likely,
        (true, true) if !fresh.is_empty() && !now.sample.idle_known && grown(scene) => {
            Strength::Likely
        }
        (true, true) if old || !fresh.is_empty() => Strength::Hint,
        (true, false) if !idle.is_empty() && (alive || rates.misses > rates.hits) => {
            Strength::Likely
        }
        _ => Strength::None,
    });
    tell(&mut cause, scene, &idle, &fresh, &gone);
    cause
}

/// What speaks for it, or why it is not the one.
fn tell(
    cause: &mut Cause,
    scene: &Scene<'_>,
    idle: &[&Family],
    fresh: &[&Family],
    gone: &[&Family],
) {
    if cause.strength == Strength::None {
        let text = match scene.now.sample.keys {
            0 => "there is no key to look at",
            _ => "what is stored is what is asked for",
        };
        return cause.add("SCAN, OBJECT IDLETIME", text.to_owned());
    }
    let all = scene.now.sample.keys.max(1) as f64;
    for family in idle {
        let text = format!(
            "{}: {} of the keys, and nobody has touched one of {} for {}",
            family.pattern,
            percent(family.keys as f64 / all),
            family.keys,
            seconds(family.idle_least_s)
        );
        cause.add("SCAN, OBJECT IDLETIME", text);
    }
    for family in fresh {
        let share = percent(family.keys as f64 / all);
        cause.add("SCAN", format!("{}: {share} of the keys, before none", family.pattern));
    }
    for family in gone {
        let before = scene.snapshot().map_or(1, |facts| facts.sample.keys.max(1)) as f64;
        let share = percent(family.keys as f64 / before);
        cause.add("SCAN", format!("{}: was {share} of the keys, now none", family.pattern));
    }
    let rates = scene.rates();
    let text = format!("{} misses of {} reads", per_second(rates.misses), per_second(rates.reads));
    cause.add("INFO keyspace_misses", text);
    if let Some(counted) = scene.counted_since().filter(|counted| counted.renamed > 0) {
        let text = format!("RENAME was called {} times since the snapshot", counted.renamed);
        cause.add("INFO cmdstat_rename", text);
    }
}

fn grown(scene: &Scene<'_>) -> bool {
    let before = scene.rates_before().map_or(0.0, |rates| rates.misses);
    scene.rates().misses > GROWN * before
}

fn large(sample: &Sample) -> impl Iterator<Item = &Family> {
    let least = (LEAST * sample.keys as f64).max(FEWEST as f64);
    sample.families.iter().filter(move |family| family.keys as f64 >= least)
}

fn share_touched(family: &Family) -> f64 {
    family.touched as f64 / family.keys.max(1) as f64
}

/// Families that nobody touches, though somebody did before.
fn idle<'a>(scene: &Scene<'a>) -> Vec<&'a Family> {
    if !scene.now.sample.idle_known {
        return Vec::new();
    }
    let used_before = |family: &Family| match scene.snapshot() {
        None => true,
        Some(before) => before
            .sample
            .families
            .iter()
            .any(|then| alike(&then.pattern, &family.pattern) && share_touched(then) > IDLE),
    };
    let idle = large(&scene.now.sample).filter(|family| share_touched(family) <= IDLE);
    idle.filter(|family| used_before(family)).collect()
}

/// Large families of one sample that the other one does not have.
fn new_in<'a>(facts: &'a Facts, other: &Facts) -> Vec<&'a Family> {
    if other.sample.keys < FEWEST {
        return Vec::new();
    }
    let known = |family: &&Family| {
        other.sample.families.iter().any(|known| {
            let few = known.keys as f64 <= LEAST / 10.0 * other.sample.keys as f64;
            alike(&known.pattern, &family.pattern) && !few
        })
    };
    large(&facts.sample).filter(|family| !known(family)).collect()
}

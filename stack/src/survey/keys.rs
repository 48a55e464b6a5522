//! A sample of the keys: their names, how long they have left, and when they were touched last. SCAN,
//! PTTL and OBJECT IDLETIME count as no access to a key; how many there are is bounded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use redis::{Connection, RedisResult, Value};
use stallion_triage::facts::{Family, Sample};
use stallion_triage::families::patterns;

use super::{Open, Survey, address};

/// Places in the table from which SCAN starts: its cursors count from the highest bit down, so that
/// the lowest numbers are spread evenly over the whole table.
const STARTS: u64 = 8;
/// Keys that one call of SCAN looks for.
const AT_ONCE: usize = 100;
/// Calls of SCAN from one place: a table from which most was deleted is searched no further.
const CALLS: u32 = 100;
/// Families that are told; the rest is one.
const FAMILIES: usize = 40;

/// One key.
struct Seen {
    name: String,
    /// Time left; none for one that never expires.
    ttl_s: Option<f64>,
    idle_s: Option<f64>,
}

/// Looks at keys of every primary.
pub(super) fn sample(open: &mut [Open], survey: Survey, notes: &mut Vec<String>) -> Sample {
    let primaries = open.iter().filter(|one| one.first.is_primary()).count().max(1);
    let share = survey.sample.div_ceil(primaries);
    let mut seen = Vec::new();
    let mut idle_known = true;
    for one in open.iter_mut().filter(|one| one.first.is_primary()) {
        idle_known &= !one.first.counts_frequency();
        match look(one, share) {
            Ok(some) => seen.extend(some),
            Err(error) => notes.push(format!("{}: no sample ({error})", address(&one.target))),
        }
    }
    if !idle_known {
        let text = "an LFU policy: servers do not know when a key was read last";
        notes.push(text.to_owned());
    }
    let window_s = survey.window.as_secs_f64().ceil();
    Sample { keys: seen.len() as u64, idle_known, families: families(seen, window_s) }
}

fn look(one: &mut Open, most: usize) -> RedisResult<Vec<Seen>> {
    let largest = || one.first.largest_database().map(|(database, _)| database);
    let Some(database) = one.target.database().or_else(largest) else { return Ok(Vec::new()) };
    if !one.first.is_cluster() {
        redis::cmd("SELECT").arg(database).query::<()>(&mut one.connection)?;
    }
    let mut names = BTreeSet::new();
    for start in 0..STARTS {
        let enough = most * (start as usize + 1) / STARTS as usize;
        scan(&mut one.connection, start, enough, &mut names)?;
    }
    let names = evenly(names, most);
    let mut seen = Vec::new();
    for some in names.chunks(AT_ONCE) {
        seen.extend(ages(&mut one.connection, some)?);
    }
    Ok(seen)
}

/// So many of the names. SCAN brings more than is wanted, and the names are sorted: were the first
/// ones taken, a family late in the alphabet would never be seen.
fn evenly(names: BTreeSet<Vec<u8>>, most: usize) -> Vec<Vec<u8>> {
    let all = names.len();
    let places = names.into_iter().enumerate();
    // A place is taken where the next whole one of `most` steps over all of them is reached.
    let taken = places.filter(|(place, _)| (place + 1) * most / all > place * most / all);
    taken.map(|(_, name)| name).collect()
}

/// Collects names from a place of the table on, until there are enough.
fn scan(
    connection: &mut Connection,
    start: u64,
    enough: usize,
    names: &mut BTreeSet<Vec<u8>>,
) -> RedisResult<()> {
    let mut cursor = start;
    for _ in 0..CALLS {
        if names.len() >= enough {
            break;
        }
        let (next, some): (u64, Vec<Vec<u8>>) =
            redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(AT_ONCE).query(connection)?;
        names.extend(some);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    Ok(())
}

/// Time left and time since the last access; a key that is gone by now, or on its way to another
/// node, is left out.
fn ages(connection: &mut Connection, names: &[Vec<u8>]) -> RedisResult<Vec<Seen>> {
    let mut batch = redis::Pipeline::new();
    batch.ignore_errors();
    for name in names {
        batch.cmd("PTTL").arg(name).cmd("OBJECT").arg("IDLETIME").arg(name);
    }
    let answers: Vec<RedisResult<Value>> = batch.query(connection)?;
    let number = |answer: Option<&RedisResult<Value>>| match answer {
        Some(Ok(Value::Int(number))) => Some(*number),
        _ => None,
    };
    let seen = names.iter().zip(answers.chunks(2)).filter_map(|(name, answers)| {
        // -1 is a key that never expires, -2 one that is not there.
        let ttl_ms = number(answers.first()).filter(|ttl_ms| *ttl_ms >= -1)?;
        Some(Seen {
            name: String::from_utf8_lossy(name).into_owned(),
            ttl_s: (ttl_ms >= 0).then_some(ttl_ms as f64 / 1e3),
            idle_s: number(answers.get(1)).map(|idle_s| idle_s as f64),
        })
    });
    Ok(seen.collect())
}

/// The keys by the pattern of their names, the largest family first.
fn families(seen: Vec<Seen>, window_s: f64) -> Vec<Family> {
    let names: Vec<String> = seen.iter().map(|one| one.name.clone()).collect();
    let mut groups: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for (one, pattern) in seen.into_iter().zip(patterns(&names)) {
        groups.entry(pattern).or_default().push(one);
    }
    let mut families: Vec<Family> =
        groups.into_iter().map(|(pattern, keys)| family(pattern, &keys, window_s)).collect();
    families.sort_by_key(|family| Reverse(family.keys));
    families.truncate(FAMILIES);
    families
}

fn family(pattern: String, keys: &[Seen], window_s: f64) -> Family {
    let mut ttls: Vec<f64> = keys.iter().filter_map(|one| one.ttl_s).collect();
    ttls.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (ttls.len() as f64 * share) as usize;
        ttls.get(place.min(ttls.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    let idle = keys.iter().filter_map(|one| one.idle_s);
    Family {
        pattern,
        keys: keys.len() as u64,
        expiring: ttls.len() as u64,
        ttl_p50_s: at(0.5),
        ttl_p90_s: at(0.9),
        touched: idle.clone().filter(|idle_s| *idle_s <= window_s).count() as u64,
        idle_least_s: idle.reduce(f64::min).unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_taken_from_the_whole_alphabet() {
        let names = || -> BTreeSet<Vec<u8>> {
            let version = |i: u32| if i < 300 { 1 } else { 2 };
            (0..400).map(|i| format!("v{}:user:{i:03}", version(i)).into_bytes()).collect()
        };
        for most in [0, 1, 7, 333, 399, 400, 1_000] {
            let taken = evenly(names(), most);
            assert_eq!(taken.len(), most.min(400), "{most}");
        }
        let late = evenly(names(), 100).iter().filter(|name| name.starts_with(b"v2:")).count();
        assert_eq!(late, 25);
        assert!(evenly(BTreeSet::new(), 5).is_empty());
    }

    #[test]
    fn keys_are_grouped_by_their_names() {
        let seen = (0..100).map(|i| Seen {
            name: format!("{}:{i}", if i % 4 == 0 { "old" } else { "new" }),
            ttl_s: (i % 2 == 0).then_some(f64::from(i)),
            idle_s: Some(if i % 4 == 0 { 60.0 } else { f64::from(i % 3) }),
        });
        let found = families(seen.collect(), 1.0);
        assert_eq!((found[0].pattern.as_str(), found[0].keys), ("new:#", 75));
        assert_eq!((found[0].touched, found[0].expiring), (50, 25));
        let old = &found[1];
        assert_eq!((old.touched, old.idle_least_s, old.keys), (0, 60.0, 25));
        assert_eq!((old.expiring, old.ttl_p50_s, old.ttl_p90_s), (25, 48.0, 88.0));
        assert!(families(Vec::new(), 1.0).is_empty());
    }
}

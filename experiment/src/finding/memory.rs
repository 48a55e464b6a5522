//! What entries weigh in each form, a big hash in buckets, and holes.

use super::say::{bytes, count, percent, published, time, times, where_, with};
use crate::data::{Data, PointData};
use crate::plot::human;
use crate::sweep::CASE;

const BYTES: &str = "chaos.weigh.bytes_per_entry";
const READ: &str = "chaos.weigh.read_us";

/// What is compared with what: the first is the usual form.
const GROUPS: [(&str, &[&str]); 3] = [
    (
        "plain keys",
        &[
            "short names",
            "hashes of 100",
            "hashes of 1000",
            "hashes of 1000, listpacks up to 1024",
            "one hash",
        ],
    ),
    ("flags as keys", &["flags in a set", "flags in a bitmap"]),
    ("scores in a sorted set", &["scores packed"]),
];

/// A case, the most that it takes of plain keys, and who says so.
const CLAIMS: [(&str, f64, (&str, &str)); 2] = [
    (
        "hashes of 1000, listpacks up to 1024",
        0.23,
        (
            "Instagram Engineering, Storing hundreds of millions of simple key-value pairs in Redis, 2011",
            "a million pairs take 16 MB in hashes of 1000 instead of 70 MB as keys: 23 %",
        ),
    ),
    (
        "hashes of 100",
        0.2,
        (
            "Redis documentation, Memory optimization: special encoding of small aggregate data types",
            "small aggregates take up to 10 times less memory, on average 5 times less",
        ),
    ),
];

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for (usual, others) in GROUPS {
        let Some(usual) = where_(data, CASE, usual) else { continue };
        told.extend(weight(usual));
        told.extend(others.iter().filter_map(|other| against(where_(data, CASE, other)?, usual)));
    }
    told.extend(where_(data, CASE, "one hash taken apart").and_then(apart));
    told.extend(
        with(data, "chaos.defrag.frag_bytes_before").first().and_then(|(point, _)| holes(point)),
    );
    told.extend(CLAIMS.iter().filter_map(|(case, most, claim)| {
        let bytes = |case: &str| where_(data, CASE, case)?.figure(BYTES);
        let share = bytes(case)? / bytes("plain keys")?;
        published(*claim, &[(share <= *most, format!("{} with {case}", percent(share)))])
    }));
    told
}

fn encoding(point: &PointData) -> String {
    let word = point.words.get("chaos.weigh.encoding");
    word.map_or_else(String::new, |word| format!(" ({word})"))
}

fn weight(point: &PointData) -> Option<String> {
    Some(format!(
        "{}: {} bytes an entry by used_memory, {} by MEMORY USAGE{}; a read takes {}.",
        capital(&point.word(CASE)),
        human(point.figure(BYTES)?),
        human(point.figure("chaos.weigh.usage_bytes_per_entry")?),
        encoding(point),
        us(point.figure(READ)?)
    ))
}

fn against(point: &PointData, usual: &PointData) -> Option<String> {
    let (bytes, read) = (point.figure(BYTES)?, point.figure(READ)?);
    let (bytes_before, read_before) = (usual.figure(BYTES)?, usual.figure(READ)?);
    Some(format!(
        "{}{}: {} bytes an entry, {} of what {} take; a read takes {} ({}).",
        capital(&point.word(CASE)),
        encoding(point),
        human(bytes),
        percent(bytes / bytes_before),
        usual.word(CASE),
        us(read),
        times(read, read_before)
    ))
}

fn apart(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.weigh.{name}"));
    let (before, after) = (figure("bytes_per_entry")?, figure("apart_bytes_per_entry")?);
    Some(format!(
        "A hash of {} fields taken apart into buckets of 100 by HSCAN and HSET, live: {} in {} steps, the \
         longest {}; an entry takes {} bytes instead of {} ({} less). The slowest other request of that run \
         took {}.",
        count(figure("entries")?),
        time(figure("apart_ms")? * 1e3),
        count(figure("apart_steps")?),
        time(figure("apart_longest_ms")? * 1e3),
        human(after),
        human(before),
        percent(1.0 - after / before),
        time(point.figure("max_us")?)
    ))
}

fn holes(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.defrag.{name}"));
    let before = figure("frag_bytes_before")?;
    let left = |name: &str| Some(format!("{} left", bytes(figure(name)?.max(0.0))));
    let mut text = format!("Churn (every other key removed) leaves {} of holes", bytes(before));
    match point.words.get("chaos.defrag.refused") {
        None => {
            text += &format!(
                "; activedefrag took {} of the main thread's time, {}",
                time(figure("total_ms")? * 1e3),
                left("frag_bytes_after")?
            );
        }
        Some(refused) => {
            text += &format!(
                "; this server has no activedefrag (it says: {})",
                refused.trim_end_matches('.')
            );
            text += &format!(
                "; MEMORY PURGE ({}): {}; DEBUG RELOAD (nobody is served for {}): {}",
                time(figure("purge_ms")? * 1e3),
                left("frag_bytes_after_purge")?,
                time(figure("reload_ms")? * 1e3),
                left("frag_bytes_after_reload")?
            );
        }
    }
    Some(text + ".")
}

fn us(time: f64) -> String {
    format!("{} µs", human(time))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

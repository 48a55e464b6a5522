//! Waits for what other verbs write into their timelines while they run.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use stallion_timeline::{PhaseName, Record};

use super::verb::Verb;
use stallion_stack::interrupt::Interrupt;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether a file has its header: its writer is ready then.
pub(super) fn has_header(timeline: &Path) -> bool {
    records(timeline).next().is_some()
}

/// When the measured phase began; none before it is written.
pub(super) fn measure_start_ns(timeline: &Path) -> Option<u64> {
    records(timeline).find_map(|record| match record {
        Record::Phase(phase) if phase.name == PhaseName::Measure => Some(phase.start_ns),
        _ => None,
    })
}

/// Looks until there is an answer. None when the verb ended, time ran out, or the user
/// interrupted.
pub(super) fn wait_for<T>(
    verb: &mut Verb,
    within: Duration,
    interrupt: &Interrupt,
    mut look: impl FnMut() -> Option<T>,
) -> io::Result<Option<T>> {
    let looks = within.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..=looks {
        if let Some(found) = look() {
            return Ok(Some(found));
        }
        if verb.ended()?.is_some() || !interrupt.sleep(LOOK_EVERY) {
            return Ok(look());
        }
    }
    Ok(None)
}

/// The records that are complete so far.
fn records(timeline: &Path) -> impl Iterator<Item = Record> {
    let text = fs::read_to_string(timeline).unwrap_or_default();
    let complete = text.rfind('\n').map_or(0, |end| end + 1);
    let records: Vec<Record> =
        text[..complete].lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    records.into_iter()
}

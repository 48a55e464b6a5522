//! What a watch saw in all, by class.

use std::collections::{BTreeMap, BTreeSet};

use stallion_timeline::{Stall, StallClass, ThreadRole};

/// One row of the table that a watch ends with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// How many stalls.
    pub count: u64,
    /// Stalled time in nanoseconds.
    pub busy_ns: u64,
    /// The part of it on main threads.
    pub main_ns: u64,
    /// The longest record, a single stall or a window, in nanoseconds of stalled time.
    pub max_ns: u64,
    /// What the longest one was about.
    pub max_what: String,
    /// When it began, CLOCK_MONOTONIC.
    pub max_at_ns: u64,
}

/// Rows by class, and what was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// By class.
    pub rows: BTreeMap<StallClass, Row>,
    /// Events that the ring buffer had no room for.
    pub lost: u64,
    /// Stalls that were cut because they said more than the watch can hold.
    pub cut: u64,
    /// Servers that were stalled, by port, or by process id where there is none.
    servers: BTreeSet<(u16, u32)>,
}

impl Summary {
    /// Adds one stall.
    pub fn add(&mut self, stall: &Stall) {
        let row = self.rows.entry(stall.class).or_default();
        row.count = row.count.saturating_add(stall.count);
        row.busy_ns += stall.busy_ns;
        if stall.thread == ThreadRole::Main {
            row.main_ns += stall.busy_ns;
        }
        if stall.busy_ns > row.max_ns || row.max_at_ns == 0 {
            row.max_ns = stall.busy_ns;
            row.max_what.clone_from(&stall.what);
            row.max_at_ns = stall.start_ns;
        }
        self.servers.insert((stall.port, if stall.port == 0 { stall.pid } else { 0 }));
    }

    /// Share of the main threads' time that a row took, of a watch of this length, in per cent.
    #[must_use]
    pub fn share_percent(&self, row: &Row, watched_s: f64) -> f64 {
        let all_ns = watched_s * 1e9 * self.servers.len().max(1) as f64;
        (row.main_ns as f64 / all_ns.max(1.0) * 100.0).min(100.0)
    }
}

impl Summary {
    /// The footer's object: `{class: {count, total_ms, max_ms}}`, and `lost`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let ms = |ns: u64| ns as f64 / 1e6;
        let classes: serde_json::Map<String, serde_json::Value> = self
            .rows
            .iter()
            .map(|(class, row)| {
                let figures = serde_json::json!({
                    "count": row.count, "total_ms": ms(row.busy_ns), "max_ms": ms(row.max_ns),
                });
                (class_name(*class), figures)
            })
            .collect();
        serde_json::json!({ "stalls": classes, "lost": self.lost, "cut": self.cut })
    }
}

/// A class as timelines spell it, for example `run_queue`.
#[must_use]
pub fn class_name(class: StallClass) -> String {
    serde_json::to_value(class)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_a_class_is_remembered_with_its_words() {
        let mut summary = Summary::default();
        let mut stall = Stall {
            class: StallClass::Command,
            pid: 1,
            port: 0,
            tid: 1,
            thread: stallion_timeline::ThreadRole::Main,
            start_ns: 5,
            end_ns: 9,
            busy_ns: 4,
            count: 1,
            what: "KEYS".to_owned(),
            detail: BTreeMap::new(),
        };
        summary.add(&stall);
        stall.busy_ns = 2;
        stall.what = "GET".to_owned();
        summary.add(&stall);
        let row = &summary.rows[&StallClass::Command];
        assert_eq!((row.count, row.busy_ns, row.max_ns), (2, 6, 4));
        assert_eq!((row.max_what.as_str(), row.max_at_ns), ("KEYS", 5));
        assert!((summary.share_percent(row, 12e-9) - 50.0).abs() < 1e-9);
        stall.thread = ThreadRole::Background;
        summary.add(&stall);
        let row = &summary.rows[&StallClass::Command];
        assert_eq!((row.busy_ns, row.main_ns), (8, 6), "other threads have no share of it");
    }

    #[test]
    fn classes_are_spelt_as_in_the_schema() {
        assert_eq!(class_name(StallClass::RunQueue), "run_queue");
        assert_eq!(class_name(StallClass::Fork), "fork");
        assert_eq!(class_name(StallClass::BlockIo), "block_io");
    }
}

//! What a watch saw in all, by class.

use std::collections::BTreeMap;

use stallion_timeline::{Stall, StallClass};

/// One row of the table that a watch ends with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Row {
    /// How many stalls.
    pub count: u64,
    /// Stalled time in nanoseconds.
    pub busy_ns: u64,
    /// The longest record, a single stall or a window, in nanoseconds of stalled time.
    pub max_ns: u64,
}

/// Rows by class, and what was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// By class.
    pub rows: BTreeMap<StallClass, Row>,
    /// Events that the ring buffer had no room for.
    pub lost: u64,
}

impl Summary {
    /// Adds one stall.
    pub fn add(&mut self, stall: &Stall) {
        let row = self.rows.entry(stall.class).or_default();
        row.count += stall.count;
        row.busy_ns += stall.busy_ns;
        row.max_ns = row.max_ns.max(stall.busy_ns);
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
        serde_json::json!({ "stalls": classes, "lost": self.lost })
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
    fn classes_are_spelt_as_in_the_schema() {
        assert_eq!(class_name(StallClass::RunQueue), "run_queue");
        assert_eq!(class_name(StallClass::Fork), "fork");
        assert_eq!(class_name(StallClass::BlockIo), "block_io");
    }
}

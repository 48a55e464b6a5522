//! The older text format (0.0.4) from OpenMetrics: promtool and many scrapers read only that.

/// The same samples. A counter's name has its `_total` in the comments, too, and OpenMetrics' own lines
/// go.
#[must_use]
pub fn from_open_metrics(text: &str) -> String {
    let mut counter = String::new();
    let mut classic = String::with_capacity(text.len());
    let mut help = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            rest.clone_into(&mut help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            let total = if kind == "counter" { "_total" } else { "" };
            name.clone_into(&mut counter);
            let words = help.split_once(' ').map_or("", |(_, words)| words);
            classic
                .push_str(&format!("# HELP {name}{total} {words}\n# TYPE {name}{total} {kind}\n"));
        } else if !line.starts_with('#') {
            classic.push_str(line);
            classic.push('\n');
        }
    }
    classic
}

//! The page of `stallion ceiling`: response time over rate, with the knee where it is.

use plotly::common::{DashType, HoverInfo, Line, Marker, MarkerSymbol, Mode};
use plotly::layout::{Layout, Margin};
use plotly::{Plot, Scatter};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::render::axes::{self, axis, log_milliseconds};
use crate::render::sheet::{Figure, Sheet};
use crate::render::tables::Table;
use crate::words;

/// A file that is no ceiling.
#[derive(Debug, Error)]
#[error("this is no result of `stallion ceiling`: {0}")]
pub struct CeilingError(#[from] serde_json::Error);

/// What the page needs of `ceiling.json`.
#[derive(Debug, Deserialize)]
struct Found {
    slo: String,
    closed_ops_per_sec: f64,
    ceiling_ops_per_sec: Option<f64>,
    plus_minus: f64,
    evidence: String,
    valid: bool,
    steps: Vec<Tried>,
}

#[derive(Debug, Deserialize)]
struct Tried {
    stage: String,
    rate: u64,
    step: String,
    reason: String,
    summary: Figures,
}

#[derive(Debug, Deserialize)]
struct Figures {
    target: String,
    host: String,
    ops_per_sec: f64,
    response_us: Percentiles,
    server_busy: Option<f64>,
    client: Client,
}

#[derive(Debug, Deserialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
    p999: f64,
}

#[derive(Debug, Deserialize)]
struct Client {
    busy_max: f64,
}

/// The page, from what `ceiling.json` holds.
///
/// # Errors
/// [`CeilingError`] when it holds something else.
pub fn render(ceiling: &Value) -> Result<String, CeilingError> {
    let mut found = Found::deserialize(ceiling)?;
    let table = table(&found);
    found.steps.sort_by_key(|tried| tried.rate);
    let (target, host) =
        found.steps.first().map_or(("", ""), |tried| (&tried.summary.target, &tried.summary.host));
    let mut sheet = Sheet::new(format!("Ceiling of {target}"), host.to_owned());
    sheet.valid = found.valid;
    sheet.headline = headline(&found);
    sheet.detail = format!("{}.", found.evidence);
    sheet.figures = vec![latency(&found), busy(&found)];
    sheet.table_title = "Every rate that was tried, in order";
    sheet.table = table;
    Ok(sheet.to_html())
}

fn headline(found: &Found) -> String {
    let rate = |value: f64| words::count(value.round() as u64);
    match found.ceiling_ops_per_sec {
        Some(ceiling) => format!(
            "{} ± {} requests a second meet {}; the closed model reaches {}",
            rate(ceiling),
            rate(found.plus_minus),
            found.slo,
            rate(found.closed_ops_per_sec)
        ),
        None => format!("{} is broken even at the lowest rate tried", found.slo),
    }
}

/// Name and colour of each curve of response time, and how to read it off.
type Curve = (&'static str, &'static str, fn(&Percentiles) -> f64);

const CURVES: [Curve; 3] = [
    ("p50", "$p50", |found| found.p50),
    ("p99", "$p99", |found| found.p99),
    ("p99.9", "$p999", |found| found.p999),
];

/// Some of the steps.
type Which = fn(&Tried) -> bool;

fn latency(found: &Found) -> Figure {
    let mut plot = Plot::new();
    for (name, colour, read) in CURVES {
        let points = |wanted: Which| -> (Vec<f64>, Vec<f64>) {
            let tried = found.steps.iter().filter(|tried| wanted(tried));
            tried.map(|tried| (tried.rate as f64, read(&tried.summary.response_us) / 1e3)).unzip()
        };
        let (x, y) = points(|_| true);
        let line = Line::new().color(colour).width(2.0);
        plot.add_trace(Scatter::new(x, y).name(name).mode(Mode::Lines).line(line));
        let marks: [(MarkerSymbol, Which); 2] =
            [(MarkerSymbol::Circle, Tried::met), (MarkerSymbol::X, |tried| !tried.met())];
        for (symbol, wanted) in marks {
            let (x, y) = points(wanted);
            let marker = Marker::new().size(8).color(colour).symbol(symbol);
            plot.add_trace(
                Scatter::new(x, y)
                    .mode(Mode::Markers)
                    .marker(marker)
                    .show_legend(false)
                    .hover_info(HoverInfo::Skip),
            );
        }
    }
    if let Some(ceiling) = found.ceiling_ops_per_sec {
        let (low, high) = found.latency_range_ms();
        plot.add_trace(
            Scatter::new(vec![ceiling, ceiling], vec![low, high])
                .name("ceiling")
                .mode(Mode::Lines)
                .line(Line::new().color("$accent").dash(DashType::Dash).width(2.0)),
        );
    }
    plot.set_layout(layout(320).y_axis(log_milliseconds()));
    let note = format!("A dot met {}, a cross broke it.", found.slo);
    Figure::new("latency", "Response time over the rate that was asked", note, 320, plot)
}

fn busy(found: &Found) -> Figure {
    let mut plot = Plot::new();
    let of = |share: fn(&Figures) -> Option<f64>| -> (Vec<f64>, Vec<f64>) {
        let known = found.steps.iter();
        known.filter_map(|tried| Some((tried.rate as f64, share(&tried.summary)? * 100.0))).unzip()
    };
    let sides = [
        ("server's main thread", "$p999", of(|found| found.server_busy)),
        ("busiest client core", "$p99", of(|found| Some(found.client.busy_max))),
    ];
    for (name, colour, (x, y)) in sides {
        plot.add_trace(
            Scatter::new(x, y)
                .name(name)
                .mode(Mode::LinesMarkers)
                .line(Line::new().color(colour).width(2.0)),
        );
    }
    plot.set_layout(layout(240).y_axis(axis().range(vec![0.0, 105.0]).tick_suffix(" %")));
    Figure::new("busy", "Who was busy", String::new(), 240, plot)
}

fn layout(height_px: usize) -> Layout {
    axes::layout(height_px)
        .margin(Margin::new().left(70).right(14).top(40).bottom(44))
        .x_axis(axis().title("requests a second, asked"))
}

impl Found {
    /// From the fastest median to the slowest p99.9, in milliseconds.
    fn latency_range_ms(&self) -> (f64, f64) {
        let each = self.steps.iter().map(|tried| &tried.summary.response_us);
        each.fold((f64::MAX, 0.0), |(low, high), found| {
            (low.min(found.p50 / 1e3), high.max(found.p999 / 1e3))
        })
    }
}

impl Tried {
    fn met(&self) -> bool {
        self.step == "met"
    }
}

fn table(found: &Found) -> Table {
    let percent = |share: Option<f64>| {
        share.map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0))
    };
    let time = |us: f64| words::duration((us * 1e3) as u64);
    let rows = found.steps.iter().map(|tried| {
        let figures = &tried.summary;
        vec![
            tried.stage.clone(),
            words::count(tried.rate),
            words::count(figures.ops_per_sec as u64),
            time(figures.response_us.p50),
            time(figures.response_us.p99),
            time(figures.response_us.p999),
            percent(figures.server_busy),
            percent(Some(figures.client.busy_max)),
            if tried.met() { "met".to_owned() } else { tried.reason.clone() },
        ]
    });
    let head =
        vec!["stage", "asked/s", "answered/s", "p50", "p99", "p99.9", "server", "client", "result"];
    Table { head, rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(rate: u64, p99_us: f64, step: &str) -> Value {
        json!({
            "stage": "climb", "rate": rate, "step": step, "reason": "p99<1ms was </script> us",
            "summary": {
                "target": "redis://a:1", "host": "4 x CPU", "ops_per_sec": rate as f64,
                "response_us": { "p50": 80.0, "p99": p99_us, "p999": p99_us * 2.0 },
                "server_busy": 0.93, "client": { "busy_max": 0.4 },
            },
        })
    }

    fn ceiling(found: Option<f64>) -> Value {
        json!({
            "slo": "p99<1ms", "closed_ops_per_sec": 90_000.0, "ceiling_ops_per_sec": found,
            "plus_minus": 500.0, "evidence": "event-loop CPU: 93 % busy", "valid": true,
            "steps": [step(60_000, 400.0, "met"), step(80_000, 4_000.0, "broken")],
        })
    }

    #[test]
    fn the_page_says_the_ceiling_and_its_bound() {
        let page = render(&ceiling(Some(70_000.0))).unwrap();
        for wanted in ["70\u{202f}000 ± 500", "event-loop CPU", "\"$accent\"", "4 x CPU"] {
            assert!(page.contains(wanted), "{wanted}");
        }
        let own = &page[page.find("<section").unwrap()..];
        assert!(!own.contains("was </script>"), "texts are escaped");
    }

    #[test]
    fn none_found_and_another_file_are_told() {
        assert!(render(&ceiling(None)).unwrap().contains("broken even at the lowest rate"));
        assert!(render(&json!({ "slo": 1 })).is_err());
    }
}

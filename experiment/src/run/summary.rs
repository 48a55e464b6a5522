//! The findings of a report.json in a few lines for the terminal. What is absent is left out: the
//! file's form is the report's business.

use serde_json::Value;

/// The phases with their causes, and each stall with its milliseconds and its share of the time
/// that slow requests waited.
pub(super) fn lines(report: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let phases: Vec<String> = items(&report["phases"]).iter().filter_map(phase).collect();
    if !phases.is_empty() {
        lines.push(format!("{:<24} {:>10}  why its slow requests waited", "phase", "p99.9 ms"));
        lines.extend(phases);
        lines.push(String::new());
    }
    let onsets: Vec<String> = items(&report["disturbances"]).iter().filter_map(onset).collect();
    if !onsets.is_empty() {
        lines.push(format!("{:<24} {:>10}  why (its first 250 ms)", "onset of", "slowest ms"));
        lines.extend(onsets);
        lines.push(String::new());
    }
    let stalls = stalls(report);
    if !stalls.is_empty() {
        lines.push(format!("{:<24} {:>10} {:>8}", "stall", "stalled ms", "share"));
        lines.extend(stalls);
    }
    lines
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn phase(phase: &Value) -> Option<String> {
    let label = phase["label"].as_str().filter(|label| !label.is_empty())?;
    let p999 = phase["response"]["p999_ns"].as_f64().map_or_else(|| "-".to_owned(), ms);
    Some(format!("{label:<24} {p999:>10}  {}", causes(&phase["attribution"])))
}

fn onset(onset: &Value) -> Option<String> {
    let action = onset["action"].as_str()?;
    let slowest = onset["slowest_ns"].as_f64().map_or_else(|| "-".to_owned(), ms);
    Some(format!("{action:<24} {slowest:>10}  {}", causes(&onset["attribution"])))
}

/// The causes from one per cent on, by falling share.
fn causes(attribution: &Value) -> String {
    let mut shares = shares(attribution);
    shares.retain(|(_, percent)| *percent >= 1.0);
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let causes: Vec<String> =
        shares.iter().map(|(label, percent)| format!("{percent:.0} % {label}")).collect();
    causes.join(", ")
}

/// Names and shares in per cent.
fn shares(attribution: &Value) -> Vec<(&str, f64)> {
    items(&attribution["shares"])
        .iter()
        .filter_map(|share| Some((share["label"].as_str()?, share["share_percent"].as_f64()?)))
        .collect()
}

/// One line for each cause of the run: how long it held the server up, and its share.
fn stalls(report: &Value) -> Vec<String> {
    let stalled_ns = |cause: &Value| {
        let found = items(&report["stalled"]).iter().find(|stalled| stalled["cause"] == *cause);
        found.and_then(|stalled| stalled["main_ns"].as_f64())
    };
    let mut rows: Vec<(&str, Option<f64>, f64)> = items(&report["attribution"]["shares"])
        .iter()
        .filter_map(|share| {
            let percent = share["share_percent"].as_f64()?;
            Some((share["label"].as_str()?, stalled_ns(&share["cause"]), percent))
        })
        .collect();
    rows.sort_by(|(_, _, a), (_, _, b)| b.total_cmp(a));
    rows.iter()
        .map(|(label, stalled_ns, percent)| {
            let stalled = stalled_ns.map_or_else(|| "-".to_owned(), ms);
            format!("{label:<24} {stalled:>10} {percent:>6.1} %")
        })
        .collect()
}

fn ms(ns: f64) -> String {
    format!("{:.1}", ns / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn phases_and_stalls_are_told_by_their_weight() {
        let shares = json!([
            {"cause": "unexplained", "label": "unexplained", "share_percent": 0.5},
            {"cause": "fork", "label": "fork", "share_percent": 99.5},
        ]);
        let report = json!({
            "phases": [
                {"label": "", "response": null},
                {"label": "BGSAVE", "response": {"p999_ns": 45_200_000},
                 "attribution": {"shares": shares}},
            ],
            "attribution": {"shares": shares},
            "stalled": [{"cause": "fork", "main_ns": 44_700_000}],
        });
        let text = lines(&report).join("\n");
        let expected = "\
phase                      p99.9 ms  why its slow requests waited
BGSAVE                         45.2  100 % fork

stall                    stalled ms    share
fork                           44.7   99.5 %
unexplained                       -    0.5 %";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_report_of_another_form_is_no_error() {
        assert!(lines(&Value::Null).is_empty());
        assert!(lines(&json!({"phases": 3, "attribution": []})).is_empty());
    }
}

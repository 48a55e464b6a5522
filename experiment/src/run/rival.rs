//! redis-benchmark with the same connections, pipeline, keys and values: a second opinion on the
//! closed model.

use std::process::{Command, Stdio};

use stallion_server::Target;

use super::verb::die_with_us;
use crate::scenario::Scenario;

/// Requests of a run; enough for some seconds.
const REQUESTS_A_CONNECTION: u64 = 4_000;

/// Requests a second that redis-benchmark reaches, or why it does not say. It has one command at a
/// time, so that a mix of reads and writes has no rival.
pub(super) fn requests_per_s(scenario: &Scenario, target: &Target) -> Result<f64, String> {
    let command = match scenario.drive.rw_ratio.as_deref() {
        Some("1:0") | None => "get",
        Some("0:1") => "set",
        Some(other) => return Err(format!("it does not mix reads and writes ({other})")),
    };
    let (host, port) = target.place();
    let pipeline = scenario.drive.pipeline.unwrap_or(1).max(1);
    let requests = scenario.drive.conns * REQUESTS_A_CONNECTION * pipeline.min(8);
    let mut rival = Command::new("redis-benchmark");
    rival.args(["-h", host, "-t", command, "--csv"]);
    for (flag, value) in [
        ("-p", u64::from(port)),
        ("-c", scenario.drive.conns),
        ("-P", pipeline),
        ("-d", scenario.load.value_size),
        ("-r", scenario.load.keys.get()),
        ("-n", requests),
    ] {
        rival.args([flag, &value.to_string()]);
    }
    rival.stdin(Stdio::null());
    let output = die_with_us(&mut rival).output();
    let output = output.map_err(|error| format!("redis-benchmark cannot run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    figure(&text).ok_or_else(|| format!("redis-benchmark told no figure: {text}"))
}

/// The second field of the last line: `"GET","123.45",…`.
fn figure(csv: &str) -> Option<f64> {
    csv.lines().last()?.split(',').nth(1)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_csv_is_read() {
        let csv = "\"test\",\"rps\",\"avg\"\n\"GET\",\"81234.50\",\"0.3\"\n";
        assert_eq!(figure(csv), Some(81_234.5));
        assert_eq!(figure(""), None);
    }
}

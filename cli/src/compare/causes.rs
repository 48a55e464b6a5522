//! What the slow time of a side was due to, as the report attributes it.

use std::path::PathBuf;

use stallion_compare::{CauseTime, Causes};
use stallion_report::analysis::{Analysis, analyse};
use stallion_report::evidence::label;
use stallion_report::files::timelines;

/// Over all runs of a side; empty where no probe watched, or a run cannot be attributed (a log of
/// another tool has no slow requests).
pub(super) fn of(paths: &[PathBuf]) -> Causes {
    let mut causes = Causes::default();
    for path in paths {
        let Ok(files) = timelines(std::slice::from_ref(path)) else { return Causes::default() };
        match analyse(&files) {
            Ok(analysis) if analysis.run.probed() => add(&mut causes, &analysis),
            _ => return Causes::default(),
        }
    }
    causes
}

fn add(causes: &mut Causes, analysis: &Analysis) {
    causes.answered += analysis.traffic.answered;
    for share in &analysis.total.shares {
        let class = share.cause.key().to_owned();
        let slow_ns = (share.direct_ns + share.inherited_ns) as f64;
        match causes.times.iter_mut().find(|time| time.class == class) {
            Some(time) => time.slow_ns += slow_ns,
            None => {
                let label = label(&analysis.run, share.cause, analysis.run.origin_ns, u64::MAX);
                let name = label.split(" (").next().unwrap_or_default().to_owned();
                causes.times.push(CauseTime { name, class, slow_ns });
            }
        }
    }
}

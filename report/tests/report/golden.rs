//! Files of version 0.1.0 are still reported: schema 1, as that program wrote them.

use std::path::{Path, PathBuf};

use stallion_report::{analysis, finding, join, silence};
use stallion_timeline::StallClass;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../timeline/tests/golden/v1").join(name)
}

fn timelines(name: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "jsonl")).collect()
}

#[test]
fn every_kind_of_run_of_schema_1_is_joined_and_has_its_requests() {
    for name in ["single", "cluster", "store", "probes"] {
        let run = join::join(&timelines(name)).unwrap();
        let answered: u64 = run.measured_slices().map(|slice| slice.interval.answered).sum();
        assert!(answered > 500, "{name}: {answered}");
        assert_eq!(silence::unanswered(&run), 0, "schema 1 did not count them");
    }
}

#[test]
fn a_run_with_probes_of_schema_1_names_its_disturbance() {
    let analysis = analysis::analyse(&timelines("probes")).unwrap();
    let run = &analysis.run;
    assert!(run.probed() && run.stalls.len() > 100, "{}", run.stalls.len());
    assert_eq!(run.chaos.iter().map(|chaos| chaos.action.as_str()).collect::<Vec<_>>(), ["bgsave"]);
    assert!(run.stalls.iter().any(|stall| stall.class == StallClass::Fork), "its fork");
    let told = finding::findings(&analysis);
    assert!(told.iter().any(|finding| finding.headline.contains("slow time")), "{told:?}");
}

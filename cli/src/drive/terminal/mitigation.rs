//! What was done for hot keys, in the summary.

use stallion_client::summary::mitigation::MitigationSummary;

use crate::client::{human_count, human_us};

pub(super) fn print(mitigation: &MitigationSummary) {
    let count = |name: &str| mitigation.counts.get(name).copied().unwrap_or(0);
    println!(
        "  saved    {:.1} % of the reads never reached a server ({} from memory, {} with another's \
         answer)",
        mitigation.offload * 100.0,
        human_count(count("from_memory") as f64),
        human_count(count("joined") as f64)
    );
    println!(
        "  price    {:.2} writes for each one asked for; {} of {} judged reads stale ({:.4} %), {} went \
         back in time",
        mitigation.write_amplification,
        human_count(count("stale") as f64),
        human_count(count("judged") as f64),
        mitigation.stale_share * 100.0,
        human_count(count("went_back") as f64)
    );
    if count("at_replica") + count("no_replica") > 0 {
        println!(
            "  replicas {} reads given to them, {} fell back to the primary, {} had none to go to",
            human_count(count("at_replica") as f64),
            human_count(count("fell_back") as f64),
            human_count(count("no_replica") as f64)
        );
    }
    if let Some(lag) = mitigation.replica_lag {
        println!(
            "  behind   replicas were {} bytes of writes behind (mean), {} (most), in {} looks",
            human_count(lag.mean_bytes),
            human_count(lag.max_bytes),
            lag.looks
        );
    }
    if count("stale") > 0 {
        let behind = mitigation.behind_us;
        println!(
            "  stale    a newer value had been acknowledged for {} (p50), {} (p99), {} (max)",
            human_us(behind.p50),
            human_us(behind.p99),
            human_us(behind.max)
        );
    }
    if count("invalidations") + count("flushes") > 0 {
        let lag = mitigation.invalidation_us;
        println!(
            "  told     {} changes of kept keys, p50 {}, p99 {} after the write was acknowledged; {} \
             times everything was forgotten",
            human_count(count("invalidations") as f64),
            human_us(lag.p50),
            human_us(lag.p99),
            count("flushes")
        );
    }
}

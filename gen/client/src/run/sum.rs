//! From a run's sums to its summary and verdict.

use std::net::SocketAddr;
use std::sync::Arc;

use stallion_timeline::{HostFacts, Redirects, Silence, SilenceOnAxis};

use crate::audit::host::During;
use crate::audit::link::LinkUse;
use crate::plan::{Plan, Rate, Topology};
use crate::record::merge::Merged;
use crate::record::totals::Totals;
use crate::summary::cluster::ClusterSummary;
use crate::summary::mitigation::MitigationSummary;
use crate::summary::ring::RingSummary;
use crate::summary::store::StoreSummary;
use crate::summary::{Accounting, Client, Percentiles, Summary};
use crate::verdict::{Evidence, judge};
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::measure::store::StoreSum;
use stallion_engine::workload::arrivals::Schedule;
use stallion_rings::tls::TlsFacts;
use stallion_rings::wait::WaitPolicy;
use stallion_server::Place;

/// What bears on a run besides its own figures.
#[derive(Debug)]
pub(super) struct Around {
    /// What the host did.
    pub(super) host: During,
    /// How much of the link was used.
    pub(super) link: Option<LinkUse>,
    /// What does not fit into the sockets' buffers.
    pub(super) sockets: Vec<String>,
    /// The server says that it is the null server.
    pub(super) null_server: bool,
    /// The timeline broke off.
    pub(super) timeline_cut: bool,
    /// The nodes of the cluster, if it is one.
    pub(super) cluster_map: Option<Arc<ClusterMap>>,
    /// What TLS came to.
    pub(super) tls: Option<TlsFacts>,
    /// What the first read that the store behind the cache failed failed of.
    pub(super) store_trouble: Option<String>,
}

pub(super) fn up(plan: &Plan, schedule: &Schedule, totals: &Totals, around: Around) -> Summary {
    let open = schedule.is_open();
    let measured = &totals.measured;
    let (counts, all) = (measured.counts, totals.all);
    let accounting = Accounting::of(all);
    let duration_s = totals.span_ns() as f64 / 1e9;
    let response = Percentiles::with_unanswered(measured.response_of(open), &measured.unanswered);
    let silences = totals.silences();
    let on_axis = |one: &Silence| SilenceOnAxis::of(*one, totals.origin_ns());
    let silences: Vec<SilenceOnAxis> = silences.iter().map(on_axis).collect();
    let longest = silences.iter().max_by(|a, b| a.duration_s.total_cmp(&b.duration_s)).copied();
    let mut verdict = judge(&evidence(plan, open, totals, &around, (accounting, longest)));
    verdict.warnings.extend(warnings(around.sockets, around.host.warnings, around.store_trouble));
    let per_op = |sum: u64| (sum as f64 / counts.answered.max(1) as f64 * 10.0).round() / 10.0;
    Summary {
        model: if open { "open" } else { "closed" },
        target: plan.credentials.url(&plan.target),
        host: HostFacts::of_this_host().line(),
        duration_s,
        ops: counts.answered,
        ops_per_sec: (totals.answered_in_time as f64 / duration_s.max(1e-9)).round(),
        rate_asked: match plan.rate {
            Rate::Steady(rate) => rate as f64,
            Rate::Max => 0.0,
            _ => counts.due as f64 / duration_s.max(1e-9),
        },
        response_us: response,
        service_us: Percentiles::with_any_unanswered(
            &measured.service,
            counts.timeouts + counts.lost,
        ),
        schedule_lag_us: Percentiles::of(&measured.lag),
        own_lag_us: Percentiles::of(&measured.own_lag),
        receive_delay_us: (!measured.receive_delay.is_empty())
            .then(|| Percentiles::of(&measured.receive_delay)),
        ops_by_command: measured.ops_by_name(&plan.commands),
        hits: measured.commands.iter().map(|command| command.hits).sum(),
        misses: measured.commands.iter().map(|command| command.misses).sum(),
        redirects: redirects(measured),
        unanswered: measured.unanswered.total(),
        silences,
        unsent: accounting.unsent,
        timeouts: counts.timeouts,
        lost: counts.lost,
        reconnects: measured.reconnects,
        connect_us: (!measured.connect.is_empty()).then(|| Percentiles::of(&measured.connect)),
        errors: measured.errors_by_name(),
        server_busy: totals.server_busy(),
        link: around.link,
        tls: around.tls,
        cluster: cluster_summary(plan, totals, around.cluster_map.as_deref()),
        mitigation: plan
            .mitigation
            .zip(measured.mitigation.as_deref())
            .map(|(_, sum)| MitigationSummary::of(sum, totals.replica_lag())),
        ring: ring_summary(plan, totals),
        store: store_summary(plan, totals),
        steadiness: totals.steadiness(),
        client: Client {
            cpu_ns_per_op: per_op(measured.cpu_ns),
            busy_max: totals.busy_max(),
            runqueue_share: totals.runqueue_share(),
            syscalls_per_op: measured.syscalls as f64 / counts.answered.max(1) as f64,
            rearms: measured.rearms,
        },
        accounting,
        verdict,
    }
}

/// What is to be known besides: of the sockets, the host, and the store behind the cache.
fn warnings(
    sockets: Vec<String>,
    host: Vec<String>,
    store_trouble: Option<String>,
) -> impl Iterator<Item = String> {
    let failed = |trouble| format!("the store failed reads, the first of them so: {trouble}");
    sockets.into_iter().chain(host).chain(store_trouble.map(failed))
}

/// Of a cluster all redirects, of a single server those that it answered with.
fn redirects(measured: &Merged) -> Redirects {
    let errors = measured.errors_by_name();
    let error = |name: &str| errors.get(name).copied().unwrap_or(0);
    measured.cluster.as_ref().map_or_else(
        || Redirects { moved: error("MOVED"), ask: error("ASK"), tryagain: error("TRYAGAIN") },
        |cluster| cluster.redirects(),
    )
}

fn ring_summary(plan: &Plan, totals: &Totals) -> Option<RingSummary> {
    let Topology::Ring(ring) = &plan.topology else { return None };
    let sum = totals.measured.cluster.as_deref()?;
    Some(RingSummary::of(sum, ring, &plan.key_prefix, plan.keys))
}

fn store_summary(plan: &Plan, totals: &Totals) -> Option<StoreSummary> {
    let (aside, sum) = (plan.aside.as_ref()?, totals.measured.store.as_deref());
    let nothing = StoreSum::default();
    let (get, _) = plan.aside_commands()?;
    let get = &totals.measured.commands[get.index()];
    let span_s = totals.span_ns() as f64 / 1e9;
    let found = (get.hits, get.misses);
    Some(StoreSummary::of(sum.unwrap_or(&nothing), aside.settings.servers, span_s, found))
}

fn cluster_summary(
    plan: &Plan,
    totals: &Totals,
    cluster_map: Option<&ClusterMap>,
) -> Option<ClusterSummary> {
    let (sum, cluster_map) = (totals.measured.cluster.as_deref()?, cluster_map?);
    let busy = |address: SocketAddr| {
        let (host, port) = (address.ip().to_string(), address.port());
        totals.busy_of(&plan.credentials.url(&Place::Tcp { host, port }))
    };
    Some(ClusterSummary::of(sum, &totals.outages, cluster_map, totals.origin_ns(), busy))
}

/// The figures that the verdict is made of.
fn evidence(
    plan: &Plan,
    open: bool,
    totals: &Totals,
    around: &Around,
    (accounting, silence): (Accounting, Option<SilenceOnAxis>),
) -> Evidence {
    let (measured, all) = (&totals.measured, totals.all);
    let counts = measured.counts;
    Evidence {
        open,
        due: all.due,
        unsent: accounting.unsent,
        unanswered: measured.unanswered.total(),
        silence,
        answered: counts.answered,
        failed: counts.failed,
        own_lag_p99_ns: measured.own_lag.value_at_quantile(0.99),
        receive_delay_p99_ns: measured.receive_delay.value_at_quantile(0.99),
        response_p99_ns: measured.response_of(open).value_at_quantile(0.99),
        busy_max: totals.busy_max(),
        spinning: plan.wait == WaitPolicy::Spin,
        runqueue_share: totals.runqueue_share(),
        server_busy: totals.server_busy(),
        duration_s: totals.span_ns() as f64 / 1e9,
        steal_share: around.host.steal_share,
        link_share: around.link.as_ref().and_then(LinkUse::share),
        steadiness: totals.steadiness(),
        null_server: around.null_server,
        accounted: accounting.closes(),
        dropped: u64::from(around.timeline_cut),
    }
}

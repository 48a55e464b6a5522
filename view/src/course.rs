//! What the records of a timeline add to what is known: intervals become seconds, the rest events.

use hdrhistogram::Histogram;
use stallion_timeline::histogram::{decode, empty};
use stallion_timeline::{
    Chaos, Header, Interval, OpCounts, Outage, PhaseName, ProbeStatus, Record, Role,
};

use crate::model::{Event, Kind, Model, Second};

/// The length of what becomes one point of a curve.
const SECOND_NS: u64 = 1_000_000_000;

/// Turns records of one timeline into what the model keeps.
#[derive(Debug)]
pub struct Course {
    open: bool,
    sum: Interval,
    response: Histogram<u64>,
    lag: Histogram<u64>,
    /// Busy nanoseconds of each of the client's rings.
    rings: Vec<f64>,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            open: true,
            sum: Interval::default(),
            response: empty(),
            lag: empty(),
            rings: Vec::new(),
        }
    }
}

impl Course {
    /// Takes in one record.
    pub fn record(&mut self, record: &Record, model: &mut Model) {
        match record {
            Record::Header(header) => self.header(header, model),
            Record::Phase(phase) => {
                // All phases stand before the first interval.
                if phase.name == PhaseName::Measure {
                    model.origin_ns.get_or_insert(phase.start_ns);
                }
                if !phase.label.is_empty() {
                    model.note(phase.start_ns, &format!("phase: {}", phase.label));
                }
            }
            Record::Interval(interval) => self.interval(interval, model),
            Record::Server(server) => model.server(server),
            Record::Stall(stall) => model.stall(stall),
            Record::Chaos(chaos) => model.event(disturbance(chaos)),
            Record::Outage(outage) => model.event(out(outage)),
            Record::Loss(loss) => model.lost += loss.count,
            Record::ClientLate(late) => {
                let length_us = late.end_ns.saturating_sub(late.start_ns) as f64 / 1e3;
                let text = format!("the client's ring {} did not run", late.ring);
                model.event(Event::new(late.start_ns, Kind::Client, Some(length_us), text));
            }
            Record::SlowOp(_) | Record::PeerClock(_) | Record::Footer(_) => {}
        }
    }

    fn header(&mut self, header: &Header, model: &mut Model) {
        match header.role {
            Role::Probe => {
                let active =
                    header.probes.iter().filter(|probe| probe.status == ProbeStatus::Active);
                model.watched = true;
                let text = format!("{} probes watch {}", active.count(), header.target);
                model.note(header.clock.monotonic_ns, text.trim_end());
            }
            Role::Drive => {
                *self = Self::default();
                model.restart();
                self.open = header.plan["rate"] != "max";
                let length_ns = header.plan["duration_ns"].as_u64();
                model.length_s = length_ns.map(|ns| ns as f64 / 1e9).filter(|s| *s < 1e9);
                model.doing = format!("driving {}", header.target);
            }
            Role::Load | Role::Chaos | Role::Ceiling => {}
        }
    }

    fn interval(&mut self, interval: &Interval, model: &mut Model) {
        let sum = &mut self.sum;
        if sum.end_ns == 0 {
            sum.start_ns = interval.start_ns;
        }
        sum.end_ns = interval.end_ns;
        sum.due += interval.due;
        sum.answered += interval.answered;
        sum.timeouts += interval.timeouts;
        sum.lost += interval.lost;
        sum.backlog = interval.backlog;
        for (name, counts) in &interval.ops {
            let OpCounts { ok, hits, misses, errors } = *counts;
            let known = sum.ops.entry(name.clone()).or_default();
            known.ok += ok;
            known.hits += hits;
            known.misses += misses;
            known.errors += errors;
        }
        if let Some(cluster) = &interval.cluster {
            add_cluster(sum.cluster.get_or_insert_default(), cluster);
        }
        for (text, into) in
            [(&interval.response_hdr, &mut self.response), (&interval.lag_hdr, &mut self.lag)]
        {
            // A histogram that cannot be read is a gap in a curve, and the report's to complain of.
            if let Ok(histogram) = decode(text) {
                let _ = into.add(histogram);
            }
        }
        let wall_ns = interval.end_ns.saturating_sub(interval.start_ns) as f64;
        self.rings.resize(interval.client_busy.len().max(self.rings.len()), 0.0);
        for (ring, share) in self.rings.iter_mut().zip(&interval.client_busy) {
            *ring += share * wall_ns;
        }
        if self.sum.end_ns - self.sum.start_ns >= SECOND_NS {
            model.second(self.second(model.origin_ns));
            *self = Self { open: self.open, ..Self::default() };
        }
    }

    fn second(&self, origin_ns: Option<u64>) -> Second {
        let sum = &self.sum;
        let seconds = (sum.end_ns - sum.start_ns) as f64 / 1e9;
        let all = |count: fn(&OpCounts) -> u64| sum.ops.values().map(count).sum::<u64>();
        let (hits, misses) = (all(|counts| counts.hits), all(|counts| counts.misses));
        let errors = all(|counts| counts.errors) + sum.timeouts + sum.lost;
        let us = |quantile| self.response.value_at_quantile(quantile) as f64 / 1e3;
        let cluster = sum.cluster.iter();
        Second {
            start_ns: sum.start_ns,
            end_ns: sum.end_ns,
            warmup: origin_ns.is_some_and(|origin_ns| sum.end_ns <= origin_ns),
            due_per_s: self.open.then_some(sum.due as f64 / seconds),
            answered_per_s: sum.answered as f64 / seconds,
            errors_per_s: errors as f64 / seconds,
            hit_share: (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64),
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: us(1.0),
            lag_p99_us: self.lag.value_at_quantile(0.99) as f64 / 1e3,
            backlog: sum.backlog,
            cores: self.rings.iter().map(|busy_ns| busy_ns / 1e9 / seconds).collect(),
            nodes: cluster
                .clone()
                .flat_map(|cluster| &cluster.nodes)
                .map(|node| (node.node.clone(), node.ops as f64 / seconds))
                .collect(),
            slots: cluster
                .flat_map(|cluster| &cluster.hot_slots)
                .map(|slot| (slot.slot, slot.ops as f64 / seconds))
                .collect(),
        }
    }
}

fn add_cluster(
    sum: &mut stallion_timeline::ClusterInterval,
    more: &stallion_timeline::ClusterInterval,
) {
    for node in &more.nodes {
        match sum.nodes.iter_mut().find(|known| known.node == node.node) {
            Some(known) => known.ops += node.ops,
            None => sum.nodes.push(node.clone()),
        }
    }
    for slot in &more.hot_slots {
        match sum.hot_slots.iter_mut().find(|known| known.slot == slot.slot) {
            Some(known) => known.ops += slot.ops,
            None => sum.hot_slots.push(slot.clone()),
        }
    }
    sum.hot_slots.sort_by_key(|slot| std::cmp::Reverse(slot.ops));
}

fn disturbance(chaos: &Chaos) -> Event {
    let failed = if chaos.outcome == "ok" { "" } else { chaos.outcome.as_str() };
    let length_us = chaos.end_ns.saturating_sub(chaos.begin_ns) as f64 / 1e3;
    let text = format!("{} {failed}", chaos.action).trim_end().to_owned();
    Event::new(chaos.begin_ns, Kind::Disturbance, Some(length_us), text)
}

fn out(outage: &Outage) -> Event {
    let length_us = outage.end_ns.saturating_sub(outage.start_ns) as f64 / 1e3;
    let text = format!("{} slots of {}", outage.slots, outage.node);
    Event::new(outage.start_ns, Kind::Outage, Some(length_us), text)
}

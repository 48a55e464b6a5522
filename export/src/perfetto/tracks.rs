//! What stands on which track.

use std::collections::BTreeMap;

use stallion_timeline::histogram::decode;
use stallion_timeline::{Interval, PhaseName, Record, Server, Stall, ThreadRole, Timeline};

use super::Found;
use super::lanes::{Span, Value, spread};
use super::packets::{
    CounterDescriptor, DebugAnnotation, EventType, TracePacket, TrackDescriptor, TrackEvent,
};
use crate::source::ExportError;

/// Slow requests at one moment that are shown one by one.
const REQUEST_LANES: usize = 32;

/// Lanes of every other kind: more than there are threads of a server.
const LANES: usize = 256;

/// What INFO says that is worth a curve, and its unit.
const INFO: [(&str, &str); 9] = [
    ("instantaneous_ops_per_sec", "ops/s"),
    ("connected_clients", "clients"),
    ("used_memory", "bytes"),
    ("used_memory_rss", "bytes"),
    ("mem_fragmentation_ratio", "ratio"),
    ("evicted_keys", "keys"),
    ("expired_keys", "keys"),
    ("latest_fork_usec", "us"),
    ("master_repl_offset", "bytes"),
];

/// A counter's place: its group, its name, its unit.
type Counter = (String, String, &'static str);

/// Spans and samples by track, until all are known.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    /// By group and track.
    spans: BTreeMap<(String, String), Vec<Span>>,
    samples: BTreeMap<Counter, Vec<(u64, f64)>>,
}

impl Tracks {
    /// Takes what a timeline says, with its times moved by `shift_ns`.
    pub(super) fn timeline(
        &mut self,
        timeline: &Timeline,
        shift_ns: i64,
    ) -> Result<(), ExportError> {
        let at = |time_ns: u64| time_ns.saturating_add_signed(shift_ns);
        let mut phases = Vec::new();
        for record in &timeline.records {
            match record {
                Record::Interval(interval) => self.interval(interval, &at)?,
                Record::Server(server) => self.server(server, &at),
                Record::Stall(stall) => self.stall(stall, &at),
                Record::Phase(phase) => phases.push((phase.name, &phase.label, phase.start_ns)),
                Record::Chaos(chaos) => {
                    let detail = vec![
                        ("server".to_owned(), Value::Text(chaos.target.clone())),
                        ("outcome".to_owned(), Value::Text(chaos.outcome.clone())),
                        ("detail".to_owned(), Value::Text(chaos.detail.to_string())),
                    ];
                    let (start_ns, end_ns) = (at(chaos.begin_ns), at(chaos.end_ns));
                    self.span("run", "disturbances", &chaos.action, (start_ns, end_ns), detail);
                }
                Record::SlowOp(op) => {
                    let detail = vec![
                        ("sent after ns".to_owned(), Value::Count(op.sent_ns - op.due_ns)),
                        ("key".to_owned(), Value::Count(op.key)),
                        ("slot".to_owned(), Value::Count(u64::from(op.slot))),
                        ("connection".to_owned(), Value::Count(u64::from(op.connection))),
                        ("ahead".to_owned(), Value::Count(u64::from(op.ahead))),
                    ];
                    let times = (at(op.due_ns), at(op.done_ns));
                    self.span("client", SLOW, &op.command, times, detail);
                }
                Record::ClientLate(late) => {
                    let times = (at(late.start_ns), at(late.end_ns));
                    let track = format!("ring {} late", late.ring);
                    self.span("client", &track, "did not run", times, Vec::new());
                }
                Record::Outage(outage) => {
                    let detail = vec![("slots".to_owned(), Value::Count(u64::from(outage.slots)))];
                    let times = (at(outage.start_ns), at(outage.end_ns));
                    self.span("run", "outages", &outage.node, times, detail);
                }
                Record::Header(_) | Record::Loss(_) | Record::PeerClock(_) | Record::Footer(_) => {}
            }
        }
        self.phases(&phases, timeline, &at);
        Ok(())
    }

    /// What somebody else found.
    pub(super) fn found(&mut self, found: &[Found]) {
        for Found { track, name, start_ns, end_ns, detail } in found {
            let texts = detail.iter().map(|(name, text)| (name.clone(), Value::Text(text.clone())));
            self.span("run", track, name, (*start_ns, *end_ns), texts.collect());
        }
    }

    fn span(
        &mut self,
        group: &str,
        track: &str,
        name: &str,
        (start_ns, end_ns): (u64, u64),
        detail: Vec<(String, Value)>,
    ) {
        let span = Span { name: name.to_owned(), start_ns, end_ns: end_ns.max(start_ns), detail };
        self.spans.entry((group.to_owned(), track.to_owned())).or_default().push(span);
    }

    fn sample(&mut self, group: &str, name: &str, unit: &'static str, point: (u64, f64)) {
        let place = (group.to_owned(), name.to_owned(), unit);
        self.samples.entry(place).or_default().push(point);
    }

    fn phases(
        &mut self,
        phases: &[(PhaseName, &String, u64)],
        timeline: &Timeline,
        at: &impl Fn(u64) -> u64,
    ) {
        let end_ns = timeline.footer.as_ref().map(|footer| footer.end_ns);
        for (index, (name, label, start_ns)) in phases.iter().enumerate() {
            let next_ns = phases.get(index + 1).map(|next| next.2).or(end_ns).unwrap_or(*start_ns);
            let name = match name {
                PhaseName::Fill => "fill",
                PhaseName::Warmup => "warm-up",
                PhaseName::Measure => "measure",
                PhaseName::Drain => "drain",
            };
            let name = if label.is_empty() { name } else { label.as_str() };
            self.span("run", "phases", name, (at(*start_ns), at(next_ns)), Vec::new());
        }
    }

    fn interval(
        &mut self,
        interval: &Interval,
        at: &impl Fn(u64) -> u64,
    ) -> Result<(), ExportError> {
        let start_ns = at(interval.start_ns);
        let seconds = (interval.end_ns - interval.start_ns).max(1) as f64 / 1e9;
        let response = decode(&interval.response_hdr)?;
        let lag = decode(&interval.lag_hdr)?;
        if !response.is_empty() {
            for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
                let us = response.value_at_quantile(quantile) as f64 / 1e3;
                self.sample("client", &format!("response {name}"), "us", (start_ns, us));
            }
            let us = lag.value_at_quantile(0.99) as f64 / 1e3;
            self.sample("client", "schedule lag p99", "us", (start_ns, us));
        }
        for (name, unit, value) in [
            ("due", "requests/s", interval.due as f64 / seconds),
            ("answered", "requests/s", interval.answered as f64 / seconds),
            ("in flight", "requests", interval.in_flight as f64),
            ("backlog", "requests", interval.backlog as f64),
            ("busiest core", "%", interval.client_busy_max * 100.0),
        ] {
            self.sample("client", name, unit, (start_ns, value));
        }
        let nodes = interval.cluster.iter().flat_map(|cluster| &cluster.nodes);
        for node in nodes {
            let point = (start_ns, node.ops as f64 / seconds);
            self.sample("nodes", &node.node, "requests/s", point);
        }
        Ok(())
    }

    fn server(&mut self, server: &Server, at: &impl Fn(u64) -> u64) {
        let group = format!("server {}", server.target);
        for (field, unit) in INFO {
            if let Some(value) = server.info.get(field) {
                self.sample(&group, field, unit, (at(server.at_ns), *value));
            }
        }
    }

    fn stall(&mut self, stall: &Stall, at: &impl Fn(u64) -> u64) {
        let class = serde_json::to_value(stall.class)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default();
        let thread = match stall.thread {
            ThreadRole::Main => "main thread",
            ThreadRole::Background => "background threads",
            ThreadRole::Child => "child",
        };
        let mut detail = vec![
            ("stalled ns".to_owned(), Value::Count(stall.busy_ns)),
            ("count".to_owned(), Value::Count(stall.count)),
            ("tid".to_owned(), Value::Count(u64::from(stall.tid))),
            ("what".to_owned(), Value::Text(stall.what.clone())),
        ];
        detail.extend(stall.detail.iter().map(|(name, value)| (name.clone(), Value::Real(*value))));
        let server = if stall.port == 0 { stall.pid } else { u32::from(stall.port) };
        let name =
            if stall.what.is_empty() { class.clone() } else { format!("{class}: {}", stall.what) };
        let times = (at(stall.start_ns), at(stall.end_ns));
        self.span(
            &format!("stalls of {server}"),
            &format!("{thread}: {class}"),
            &name,
            times,
            detail,
        );
    }

    /// Everything as packets, and how many slow requests found no lane.
    pub(super) fn packets(self) -> (Vec<TracePacket>, u64) {
        let mut sheet = Sheet::default();
        let mut left_out = 0;
        for ((group, track), spans) in self.spans {
            let most = if track == SLOW { REQUEST_LANES } else { LANES };
            let (lanes, without) = spread(spans, most);
            left_out += without;
            for lane in lanes {
                let uuid = sheet.track(&group, &track, None);
                lane.into_iter().for_each(|span| sheet.span(uuid, span));
            }
        }
        for ((group, name, unit), samples) in self.samples {
            let uuid = sheet.track(&group, &name, Some(unit));
            samples.into_iter().for_each(|(at_ns, value)| sheet.sample(uuid, at_ns, value));
        }
        // Begin and end of spans interleave: a reader takes them in the order of time, and the sort
        // is stable, so that an end stays before the begin of the same time.
        sheet.events.sort_by_key(|packet| packet.timestamp);
        sheet.descriptors.append(&mut sheet.events);
        (sheet.descriptors, left_out)
    }
}

const SLOW: &str = "slow requests";

/// Packets as they are made.
#[derive(Debug, Default)]
struct Sheet {
    groups: BTreeMap<String, u64>,
    tracks: u64,
    descriptors: Vec<TracePacket>,
    events: Vec<TracePacket>,
}

impl Sheet {
    /// A track of its own below its group's.
    fn track(&mut self, group: &str, name: &str, unit: Option<&str>) -> u64 {
        let parent = match self.groups.get(group) {
            Some(parent) => *parent,
            None => {
                let uuid = self.describe(group, None, None);
                self.groups.insert(group.to_owned(), uuid);
                uuid
            }
        };
        self.describe(name, Some(parent), unit)
    }

    fn describe(&mut self, name: &str, parent_uuid: Option<u64>, unit: Option<&str>) -> u64 {
        self.tracks += 1;
        let counter = unit.map(|unit| CounterDescriptor { unit_name: unit.to_owned() });
        let track_descriptor = Some(TrackDescriptor {
            uuid: self.tracks,
            name: name.to_owned(),
            parent_uuid,
            counter,
        });
        self.descriptors.push(TracePacket { track_descriptor, ..packet(None) });
        self.tracks
    }

    fn span(&mut self, track_uuid: u64, span: Span) {
        let begin = TrackEvent {
            debug_annotations: span.detail.into_iter().map(annotation).collect(),
            r#type: EventType::SliceBegin as i32,
            track_uuid,
            name: Some(span.name),
            double_counter_value: None,
        };
        let end =
            TrackEvent { r#type: EventType::SliceEnd as i32, track_uuid, ..TrackEvent::default() };
        for (at_ns, event) in [(span.start_ns, begin), (span.end_ns, end)] {
            self.events.push(TracePacket { track_event: Some(event), ..packet(Some(at_ns)) });
        }
    }

    fn sample(&mut self, track_uuid: u64, at_ns: u64, value: f64) {
        let event = TrackEvent {
            r#type: EventType::Counter as i32,
            track_uuid,
            double_counter_value: Some(value),
            ..TrackEvent::default()
        };
        self.events.push(TracePacket { track_event: Some(event), ..packet(Some(at_ns)) });
    }
}

/// An empty packet of the one sequence that there is.
fn packet(timestamp: Option<u64>) -> TracePacket {
    TracePacket { timestamp, trusted_packet_sequence_id: 1, ..TracePacket::default() }
}

fn annotation((name, value): (String, Value)) -> DebugAnnotation {
    let mut annotation = DebugAnnotation { name, ..DebugAnnotation::default() };
    match value {
        Value::Count(count) => annotation.uint_value = Some(count),
        Value::Real(real) => annotation.double_value = Some(real),
        Value::Text(text) => annotation.string_value = Some(text),
    }
    annotation
}

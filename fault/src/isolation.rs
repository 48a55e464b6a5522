//! A primary of a cluster that is alone for a while: its own clients go on to write to it, the others
//! elect its successor, and what it wrote alone is discarded when it comes back.

use std::time::{Duration, Instant};

use redis::Connection;
use serde_json::json;
use stallion_server::ask::cluster_nodes;
use stallion_server::cluster_nodes::ClusterNode;
use stallion_server::info::Info;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::Detail;
use crate::tracked_writes::TrackedWrites;

const WRITE_EVERY: Duration = Duration::from_millis(2);
/// How long it may take to become a replica of its successor.
const BACK_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Tags that are tried until one is of a slot of the primary; with a sixth of all slots the chance
/// that none is found is below 1e-15.
const TAGS: u32 = 200;

/// Cuts the node of the endpoint off, lets it be written to, and joins it again.
pub(crate) fn isolate(endpoint: &mut Endpoint, lasts: Duration) -> Result<Detail, FaultError> {
    let id: String = redis::cmd("CLUSTER").arg("MYID").query(&mut endpoint.connection)?;
    let all = cluster_nodes(&mut endpoint.connection)?;
    let own = all.iter().find(|node| node.id == id).cloned();
    let own = own.filter(|own| own.is_primary && own.slot_count() > 0).ok_or_else(|| {
        FaultError::Failed(format!("{} is no primary that serves slots", endpoint.target))
    })?;
    let witness = all.iter().find(|one| one.id != id && one.is_primary && !one.has_failed);
    let witness = witness.ok_or_else(|| {
        FaultError::Failed("no other primary is there to elect a successor".to_owned())
    })?;
    let (tag, slot) = tag_of(&mut endpoint.connection, &own)?;
    let mut split = Split {
        id,
        slot,
        tag,
        majority: endpoint.target.beside(&witness.host, witness.port).connect()?,
        story: Story::begin(),
    };
    split.story.epochs("before", &mut endpoint.connection, &mut split.majority)?;
    let (links, node) = (endpoint.links.clone(), node_of(endpoint, &own)?);
    links.isolate(node, true);
    split.story.tell("the primary is alone".to_owned());
    let parted = split.apart(endpoint, lasts);
    links.isolate(node, false);
    split.story.tell("the links are whole again".to_owned());
    let parted = parted?;
    let healed = split.heal(endpoint)?;
    split.count(endpoint, parted, healed)
}

/// The number of the node whose link has this port.
fn node_of(endpoint: &Endpoint, own: &ClusterNode) -> Result<usize, FaultError> {
    let found = endpoint.links.nodes.iter().position(|links| links.clients.port() == own.port);
    found.ok_or_else(|| FaultError::Failed("the node's links are not ours".to_owned()))
}

/// A hash tag whose slot is of a node.
fn tag_of(connection: &mut Connection, own: &ClusterNode) -> Result<(String, u16), FaultError> {
    for number in 0..TAGS {
        let tag = format!("{{split{number}}}");
        let slot: u16 = redis::cmd("CLUSTER").arg("KEYSLOT").arg(&tag).query(connection)?;
        if own.serves(slot) {
            return Ok((tag, slot));
        }
    }
    Err(FaultError::Failed(format!("none of {TAGS} tags is of a slot of the primary")))
}

struct Split {
    id: String,
    slot: u16,
    tag: String,
    majority: Connection,
    story: Story,
}

/// What was written while they were apart.
struct Parted {
    alone: TrackedWrites,
    successors: TrackedWrites,
    /// When the isolated one refused for the first time, from the cut.
    stopped: Option<Duration>,
    failed: Option<Duration>,
    promoted: Option<Duration>,
    /// Bytes that its stream of replication grew by.
    offset_bytes: i64,
}

impl Split {
    /// Writes on both sides, and looks on from that of the majority.
    fn apart(&mut self, endpoint: &mut Endpoint, lasts: Duration) -> Result<Parted, FaultError> {
        let offset = |connection: &mut Connection| -> Result<i64, FaultError> {
            let info = Info::ask(connection, "replication")?;
            Ok(info.number("master_repl_offset").unwrap_or(0))
        };
        let before = offset(&mut endpoint.connection)?;
        let mut parted = Parted {
            alone: TrackedWrites::new(format!("{}:alone", self.tag)),
            successors: TrackedWrites::new(format!("{}:successor", self.tag)),
            stopped: None,
            failed: None,
            promoted: None,
            offset_bytes: 0,
        };
        let mut successor: Option<Connection> = None;
        let (start, mut looked) = (Instant::now(), Instant::now());
        while start.elapsed() < lasts {
            if !parted.alone.write(&mut endpoint.connection, None) && parted.stopped.is_none() {
                parted.stopped = Some(start.elapsed());
                self.story.tell("the isolated primary refuses writes (CLUSTERDOWN)".to_owned());
            }
            if let Some(connection) = &mut successor {
                parted.successors.write(connection, None);
            } else if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                successor = self.look(endpoint, &mut parted, start)?;
            }
            endpoint.wait(WRITE_EVERY)?;
        }
        parted.offset_bytes = offset(&mut endpoint.connection)? - before;
        let Self { story, majority, .. } = self;
        story.epochs("while apart", &mut endpoint.connection, majority)?;
        Ok(parted)
    }

    /// A connection to the successor once the majority has one.
    fn look(
        &mut self,
        endpoint: &Endpoint,
        parted: &mut Parted,
        start: Instant,
    ) -> Result<Option<Connection>, FaultError> {
        let all = cluster_nodes(&mut self.majority)?;
        let isolated = all.iter().find(|node| node.id == self.id);
        if isolated.is_some_and(|one| one.is_down) && parted.failed.is_none() {
            parted.failed = Some(start.elapsed());
            self.story.tell("the majority agrees that it has failed".to_owned());
        }
        let heir = all.iter().find(|one| one.id != self.id && one.serves(self.slot));
        let Some(heir) = heir else { return Ok(None) };
        parted.promoted = Some(start.elapsed());
        self.story.tell("its replica has won the election, and serves its slots".to_owned());
        Ok(Some(endpoint.target.beside(&heir.host, heir.port).connect()?))
    }

    /// Waits until the isolated one follows its successor; gives how long that took, and a connection to
    /// whoever serves the slot.
    fn heal(&mut self, endpoint: &mut Endpoint) -> Result<(Duration, Connection), FaultError> {
        let start = Instant::now();
        loop {
            let info = Info::ask(&mut endpoint.connection, "replication")?;
            if info.text("role") == "slave" && info.text("master_link_status") == "up" {
                break;
            }
            if start.elapsed() > BACK_WITHIN {
                let text = format!("the old primary follows nobody after {BACK_WITHIN:?}");
                return Err(FaultError::Failed(text));
            }
            endpoint.wait(LOOK_EVERY)?;
        }
        let took = start.elapsed();
        self.story.tell("the old primary is a replica of its successor".to_owned());
        let Self { story, majority, .. } = self;
        story.epochs("after", &mut endpoint.connection, majority)?;
        let all = cluster_nodes(&mut self.majority)?;
        let owner = all.iter().find(|node| node.is_primary && node.serves(self.slot));
        let owner = owner
            .ok_or_else(|| FaultError::Failed(format!("nobody serves the slot {}", self.slot)))?;
        Ok((took, endpoint.target.beside(&owner.host, owner.port).connect()?))
    }

    fn count(
        self,
        endpoint: &Endpoint,
        parted: Parted,
        (healed, mut owner): (Duration, Connection),
    ) -> Result<Detail, FaultError> {
        endpoint.wait(Duration::ZERO)?;
        let alone = parted.alone.missing(&mut owner)?;
        let successors = parted.successors.missing(&mut owner)?;
        parted.alone.remove(&mut owner)?;
        parted.successors.remove(&mut owner)?;
        let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        let mut detail = Detail::from_iter([
            ("by".to_owned(), json!("relays")),
            ("alone_acknowledged".to_owned(), json!(parted.alone.acknowledged())),
            ("alone_refused".to_owned(), json!(parted.alone.refused())),
            ("alone_lost".to_owned(), json!(alone.acknowledged)),
            ("alone_lost_bytes".to_owned(), json!(alone.bytes)),
            ("alone_offset_bytes".to_owned(), json!(parted.offset_bytes)),
            ("successor_acknowledged".to_owned(), json!(parted.successors.acknowledged())),
            ("successor_lost".to_owned(), json!(successors.acknowledged)),
            ("stopped_ms".to_owned(), json!(ms(parted.stopped))),
            ("failed_ms".to_owned(), json!(ms(parted.failed))),
            ("promoted_ms".to_owned(), json!(ms(parted.promoted))),
            ("healed_ms".to_owned(), json!(healed.as_secs_f64() * 1e3)),
        ]);
        detail.extend(self.story.detail());
        Ok(detail)
    }
}

/// What happened when, with the epochs.
struct Story {
    start: Instant,
    lines: Vec<String>,
    figures: Detail,
}

impl Story {
    fn begin() -> Self {
        Self { start: Instant::now(), lines: Vec::new(), figures: Detail::new() }
    }

    fn tell(&mut self, what: String) {
        self.lines.push(format!("{} ms: {what}", self.start.elapsed().as_millis()));
    }

    /// The cluster's epoch and the node's own, by the isolated one and by a primary of the majority.
    fn epochs(
        &mut self,
        when: &str,
        alone: &mut Connection,
        majority: &mut Connection,
    ) -> Result<(), FaultError> {
        for (who, connection) in [("alone", alone), ("majority", majority)] {
            let text: String = redis::cmd("CLUSTER").arg("INFO").query(connection)?;
            let info = Info::parse(&text);
            let current = info.number("cluster_current_epoch");
            let own = info.number("cluster_my_epoch");
            let name = format!("{who}_epoch_{}", when.replace(' ', "_"));
            self.figures.insert(name, json!(current));
            let (current, own) = (current.unwrap_or(0), own.unwrap_or(0));
            self.tell(format!("{when}, {who}: current epoch {current}, own {own}"));
        }
        Ok(())
    }

    fn detail(self) -> Detail {
        let mut detail = self.figures;
        detail.insert("story".to_owned(), json!(self.lines.join("; ")));
        detail
    }
}

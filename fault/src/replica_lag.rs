//! `replica-lag`: how far each replica is behind its primary, in time and in bytes, by values that are
//! written for it and by the servers' own offsets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, RedisResult};
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::failover::replicas;
use crate::fault::{Detail, Fault};
use stallion_server::Target;
use stallion_server::duration;
use stallion_server::info::Info;

const KEY: &str = "stallion:lag";
/// Between two marks.
const MARK_EVERY: Duration = Duration::from_millis(5);
const LOOK_EVERY: Duration = Duration::from_micros(500);
/// How long a replica may take to have everything once nothing is marked any more.
const IN_STEP_WITHIN: Duration = Duration::from_secs(10);
/// Replicas of replicas of …
const DEEPEST: u32 = 8;

/// Write marks at the primary, and measure when each replica has them and by how many bytes it is behind
#[derive(Debug, clap::Args)]
pub(crate) struct ReplicaLag {
    /// How long to write
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for ReplicaLag {
    fn destructive(&self) -> bool {
        false
    }

    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let all = tree(&endpoint.target)?;
        if all.is_empty() {
            return Err(FaultError::Failed(format!("{} has no replica", endpoint.target)));
        }
        let seen = watch(endpoint, &all, self.lasts);
        redis::cmd("UNLINK").arg(KEY).query::<()>(&mut endpoint.connection)?;
        let seen = seen?;
        let mut detail = Detail::from_iter([("replicas".to_owned(), json!(all.len()))]);
        let deepest = all.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
        for depth in 1..=deepest {
            let mut there = Seen::default();
            for (_, one) in all.iter().zip(&seen).filter(|((at, _), _)| *at == depth) {
                there.add(one);
            }
            detail.insert(format!("depth_{depth}"), there.detail());
        }
        let mut whole = Seen::default();
        seen.iter().for_each(|one| whole.add(one));
        detail.insert("all".to_owned(), whole.detail());
        Ok(detail)
    }
}

/// All replicas below a server with their depth, those of the server itself first.
fn tree(server: &Target) -> Result<Vec<(u32, Target)>, FaultError> {
    let (mut all, mut next) = (Vec::new(), vec![server.clone()]);
    for depth in 1..=DEEPEST {
        let mut below = Vec::new();
        for parent in &next {
            let info = Info::ask(&mut parent.connect()?, "replication")?;
            below.extend(replicas(&info).iter().map(|(host, port)| server.beside(host, *port)));
        }
        all.extend(below.iter().map(|target| (depth, target.clone())));
        next = below;
    }
    Ok(all)
}

/// What a replica showed.
#[derive(Debug, Default)]
struct Seen {
    lags_us: Vec<u64>,
    behind_bytes: Vec<i64>,
    /// Reads that were sent after a mark was acknowledged, and those of them without it.
    reads: u64,
    stale: u64,
    /// Bytes and marks that were missing in the end.
    left_bytes: i64,
    left_marks: u64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.lags_us.extend_from_slice(&other.lags_us);
        self.behind_bytes.extend_from_slice(&other.behind_bytes);
        self.reads += other.reads;
        self.stale += other.stale;
        self.left_bytes += other.left_bytes;
        self.left_marks += other.left_marks;
    }

    fn detail(&self) -> serde_json::Value {
        let mut lags = self.lags_us.clone();
        let mut bytes = self.behind_bytes.clone();
        lags.sort_unstable();
        bytes.sort_unstable();
        let ms = |share: f64| at(&lags, share).map(|us| *us as f64 / 1e3);
        json!({
            "marks": lags.len(),
            "lag_p50_ms": ms(0.5), "lag_p99_ms": ms(0.99), "lag_max_ms": ms(1.0),
            "behind_p50_bytes": at(&bytes, 0.5), "behind_p99_bytes": at(&bytes, 0.99),
            "behind_max_bytes": bytes.last(),
            "stale_share": self.stale as f64 / self.reads.max(1) as f64,
            "left_bytes": self.left_bytes, "left_marks": self.left_marks,
        })
    }
}

fn at<T>(sorted: &[T], share: f64) -> Option<&T> {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1)))
}

/// The marks as they are acknowledged: the number of each is its place.
type Marks = std::sync::Mutex<Vec<Instant>>;

fn watch(
    endpoint: &mut Endpoint,
    all: &[(u32, Target)],
    lasts: Duration,
) -> Result<Vec<Seen>, FaultError> {
    let (marks, over) = (Marks::default(), AtomicBool::new(false));
    let primary = endpoint.target.clone();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (_, replica) in all {
            let (marks, over, primary) = (&marks, &over, &primary);
            threads.push(scope.spawn(move || follow(replica, primary, marks, over)));
        }
        let marked = mark(endpoint, &marks, lasts);
        over.store(true, Ordering::Relaxed);
        let gone = || FaultError::Failed("a reader's thread ended by itself".to_owned());
        let seen: Result<Vec<Seen>, FaultError> =
            threads.into_iter().map(|thread| thread.join().map_err(|_| gone())?).collect();
        marked?;
        seen
    })
}

fn mark(endpoint: &mut Endpoint, marks: &Marks, lasts: Duration) -> Result<(), FaultError> {
    let start = Instant::now();
    let mut number = 0_u64;
    while start.elapsed() < lasts {
        number += 1;
        redis::cmd("SET").arg(KEY).arg(number).query::<()>(&mut endpoint.connection)?;
        lock(marks).push(Instant::now());
        endpoint.wait(MARK_EVERY)?;
    }
    Ok(())
}

fn lock(marks: &Marks) -> std::sync::MutexGuard<'_, Vec<Instant>> {
    marks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Reads a replica until it has every mark after the last one was written, or does not get it.
fn follow(
    replica: &Target,
    primary: &Target,
    marks: &Marks,
    over: &AtomicBool,
) -> Result<Seen, FaultError> {
    let (mut here, mut there) = (replica.connect()?, primary.connect()?);
    let mut seen = Seen::default();
    let (mut known, mut ended, mut rounds) = (0_u64, None, 0_u32);
    loop {
        let acknowledged = lock(marks).len() as u64;
        let value = read(&mut here)?;
        let now = Instant::now();
        seen.reads += u64::from(acknowledged > 0);
        seen.stale += u64::from(value < acknowledged);
        let times = lock(marks);
        for number in known..value {
            // A mark that a replica has before its acknowledgement was read is not late.
            let lag = times.get(number as usize).map(|at| now.saturating_duration_since(*at));
            seen.lags_us.push(lag.unwrap_or_default().as_micros() as u64);
        }
        drop(times);
        known = known.max(value);
        rounds += 1;
        if rounds % 16 == 0 {
            seen.behind_bytes.push(behind(&mut there, &mut here)?);
        }
        if over.load(Ordering::Relaxed) {
            let since = *ended.get_or_insert(now);
            if known >= lock(marks).len() as u64 || since.elapsed() > IN_STEP_WITHIN {
                break;
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    seen.left_marks = (lock(marks).len() as u64).saturating_sub(known);
    seen.left_bytes = settled(&mut there, &mut here)?;
    Ok(seen)
}

fn read(connection: &mut Connection) -> RedisResult<u64> {
    let value: Option<u64> = redis::cmd("GET").arg(KEY).query(connection)?;
    Ok(value.unwrap_or(0))
}

/// By how much the replica's offset is behind the primary's, which is asked first.
fn behind(primary: &mut Connection, replica: &mut Connection) -> RedisResult<i64> {
    let there = Info::ask(primary, "replication")?.number("master_repl_offset").unwrap_or(0);
    let here = Info::ask(replica, "replication")?.number("slave_repl_offset").unwrap_or(0);
    Ok((there - here).max(0))
}

/// The same once nothing is on its way: the load of others goes on, so that it is the least of some.
fn settled(primary: &mut Connection, replica: &mut Connection) -> RedisResult<i64> {
    let mut least = behind(primary, replica)?;
    for _ in 0..100 {
        if least == 0 {
            break;
        }
        thread::sleep(MARK_EVERY);
        least = least.min(behind(primary, replica)?);
    }
    Ok(least)
}

//! A real PostgreSQL as the store behind the cache: a thread with a bounded pool of connections, each
//! with the query prepared, asks what the workers want to know.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

use super::refused::StartError;
use crate::plan::postgres::PostgresPlan;
use stallion_engine::store::remote::{Bell, Counter, Remote};
use stallion_engine::store::{Asked, Fetched};
use stallion_resp::encoder::key_text;
use stallion_resp::units::KeyId;
use stallion_resp::values::Values;

/// How long a connection may take to open and prepare its query.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause before a connection that was lost is opened again.
const PAUSE: Duration = Duration::from_millis(200);

/// The table that `--store-fill` makes, and that is read without a `--store-query`.
const TABLE: &str = "stallion_store";

/// What the pool must know of a run.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Where the store is, and what it is asked.
    pub plan: &'a PostgresPlan,
    /// Connections.
    pub servers: usize,
    /// Reads that may wait for them.
    pub queue: usize,
    /// Shards that ask.
    pub workers: usize,
    /// What stands before a key's digits.
    pub key_prefix: &'a str,
    /// Keys of the run.
    pub keys: u64,
    /// What they are filled with.
    pub values: &'a Values,
}

/// The pool, which ends with its value.
#[derive(Debug)]
pub struct Postgres {
    remotes: Mutex<Vec<Option<Remote>>>,
    shared: Arc<Shared>,
    bell: Bell,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    asleep: AtomicBool,
    stop: AtomicBool,
    /// What the first read that failed failed of.
    trouble: Mutex<Option<String>>,
}

impl Shared {
    fn note(&self, trouble: impl FnOnce() -> String) {
        let mut first = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            *first = Some(trouble());
        }
    }
}

impl Postgres {
    /// Opens all connections and prepares the query on each; fills the table first, if that is asked.
    ///
    /// # Errors
    /// [`StartError::Store`] in the database's own words; never with a password.
    pub fn open(wanted: &Wanted<'_>) -> Result<Self, StartError> {
        let plan = wanted.plan.clone();
        let refused = |reason: String| StartError::Store {
            place: plan.place.clone(),
            remedy: remedy(&reason),
            reason,
        };
        let pair = UnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            Ok((ours, theirs))
        });
        let (ours, theirs) = pair.map_err(|error| refused(error.to_string()))?;
        let shared = Arc::new(Shared::default());
        let asleep = Arc::clone(&shared);
        let bell = Bell::new(move || {
            if asleep.asleep.swap(false, Ordering::AcqRel) {
                // It fails only when it is full, and then it is heard.
                let _ = (&ours).write(&[1]);
            }
        });
        let (mut remotes, mut counters) = (Vec::new(), Vec::new());
        let inside = Arc::default();
        for _ in 0..wanted.workers {
            let most = wanted.servers + wanted.queue;
            let (remote, counter) = Remote::new(Arc::clone(&inside), most, bell.clone());
            remotes.push(Some(remote));
            counters.push(counter);
        }
        let (opened, ready) = channel();
        let pool = Pool::new(wanted, counters, Arc::clone(&shared));
        let filling = wanted.plan.fill.then(|| (wanted.keys, wanted.values.clone()));
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || pool.work(theirs, filling, &opened))
            .map_err(StartError::Thread)?;
        ready.recv().unwrap_or_else(|_| Err("its thread ended".to_owned())).map_err(refused)?;
        Ok(Self { remotes: Mutex::new(remotes), shared, bell, thread: Some(thread) })
    }

    /// The store as one worker sees it; each can be had once.
    #[must_use]
    pub fn of_worker(&self, worker: usize) -> Option<Remote> {
        let mut remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        remotes.get_mut(worker)?.take()
    }

    /// What the first read that failed failed of.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.asleep.store(true, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A connection with its query.
struct Line {
    client: Client,
    query: Statement,
    /// The query wants the number of a key and not its name.
    by_number: bool,
}

impl Line {
    async fn open(config: &Config, query: &str) -> Result<Self, String> {
        let client = connect(config).await?;
        let query = client.prepare(query).await.map_err(words)?;
        let by_number = match query.params() {
            [Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME] => false,
            [Type::INT8] => true,
            other => {
                let types: Vec<&str> = other.iter().map(Type::name).collect();
                return Err(format!(
                    "the query wants ({}) and is given one key: its name as text, or its number as \
                     bigint ($1::bigint)",
                    types.join(", ")
                ));
            }
        };
        Ok(Self { client, query, by_number })
    }

    /// Whether the store knows a key.
    async fn read(&self, prefix: &str, key: KeyId) -> Result<bool, Error> {
        let (name, number) = (key_text(prefix, key), key.0 as i64);
        let key: &(dyn ToSql + Sync) = if self.by_number { &number } else { &name };
        Ok(!self.client.query(&self.query, &[key]).await?.is_empty())
    }
}

async fn connect(config: &Config) -> Result<Client, String> {
    let opening = timeout(PATIENCE, config.connect(NoTls)).await;
    let (client, connection) =
        opening.map_err(|_| format!("no answer in {PATIENCE:?}"))?.map_err(words)?;
    // It ends when the client is dropped, or the server is gone, which the client tells.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// An error with its causes: the library keeps the server's words in them.
fn words(error: Error) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn remedy(reason: &str) -> &'static str {
    if reason.contains(TABLE) {
        "write it with --store-fill, or give a query of your own with --store-query"
    } else if reason.contains("password") || reason.contains("authentication") {
        "give user and password in the address, or the password as PGPASSWORD in the environment"
    } else if reason.contains("TLS") {
        "TLS to a store is not supported: sslmode=disable, or a tunnel"
    } else if reason.contains("too many") || reason.contains("remaining connection slots") {
        "lower --store-servers, or raise its max_connections"
    } else {
        "try the same address with `psql`"
    }
}

/// What became of a connection that had work.
enum Done {
    Answered { line: Line, worker: usize, fetched: Fetched },
    Opened(Line),
}

struct Pool {
    config: Config,
    query: String,
    prefix: Arc<str>,
    servers: usize,
    counters: Vec<Counter>,
    /// Whose question is looked for first: each in turn.
    turn: usize,
    idle: Vec<Line>,
    busy: JoinSet<Done>,
    shared: Arc<Shared>,
}

impl Pool {
    fn new(wanted: &Wanted<'_>, counters: Vec<Counter>, shared: Arc<Shared>) -> Self {
        Self {
            config: Config::clone(&wanted.plan.config),
            query: wanted
                .plan
                .query
                .clone()
                .unwrap_or_else(|| format!("SELECT value FROM {TABLE} WHERE key = $1")),
            prefix: wanted.key_prefix.into(),
            servers: wanted.servers,
            counters,
            turn: 0,
            idle: Vec::new(),
            busy: JoinSet::new(),
            shared,
        }
    }

    fn work(
        mut self,
        bell: UnixStream,
        filling: Option<(u64, Values)>,
        opened: &Sender<Result<(), String>>,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = opened.send(Err(error.to_string()));
                return;
            }
        };
        runtime.block_on(async {
            match self.open(bell, filling).await {
                Ok(bell) => {
                    let _ = opened.send(Ok(()));
                    self.serve(&bell).await;
                }
                Err(reason) => drop(opened.send(Err(reason))),
            }
        });
    }

    async fn open(
        &mut self,
        bell: UnixStream,
        filling: Option<(u64, Values)>,
    ) -> Result<tokio::net::UnixStream, String> {
        if let Some((keys, values)) = filling {
            fill(&self.config, &self.prefix, keys, &values).await?;
        }
        for _ in 0..self.servers {
            self.idle.push(Line::open(&self.config, &self.query).await?);
        }
        tokio::net::UnixStream::from_std(bell).map_err(|error| error.to_string())
    }

    /// Asks and answers until it is stopped.
    async fn serve(&mut self, bell: &tokio::net::UnixStream) {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.shared.asleep.store(true, Ordering::Release);
            // Whatever is asked from here on rings.
            self.begin();
            tokio::select! {
                done = self.busy.join_next(), if !self.busy.is_empty() => self.take(done),
                _ = bell.readable() => {
                    let _ = bell.try_read(&mut [0; 64]);
                }
            }
        }
        self.busy.abort_all();
    }

    /// Gives what is asked to connections that are idle.
    fn begin(&mut self) {
        while !self.idle.is_empty() {
            let Some((worker, asked)) = self.next_asked() else { return };
            let Some(line) = self.idle.pop() else { return };
            let (prefix, shared) = (Arc::clone(&self.prefix), Arc::clone(&self.shared));
            self.busy.spawn(async move {
                let begun = Instant::now();
                let ok = match line.read(&prefix, asked.key).await {
                    Ok(true) => true,
                    Ok(false) => {
                        shared.note(|| format!("no row for {}", key_text(&prefix, asked.key)));
                        false
                    }
                    Err(error) => {
                        shared.note(|| words(error));
                        false
                    }
                };
                let busy_ns = begun.elapsed().as_nanos() as u64;
                Done::Answered { line, worker, fetched: Fetched { asked, busy_ns, ok } }
            });
        }
    }

    fn next_asked(&mut self) -> Option<(usize, Asked)> {
        let count = self.counters.len();
        let found = (0..count).map(|step| (self.turn + step) % count).find_map(|worker| {
            let asked = self.counters[worker].asked.pop().ok()?;
            Some((worker, asked))
        });
        self.turn = found.map_or(self.turn, |(worker, _)| (worker + 1) % count);
        found
    }

    fn take(&mut self, done: Option<Result<Done, tokio::task::JoinError>>) {
        match done {
            Some(Ok(Done::Answered { line, worker, fetched })) => {
                // There is room: a worker has no more outstanding than that.
                let _ = self.counters[worker].answers.push(fetched);
                if line.client.is_closed() {
                    self.reopen();
                } else {
                    self.idle.push(line);
                }
            }
            Some(Ok(Done::Opened(line))) => self.idle.push(line),
            // A task neither panics nor is aborted before the end.
            Some(Err(_)) | None => {}
        }
    }

    /// A connection was lost: another one takes its place as soon as the store lets it.
    fn reopen(&mut self) {
        let (config, query) = (self.config.clone(), self.query.clone());
        self.busy.spawn(async move {
            loop {
                sleep(PAUSE).await;
                if let Ok(line) = Line::open(&config, &query).await {
                    return Done::Opened(line);
                }
            }
        });
    }
}

/// Makes the table anew, with every key of a run.
async fn fill(config: &Config, prefix: &str, keys: u64, values: &Values) -> Result<(), String> {
    let client = connect(config).await?;
    let make = format!(
        "DROP TABLE IF EXISTS {TABLE}; \
         CREATE TABLE {TABLE} (key text PRIMARY KEY, value bytea NOT NULL)"
    );
    client.batch_execute(&make).await.map_err(words)?;
    let copy = format!("COPY {TABLE} (key, value) FROM STDIN BINARY");
    let sink = client.copy_in(&copy).await.map_err(words)?;
    let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &[Type::TEXT, Type::BYTEA]));
    for key in (0..keys).map(KeyId) {
        let name = key_text(prefix, key);
        let mut value = vec![0; values.size_of(key)];
        values.write(key, &mut value);
        writer.as_mut().write(&[&name, &value]).await.map_err(words)?;
    }
    writer.finish().await.map_err(words)?;
    client.batch_execute(&format!("ANALYZE {TABLE}")).await.map_err(words)
}

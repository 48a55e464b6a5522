//! The flags that `drive` and `load` share, the stop flag, and lines on the terminal.

mod choices;

mod read;

mod mix;

mod mitigation;

mod aside;

mod topology;

mod tls;

mod words;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use stallion_client::plan;
use stallion_client::plan::{Credentials, Distribution, Plan, Rate, Spread, Target};
use stallion_client::run::RunError;
use stallion_engine::workload::mix::Ttl;
use stallion_resp::sizes::Sizes;

pub(crate) use choices::{Io, ValueContent, Wait};
pub(crate) use read::{CoreList, cores, duration, socket_address};
pub(crate) use stallion_view::words::{human_count, human_us};
pub(crate) use tls::Tls;
pub(crate) use words::{error_lines, write_json};

use read::{bits_per_s, shares, ttl_range};

use crate::exit::Failure;

/// Which server, and who to be there.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Server, as redis://[user:password@]host[:port], rediss:// for TLS, or unix:///path; `drive`
    /// also takes null, the null server, which it starts itself
    #[arg(long, value_name = "URL", conflicts_with_all = ["host", "port", "user", "pass"])]
    pub(crate) target: Option<String>,
    /// Host of the server
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port of the server
    #[arg(short, long, default_value_t = 6379)]
    pub(crate) port: u16,
    /// User name (ACL)
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Password; REDISCLI_AUTH in the environment hides it from `ps`
    #[arg(short = 'a', long)]
    pass: Option<String>,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Place {
    /// The password of --host and --port: the flag's, or the environment's. (A flag that clap reads
    /// from the environment itself counts as given, and would conflict with --target.)
    pub(crate) fn password(&self) -> Option<String> {
        self.pass.clone().or_else(|| std::env::var("REDISCLI_AUTH").ok())
    }

    /// The same server, for those who ask it questions instead of driving it.
    pub(crate) fn lab_target(&self) -> Result<stallion_server::Target, Failure> {
        let target = match &self.target {
            Some(url) => stallion_server::Target::parse(url).map_err(Failure::usage)?,
            None => {
                let (user, password) = (self.user.as_deref(), self.password());
                stallion_server::Target::tcp(&self.host, self.port, user, password.as_deref())
            }
        };
        Ok(match self.tls.lab(self.asks_for_tls())? {
            Some(tls) => target.by_tls(&tls),
            None => target,
        })
    }

    /// Whether the address asks for TLS.
    pub(crate) fn asks_for_tls(&self) -> bool {
        self.target.as_deref().is_some_and(Target::wants_tls)
    }
}

/// The server, and how to speak to it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Server {
    #[command(flatten)]
    place: Place,
    /// Speak RESP3 (HELLO 3) instead of RESP2
    #[arg(long)]
    pub(crate) resp3: bool,
    /// Database that every connection selects
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) db: u32,
    /// Name that every connection gives itself (CLIENT SETNAME)
    #[arg(long, value_name = "NAME")]
    pub(crate) client_name: Option<String>,
    #[command(flatten)]
    shape: topology::Shape,
}

impl Server {
    /// Whether the server is to be the null server, in this process.
    pub(crate) fn is_null(&self) -> bool {
        self.place.target.as_deref() == Some("null")
    }

    /// Whether TLS is asked for.
    pub(crate) fn wants_tls(&self) -> Result<bool, Failure> {
        Ok(self.place.tls.wanted(self.place.asks_for_tls())?.is_some())
    }

    /// The same flags, with a server of ours.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        let target = Some(format!("redis://{address}"));
        let tls = Tls::default();
        let place = Place { target, user: None, pass: None, tls, ..self.place.clone() };
        Self { place, ..self.clone() }
    }

    /// What the target is.
    pub(crate) fn topology(&self) -> Result<plan::Topology, Failure> {
        self.shape.read()
    }

    pub(crate) fn resolve(&self) -> Result<(Target, Credentials), Failure> {
        let Place { target, host, port, user, .. } = &self.place;
        let tls = self.place.tls.client(self.place.asks_for_tls())?;
        if let Some(url) = target {
            let (target, credentials) = Target::parse(url).map_err(Failure::usage)?;
            if tls.is_some() && matches!(target, Target::Unix(_)) {
                return Err(Failure::usage("a unix socket is without TLS: leave out --tls"));
            }
            return Ok((target, Credentials { tls, ..credentials }));
        }
        let credentials = Credentials { user: user.clone(), password: self.place.password(), tls };
        if let Some(first) = self.shape.first() {
            return Ok((first, credentials));
        }
        Ok((Target::Tcp { host: host.clone(), port: *port }, credentials))
    }
}

/// What is sent and how, as far as filling and driving agree.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Keys, values and the client itself")]
pub(crate) struct Work {
    /// Number of keys; they are named PREFIX and twelve digits
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) keys: u64,
    /// What stands before the digits of a key
    #[arg(long, value_name = "TEXT", default_value = "key:")]
    pub(crate) key_prefix: String,
    /// Bytes of a value: 100, a range 10-1000, weighted ranges 100:70,1000-2000:30, or
    /// lognormal:MEDIAN:SIGMA[:MAX]; a key's value always has the same size
    #[arg(long, value_name = "BYTES", default_value = "100")]
    pub(crate) value_size: Sizes,
    /// What values are made of
    #[arg(long, value_enum, default_value_t = ValueContent::Random)]
    pub(crate) value_content: ValueContent,
    /// Share of the writes that get a time to live, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    ttl_frac: f64,
    /// Time to live of those in seconds, drawn evenly from this range
    #[arg(long, value_name = "MIN-MAX", default_value = "60-3600", value_parser = ttl_range)]
    ttl_range: (u32, u32),
    /// Seed of keys, values and arrivals; a value can be verified only with the seed that wrote it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// CPUs to pin one ring each to, such as 1 or 2-5 or 1,3 [default: one ring, the last CPU]
    #[arg(long, value_name = "LIST", value_parser = cores)]
    pub(crate) cores: Option<CoreList>,
    /// By which means of the kernel: uring, or epoll to compare, and where io_uring is forbidden
    #[arg(long, value_enum, default_value_t = Io::Uring)]
    pub(crate) io: Io,
    /// How a ring waits: block (least CPU), adaptive, or spin (least lag, a whole core)
    #[arg(long, value_enum, default_value_t = Wait::Block)]
    pub(crate) wait: Wait,
    /// Give a request up after this long, and its connection with it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// What the link to the server carries, such as 10gbit or 600mbit: a run that fills it is
    /// network-bound [default: what the kernel says of the interface]
    #[arg(long, value_name = "BITS", value_parser = bits_per_s)]
    pub(crate) link_speed: Option<u64>,
    /// Length of an interval of the timeline
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration)]
    pub(crate) interval: Duration,
}

impl Work {
    pub(crate) fn ttl(&self) -> Ttl {
        let (min_s, max_s) = self.ttl_range;
        Ttl { fraction: self.ttl_frac, min_s, max_s }
    }

    /// The CPUs asked for; with more than one CPU the last one by default, since interrupts and
    /// most servers prefer the first.
    pub(crate) fn cores(&self) -> Vec<usize> {
        let default = || match std::thread::available_parallelism().map_or(1, usize::from) {
            0 | 1 => Vec::new(),
            cpus => vec![cpus - 1],
        };
        self.cores.as_ref().map_or_else(default, |list| list.0.clone())
    }
}

/// What the measured traffic is made of.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Traffic")]
pub(crate) struct Traffic {
    /// How the arrivals of an open model are spread
    #[arg(long, value_enum, default_value_t = Arrivals::Constant)]
    arrivals: Arrivals,
    /// Law by which keys are drawn
    #[arg(long, value_enum, default_value_t = Dist::Uniform)]
    dist: Dist,
    /// Exponent of --dist zipfian
    #[arg(long, value_name = "S", default_value_t = 0.99)]
    zipf_s: f64,
    /// Shares of --dist hotspot: of the keys, and of the requests that they get
    #[arg(long, value_name = "KEYS:REQUESTS", default_value = "0.1:0.9", value_parser = shares)]
    hot_spot: (f64, f64),
    /// Standard deviation of --dist gaussian, as a share of the keys
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    deviation: f64,
    #[command(flatten)]
    commands: mix::Mix,
    #[command(flatten)]
    mitigation: mitigation::Mitigation,
    #[command(flatten)]
    store: aside::Store,
    /// Connections, over all cores
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) conns: usize,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pipeline: usize,
    /// Close and open a connection again after N requests: what connection churn costs, hand-shake
    /// included
    #[arg(long, value_name = "N")]
    reconnect_every: Option<u64>,
    /// Compare every value that comes back with what `load` or a write of this seed wrote
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Arrivals {
    Constant,
    Poisson,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Dist {
    Uniform,
    Zipfian,
    Hotspot,
    Gaussian,
    Sequential,
}

/// A plan of measured traffic, ten seconds in the closed model until its verb says otherwise.
pub(crate) fn plan(server: &Server, work: &Work, traffic: &Traffic) -> Result<Plan, Failure> {
    let (target, credentials) = server.resolve()?;
    let distribution = match traffic.dist {
        Dist::Uniform => Distribution::Uniform,
        Dist::Zipfian => Distribution::Zipfian { s: traffic.zipf_s },
        Dist::Hotspot => {
            let (keys, requests) = traffic.hot_spot;
            Distribution::HotSpot { keys, requests }
        }
        Dist::Gaussian => Distribution::Gaussian { deviation: traffic.deviation },
        Dist::Sequential => Distribution::Sequential,
    };
    let (aside, mut commands) = (traffic.store.read()?, traffic.commands.read()?);
    let topology = server.topology()?;
    if topology != plan::Topology::Node && !plan::is_one_slot(&work.key_prefix) {
        commands = commands.with_parts();
    }
    Ok(Plan {
        target,
        credentials,
        topology,
        mitigation: traffic.mitigation.strategy(),
        commands: if aside.is_some() { commands.with_refill() } else { commands },
        aside,
        resp3: server.resp3,
        db: server.db,
        client_name: server.client_name.clone(),
        reconnect_every: traffic.reconnect_every,
        work: plan::Work::Traffic { distribution },
        played: None,
        keys: work.keys,
        key_prefix: work.key_prefix.clone(),
        value_size: work.value_size.clone(),
        value_content: work.value_content.into(),
        ttl: work.ttl(),
        verify: traffic.verify,
        rate: Rate::Max,
        arrivals: match traffic.arrivals {
            Arrivals::Constant => Spread::Constant,
            Arrivals::Poisson => Spread::Poisson,
        },
        conns: traffic.conns,
        pipeline: traffic.pipeline,
        duration_ns: 10_000_000_000,
        warmup_ns: 0,
        cores: work.cores(),
        io: work.io.into(),
        wait: work.wait.into(),
        timeout_ns: work.timeout.as_nanos() as u64,
        slow_threshold_ns: u64::MAX,
        interval_ns: work.interval.as_nanos() as u64,
        link_bits_per_s: work.link_speed,
        clock: None,
        seed: work.seed,
        labels: Vec::new(),
    })
}

/// A flag that Ctrl-C and SIGTERM set; the second signal ends the process at once.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("no signal handler could be installed")?;
    }
    Ok(stop)
}

/// Whether a person is watching.
pub(crate) fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A run that could not be started is a usage error: exit 2. One that ran has failed: exit 1.
pub(crate) fn start_failure(error: RunError) -> Failure {
    match error {
        RunError::Unchecked { .. } => Failure::Failed(error.into()),
        _ => Failure::Usage(error.into()),
    }
}

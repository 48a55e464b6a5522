//! The flags that `drive` and `load` share, the stop flag, and lines on the terminal.

mod choices;

mod read;

mod mix;

mod mitigation;

mod aside;

mod topology;

mod tls;

mod place;

mod words;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use stallion_client::plan::{self, Distribution, Plan, Rate, Spread};
use stallion_client::run::RunError;
use stallion_engine::workload::mix::Ttl;
use stallion_resp::sizes::Sizes;

pub(crate) use choices::{Io, ValueContent, Wait};
pub(crate) use place::{Place, Server};
pub(crate) use read::{CoreList, cores, socket_address};
pub(crate) use stallion_server::duration::parse as duration;
pub(crate) use stallion_view::words::{human_count, human_us};
pub(crate) use tls::Tls;
pub(crate) use words::{error_lines, write_json};

use read::{bits_per_s, shares, ttl_range};

use crate::exit::Failure;

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
        db: server.database()?,
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

//! The flags that `drive` and `load` share, the stop flag, and lines on the terminal.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use stallion_gen::measure::outcome::ErrorKind;
use stallion_gen::plan::{self, Credentials, Distribution, Plan, Rate, Spread, Target};
use stallion_gen::run::RunError;
use stallion_gen::shard::ring::{Io as RingIo, WaitPolicy};
use stallion_gen::workload::mix::Ttl;

use crate::exit::Failure;

/// Which server, and who to be there.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Server, as redis://[user:password@]host[:port] or unix:///path; `drive` also takes null, the
    /// null server, which it starts itself
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
}

/// The server, and how to speak to it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Server {
    #[command(flatten)]
    place: Place,
    /// Speak RESP3 (HELLO 3) instead of RESP2
    #[arg(long)]
    pub(crate) resp3: bool,
}

impl Server {
    /// Whether the server is to be the null server, in this process.
    pub(crate) fn is_null(&self) -> bool {
        self.place.target.as_deref() == Some("null")
    }

    /// The same flags, with a server of ours.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        let target = Some(format!("redis://{address}"));
        let place = Place { target, user: None, pass: None, ..self.place.clone() };
        Self { place, ..*self }
    }

    pub(crate) fn resolve(&self) -> Result<(Target, Credentials), Failure> {
        let Place { target, host, port, user, .. } = &self.place;
        if let Some(url) = target {
            return Target::parse(url).map_err(Failure::usage);
        }
        let credentials = Credentials { user: user.clone(), password: self.place.password() };
        Ok((Target::Tcp { host: host.clone(), port: *port }, credentials))
    }
}

/// What is sent and how, as far as filling and driving agree.
#[derive(Debug, clap::Args)]
pub(crate) struct Work {
    /// Number of keys; they are named PREFIX and twelve digits
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) keys: u64,
    /// What stands before the digits of a key
    #[arg(long, value_name = "TEXT", default_value = "key:")]
    pub(crate) key_prefix: String,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) value_size: usize,
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
    /// Reads to writes
    #[arg(long, value_name = "R:W", default_value = "1:0", value_parser = ratio)]
    rw_ratio: (u32, u32),
    /// Connections, over all cores
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) conns: usize,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pipeline: usize,
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
    Sequential,
}

fn ratio(text: &str) -> Result<(u32, u32), String> {
    text.split_once(':')
        .and_then(|(reads, writes)| reads.parse().ok().zip(writes.parse().ok()))
        .ok_or_else(|| format!("{text:?} is no ratio: give reads:writes, for example 9:1"))
}

/// A plan of measured traffic, ten seconds in the closed model until its verb says otherwise.
pub(crate) fn plan(server: &Server, work: &Work, traffic: &Traffic) -> Result<Plan, Failure> {
    let (target, credentials) = server.resolve()?;
    let (reads, writes) = traffic.rw_ratio;
    let distribution = match traffic.dist {
        Dist::Uniform => Distribution::Uniform,
        Dist::Zipfian => Distribution::Zipfian { s: traffic.zipf_s },
        Dist::Sequential => Distribution::Sequential,
    };
    Ok(Plan {
        target,
        credentials,
        resp3: server.resp3,
        work: plan::Work::Traffic { reads, writes, distribution },
        keys: work.keys,
        key_prefix: work.key_prefix.clone(),
        value_size: work.value_size,
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

/// CPUs by number.
#[derive(Debug, Clone)]
pub(crate) struct CoreList(pub(crate) Vec<usize>);

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Io {
    Uring,
    Epoll,
}

impl From<Io> for RingIo {
    fn from(io: Io) -> Self {
        match io {
            Io::Uring => Self::Uring,
            Io::Epoll => Self::Epoll,
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Wait {
    Block,
    Adaptive,
    Spin,
}

impl From<Wait> for WaitPolicy {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Block => Self::Block,
            Wait::Adaptive => Self::Adaptive,
            Wait::Spin => Self::Spin,
        }
    }
}

pub(crate) fn cores(text: &str) -> Result<CoreList, String> {
    let wrong = || format!("{text:?} is no list of CPUs: give 1 or 2-5 or 1,3");
    let mut list = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<u16>(), to.parse::<u16>());
        let (from, to) = from.ok().zip(to.ok()).ok_or_else(wrong)?;
        list.extend(usize::from(from)..=usize::from(to));
    }
    if list.is_empty() { Err(wrong()) } else { Ok(CoreList(list)) }
}

/// Bits a second as tc(8) writes them: 10gbit, 600mbit, 1.5gbit.
fn bits_per_s(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let wrong =
        || format!("{text:?} is no speed: give bits a second, for example 10gbit or 600mbit");
    let units = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];
    let (number, factor) = units
        .into_iter()
        .find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, factor)))
        .ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    if number > 0.0 && number.is_finite() { Ok((number * factor) as u64) } else { Err(wrong()) }
}

/// An address by name or number, with its port.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |why: &str| format!("{text:?}: {why}; give HOST:PORT, for example 10.0.0.5:7979");
    let mut found = text.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
    found.next().ok_or_else(|| wrong("it has no address"))
}

fn ttl_range(text: &str) -> Result<(u32, u32), String> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    min.parse().ok().zip(max.parse().ok()).ok_or_else(|| {
        format!("{text:?} is no range of seconds: give MIN-MAX, for example 60-3600")
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

/// Errors by kind, one line each, with what to do about them.
pub(crate) fn error_lines(errors: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    errors.iter().map(|(name, count)| {
        let remedy = ErrorKind::named(name).map_or("", ErrorKind::remedy);
        format!("{name}: {count} ({remedy})")
    })
}

/// Writes `--json FILE|-`.
pub(crate) fn write_json(path: &Path, object: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(object)? + "\n";
    if path == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes()).context("standard output")
    } else {
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))
    }
}

/// A duration such as 10s, 500ms or 2min; a bare number counts seconds, as redis-cli's do.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds)
            .map_err(|error| format!("{text:?}: {error}; give a time such as 10s or 500ms"));
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A duration in the unit that fits it, three digits: `412 us`, `3.07 ms`, `1.20 s`.
pub(crate) fn human_us(us: f64) -> String {
    match us {
        us if us >= 999_500.0 => format!("{:.2} s", us / 1e6),
        us if us >= 99_950.0 => format!("{:.0} ms", us / 1e3),
        us if us >= 9_995.0 => format!("{:.1} ms", us / 1e3),
        us if us >= 999.5 => format!("{:.2} ms", us / 1e3),
        us if us >= 9.95 => format!("{us:.0} us"),
        us => format!("{us:.1} us"),
    }
}

/// A count with thin groups of thousands: `1 234 567`.
pub(crate) fn human_count(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && digit.is_ascii_digit() {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        for text in ["", "-1", "nan", "ten"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn speeds_are_read_as_tc_writes_them() {
        assert_eq!(bits_per_s("1gbit"), Ok(1_000_000_000));
        assert_eq!(bits_per_s("1.5Mbit"), Ok(1_500_000));
        for text in ["", "1", "gbit", "-1gbit", "infgbit"] {
            assert!(bits_per_s(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(cores("2-4,7").unwrap().0, [2, 3, 4, 7]);
        for text in ["", "a", "1-", "5-2", "99999999"] {
            assert!(cores(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(human_us(412.3), "412 us");
        assert_eq!(human_us(3_071.0), "3.07 ms");
        assert_eq!(human_us(1_200_000.0), "1.20 s");
        assert_eq!(human_us(7.25), "7.2 us");
        assert_eq!(human_count(1_234_567.0), "1 234 567");
        assert_eq!(human_count(999.0), "999");
    }
}

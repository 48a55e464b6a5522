//! `stallion probe`: watches a server with eBPF, writes down what stalls it.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, UNIX_EPOCH};

use stallion_probes::summary::{Summary, class_name};
use stallion_probes::{Choice, Notice, Plan, ProbeError, Target, Without, watch};
use stallion_server::duration;
use stallion_timeline::clock::{Clock, monotonic_ns};
use stallion_timeline::exchange::serve;
use stallion_timeline::{ProbeState, ProbeStatus, Stall, StallClass, ThreadRole};

use crate::client::socket_address;
use crate::exit::{Failure, Outcome};
use crate::live;

/// The flags of `probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo stallion probe --port 6379 --live              what stalls this server, as it happens
  sudo stallion probe --port 6379 --for 30s           a table after half a minute
  sudo stallion probe -p 7000 -p 7001 -p 7002 --follow --out stalls.jsonl   all shards of a host
  sudo stallion probe --pid 4242 --out stalls.jsonl   a timeline for `stallion report`

The watch ends by itself after --for, when the server ends, or on Ctrl-C; the timeline is complete
in each case. Nothing is changed in the server and nothing stays attached, even after SIGKILL.")]
pub(crate) struct Args {
    /// The server that listens on this TCP port of this host (of a container, too); may be given
    /// several times, for all shards of a host
    #[arg(long, short, value_name = "N", required_unless_present = "pid", conflicts_with = "pid")]
    port: Vec<u16>,
    /// The server with this process id; may be given several times
    #[arg(long, value_name = "N")]
    pid: Vec<u32>,
    /// Write the stalls to this timeline (JSON Lines), for `stallion report`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End the watch after this time, for example 30s, 500ms, 5m
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    duration: Option<Duration>,
    /// Print every stall as it happens
    #[arg(long)]
    live: bool,
    /// The shortest stretch on the CPU that counts as a stall, and the shortest that --live prints
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = duration::parse)]
    threshold: Duration,
    /// When a server ends, wait for another one at the same port
    #[arg(long, requires = "port")]
    follow: bool,
    /// Probes to attach, such as fork,fsync; default is all but softirq, which costs more than 1 % of
    /// a busy shard; all is all
    #[arg(long, value_name = "LIST", default_value = "default")]
    probes: Choice,
    /// Answer questions about this host's clock, for `stallion drive --clock` on another host
    #[arg(long, value_name = "HOST:PORT", value_parser = socket_address, num_args = 0..=1,
          default_missing_value = "127.0.0.1:7979")]
    listen: Option<SocketAddr>,
    /// Answer Prometheus at http://ADDRESS/metrics while it watches: a port of loopback, or HOST:PORT
    #[arg(long, value_name = "ADDRESS", value_parser = live::address)]
    metrics: Option<SocketAddr>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let plan = plan(args)?;
    if let Some(address) = args.listen {
        answer_clocks(address)?;
    }
    let board = args.metrics.map(live::serve_board).transpose()?;
    let colour = colours();
    let clock = Clock::of_this_host();
    let begun = Instant::now();
    if args.live {
        eprintln!(
            "times are UTC; stalls of {} and longer",
            humantime::format_duration(args.threshold)
        );
    }
    let mut awaited = plan.targets.len();
    let several = awaited > 1;
    let summary = watch(
        &plan,
        || false,
        |notice| match notice {
            Notice::Attached { pid, port, states } => {
                print_states(pid, port, states);
                awaited = awaited.saturating_sub(1);
                if awaited == 0 {
                    eprintln!("ready");
                }
            }
            Notice::Stall(stall) => {
                if let Some(board) = &board {
                    board.stall(stall);
                }
                if args.live && stall.busy_ns >= threshold_ns(&plan) {
                    // A closed pipe ends the lines, not the watch.
                    let _ = writeln!(std::io::stdout(), "{}", line(stall, &clock, colour, several));
                }
            }
            Notice::Lost(count) => eprintln!("{count} events lost: the ring buffer was full"),
            Notice::ServerEnded(pid) => eprintln!("process {pid} ended"),
        },
    )
    .map_err(failure)?;
    print_summary(&summary, &clock, begun.elapsed());
    Ok(())
}

fn plan(args: &Args) -> Result<Plan, Failure> {
    let mut targets: Vec<Target> = args.port.iter().map(|port| Target::Port(*port)).collect();
    targets.extend(args.pid.iter().map(|pid| Target::Pid(*pid)));
    if let Some((index, twice)) =
        targets.iter().enumerate().find(|(index, target)| targets[..*index].contains(target))
    {
        let place = index + 1;
        return Err(Failure::usage(format!("target {place}, {twice}, was given before")));
    }
    Ok(Plan {
        targets,
        out: args.out.clone(),
        duration: args.duration,
        threshold: args.threshold,
        follow: args.follow,
        probes: args.probes,
        without: Without::default(),
    })
}

/// Answers questions about this host's clock until the process ends.
fn answer_clocks(address: SocketAddr) -> Result<(), Failure> {
    let refused = |error| Failure::usage(format!("--listen {address}: {error}"));
    let socket = UdpSocket::bind(address).map_err(refused)?;
    eprintln!("answers `stallion drive --clock {address}`");
    std::thread::spawn(move || {
        let boot_id = Clock::of_this_host().boot_id;
        if let Err(error) = serve(&socket, &boot_id, monotonic_ns, &AtomicBool::new(false)) {
            eprintln!("--listen {address}: {error}");
        }
    });
    Ok(())
}

/// What kept the probes from starting is exit 2; a timeline that broke off is exit 1.
fn failure(error: ProbeError) -> Failure {
    match error {
        ProbeError::Write(_) => Failure::Failed(error.into()),
        start => Failure::usage(start),
    }
}

fn threshold_ns(plan: &Plan) -> u64 {
    u64::try_from(plan.threshold.as_nanos()).unwrap_or(u64::MAX)
}

fn print_states(pid: u32, port: u16, states: &[ProbeState]) {
    eprintln!("watching process {pid}, port {port}");
    tracing::info!(pid, port, "attached");
    for state in states {
        if state.status == ProbeStatus::Failed {
            tracing::warn!(probe = state.name, reason = state.reason, "not attached");
        } else {
            tracing::debug!(probe = state.name, status = ?state.status, hook = state.hook);
        }
        let status = match state.status {
            ProbeStatus::Active => "active",
            ProbeStatus::Disabled => "disabled",
            ProbeStatus::Failed => "failed",
        };
        let text = match (state.status, state.reason.as_str()) {
            (_, "") => state.hook.clone(),
            (ProbeStatus::Active, lacks) => format!("{} ({lacks})", state.hook),
            (_, reason) => reason.to_owned(),
        };
        eprintln!("  {:<12} {status:<9} {text}", state.name);
    }
}

/// The wall time of a monotonic one, `14:02:11.123`, in UTC.
fn time_of_day(clock: &Clock, at_ns: u64) -> String {
    let wall = UNIX_EPOCH + Duration::from_nanos(clock.wall_ns_of(at_ns));
    let text = humantime::format_rfc3339_millis(wall).to_string();
    text.get(11..23).unwrap_or_default().to_owned()
}

/// One stall in one line: time of day, class, stalled time, what.
fn line(stall: &Stall, clock: &Clock, colour: bool, several: bool) -> String {
    let at = time_of_day(clock, stall.start_ns);
    let thread = match stall.thread {
        ThreadRole::Main => "",
        ThreadRole::Background => " (background)",
        ThreadRole::Child => " (child)",
    };
    let sum = if stall.count > 1 { format!(" x{}", stall.count) } else { String::new() };
    let class = format!("{:<10}", class_name(stall.class));
    let class = if colour { format!("\x1b[{}m{class}\x1b[0m", shade(stall.class)) } else { class };
    let ms = stall.busy_ns as f64 / 1e6;
    let shard = if several { format!("  {:>5}", stall.port) } else { String::new() };
    let what = match (stall.class, stall.what.as_str()) {
        (StallClass::Command, "") => "one request or job (too short to be seen at work)",
        (_, what) => what,
    };
    format!("{at}{shard}  {class} {ms:>10.3} ms{sum}  {what}{thread}")
}

/// ANSI colour of a class: red for the disk, magenta for memory, yellow for the core, cyan for
/// what the server does itself.
fn shade(class: StallClass) -> u8 {
    match class {
        StallClass::Fsync | StallClass::AofWrite | StallClass::FsyncWait | StallClass::BlockIo => {
            31
        }
        StallClass::Fork
        | StallClass::CowFault
        | StallClass::ZeroFault
        | StallClass::FileFault
        | StallClass::HugePage
        | StallClass::Reclaim => 35,
        StallClass::RunQueue
        | StallClass::Throttle
        | StallClass::OffCpu
        | StallClass::Stopped
        | StallClass::Traced
        | StallClass::Frozen
        | StallClass::Exited
        | StallClass::Softirq
        | StallClass::Network => 33,
        StallClass::Command | StallClass::Syscall => 36,
    }
}

fn colours() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn print_summary(summary: &Summary, clock: &Clock, watched: Duration) {
    let seconds = watched.as_secs_f64();
    if summary.rows.is_empty() {
        println!("no stalls in {seconds:.1} s");
    } else {
        println!(
            "{:<10} {:>9} {:>11} {:>7} {:>10}  of {seconds:.1} s",
            "class", "count", "total ms", "share", "longest"
        );
    }
    for (class, row) in &summary.rows {
        println!(
            "{:<10} {:>9} {:>11.3} {:>5.1} % {:>7.3} ms  at {} {}",
            class_name(*class),
            row.count,
            row.busy_ns as f64 / 1e6,
            summary.share_percent(row, seconds),
            row.max_ns as f64 / 1e6,
            time_of_day(clock, row.max_at_ns),
            row.max_what
        );
    }
    if summary.rows.len() > 1 {
        println!("Classes overlap: a command's time holds its faults, calls and waits.");
    }
    if summary.cut > 0 {
        println!("{} events said more than the watch can hold, and were cut", summary.cut);
    }
    if summary.lost > 0 {
        println!("{} events were lost: the sums are too low", summary.lost);
    }
}

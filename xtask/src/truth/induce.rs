//! Ways to stall a server on purpose, each with a measure of its own of how long that lasted: the
//! server's word, the kernel's counters, a tracer, or the schedule.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::disk::numbers_of;
use super::group::Group;
use super::stage::{Disturbance, SERVER_CPU, Stage, wait_for};
use super::tracer::{Timed, Tracer};
use super::{Random, pageout};
use crate::child;

/// A kind of stall.
#[derive(Clone, Copy)]
pub(super) struct Inducer {
    /// Its name in the matrix.
    pub(super) name: &'static str,
    /// The causes that are right; the first is the one that it is made for.
    pub(super) expected: &'static [&'static str],
    /// Who says how long it was.
    pub(super) truth: &'static str,
    pub(super) act: fn(&mut Stage, &mut Random) -> anyhow::Result<Induced>,
}

/// What was induced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Induced {
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
    /// Time for which the main thread could not go on.
    pub(super) truth_ns: u64,
}

impl Induced {
    /// As the report is told of it.
    pub(super) const fn told(&self, inducer: &Inducer) -> Disturbance {
        Disturbance { name: inducer.name, begin_ns: self.begin_ns, end_ns: self.end_ns }
    }

    pub(super) fn truth_ms(&self) -> f64 {
        self.truth_ns as f64 / 1e6
    }
}

/// Stalls of a server without persistence.
pub(super) const PLAIN: &[Inducer] = &[
    // The child begins on its parent's core, and sometimes takes it before fork returns.
    Inducer {
        name: "BGSAVE's fork",
        expected: &["fork", "run_queue"],
        truth: "latest_fork_usec",
        act: fork,
    },
    Inducer { name: "SIGSTOP", expected: &["stopped"], truth: "the schedule", act: stop },
    Inducer {
        name: "DEBUG SLEEP",
        expected: &["off_cpu", "command"],
        truth: "SLOWLOG",
        act: debug_sleep,
    },
    Inducer { name: "a Lua loop", expected: &["command"], truth: "SLOWLOG", act: lua },
    Inducer { name: "KEYS", expected: &["command"], truth: "SLOWLOG", act: keys },
    Inducer {
        name: "SETRANGE of 256 MB",
        expected: &["zero_fault", "command", "syscall"],
        truth: "SLOWLOG",
        act: set_range,
    },
    Inducer {
        name: "its program pushed out of memory",
        expected: &["file_fault"],
        truth: "ftrace",
        act: paged_out,
    },
    Inducer {
        name: "Lua writes after a fork",
        expected: &["cow_fault", "command"],
        truth: "SLOWLOG",
        act: writes_after_fork,
    },
    Inducer { name: "a hog on the core", expected: &["run_queue"], truth: "schedstat", act: hog },
    Inducer { name: "CPU quota", expected: &["throttle"], truth: "cpu.stat", act: throttle },
    Inducer {
        name: "the client stopped",
        expected: &["client"],
        truth: "the schedule",
        act: stop_client,
    },
    Inducer {
        name: "KEYS under SIGSTOP",
        expected: &["stopped", "command"],
        truth: "the schedule and SLOWLOG",
        act: keys_stopped,
    },
];

/// Stalls of a server whose heap lies on huge pages.
pub(super) const HUGE: &[Inducer] = &[Inducer {
    name: "Lua writes after a fork, huge pages",
    expected: &["huge_page", "cow_fault", "command"],
    truth: "SLOWLOG",
    act: writes_after_fork,
}];

/// Stalls of a server that leaves syncing to the kernel.
pub(super) const NO_SYNC: &[Inducer] = &[
    Inducer {
        name: "write to a page on its way to a slow disk",
        expected: &["aof_write"],
        truth: "ftrace",
        act: page_being_written,
    },
    Inducer {
        name: "writes at a memory limit",
        // The loop device's own thread wants a core for what is reclaimed.
        expected: &["reclaim", "aof_write", "run_queue"],
        truth: "ftrace",
        act: memory_limit,
    },
];

/// Stalls of a server that syncs each write.
pub(super) const ALWAYS: &[Inducer] = &[Inducer {
    name: "fdatasync on a slow disk",
    expected: &["fsync"],
    truth: "ftrace",
    act: slow_disk,
}];

/// Stalls of a server that syncs in the background.
pub(super) const EVERYSEC: &[Inducer] = &[Inducer {
    name: "write behind a background fsync",
    expected: &["fsync_wait", "aof_write"],
    truth: "ftrace",
    act: blocked_write,
}];

/// CLOCK_MONOTONIC, the clock of timelines.
fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Does something and notes when it began and ended; `truth_ns` is asked for afterwards.
fn timed(
    act: impl FnOnce() -> anyhow::Result<()>,
    truth_ns: impl FnOnce() -> anyhow::Result<u64>,
) -> anyhow::Result<Induced> {
    let begin_ns = now_ns();
    act()?;
    let end_ns = now_ns();
    Ok(Induced { begin_ns, end_ns, truth_ns: truth_ns()? })
}

/// A command whose time SLOWLOG knows.
fn command(stage: &Stage, words: &[&str]) -> anyhow::Result<Induced> {
    let (mut redis, mut other) = (stage.redis()?, stage.redis()?);
    timed(|| redis.ask(words).map(drop), || other.slowest_ns())
}

fn fork(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let mut redis = stage.redis()?;
    let found = timed(|| redis.ask(&["BGSAVE"]).map(drop), || Ok(0))?;
    let truth_ns = (redis.info("latest_fork_usec")? * 1e3) as u64;
    wait_for(|| redis.info("rdb_bgsave_in_progress").is_ok_and(|running| running < 0.5))?;
    Ok(Induced { truth_ns, ..found })
}

fn stop(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    pause(&stage.server, random)
}

/// Nothing is wrong with the server then, and nothing must be said of it.
fn stop_client(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    pause(&stage.drive, random)
}

fn pause(process: &Child, random: &mut Random) -> anyhow::Result<Induced> {
    let pause = random.between_ms(150, 400);
    let mut found = timed(
        || {
            child::signal(process, libc::SIGSTOP)?;
            std::thread::sleep(pause);
            child::signal(process, libc::SIGCONT)
        },
        || Ok(0),
    )?;
    found.truth_ns = found.end_ns - found.begin_ns;
    Ok(found)
}

fn debug_sleep(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let seconds = format!("{:.3}", random.between_ms(100, 400).as_secs_f64());
    command(stage, &["DEBUG", "SLEEP", &seconds])
}

fn lua(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let turns = 4_000_000 + (random.next_share() * 8e6) as u64;
    let script = format!("local n = 0 for i = 1, {turns} do n = n + i % 7 end return n");
    command(stage, &["EVAL", &script, "0"])
}

fn keys(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    command(stage, &["KEYS", "no such key*"])
}

fn set_range(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let found = command(stage, &["SETRANGE", "truth:large", "268435455", "x"])?;
    // Freed by a background thread, so that the next one faults its pages in again.
    stage.redis()?.ask(&["UNLINK", "truth:large"])?;
    Ok(found)
}

/// Pages of the server's program are pushed out of memory; whatever it does next reads them again.
fn paged_out(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let pid = stage.server.id();
    let tracer = Tracer::start(pid, Timed::Sleeps)?;
    let mut redis = stage.redis()?;
    let begin_ns = now_ns();
    for _ in 0..5 {
        pageout::program(pid)?;
        redis.ask(&["INFO", "everything"])?;
    }
    let end_ns = now_ns();
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.long_ns(0)? })
}

/// A child that saves slowly, and a script that changes pages which it shares with it.
fn writes_after_fork(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let mut redis = stage.redis()?;
    redis.ask(&["CONFIG", "SET", "rdb-key-save-delay", "5"])?;
    redis.ask(&["BGSAVE"])?;
    redis.ask(&["CONFIG", "SET", "rdb-key-save-delay", "0"])?;
    std::thread::sleep(Duration::from_millis(200));
    let step = 40 + (random.next_share() * 20.0) as u64;
    let script = format!(
        "for i = 0, 1999999, {step} do redis.call('SETRANGE', string.format('key:%012d', i), 0, 'x') end"
    );
    let found = command(stage, &["EVAL", &script, "0"])?;
    let pid = stage.server.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_whitespace().filter_map(|word| word.parse::<i32>().ok()) {
        // SAFETY: touches no memory; a child of the server that this suite started.
        unsafe { libc::kill(child, libc::SIGKILL) };
    }
    wait_for(|| redis.info("rdb_bgsave_in_progress").is_ok_and(|running| running < 0.5))?;
    Ok(found)
}

/// Two processes that compute on the server's core, with more right to it.
fn hog(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let pid = stage.server.id();
    let hogs: Vec<Child> = (0..2).map(|_| start_hog()).collect::<Result<_, _>>()?;
    // From here on the core is never idle: what the server waits for is a hog.
    std::thread::sleep(Duration::from_millis(50));
    let (before, begin_ns) = (run_delay_ns(pid)?, now_ns());
    std::thread::sleep(random.between_ms(400, 800));
    let (truth_ns, end_ns) = (run_delay_ns(pid)? - before, now_ns());
    for mut hog in hogs {
        hog.kill()?;
        hog.wait()?;
    }
    Ok(Induced { begin_ns, end_ns, truth_ns })
}

fn start_hog() -> anyhow::Result<Child> {
    Command::new("nice")
        .args(["-n", "-10", "taskset", "-c", &SERVER_CPU.to_string()])
        .args(["sh", "-c", "while :; do :; done"])
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start a hog")
}

/// Time for which the main thread has been runnable without running.
fn run_delay_ns(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"))?;
    text.split_whitespace().nth(1).context("no run delay")?.parse().context("no run delay")
}

/// A quota of a tenth of a core, by a control group that lasts as long.
fn throttle(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let group = Group::new("cpu", stage.server.id())?;
    group.write("cpu.cfs_period_us", "100000")?;
    let begin_ns = now_ns();
    group.write("cpu.cfs_quota_us", "10000")?;
    std::thread::sleep(random.between_ms(600, 1_000));
    group.write("cpu.cfs_quota_us", "-1")?;
    let end_ns = now_ns();
    let text = group.read("cpu.stat")?;
    let throttled = text.lines().find_map(|line| line.strip_prefix("throttled_time "));
    let truth_ns = throttled.context("cpu.stat has no throttled_time")?.trim().parse()?;
    Ok(Induced { begin_ns, end_ns, truth_ns })
}

/// Two at once: the server is stopped while it works through all its keys.
fn keys_stopped(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let port = stage.port;
    let begin_ns = now_ns();
    let asking = std::thread::spawn(move || {
        super::redis::Redis::connect(port)?.ask(&["KEYS", "no such key*"]).map(drop)
    });
    std::thread::sleep(Duration::from_millis(30));
    child::signal(&stage.server, libc::SIGSTOP)?;
    std::thread::sleep(random.between_ms(100, 250));
    child::signal(&stage.server, libc::SIGCONT)?;
    asking.join().map_err(|_| anyhow::anyhow!("the asking thread panicked"))??;
    let end_ns = now_ns();
    // The server's own clock ran on while it was stopped.
    let truth_ns = stage.redis()?.slowest_ns()?;
    Ok(Induced { begin_ns, end_ns, truth_ns })
}

/// The server's disk takes half a megabyte a second from it.
fn slow_disk(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    traced(stage, random.between_ms(800, 1_500), "fdatasync", 0)
}

fn blocked_write(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    // Redis writes in spite of a running fsync after two seconds of waiting.
    traced(stage, random.between_ms(5_000, 7_000), "write", LONG_WRITE_NS)
}

/// The kernel writes the append-only file's last page to a slow disk, and Redis adds to it.
fn page_being_written(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let disk = stage.disk().context("no disk of its own")?;
    // The kernel's own threads write it back: the whole host's limit for this device counts.
    let limit = std::path::Path::new("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device");
    let tracer = Tracer::start(stage.server.id(), Timed::Call("write"))?;
    let numbers = numbers_of(disk.folder())?;
    let begin_ns = now_ns();
    fs::write(limit, format!("{numbers} 1500000"))?;
    let folder = disk.folder().display().to_string();
    let synced = Command::new("sync").args(["-f", &folder]).status();
    fs::write(limit, format!("{numbers} 0"))?;
    ensure!(synced?.success(), "sync -f {folder} failed");
    std::thread::sleep(Duration::from_millis(100));
    let end_ns = now_ns();
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.long_ns(LONG_WRITE_NS)? })
}

/// The page cache of the append-only file fills what is left of a memory limit.
fn memory_limit(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let mut redis = stage.redis()?;
    let value = "x".repeat(4_000_000);
    redis.ask(&["SET", "truth:large", &value])?;
    // What the server has already stays with its old group: the limit is for what comes.
    let group = Group::new("memory", stage.server.id())?;
    group.write("memory.limit_in_bytes", "64M")?;
    let tracer = Tracer::start(stage.server.id(), Timed::Call("write"))?;
    let begin_ns = now_ns();
    for _ in 0..40 {
        redis.ask(&["SET", "truth:large", &value])?;
    }
    let end_ns = now_ns();
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.long_ns(LONG_WRITE_NS)? })
}

/// Writes to sockets never take so long.
const LONG_WRITE_NS: u64 = 1_000_000;

/// Traces one system call of the main thread while its disk is slow; the sum of its durations from
/// `least_ns` on is the truth.
fn traced(
    stage: &mut Stage,
    lasts: Duration,
    call: &'static str,
    least_ns: u64,
) -> anyhow::Result<Induced> {
    let disk = numbers_of(&stage.data)?;
    let group = Group::new("blkio", stage.server.id())?;
    let tracer = Tracer::start(stage.server.id(), Timed::Call(call))?;
    let begin_ns = now_ns();
    group.write("blkio.throttle.write_bps_device", &format!("{disk} 500000"))?;
    std::thread::sleep(lasts);
    group.write("blkio.throttle.write_bps_device", &format!("{disk} 0"))?;
    // What waits for the disk then goes on to its end.
    std::thread::sleep(Duration::from_millis(500));
    let end_ns = now_ns();
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.long_ns(least_ns)? })
}

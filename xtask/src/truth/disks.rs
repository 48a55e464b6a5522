//! Stalls by a slow disk, and by memory that is short.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::disk::numbers_of;
use super::group::Group;
use super::induced::{Induced, now_ns};
use super::stage::Stage;
use super::tracer::{Timed, Tracer};
use super::{Random, pageout};

/// Pages of the server's program are pushed out of memory, and its disk reads slowly: what it does
/// next waits for them, so long that the wait is all of the fault.
pub(super) fn paged_out(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let pid = stage.server.id();
    let disk = stage.disk().context("no disk of its own")?;
    let numbers = numbers_of(disk.folder())?;
    let group = Group::new("blkio", pid)?;
    let tracer = Tracer::start(pid, Timed::Sleeps)?;
    let mut redis = stage.redis()?;
    group.write("blkio.throttle.read_iops_device", &format!("{numbers} 10"))?;
    let begin_ns = now_ns();
    pageout::program(pid)?;
    redis.ask(&["INFO", "everything"])?;
    let end_ns = now_ns();
    group.write("blkio.throttle.read_iops_device", &format!("{numbers} 0"))?;
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.within_ns((begin_ns, end_ns), 0)? })
}

/// The server's disk takes half a megabyte a second from it.
pub(super) fn slow_disk(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    traced(stage, random.between_ms(800, 1_500), "fdatasync", 0)
}

pub(super) fn blocked_write(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    // Redis writes in spite of a running fsync after two seconds of waiting.
    traced(stage, random.between_ms(5_000, 7_000), "write", LONG_WRITE_NS)
}

/// The kernel writes the append-only file's last page to a slow disk, and Redis adds to it.
pub(super) fn page_being_written(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
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
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.within_ns((begin_ns, end_ns), LONG_WRITE_NS)? })
}

/// The page cache of the append-only file fills what is left of a memory limit.
pub(super) fn memory_limit(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let mut redis = stage.redis()?;
    let value = "x".repeat(4_000_000);
    redis.ask(&["SET", "truth:large", &value])?;
    // What the server has already stays with its old group: the limit is for what comes.
    let group = Group::new("memory", stage.server.id())?;
    group.write("memory.limit_in_bytes", "64M")?;
    let tracer = Tracer::start(stage.server.id(), Timed::Reclaims)?;
    let begin_ns = now_ns();
    for _ in 0..40 {
        redis.ask(&["SET", "truth:large", &value])?;
    }
    let end_ns = now_ns();
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.within_ns((begin_ns, end_ns), 0)? })
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
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.within_ns((begin_ns, end_ns), least_ns)? })
}

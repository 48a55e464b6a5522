//! Waits for a disk, with what the disk did in them.
#![expect(clippy::unwrap_used, reason = "test code outside of the test functions themselves")]
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Cgroup, Server, folder, may_probe, run, watched};
use stallion_timeline::{StallClass, ThreadRole};

#[test]
fn an_fsync_says_what_the_disk_did() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let value = "x".repeat(60_000);
    let seen = watched(&server, || {
        server.ask_all((0..1_000).map(|key| format!("SET key:{key} {value}")));
        server.ask("CONFIG SET appendfsync always");
        server.ask("SET last one");
    });
    let fsync = seen.longest(StallClass::Fsync);
    let disk = seen.longest(StallClass::BlockIo);
    println!("{fsync:#?}\n{disk:#?}");
    assert_eq!((fsync.thread, disk.thread), (ThreadRole::Main, ThreadRole::Main));
    let device_ms = fsync.detail["device_ns"] / 1e6;
    let fsync_ms = fsync.busy_ns as f64 / 1e6;
    assert!(device_ms <= fsync_ms * 1.01 && device_ms > fsync_ms * 0.3, "{device_ms} {fsync_ms}");
    assert!(!disk.what.contains("device") && disk.what != "a disk", "{}", disk.what);
    assert!(fsync.what.ends_with(&format!(" on {}", disk.what)), "{}", fsync.what);
    assert!(fsync.detail["device_requests"] >= 1.0);
    assert!(fsync.detail["device_bytes"] > 1e6, "{fsync:?}");
}

/// An ext4 file system of its own on a loop device.
struct Loop {
    device: String,
    image: tempfile::TempDir,
}

impl Loop {
    fn new() -> Self {
        let image = folder();
        let path = image.path().join("image");
        fs::File::create(&path).unwrap().set_len(256 << 20).unwrap();
        let path = path.to_str().unwrap().to_owned();
        run("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", &path]);
        let device = run("losetup", &["--find", "--show", &path]);
        Self { device, image }
    }

    fn name(&self) -> &str {
        self.device.trim_start_matches("/dev/")
    }

    /// Mounts it on a folder, which goes away when nothing is mounted there any more.
    fn mount(&self) -> tempfile::TempDir {
        let folder = tempfile::TempDir::new_in(self.image.path()).unwrap();
        run("mount", &[&self.device, folder.path().to_str().unwrap()]);
        folder
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.device).status();
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
    }
}

/// `everysec` on a device that takes 4 MB a second. Redis puts a write off while the background
/// thread syncs, but only for two seconds; then it waits for pages that are being written. (All
/// devices that need stable pages, RAID 5 for one, make a writer wait so.)
#[test]
fn a_write_behind_a_background_fsync_is_told_as_such() {
    if !may_probe() {
        return;
    }
    let disk = Loop::new();
    fs::write(format!("/sys/block/{}/queue/stable_writes", disk.name()), "1").unwrap();
    let numbers = fs::read_to_string(format!("/sys/block/{}/dev", disk.name())).unwrap();
    let numbers = numbers.trim();
    let group = Cgroup::new(
        "io",
        &[
            ("blkio.throttle.write_bps_device", &format!("{numbers} 4000000")),
            ("io.max", &format!("{numbers} wbps=4000000")),
        ],
    );
    let settings = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let server = Server::start_by(Command::new("redis-server"), disk.mount(), &settings);
    let seen = watched(&server, || {
        group.add(server.pid());
        let value = "x".repeat(60_000);
        server.ask_all((0..250).map(|key| format!("SET key:{key} {value}")));
        server.ask_all((0..400).map(|key| {
            std::thread::sleep(Duration::from_millis(10));
            format!("SET key:{key} {value}")
        }));
    });
    drop(server);
    drop(group);
    let wait = seen.longest(StallClass::FsyncWait);
    let background = seen
        .of(StallClass::Fsync)
        .filter(|stall| stall.thread == ThreadRole::Background)
        .max_by_key(|stall| stall.busy_ns)
        .unwrap();
    println!("{wait:#?}\n{background:#?}");
    assert_eq!(wait.thread, ThreadRole::Main);
    assert!(wait.what.contains(".aof behind a background fsync"), "{wait:?}");
    assert!(wait.busy_ns > 50_000_000, "{wait:?}");
    assert!(background.busy_ns > 1_000_000_000, "{background:?}");
    assert!(wait.start_ns < background.end_ns + 1_000_000_000, "{wait:?} {background:?}");
    assert!(background.what.ends_with(disk.name()), "{background:?}");
    // The quota stands above the device, which is not to blame.
    let device_ns = background.detail.get("device_ns").copied().unwrap_or(0.0);
    assert!(device_ns < background.busy_ns as f64 / 2.0, "{background:?}");
}

/// Pushes a process's clean file pages out of memory.
fn page_out(pid: u32) {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    // SAFETY: numbers in, a descriptor out; then vectors of a foreign process's addresses, which
    // the kernel checks.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        for line in maps.lines().filter(|line| line.contains("/redis-server")) {
            let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
            let from = usize::from_str_radix(from, 16).unwrap();
            let length = usize::from_str_radix(to, 16).unwrap() - from;
            let range = libc::iovec { iov_base: from as *mut _, iov_len: length };
            const SYS_PROCESS_MADVISE: i64 = 440;
            libc::syscall(SYS_PROCESS_MADVISE, process, &raw const range, 1, libc::MADV_PAGEOUT, 0);
        }
        libc::close(process as i32);
    }
}

#[test]
fn pages_that_were_pushed_out_are_major_faults() {
    if !may_probe() {
        return;
    }
    // A program file of its own: what others map stays in memory.
    let program = folder();
    let copy = program.path().join("redis-server");
    let original = run("sh", &["-c", "command -v redis-server"]);
    fs::copy(fs::canonicalize(original).unwrap(), &copy).unwrap();
    // Only what is on the disk can be dropped from memory.
    fs::File::open(&copy).unwrap().sync_all().unwrap();
    let server = Server::start_by(Command::new(&copy), folder(), &[]);
    let seen = watched(&server, || {
        for _ in 0..5 {
            page_out(server.pid());
            server.ask("INFO everything");
            server.ask("DEBUG DIGEST");
        }
    });
    let major: Vec<_> =
        seen.of(StallClass::FileFault).filter(|stall| stall.what.starts_with("major")).collect();
    let total_ms: f64 = major.iter().map(|stall| stall.busy_ns as f64 / 1e6).sum();
    println!("{} records, {total_ms:.2} ms, {:?}", major.len(), major.first());
    assert!(!major.is_empty() && total_ms > 0.1, "{:#?}", seen.stalls);
}

//! Stalls from without: the server is stopped, or has no core.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::Random;
use super::group::Group;
use super::induced::{Induced, command, now_ns, timed};
use super::stage::{CLIENT_CPU, SERVER_CPU, Stage};
use super::tracer::{Timed, Tracer};
use crate::{child, shell};

pub(super) fn stop(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    pause(&stage.server, random)
}

/// Nothing is wrong with the server then, and nothing must be said of it.
pub(super) fn stop_client(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
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

/// A relay between client and server holds each answer back.
pub(super) fn held_back(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    let relay = stage.relay().context("no relay")?;
    timed(
        || {
            relay.hold(random.between_ms(20, 60));
            std::thread::sleep(random.between_ms(300, 600));
            relay.hold(Duration::ZERO);
            Ok(())
        },
        || Ok(0),
    )
}

/// Two processes that compute on the server's core, with more right to it.
pub(super) fn hog(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
    // What the scheduler counts itself (schedstat) begins only when the other CPU has taken note of
    // a wake-up, and says 5 % less.
    let tracer = Tracer::start(stage.server.id(), Timed::Waits)?;
    let hogs = Hogs::start(2)?;
    // From here on the core is never idle: what the server waits for is a hog.
    std::thread::sleep(Duration::from_millis(50));
    let begin_ns = now_ns();
    std::thread::sleep(random.between_ms(400, 800));
    let end_ns = now_ns();
    drop(hogs);
    // A wait that the end cut has an end of its own by now.
    std::thread::sleep(Duration::from_millis(50));
    Ok(Induced { begin_ns, end_ns, truth_ns: tracer.within_ns((begin_ns, end_ns), 0)? })
}

/// Two at once: a script on a core that it has to share.
pub(super) fn lua_hogged(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let _hog = Hogs::start(1)?;
    std::thread::sleep(Duration::from_millis(50));
    command(stage, &["EVAL", "local n = 0 for i = 1, 6000000 do n = n + i % 7 end return n", "0"])
}

/// Processes that compute; they end with the value.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start(count: usize) -> anyhow::Result<Self> {
        let mut hogs = Self(Vec::new());
        for _ in 0..count {
            hogs.0.push(start_hog()?);
        }
        Ok(hogs)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}

fn start_hog() -> anyhow::Result<Child> {
    Command::new("nice")
        .args(["-n", "-10", "taskset", "-c", &SERVER_CPU.to_string()])
        .args(["sh", "-c", "while :; do :; done"])
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start a hog")
}

/// A quota of a tenth of a core, by a control group that lasts as long.
pub(super) fn throttle(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
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
pub(super) fn keys_stopped(stage: &mut Stage, random: &mut Random) -> anyhow::Result<Induced> {
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

/// Packets for another network namespace, which the kernel works off on the server's core, on top of
/// a script that needs it.
pub(super) fn packets(stage: &mut Stage, _: &mut Random) -> anyhow::Result<Induced> {
    let wire = Wire::new()?;
    let done = AtomicBool::new(false);
    let tracer = Tracer::start(stage.server.id(), Timed::Softirqs)?;
    let script = "local n = 0 for i = 1, 8000000 do n = n + i % 7 end return n";
    let found = std::thread::scope(|scope| {
        scope.spawn(|| wire.flood(&done));
        std::thread::sleep(Duration::from_millis(50));
        let found = command(stage, &["EVAL", script, "0"]);
        done.store(true, Ordering::Relaxed);
        found
    })?;
    Ok(Induced { truth_ns: tracer.within_ns(found.span(), 0)?, ..found })
}

/// A veth pair into a namespace whose packets are received on the server's CPU (receive packet
/// steering); gone with the value.
struct Wire(String);

const NEAR: &str = "10.199.7.1/30";
const FAR: &str = "10.199.7.2";

impl Wire {
    fn new() -> anyhow::Result<Self> {
        let wire = Self(format!("stallion-truth-{}", std::process::id()));
        let name = wire.0.as_str();
        shell::run(&["ip", "netns", "add", name])?;
        let pair = ["ip", "link", "add", "truth0", "type", "veth", "peer", "name", "far", "netns"];
        shell::run(&[&pair[..], &[name]].concat())?;
        shell::run(&["ip", "address", "add", NEAR, "dev", "truth0"])?;
        shell::run(&["ip", "link", "set", "truth0", "up"])?;
        shell::run(&["ip", "-n", name, "address", "add", &format!("{FAR}/30"), "dev", "far"])?;
        shell::run(&["ip", "-n", name, "link", "set", "far", "up"])?;
        let mask = format!("{:x}", 1 << SERVER_CPU);
        let steer = format!("echo {mask} > /sys/class/net/far/queues/rx-0/rps_cpus");
        shell::run(&["ip", "netns", "exec", name, "sh", "-c", &steer])?;
        Ok(wire)
    }

    /// Sends as fast as one thread can, from the client's CPU.
    fn flood(&self, done: &AtomicBool) {
        let cpu = CLIENT_CPU.to_string();
        // SAFETY: takes no memory.
        let tid = unsafe { libc::gettid() }.to_string();
        let _ = shell::output_quietly(&["taskset", "-p", "-c", &cpu, &tid]);
        let Ok(socket) = UdpSocket::bind("0.0.0.0:0") else { return };
        while !done.load(Ordering::Relaxed) {
            // A refused packet is no matter: the next one comes.
            let _ = socket.send_to(&[0; 64], (FAR, 9));
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = shell::output_quietly(&["ip", "link", "delete", "truth0"]);
        let _ = shell::output_quietly(&["ip", "netns", "delete", &self.0]);
    }
}

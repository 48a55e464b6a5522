//! What stalls no main thread, or is told within another stall: made on purpose and counted by
//! somebody who is not the prober.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::disk::numbers_of;
use super::group::Group;
use super::induced::now_ns;
use super::stage::Stage;
use super::tracer::{Timed, Tracer};
use crate::shell;

/// A kind of incident.
#[derive(Clone, Copy)]
pub(super) struct Incident {
    /// Its name in the table, with what is counted.
    pub(super) name: &'static str,
    /// Who counts.
    pub(super) truth: &'static str,
    pub(super) act: fn(&mut Stage) -> anyhow::Result<Counted>,
    /// What a stall record of the prober says of it.
    pub(super) told: fn(&Value, &Counted) -> f64,
}

/// What happened, and how much of it.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
    pub(super) truth: f64,
    /// What it was done to, where stall records tell that.
    pub(super) subject: String,
}

/// Trouble on connections.
pub(super) const LINKS: &[Incident] = &[
    Incident {
        name: "segments sent again to a client that is gone",
        truth: "TCP_INFO by ss",
        act: retransmits,
        told: |stall, counted| of_network(stall, "retransmit to", counted),
    },
    Incident {
        name: "clients that stop reading",
        truth: "the schedule",
        act: closed_window,
        told: |stall, counted| of_network(stall, "zero window", counted),
    },
    Incident {
        name: "connections reset by a client",
        truth: "the schedule",
        act: reset,
        told: |stall, counted| of_network(stall, "reset by", counted),
    },
];

/// The end of a server.
pub(super) const OUT_OF_MEMORY: Incident = Incident {
    name: "servers that the OOM killer of a memory cgroup chose",
    truth: "the process's end",
    act: out_of_memory,
    told: |stall, counted| {
        let what = stall["what"].as_str().unwrap_or_default();
        let fits = stall["class"] == "reclaim" && what.ends_with("chosen by the OOM killer");
        f64::from(fits && begins(stall, counted))
    },
};

/// A disk whose requests are slow themselves, not only the way to it.
pub(super) const SLOW_DEVICE: &[Incident] = &[Incident {
    name: "ms in which a slow disk had a request",
    truth: "ftrace",
    act: slow_device,
    told: |stall, counted| {
        let main = stall["class"] == "block_io" && stall["thread"] == "main";
        // The disk below has requests of its own meanwhile.
        if !main || stall["what"] != counted.subject.as_str() {
            return 0.0;
        }
        let number = |name: &str| stall[name].as_u64().unwrap_or(0);
        let (start_ns, end_ns) = (number("start_ns"), number("end_ns"));
        let common_ns =
            end_ns.min(counted.end_ns).saturating_sub(start_ns.max(counted.begin_ns)) as f64;
        let length_ns = end_ns.saturating_sub(start_ns).max(1) as f64;
        number("busy_ns") as f64 * common_ns / length_ns / 1e6
    },
}];

fn begins(stall: &Value, counted: &Counted) -> bool {
    stall["start_ns"]
        .as_u64()
        .is_some_and(|start_ns| (counted.begin_ns..counted.end_ns).contains(&start_ns))
}

fn of_network(stall: &Value, prefix: &str, counted: &Counted) -> f64 {
    let fits = stall["what"].as_str().unwrap_or_default().starts_with(prefix);
    if fits && begins(stall, counted) { stall["count"].as_f64().unwrap_or(0.0) } else { 0.0 }
}

fn retransmits(stage: &mut Stage) -> anyhow::Result<Counted> {
    let mut client = client(stage)?;
    let begin_ns = now_ns();
    // A filter that drops all that comes in stands for a link that does.
    let drop_all = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 }];
    let program = libc::sock_fprog { len: 1, filter: drop_all.as_ptr().cast_mut() };
    set(&client, libc::SO_ATTACH_FILTER, &program)?;
    client.write_all(b"PING\r\n")?;
    std::thread::sleep(Duration::from_millis(900));
    set(&client, libc::SO_DETACH_FILTER, &0_i32)?;
    let answered = client.read(&mut [0; 64])?;
    ensure!(answered > 0, "the server hung up");
    let truth = sent_again(stage.port, client.local_addr()?.port())?;
    Ok(Counted { begin_ns, end_ns: now_ns(), truth, subject: String::new() })
}

/// What the kernel says of the server's side of a connection: `… retrans:0/4 …`; nothing when it has
/// sent nothing again.
fn sent_again(server: u16, client: u16) -> anyhow::Result<f64> {
    let (server, client) = (format!("sport = :{server}"), format!("dport = :{client}"));
    let text = shell::output(&["ss", "-tinH", &server, &client])?;
    let word = text.split_whitespace().find_map(|word| word.strip_prefix("retrans:"));
    let count = word.and_then(|word| word.split_once('/'));
    Ok(count.map_or(Ok(0.0), |(_, all)| all.parse())?)
}

fn closed_window(stage: &mut Stage) -> anyhow::Result<Counted> {
    stage.redis()?.ask(&["SETRANGE", "truth:large", "33554431", "x"])?;
    let begin_ns = now_ns();
    let mut client = client(stage)?;
    client.write_all(b"GET truth:large\r\n")?;
    // The sockets are looked at once a second.
    std::thread::sleep(Duration::from_millis(2_300));
    drop(client);
    std::thread::sleep(Duration::from_millis(1_200));
    stage.redis()?.ask(&["DEL", "truth:large"])?;
    Ok(Counted { begin_ns, end_ns: now_ns(), truth: 1.0, subject: String::new() })
}

fn reset(stage: &mut Stage) -> anyhow::Result<Counted> {
    let begin_ns = now_ns();
    let client = client(stage)?;
    // Closed without lingering, it is reset.
    set(&client, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    drop(client);
    std::thread::sleep(Duration::from_millis(100));
    Ok(Counted { begin_ns, end_ns: now_ns(), truth: 1.0, subject: String::new() })
}

fn out_of_memory(stage: &mut Stage) -> anyhow::Result<Counted> {
    let group = Group::new("memory", stage.server.id())?;
    group.write("memory.limit_in_bytes", "64M")?;
    let begin_ns = now_ns();
    let answer = stage.redis()?.ask(&["DEBUG", "POPULATE", "1000000", "truth", "300"]);
    ensure!(answer.is_err(), "the server lived on: {answer:?}");
    std::thread::sleep(Duration::from_millis(200));
    let ended = stage.server.try_wait()?.is_some();
    let truth = f64::from(ended);
    Ok(Counted { begin_ns, end_ns: now_ns(), truth, subject: String::new() })
}

/// The disk below the server's own takes two megabytes a second from everybody.
fn slow_device(stage: &mut Stage) -> anyhow::Result<Counted> {
    let below = numbers_of(stage.below().context("no disk below its own")?.folder())?;
    let own = numbers_of(stage.disk().context("no disk of its own")?.folder())?;
    let (major, minor) = own.split_once(':').context("no device number")?;
    let requests = Timed::Requests(major.parse()?, minor.parse()?);
    let tracer = Tracer::start(stage.server.id(), requests)?;
    let limit = "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device";
    fs::write(limit, format!("{below} 2000000")).context(limit)?;
    std::thread::sleep(Duration::from_millis(100));
    let begin_ns = now_ns();
    std::thread::sleep(Duration::from_millis(1_500));
    let end_ns = now_ns();
    fs::write(limit, format!("{below} 0"))?;
    std::thread::sleep(Duration::from_millis(300));
    let truth = tracer.within_ns((begin_ns, end_ns), 0)? as f64 / 1e6;
    let subject = stage.disk().map_or_else(String::new, |disk| disk.name().to_owned());
    Ok(Counted { begin_ns, end_ns, truth, subject })
}

/// A connection that has been answered once.
fn client(stage: &Stage) -> anyhow::Result<TcpStream> {
    let mut client = TcpStream::connect(("127.0.0.1", stage.port))?;
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    client.write_all(b"PING\r\n")?;
    let answered = client.read(&mut [0; 64])?;
    ensure!(answered > 0, "the server hung up");
    Ok(client)
}

fn set<T>(stream: &TcpStream, option: i32, value: &T) -> anyhow::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>())?;
    let pointer = std::ptr::from_ref(value).cast();
    // SAFETY: the value is as long as it says.
    let result =
        unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, option, pointer, length) };
    ensure!(result == 0, "socket option {option}: {}", std::io::Error::last_os_error());
    Ok(())
}

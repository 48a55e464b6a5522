//! Every ring, with every set of the kernel's features, against a real redis-server: whole,
//! pipelined, larger than any socket buffer, refused, cut off and opened again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tls;

use std::net::SocketAddr;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stallion_engine::ring::{Completion, Reason, Ring};
use stallion_engine::units::{ConnId, Nanos};
use stallion_resp::encoder::request;
use stallion_rings::epoll::Epoll;
use stallion_rings::socket::Address;
use stallion_rings::tls::{Checked, TlsClient};
use stallion_rings::tls_files::{TlsFiles, read};
use stallion_rings::tls_ring::Tls;
use stallion_rings::uring::{Features, TaskWork, Uring};
use stallion_rings::wait::WaitPolicy;

use tls::Certificates;

/// Larger than the socket buffers of both sides together: sends are cut into parts.
const LARGE_BYTES: usize = 16 << 20;

const CONNECTIONS: usize = 3;

struct Redis {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        Self::start_with(free_port(), &[])
    }

    fn start_with(port: u16, settings: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--dir"])
            .arg(folder.path())
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, port, _folder: folder }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What is complete of each connection.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Observed {
    opened: usize,
    sent: usize,
    bytes: Vec<u8>,
    closed: Vec<Reason>,
}

/// Turns the ring until `done`.
fn turn<R: Ring>(ring: &mut R, observed: &mut [Observed], done: impl Fn(&[Observed]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done(observed) {
        assert!(Instant::now() < deadline, "not in a minute");
        let until = Nanos(ring.now().0 + 10_000_000);
        ring.wait(until);
        while let Some(completion) = ring.next() {
            match completion {
                Completion::Opened(id) => observed[id.index()].opened += 1,
                Completion::Sent(id) => observed[id.index()].sent += 1,
                Completion::Received(id, bytes) => observed[id.index()].bytes.extend(bytes),
                Completion::Closed(id, reason) => observed[id.index()].closed.push(reason),
            }
        }
    }
}

fn connection(index: usize) -> ConnId {
    ConnId(index as u32)
}

/// Opens, exchanges small and large, loses and opens again.
fn exercise<R: Ring>(mut ring: R) {
    let mut observed = vec![Observed::default(); CONNECTIONS];
    for index in 0..CONNECTIONS {
        ring.open(connection(index));
    }
    turn(&mut ring, &mut observed, |observed| observed.iter().all(|one| one.opened == 1));
    for (round, length) in [1, 1_000, 100_000, LARGE_BYTES, 10].into_iter().enumerate() {
        let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let bytes = request(&[b"ECHO", &payload]);
        let reply = [format!("${length}\r\n").as_bytes(), &payload, b"\r\n"].concat();
        let notify = round % 2 == 1;
        for (index, one) in observed.iter_mut().enumerate() {
            *one = Observed::default();
            let half = round % 2;
            ring.outgoing(connection(index), half)[..bytes.len()].copy_from_slice(&bytes);
            ring.send(connection(index), half, bytes.len(), notify);
        }
        turn(&mut ring, &mut observed, |observed| {
            observed.iter().all(|one| {
                let complete = one.sent == usize::from(notify);
                one.bytes.len() >= reply.len() && complete
            })
        });
        for one in &observed {
            assert!(one.bytes == reply && one.closed.is_empty(), "round {round}");
        }
    }
    lose_and_return(&mut ring, &mut observed);
    let usage = ring.usage();
    assert!(usage.cpu_ns > 0 && usage.syscalls > 10);
}

/// The server hangs up after QUIT; closing by hand is silent; both can be opened again.
fn lose_and_return<R: Ring>(ring: &mut R, observed: &mut [Observed]) {
    observed.fill(Observed::default());
    let quit = request(&[b"QUIT"]);
    ring.outgoing(connection(0), 0)[..quit.len()].copy_from_slice(&quit);
    ring.send(connection(0), 0, quit.len(), false);
    ring.close(connection(1));
    turn(ring, observed, |observed| !observed[0].closed.is_empty());
    assert_eq!(observed[0].closed, [Reason::EndOfStream]);
    assert_eq!(observed[1], Observed::default());
    observed.fill(Observed::default());
    ring.open(connection(0));
    ring.open(connection(1));
    turn(ring, observed, |observed| observed[0].opened + observed[1].opened == 2);
    assert!(observed.iter().all(|one| one.closed.is_empty()));
}

fn refused<R: Ring>(mut ring: R) {
    let mut observed = vec![Observed::default(); CONNECTIONS];
    ring.open(connection(2));
    turn(&mut ring, &mut observed, |observed| !observed[2].closed.is_empty());
    assert_eq!(observed[2].closed, [Reason::Refused(libc::ECONNREFUSED)]);
}

fn combinations() -> Vec<Features> {
    let mut all = Vec::new();
    for task_work in
        [TaskWork::Interrupting, TaskWork::Cooperative, TaskWork::SingleIssuer, TaskWork::Deferred]
    {
        for (multishot_receive, incremental_buffers) in
            [(false, false), (true, false), (true, true)]
        {
            all.push(Features { task_work, multishot_receive, incremental_buffers });
        }
    }
    all
}

const HALF_BYTES: usize = LARGE_BYTES + 100;

#[test]
fn io_uring_works_with_every_set_of_features() {
    let redis = Redis::start();
    for features in combinations() {
        let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], redis.port)));
        let block = WaitPolicy::Block;
        let ring = Uring::with(features, address, CONNECTIONS, HALF_BYTES, block).unwrap();
        let used = ring.features();
        assert!(used.task_work <= features.task_work);
        assert!(used.multishot_receive <= features.multishot_receive);
        assert!(used.incremental_buffers <= features.incremental_buffers);
        println!("{features:?} -> {used:?}");
        exercise(ring);
    }
}

#[test]
fn both_rings_work_with_every_way_of_waiting() {
    let redis = Redis::start();
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], redis.port)));
    for policy in [WaitPolicy::Block, WaitPolicy::Adaptive, WaitPolicy::Spin] {
        exercise(Epoll::new(address.clone(), CONNECTIONS, HALF_BYTES, policy).unwrap());
        exercise(Uring::new(address.clone(), CONNECTIONS, HALF_BYTES, policy).unwrap());
    }
}

#[test]
fn a_refused_connection_is_told_once() {
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], free_port())));
    refused(Epoll::new(address.clone(), CONNECTIONS, 64, WaitPolicy::Block).unwrap());
    refused(Uring::new(address, CONNECTIONS, 64, WaitPolicy::Block).unwrap());
}

#[test]
fn waiting_ends_on_time() {
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], free_port())));
    let late_ns = |ring: &mut dyn Ring| {
        let until = Nanos(ring.now().0 + 5_000_000);
        ring.wait(until);
        ring.now().since(until)
    };
    let mut rings: Vec<Box<dyn Ring>> = vec![
        Box::new(Epoll::new(address.clone(), 1, 64, WaitPolicy::Block).unwrap()),
        Box::new(Uring::new(address, 1, 64, WaitPolicy::Block).unwrap()),
    ];
    for ring in &mut rings {
        let before = ring.now();
        let late = (0..5).map(|_| late_ns(ring.as_mut())).min().unwrap();
        assert!(ring.now().since(before) >= 25_000_000, "it did not sleep");
        assert!(late < 2_000_000, "the best of five was {late} ns late");
    }
}

/// TLS over one ring or the other.
fn over(client: &TlsClient, port: u16, io_uring: bool) -> Tls {
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
    let size = (CONNECTIONS, HALF_BYTES);
    Tls::over(client.clone(), address, size, |address, connections, half_bytes| {
        let block = WaitPolicy::Block;
        Ok(if io_uring {
            Box::new(Uring::new(address, connections, half_bytes, block)?)
        } else {
            Box::new(Epoll::new(address, connections, half_bytes, block)?)
        })
    })
    .unwrap()
}

#[test]
fn tls_works_over_both_rings_in_both_versions() {
    let certificates = Certificates::new();
    let client = |authority| {
        let own = (certificates.certificate("client"), certificates.key("client"));
        let ca = Some(certificates.certificate(authority));
        read(&TlsFiles { ca, own: Some(own), ..TlsFiles::default() }).unwrap()
    };
    for version in ["TLSv1.3", "TLSv1.2"] {
        let port = free_port();
        let mut settings = certificates.settings("host", port, "yes");
        settings.extend(["--tls-protocols".to_owned(), version.to_owned()]);
        let _redis = Redis::start_with(free_port(), &settings);
        for io_uring in [true, false] {
            exercise(over(&client("authority"), port, io_uring));
            let mut ring = over(&client("other"), port, io_uring);
            let mut observed = vec![Observed::default(); CONNECTIONS];
            ring.open(connection(0));
            turn(&mut ring, &mut observed, |observed| !observed[0].closed.is_empty());
            assert_eq!(observed[0].closed, [Reason::Refused(libc::EPROTO)]);
            assert!(ring.trouble().contains("UnknownIssuer"), "{}", ring.trouble());
        }
    }
}

/// A server that wants a certificate and gets none lets TLS 1.3 come about on the client's side first.
#[test]
fn a_client_without_a_certificate_is_shown_out() {
    let (certificates, port) = (Certificates::new(), free_port());
    let _redis = Redis::start_with(free_port(), &certificates.settings("host", port, "yes"));
    let client = read(&TlsFiles { checked: Checked::Nothing, ..TlsFiles::default() }).unwrap();
    let mut ring = over(&client, port, true);
    let mut observed = vec![Observed::default(); CONNECTIONS];
    ring.open(connection(0));
    turn(&mut ring, &mut observed, |observed| !observed[0].closed.is_empty());
    assert!(ring.trouble().contains("CertificateRequired"), "{}", ring.trouble());
}

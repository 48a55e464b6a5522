//! Clients and links that harm a connection.
#![expect(clippy::unwrap_used, reason = "test code outside of the test functions themselves")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::harness::{Server, may_probe, watched};
use stallion_timeline::{Stall, StallClass};

/// Sets a socket option.
fn set<T>(stream: &TcpStream, option: i32, value: &T) {
    // SAFETY: the value is as long as it says.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as u32,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn of<'a>(stalls: &'a [Stall], what: &str) -> Vec<&'a Stall> {
    let network = stalls.iter().filter(|stall| stall.class == StallClass::Network);
    network.filter(|stall| stall.what.starts_with(what)).collect()
}

#[test]
fn retransmits_and_resets_are_counted_with_their_peers() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let (mut peer, mut refused) = (String::new(), String::new());
    let seen = watched(&server, || {
        let mut stream = connect(&server);
        peer = stream.local_addr().unwrap().to_string();
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 64];
        assert_eq!(stream.read(&mut answer).unwrap(), 7);
        // A filter that drops everything stands for a link that does: nothing is acknowledged.
        let drop_all = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 }];
        let program = libc::sock_fprog { len: 1, filter: drop_all.as_ptr().cast_mut() };
        set(&stream, libc::SO_ATTACH_FILTER, &program);
        stream.write_all(b"PING\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(900));
        set(&stream, libc::SO_DETACH_FILTER, &0_i32);
        assert_eq!(stream.read(&mut answer).unwrap(), 7);
        // Closed without lingering, the connection is reset.
        set(&stream, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 });
        drop(stream);
        // A server that closes with something unread resets the connection itself.
        server.ask("CONFIG SET client-query-buffer-limit 1mb");
        let mut stream = connect(&server);
        refused = stream.local_addr().unwrap().to_string();
        let header = b"*2\r\n$4\r\nECHO\r\n$100000000\r\n";
        let _ = stream.write_all(header).and_then(|()| stream.write_all(&vec![b'x'; 16 << 20]));
    });
    assert!(!of(&seen.stalls, &format!("reset of {refused}")).is_empty(), "{:#?}", seen.stalls);
    let again = of(&seen.stalls, &format!("retransmit to {peer}"));
    let count: u64 = again.iter().map(|stall| stall.count).sum();
    println!("{count} retransmits: {again:#?}");
    assert!((1..=6).contains(&count), "200 ms, doubled each time: {again:#?}");
    assert_eq!(again[0].detail["local_port"], f64::from(server.port));
    assert_eq!(of(&seen.stalls, &format!("reset by {peer}")).len(), 1, "{:#?}", seen.stalls);
    assert!(of(&seen.stalls, "").iter().all(|stall| stall.busy_ns == 0), "one connection only");
}

#[test]
fn a_client_that_does_not_read_is_a_zero_window() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    server.ask("SETRANGE big 33554431 x");
    let mut peer = String::new();
    let seen = watched(&server, || {
        let mut stream = connect(&server);
        peer = stream.local_addr().unwrap().to_string();
        stream.write_all(b"GET big\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(3_300));
    });
    let closed = of(&seen.stalls, "zero window");
    println!("{closed:#?}");
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].what, format!("zero window: {peer} does not read"));
    let seconds = (closed[0].end_ns - closed[0].start_ns) as f64 / 1e9;
    assert!((1.0..4.0).contains(&seconds), "known to a second at both ends: {seconds}");
    assert!(closed[0].detail["queued_bytes"] > 1e5, "{closed:#?}");
}

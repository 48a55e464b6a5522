//! A redis-server of a test's own.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stallion_resp::encoder::request;

/// It ends with its value.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// A server that is a cluster of one node, serving all slots.
    pub(crate) fn start_cluster() -> Self {
        let server = Self::start_with(&[
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &free_port().to_string(),
        ]);
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
        stream.write_all(&request(&[b"CLUSTER", b"ADDSLOTSRANGE", b"0", b"16383"])).unwrap();
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n");
        // It says so about a second later.
        loop {
            stream.write_all(&request(&[b"GET", b"key:000000000000"])).unwrap();
            stream.read_exact(&mut reply).unwrap();
            if &reply == b"$-1\r\n" {
                return server;
            }
            let mut rest = [0; 4_096];
            let _ = stream.read(&mut rest).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = Command::new("redis-server")
            .args(["--save", "", "--bind", "127.0.0.1", "--dir"])
            .arg(folder.path())
            .args(settings)
            .args(["--port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let server = Self { child, port, _folder: folder };
        for _ in 0..500 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

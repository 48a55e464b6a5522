//! Real servers on free ports of loopback, in folders of their own, gone with the test.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{eventually, free_port};

/// A redis-server.
#[derive(Debug)]
pub(crate) struct Redis {
    child: Child,
    folder: TempDir,
    args: Vec<String>,
    pub(crate) port: String,
}

impl Redis {
    /// Starts one with further settings and waits until it listens.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().to_string();
        let socket = folder.path().join("redis.sock");
        let mut args: Vec<String> =
            ["--save", "", "--bind", "127.0.0.1", "--port", &port].map(str::to_owned).to_vec();
        args.extend(["--dir".to_owned(), folder.path().display().to_string()]);
        args.extend(["--unixsocket".to_owned(), socket.display().to_string()]);
        args.extend(settings.iter().copied().map(str::to_owned));
        let child = spawn(&args);
        let server = Self { child, folder, args, port };
        server.await_listening();
        server
    }

    fn await_listening(&self) {
        eventually("redis-server listens", || {
            TcpStream::connect(format!("127.0.0.1:{}", self.port)).is_ok()
        });
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.args);
        self.await_listening();
    }

    /// What it says to one line of words, as it stands on the wire.
    pub(crate) fn ask(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(args: &[String]) -> Child {
    Command::new("redis-server")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed (`cargo xtask test` installs it)")
}

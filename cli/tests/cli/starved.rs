//! A client that had no core to itself must not call its figures the server's.

use std::process::{Child, Command, Stdio};

use crate::harness::redis::Redis;
use crate::harness::stallion::{drive, stallion};

/// The last CPU of this process, where the client is pinned by default.
fn last_cpu() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (cpus - 1).to_string()
}

/// Processes that keep one CPU busy, until they are dropped.
struct Hogs(Vec<Child>);

impl Hogs {
    fn on(cpu: &str, count: usize) -> Self {
        let hog = || {
            Command::new("taskset")
                .args(["-c", cpu, "sh", "-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
                .unwrap()
        };
        Self((0..count).map(|_| hog()).collect())
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

#[test]
fn a_client_beside_hogs_is_named_as_the_bottleneck() {
    let server = Redis::start(&[]);
    let cpu = last_cpu();
    let hogs = Hogs::on(&cpu, 3);
    let more = ["--rate", "max", "--duration", "2s", "--cores", &cpu];
    let ended = stallion(&drive(&server.port, &more));
    ended.expect(3, &["generator-bound", "had no core", "INVALID"]);
    drop(hogs);
}

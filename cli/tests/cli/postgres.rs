//! A real PostgreSQL behind the cache: what a miss costs, what is counted, and what is never shown.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, stallion};
use crate::harness::{eventually, free_port};

const PASSWORD: &str = "not-for-your-eyes";

/// A cluster of PostgreSQL's own in a temporary folder, with one user and a password.
struct Postgres {
    child: Child,
    folder: TempDir,
    port: String,
}

/// Debian has a folder for each version, and none of them in the path.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed by `cargo xtask test`")
        .map(|entry| entry.unwrap().path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    versions.sort();
    versions.pop().expect("PostgreSQL is installed by `cargo xtask test`")
}

/// A program of PostgreSQL's, which does not run as root: Debian's package makes a user for it.
fn as_somebody(name: &str) -> Command {
    let mut command = Command::new(program(name));
    if geteuid().is_root() {
        let user = User::from_name("postgres").unwrap().expect("Debian's user `postgres`");
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn give_away(path: &Path) {
    if geteuid().is_root() {
        let user = User::from_name("postgres").unwrap().expect("Debian's user `postgres`");
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

impl Postgres {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, PASSWORD).unwrap();
        give_away(folder.path());
        give_away(&file);
        let made = as_somebody("initdb")
            .args(["--auth=scram-sha-256", "--username=cache", "--no-sync", "--pwfile"])
            .arg(&file)
            .arg("-D")
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(made.success(), "initdb");
        let port = free_port().to_string();
        let child = Self::spawn(folder.path(), &port);
        let postgres = Self { child, folder, port };
        postgres.wait_until_ready();
        postgres
    }

    fn spawn(folder: &Path, port: &str) -> Child {
        as_somebody("postgres")
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-p", port, "-k", ""])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .current_dir(folder)
            .spawn()
            .unwrap()
    }

    fn wait_until_ready(&self) {
        eventually("PostgreSQL answers", || {
            as_somebody("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port])
                .status()
                .unwrap()
                .success()
        });
    }

    fn url(&self, password: &str) -> String {
        format!("postgresql://cache:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// Its end, at once and in good order ("fast").
    fn end(&mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT).unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = Self::spawn(self.folder.path(), &self.port);
        self.wait_until_ready();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGQUIT);
        let _ = self.child.wait();
    }
}

fn flags<'a>(redis: &'a Redis, url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let common = "drive --keys 1000 --rate 2000 --warmup 0s --conns 8 --pipeline 16 --json - \
                  --allow-invalid --ttl 1s -p";
    let common: Vec<&str> = common.split_whitespace().collect();
    [&common[..], &[redis.port.as_str(), "--store", url], more].concat()
}

fn count(summary: &Value, name: &str) -> u64 {
    summary["store"]["counts"][name].as_u64().unwrap()
}

#[test]
fn a_miss_asks_a_real_database() {
    let (redis, mut postgres) = (Redis::start(&[]), Postgres::start());
    let url = postgres.url(PASSWORD);
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let more = ["--store-fill", "--duration", "2s", "--verify", "--out", folder];
    let ended = stallion(&flags(&redis, &url, &more));
    let summary = ended.expect(0, &[]).all_answered();
    let reads = count(&summary, "reads");
    assert!(reads >= 900 && count(&summary, "refills") <= reads, "{summary:#}");
    assert_eq!((count(&summary, "failed"), count(&summary, "refused")), (0, 0), "{summary:#}");
    assert!(summary["store"]["latency_us"]["p50"].as_f64() > Some(50.0), "{summary:#}");
    let written = fs::read_to_string(out.path().join("drive.jsonl")).unwrap();
    assert!(written.contains(&format!("postgresql://127.0.0.1:{}/postgres", postgres.port)));
    for text in [&written, &ended.out, &ended.err] {
        assert!(!text.contains(PASSWORD), "the password is shown");
    }
    // A query that takes its time, on two connections: the others wait, and it shows.
    redis.ask("FLUSHALL");
    let query = "SELECT $1::bigint, pg_sleep(0.02)";
    let more = ["--store-query", query, "--store-servers", "2", "--duration", "1s"];
    let slow: Vec<&str> = flags(&redis, &url, &more)
        .into_iter()
        .map(|flag| match flag {
            "1000" => "20",
            "2000" => "200",
            other => other,
        })
        .collect();
    let summary = stallion(&slow).expect(0, &[]).all_answered();
    let latency = |name: &str| summary["store"]["latency_us"][name].as_f64().unwrap();
    assert!(latency("p50") > 20_000.0 && latency("max") > 60_000.0, "{summary:#}");
    assert!(summary["store"]["queue_max"].as_u64() > Some(2), "{summary:#}");
    // It goes away, and comes back: reads that needed it failed meanwhile, and that is all.
    let more = ["--duration", "4s", "--timeout", "2s"];
    let run = Running::start(&flags(&redis, &url, &more), None);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    postgres.end();
    std::thread::sleep(std::time::Duration::from_millis(300));
    postgres.start_again();
    let summary = run.end().json();
    assert!(count(&summary, "failed") > 0 && count(&summary, "reads") > 1_500, "{summary:#}");
    assert_eq!(summary["accounting"]["unsent"], 0, "{summary:#}");
    let told = summary["verdict"]["warnings"].to_string();
    assert!(told.contains("the store failed"), "{told}");
}

#[test]
fn a_store_that_cannot_be_asked_is_told_before_the_run() {
    let (redis, postgres) = (Redis::start(&[]), Postgres::start());
    let (right, wrong) = (postgres.url(PASSWORD), postgres.url("guessed-wrong"));
    for (url, more, said) in [
        (&right, &[][..], "--store-fill"),
        (&wrong, &[], "PGPASSWORD"),
        (&right, &["--store-query", "SELECT 1"], "given one key"),
        (&right, &["--store-query", "SELEC $1"], "syntax error"),
        (
            &right,
            &["--store-servers", "200", "--store-query", "SELECT $1::text"],
            "--store-servers",
        ),
        (&"postgresql://127.0.0.1:1/x".to_owned(), &[], "refused"),
        (&"postgresql://a:guessed-wrong@h:port/x".to_owned(), &[], "--store"),
        (&"fixed:5ms".to_owned(), &["--store-fill"], "PostgreSQL"),
    ] {
        let more = [&["--duration", "1s"], more].concat();
        let ended = stallion(&flags(&redis, url, &more));
        ended.expect(2, &[said]);
        assert!(!ended.err.contains(PASSWORD) && !ended.err.contains("guessed-wrong"), "{ended:?}");
    }
}

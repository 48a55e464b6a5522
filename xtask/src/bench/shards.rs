//! A cluster of redis-servers on the server's CPU, filled with the keys.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::programs::{KEYS, Programs, Server, free_port};
use crate::child;

/// Hash slots of a cluster.
const SLOTS: usize = 16_384;

/// Primaries, and their files of nodes. They end with this value.
pub(super) struct Shards {
    servers: Vec<Server>,
    states: Vec<PathBuf>,
}

impl Shards {
    /// Starts so many primaries, gives each its part of the slots and so many replicas, and fills
    /// them.
    pub(super) fn start(
        programs: &Programs,
        count: usize,
        replicas: usize,
    ) -> anyhow::Result<Self> {
        let mut shards = Self { servers: Vec::new(), states: Vec::new() };
        let mut first_bus = None;
        for index in 0..count * (1 + replicas) {
            let (port, bus) = (free_port()?, free_port()?);
            let state = std::env::temp_dir().join(format!("stallion-nodes-{port}.conf"));
            let mut words = Programs::redis_words(port, "127.0.0.1")?;
            // Replicas take what they are sent into memory: all servers share one folder.
            words.extend(["--repl-diskless-load", "on-empty-db"].map(str::to_owned));
            words.extend(["--repl-diskless-sync-delay", "0"].map(str::to_owned));
            words.extend(["--cluster-enabled", "yes", "--cluster-config-file"].map(str::to_owned));
            words.extend([
                state.display().to_string(),
                "--cluster-port".to_owned(),
                bus.to_string(),
            ]);
            shards.states.push(state);
            shards.servers.push(Server { process: child::spawn(&words)?, port });
            shards.servers[index].wait_until_open()?;
            if index < count {
                let (from, to) = (SLOTS * index / count, SLOTS * (index + 1) / count - 1);
                ask(port, &format!("addslotsrange {from} {to}"))?;
            }
            let first = shards.first().port;
            let first_bus = *first_bus.get_or_insert(bus);
            if index > 0 {
                ask(port, &format!("meet 127.0.0.1 {first} {first_bus}"))?;
            }
        }
        shards.wait_until_whole()?;
        for index in count..count * (1 + replicas) {
            shards.follow(index, index % count)?;
        }
        let (port, keys) = (shards.first().port.to_string(), KEYS.to_string());
        let load = ["load", "--topology", "cluster", "--port", &port, "--keys", &keys];
        child::run(&programs.words("stallion", &load))?;
        Ok(shards)
    }

    /// Makes one server the replica of another; the news of nodes takes its time.
    fn follow(&self, replica: usize, primary: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let port = self.servers[replica].port;
        let id = ask(self.servers[primary].port, "myid")?;
        let words = format!("replicate {}", id.trim());
        while !ask(port, &words)?.contains("OK") || !ask(port, "nodes")?.contains("slave") {
            ensure!(Instant::now() < deadline, "a replica does not follow its primary");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Any of them knows the others.
    pub(super) fn first(&self) -> &Server {
        &self.servers[0]
    }

    fn wait_until_whole(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        for server in &self.servers {
            while !ask(server.port, "info")?.contains("cluster_state:ok") {
                ensure!(Instant::now() < deadline, "the cluster does not come up");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.servers.clear();
        for state in &self.states {
            let _ = std::fs::remove_file(state);
        }
    }
}

fn ask(port: u16, words: &str) -> anyhow::Result<String> {
    let words = format!("redis-cli -p {port} cluster {words}");
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    Ok(child::run(&words).with_context(|| words.join(" "))?.stdout)
}

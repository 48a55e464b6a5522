//! nutcracker (twemproxy) before the servers of a stack.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::StackError;
use crate::ports::free_port;
use crate::process::die_with_parent;
use crate::stack_plan::{RingHash, StackKind, StackPlan};

const READY_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A proxy that is up. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Proxy {
    child: Child,
    port: u16,
}

impl Proxy {
    /// Starts it before servers on loopback; it works in the stack's folder, as the servers do.
    pub(crate) fn start(
        plan: &StackPlan,
        ports: &[u16],
        folder: &Path,
    ) -> Result<Self, StackError> {
        let free = || free_port(StackKind::Single).map_err(StackError::io("no free port"));
        let (port, stats) = (free()?, free()?);
        let conf = folder.join("nutcracker.yml");
        fs::write(&conf, configuration(plan, port, ports))
            .map_err(StackError::io(conf.display().to_string()))?;
        let mut command = Command::new("nutcracker");
        command.arg("-c").arg(&conf).args(["-s", &stats.to_string()]);
        command.arg("-o").arg(folder.join("nutcracker.log"));
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let child = die_with_parent(&mut command).spawn().map_err(StackError::io(
            "nutcracker cannot run (Debian: apt-get install nutcracker)",
        ))?;
        let proxy = Self { child, port };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if start.elapsed() > READY_WITHIN {
                let log = fs::read_to_string(folder.join("nutcracker.log")).unwrap_or_default();
                return Err(StackError::Silent { program: "nutcracker", log });
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(proxy)
    }

    /// Where it listens on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

fn configuration(plan: &StackPlan, port: u16, servers: &[u16]) -> String {
    let distribution = match plan.ring_hash {
        RingHash::Ketama => "ketama",
        RingHash::Modulo => "modula",
    };
    let list: String =
        servers.iter().map(|server| format!("   - 127.0.0.1:{server}:1\n")).collect();
    format!(
        "pool:\n  listen: 127.0.0.1:{port}\n  hash: md5\n  distribution: {distribution}\n  \
         redis: true\n  backlog: 1024\n  servers:\n{list}"
    )
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

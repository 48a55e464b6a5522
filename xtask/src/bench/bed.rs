//! Two network namespaces with a link of known speed between them: a veth pair with a token bucket
//! on either end. Gone with the value.

use anyhow::Context as _;

use crate::shell;

/// Addresses of the two ends; the net is nobody else's inside the namespaces.
const CLIENT: &str = "10.199.0.1";
pub(super) const SERVER: &str = "10.199.0.2";

/// Bytes of a frame, and of its payload: Ethernet 14, IPv4 20, TCP 20 and its timestamps 12, with
/// the usual MTU of 1 500.
pub(super) const PAYLOAD_SHARE: f64 = 1_448.0 / 1_514.0;

/// A link between two namespaces.
pub(super) struct Bed {
    client: String,
    server: String,
}

impl Bed {
    /// Makes both, with a link of `rate` as tc(8) writes it. Needs root.
    pub(super) fn new(rate: &str) -> anyhow::Result<Self> {
        let id = std::process::id();
        let bed = Self { client: format!("stallion-c{id}"), server: format!("stallion-s{id}") };
        bed.build(rate).context("a link between namespaces needs root, ip and tc (iproute2)")?;
        Ok(bed)
    }

    fn build(&self, rate: &str) -> anyhow::Result<()> {
        for name in [&self.client, &self.server] {
            ip(&["netns", "add", name])?;
        }
        let (client, server) = (self.client.as_str(), self.server.as_str());
        ip(&[
            "link", "add", "near", "netns", client, "type", "veth", "peer", "name", "far", "netns",
            server,
        ])?;
        for (name, end, address) in [(client, "near", CLIENT), (server, "far", SERVER)] {
            ip(&["-n", name, "address", "add", &format!("{address}/30"), "dev", end])?;
            ip(&["-n", name, "link", "set", end, "up"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
            // A bucket of 256 KiB holds what one send hands over; 20 ms of queue is a switch's.
            shell::run(&[
                "tc", "-n", name, "qdisc", "add", "dev", end, "root", "tbf", "rate", rate, "burst",
                "256kb", "latency", "20ms",
            ])?;
        }
        Ok(())
    }

    /// The words that run a command on the client's side.
    pub(super) fn on_client(&self, words: &[String]) -> Vec<String> {
        inside(&self.client, words)
    }

    /// The words that run a command on the server's side.
    pub(super) fn on_server(&self, words: &[String]) -> Vec<String> {
        inside(&self.server, words)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for name in [&self.client, &self.server] {
            let _ = shell::output_quietly(&["ip", "netns", "delete", name]);
        }
    }
}

fn ip(words: &[&str]) -> anyhow::Result<()> {
    shell::run(&[&["ip"], words].concat())
}

fn inside(name: &str, words: &[String]) -> Vec<String> {
    let prefix = ["ip", "netns", "exec", name].map(str::to_owned);
    [&prefix, words].concat()
}

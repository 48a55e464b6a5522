//! The network interface that the requests go through: how fast it is, and how full it was.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;

use nix::ifaddrs::getifaddrs;
use serde::Serialize;
use serde_json::Value;

use stallion_rings::socket::Address;

/// How often the interface's counters are read: /proc/net/dev costs some 30 us.
const EVERY_NS: u64 = 100_000_000;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// As the kernel calls it.
    pub name: String,
    /// What it carries at most in each direction, if that can be known.
    pub bits_per_s: Option<u64>,
}

/// How much of a link a run used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkUse {
    /// As the kernel calls it.
    pub interface: String,
    /// What it carries at most in each direction; none when nobody says so (loopback).
    pub limit_bits_per_s: Option<u64>,
    /// Received, framing of the link included.
    pub received_bits_per_s: f64,
    /// Sent, likewise.
    pub sent_bits_per_s: f64,
}

impl LinkUse {
    /// Share of the fuller direction, 0 to 1; none when the limit is unknown.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let limit = self.limit_bits_per_s? as f64;
        Some(self.received_bits_per_s.max(self.sent_bits_per_s) / limit)
    }
}

impl Link {
    /// The interface towards `address`; none for a unix socket or when it cannot be found.
    /// `given_bits_per_s` is what the user knows of it, and counts more than what the kernel says:
    /// a cloud instance's allowance stands in no file.
    #[must_use]
    pub fn towards(address: &Address, given_bits_per_s: Option<u64>) -> Option<Self> {
        let Address::Tcp(server) = address else {
            return None;
        };
        let name = interface_of(local_address(*server)?)?;
        let known = || [sysfs_speed(&name), shaped(&name)].into_iter().flatten().min();
        let bits_per_s = given_bits_per_s.or_else(known);
        Some(Self { name, bits_per_s })
    }

    /// Bytes received and sent so far.
    fn counters(&self) -> Option<(u64, u64)> {
        counters_of(&fs::read_to_string("/proc/thread-self/net/dev").ok()?, &self.name)
    }
}

/// Watches a link over the measured part of a run.
#[derive(Debug)]
pub struct Meter {
    link: Option<Link>,
    from_ns: u64,
    to_ns: u64,
    next_ns: u64,
    first: Option<Reading>,
    last: Option<Reading>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    at_ns: u64,
    bytes: (u64, u64),
}

impl Meter {
    /// A meter that counts between two times.
    #[must_use]
    pub const fn new(link: Option<Link>, from_ns: u64, to_ns: u64) -> Self {
        Self { link, from_ns, to_ns, next_ns: from_ns, first: None, last: None }
    }

    /// Reads the counters, if it is time.
    pub fn look(&mut self, now_ns: u64) {
        if now_ns < self.next_ns || now_ns > self.to_ns {
            return;
        }
        self.next_ns = now_ns.max(self.from_ns) + EVERY_NS;
        if let Some(bytes) = self.link.as_ref().and_then(Link::counters) {
            let reading = Reading { at_ns: now_ns, bytes };
            self.first.get_or_insert(reading);
            self.last = Some(reading);
        }
    }

    /// What it saw; none with less than half a second between its first and its last reading.
    #[must_use]
    pub fn found(&self) -> Option<LinkUse> {
        let (link, (first, last)) = (self.link.as_ref()?, self.first.zip(self.last)?);
        let seconds = (last.at_ns - first.at_ns) as f64 / 1e9;
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 * 8.0 / seconds;
        (seconds >= 0.5).then(|| LinkUse {
            interface: link.name.clone(),
            limit_bits_per_s: link.bits_per_s,
            received_bits_per_s: rate(last.bytes.0, first.bytes.0).round(),
            sent_bits_per_s: rate(last.bytes.1, first.bytes.1).round(),
        })
    }
}

/// The address that the kernel would send from. A datagram socket that is connected sends nothing.
fn local_address(server: SocketAddr) -> Option<IpAddr> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn interface_of(local: IpAddr) -> Option<String> {
    let has = |address: Option<nix::sys::socket::SockaddrStorage>| {
        let address = address.as_ref()?;
        let v4 = address.as_sockaddr_in().map(|found| IpAddr::V4(found.ip()));
        let v6 = address.as_sockaddr_in6().map(|found| IpAddr::V6(found.ip()));
        v4.or(v6)
    };
    let mut all = getifaddrs().ok()?;
    all.find(|interface| has(interface.address) == Some(local))
        .map(|interface| interface.interface_name)
}

/// Megabits a second that the driver reports; virtual interfaces say -1, or 10 000 for a veth.
fn sysfs_speed(name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/speed")).ok()?;
    text.trim().parse::<u64>().ok().map(|megabits| megabits * 1_000_000)
}

/// The rate of a token bucket on the interface. Only netlink and tc(8) know it; without tc it
/// stays unknown.
fn shaped(name: &str) -> Option<u64> {
    let out = Command::new("tc").args(["-j", "qdisc", "show", "dev", name]).output().ok()?;
    token_bucket(&serde_json::from_slice(&out.stdout).ok()?)
}

/// The lowest rate of the token buckets in tc's answer, which counts in bytes a second.
fn token_bucket(qdiscs: &Value) -> Option<u64> {
    qdiscs
        .as_array()?
        .iter()
        .filter(|qdisc| qdisc["kind"] == "tbf")
        .filter_map(|qdisc| qdisc["options"]["rate"].as_u64())
        .min()
        .map(|bytes_per_s| bytes_per_s * 8)
}

/// Received and sent bytes of an interface in /proc/net/dev: the first and the ninth number.
fn counters_of(text: &str, name: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    Some((*numbers.first()?, *numbers.get(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_towards_this_host_is_loopback_and_counts() {
        let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 1)));
        let link = Link::towards(&address, None).unwrap();
        assert_eq!(link, Link { name: "lo".to_owned(), bits_per_s: None });
        assert!(link.counters().is_some());
        assert_eq!(Link::towards(&address, Some(9)).unwrap().bits_per_s, Some(9));
        assert_eq!(Link::towards(&Address::Unix("/x".into()), None), None);
    }

    #[test]
    fn counters_and_token_buckets_are_read() {
        let text = "Inter-| Receive\n  eth0: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n eth01: 1 1 0 0 0 0 0 0 2\n";
        assert_eq!(counters_of(text, "eth0"), Some((10, 20)));
        assert_eq!(counters_of(text, "eth"), None);
        let qdiscs = serde_json::json!([
            { "kind": "noqueue", "options": {} },
            { "kind": "tbf", "options": { "rate": 125_000_000, "burst": 1 } },
        ]);
        assert_eq!(token_bucket(&qdiscs), Some(1_000_000_000));
    }

    #[test]
    fn a_meter_counts_between_its_times() {
        let link = Link { name: "lo".to_owned(), bits_per_s: Some(1_000) };
        let mut meter = Meter::new(Some(link), 1_000_000_000, 3_000_000_000);
        for now_ns in [0, 1_000_000_000, 1_050_000_000, 3_000_000_000, 4_000_000_000] {
            meter.look(now_ns);
        }
        let (first, last) = (meter.first.unwrap(), meter.last.unwrap());
        assert_eq!((first.at_ns, last.at_ns), (1_000_000_000, 3_000_000_000));
        assert!(meter.found().unwrap().share().is_some());
        assert!(Meter::new(None, 0, u64::MAX).found().is_none());
    }
}

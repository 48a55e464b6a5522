//! Values of flags: what people write, and what is wrong with it.

use std::net::{SocketAddr, ToSocketAddrs as _};

/// CPUs by number.
#[derive(Debug, Clone)]
pub(crate) struct CoreList(pub(crate) Vec<usize>);

pub(crate) fn ratio(text: &str) -> Result<(u32, u32), String> {
    text.split_once(':')
        .and_then(|(reads, writes)| reads.parse().ok().zip(writes.parse().ok()))
        .ok_or_else(|| format!("{text:?} is no ratio: give reads:writes, for example 9:1"))
}

pub(crate) fn shares(text: &str) -> Result<(f64, f64), String> {
    text.split_once(':')
        .and_then(|(keys, requests)| keys.parse().ok().zip(requests.parse().ok()))
        .ok_or_else(|| format!("{text:?}: give KEYS:REQUESTS, for example 0.1:0.9"))
}

/// CPUs as `taskset -c` takes them.
pub(crate) fn cores(text: &str) -> Result<CoreList, String> {
    let wrong = || format!("{text:?} is no list of CPUs: give 1 or 2-5 or 1,3");
    let mut list = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<u16>(), to.parse::<u16>());
        let (from, to) = from.ok().zip(to.ok()).ok_or_else(wrong)?;
        list.extend(usize::from(from)..=usize::from(to));
    }
    if list.is_empty() { Err(wrong()) } else { Ok(CoreList(list)) }
}

/// Bits a second as tc(8) writes them: 10gbit, 600mbit, 1.5gbit.
pub(crate) fn bits_per_s(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let wrong =
        || format!("{text:?} is no speed: give bits a second, for example 10gbit or 600mbit");
    let units = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];
    let (number, factor) = units
        .into_iter()
        .find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, factor)))
        .ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    if number > 0.0 && number.is_finite() { Ok((number * factor) as u64) } else { Err(wrong()) }
}

/// An address by name or number, with its port.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |why: &str| format!("{text:?}: {why}; give HOST:PORT, for example 10.0.0.5:7979");
    let mut found = text.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
    found.next().ok_or_else(|| wrong("it has no address"))
}

pub(crate) fn ttl_range(text: &str) -> Result<(u32, u32), String> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    min.parse().ok().zip(max.parse().ok()).ok_or_else(|| {
        format!("{text:?} is no range of seconds: give MIN-MAX, for example 60-3600")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_as_tc_writes_them() {
        assert_eq!(bits_per_s("1gbit"), Ok(1_000_000_000));
        assert_eq!(bits_per_s("1.5Mbit"), Ok(1_500_000));
        for text in ["", "1", "gbit", "-1gbit", "infgbit"] {
            assert!(bits_per_s(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(cores("2-4,7").unwrap().0, [2, 3, 4, 7]);
        for text in ["", "a", "1-", "5-2", "99999999"] {
            assert!(cores(text).is_err(), "{text:?}");
        }
    }
}

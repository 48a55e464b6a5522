//! What faults are told, as flags and scenarios write it.

use std::ops::RangeInclusive;

use stallion_server::slots as slot_ranges;

/// A limit of memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Limit {
    /// As redis.conf writes it.
    Words(String),
    /// A share of what is used.
    Share(f64),
}

/// Reads `100mb` or `80%`.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    match text.strip_suffix('%') {
        None if text.starts_with(|first: char| first.is_ascii_digit()) => {
            Ok(Limit::Words(text.to_owned()))
        }
        None => Err(format!("a limit is bytes as 100mb or a share as 80%, not `{text}`")),
        Some(_) => share_in_percent(text).map(Limit::Share),
    }
}

/// Reads `70%` as 0.7.
pub(crate) fn share_in_percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').and_then(|text| text.trim().parse::<f64>().ok());
    let percent = percent.filter(|percent| (1.0..=100.0).contains(percent));
    let wrong = || format!("a share is 1% to 100%, as 70%, not `{text}`");
    percent.map(|percent| percent / 100.0).ok_or_else(wrong)
}

/// Reads a share, 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("a share is a number from 0 to 1, not `{text}`"))
}

/// Slots of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slots(pub(crate) RangeInclusive<u16>);

/// Reads `0-999`.
pub(crate) fn slots(text: &str) -> Result<Slots, String> {
    let range = slot_ranges::range(text);
    range.map(Slots).ok_or_else(|| format!("slots are a range such as 0-999, not `{text}`"))
}

/// A server by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Reads `host:port`.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    let parts = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some(Address { host: host.to_owned(), port: port.parse().ok()? }));
    parts.ok_or_else(|| format!("a server is HOST:PORT, not `{text}`"))
}

/// The network device that is meant. The loopback is all programs', and never it.
pub(crate) fn device(text: &str) -> Result<String, String> {
    match text {
        "lo" => Err("the loopback is used by all: give a device of a network namespace".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_units_and_refused_with_an_example() {
        assert_eq!(limit("100mb"), Ok(Limit::Words("100mb".to_owned())));
        assert_eq!(limit("80%"), Ok(Limit::Share(0.8)));
        assert_eq!((share_in_percent("70%"), share("0.01")), (Ok(0.7), Ok(0.01)));
        assert_eq!(slots("0-999"), Ok(Slots(0..=999)));
        assert_eq!(address("[::1]:7000").map(|one| one.port), Ok(7_000));
        let refused = [
            limit("much").unwrap_err(),
            limit("0%").unwrap_err(),
            share("1.5").unwrap_err(),
            share("NaN").unwrap_err(),
            slots("9-7").unwrap_err(),
            address("here").unwrap_err(),
            device("lo").unwrap_err(),
        ];
        assert!(refused.iter().all(|text| text.len() > 20), "{refused:?}");
    }
}

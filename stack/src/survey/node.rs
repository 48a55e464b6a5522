//! One server's INFO, and what it counted between two of them.

use redis::{Connection, RedisResult};
use stallion_server::Target;
use stallion_server::info::{Info, Numbers, numbers};
use stallion_triage::facts::{Counters, Node};

use super::address;

/// What a server said at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Told {
    info: Info,
    numbers: Numbers,
}

impl Told {
    pub(super) fn ask(connection: &mut Connection) -> RedisResult<Self> {
        let text: String = redis::cmd("INFO").arg("everything").query(connection)?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        Self { info: Info::parse(text), numbers: numbers(text) }
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.info.number("cluster_enabled") == Some(1)
    }

    pub(super) fn is_primary(&self) -> bool {
        self.info.text("role") != "slave"
    }

    /// A policy for which servers do not keep the time of the last access.
    pub(super) fn counts_frequency(&self) -> bool {
        self.info.text("maxmemory_policy").contains("lfu")
    }

    /// The database with the most keys, and how many it has.
    pub(super) fn largest_database(&self) -> Option<(u32, u64)> {
        let databases = self.numbers.iter().filter_map(|(name, keys)| {
            let number = name.strip_prefix("db")?.strip_suffix(".keys")?.parse().ok()?;
            Some((number, *keys as u64))
        });
        databases.max_by_key(|(_, keys)| *keys)
    }

    fn number(&self, name: &str) -> u64 {
        // Nothing that is counted is negative.
        self.numbers.get(name).map_or(0, |number| number.max(0.0) as u64)
    }

    fn sum(&self, names: &[&str]) -> u64 {
        names.iter().map(|name| self.number(name)).sum()
    }

    fn of_databases(&self, field: &str) -> u64 {
        let fields = self.numbers.iter().filter(|(name, _)| {
            let number = name.strip_prefix("db").and_then(|rest| rest.strip_suffix(field));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        });
        fields.map(|(_, count)| *count as u64).sum()
    }

    fn counters(&self) -> Counters {
        Counters {
            hits: self.number("keyspace_hits"),
            misses: self.number("keyspace_misses"),
            evicted: self.number("evicted_keys"),
            expired: self.number("expired_keys"),
            commands: self.number("total_commands_processed"),
            oom: self.number("errorstat_OOM.count"),
            moved: self.number("errorstat_MOVED.count"),
            ask: self.number("errorstat_ASK.count"),
            tryagain: self.number("errorstat_TRYAGAIN.count"),
            down: self.sum(&[
                "errorstat_CLUSTERDOWN.count",
                "errorstat_MASTERDOWN.count",
                "errorstat_LOADING.count",
            ]),
            migrated: self.sum(&[
                "cmdstat_migrate.calls",
                "cmdstat_restore.calls",
                "cmdstat_restore-asking.calls",
            ]),
            renamed: self.sum(&["cmdstat_rename.calls", "cmdstat_renamenx.calls"]),
            flushed: self.sum(&["cmdstat_flushall.calls", "cmdstat_flushdb.calls"]),
        }
    }
}

/// A server at the end of the window, and what it counted in it.
pub(super) fn between(first: &Told, second: &Told, target: &Target) -> Node {
    let life = first.counters();
    Node {
        address: address(target),
        primary: second.is_primary(),
        run_id: second.info.text("run_id").to_owned(),
        uptime_s: second.number("uptime_in_seconds"),
        policy: second.info.text("maxmemory_policy").to_owned(),
        used_memory_bytes: second.number("used_memory"),
        maxmemory_bytes: second.number("maxmemory"),
        keys: second.of_databases(".keys"),
        expiring_keys: second.of_databases(".expires"),
        window: second.counters().since(&life),
        life,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_what_it_counted_between_two_looks() {
        let text = |hits: u32| {
            format!(
                "role:master\r\nrun_id:abc\r\nkeyspace_hits:{hits}\r\nerrorstat_MOVED:count={hits}\r\n\
                 maxmemory_policy:allkeys-lfu\r\ndb0:keys=5,expires=2,avg_ttl=0\r\n\
                 db11:keys=7,expires=0,avg_ttl=0\r\ncluster_enabled:0\r\n"
            )
        };
        let (first, second) = (Told::parse(&text(10)), Told::parse(&text(35)));
        let node = between(&first, &second, &Target::tcp("h", 7, None, None));
        assert_eq!((node.window.hits, node.window.moved, node.life.hits), (25, 25, 10));
        assert_eq!((node.keys, node.expiring_keys, node.address.as_str()), (12, 2, "h:7"));
        assert!(node.primary && second.counts_frequency() && !second.is_cluster());
        assert_eq!(second.largest_database(), Some((11, 7)));
    }
}

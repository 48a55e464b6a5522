//! Questions that the lab asks over a connection of [`crate::target`].

use std::collections::BTreeMap;

use redis::{Connection, RedisResult, Value};

use crate::cluster_nodes::{ClusterNode, nodes};
use crate::info::Info;

impl Info {
    /// Asks a server for one section (`persistence`, `server`, …).
    ///
    /// # Errors
    /// The client's.
    pub fn ask(connection: &mut Connection, section: &str) -> RedisResult<Self> {
        let text: String = redis::cmd("INFO").arg(section).query(connection)?;
        Ok(Self::parse(&text))
    }
}

/// The value of one configuration directive.
///
/// # Errors
/// The client's, for example where CONFIG is forbidden.
pub fn config(connection: &mut Connection, name: &str) -> RedisResult<String> {
    let values: BTreeMap<String, String> =
        redis::cmd("CONFIG").arg("GET").arg(name).query(connection)?;
    Ok(values.into_values().next().unwrap_or_default())
}

/// Sets one configuration directive.
///
/// # Errors
/// The client's, for example where CONFIG is forbidden.
pub fn set_config(connection: &mut Connection, name: &str, value: &str) -> RedisResult<()> {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query(connection)
}

/// One entry of SLOWLOG, as far as an action wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowCommand {
    /// The server's running number.
    pub id: i64,
    /// When it began, in seconds since 1970 by the server's clock.
    pub at_unix_s: i64,
    /// Execution time in microseconds.
    pub duration_us: i64,
    /// The command's name in upper case.
    pub name: String,
}

/// The newest entries of SLOWLOG. Entries of an unknown form are left out.
///
/// # Errors
/// The client's.
pub fn slowlog(connection: &mut Connection, most: u32) -> RedisResult<Vec<SlowCommand>> {
    let entries: Vec<Value> = redis::cmd("SLOWLOG").arg("GET").arg(most).query(connection)?;
    Ok(entries.iter().filter_map(slow_command).collect())
}

fn slow_command(entry: &Value) -> Option<SlowCommand> {
    let Value::Array(fields) = entry else {
        return None;
    };
    let [Value::Int(id), Value::Int(at), Value::Int(duration_us), Value::Array(words), ..] =
        fields.as_slice()
    else {
        return None;
    };
    let Value::BulkString(name) = words.first()? else {
        return None;
    };
    Some(SlowCommand {
        id: *id,
        at_unix_s: *at,
        duration_us: *duration_us,
        name: String::from_utf8_lossy(name).to_uppercase(),
    })
}

/// Asks a node for all of them. Lines of another form are left out.
///
/// # Errors
/// The client's; a server without a cluster refuses the command.
pub fn cluster_nodes(connection: &mut Connection) -> RedisResult<Vec<ClusterNode>> {
    let text: String = redis::cmd("CLUSTER").arg("NODES").query(connection)?;
    Ok(nodes(&text))
}

/// Whether a node of a cluster believes that all others serve: it hears of how far replicas are only
/// about once a second. Servers before Redis 7 do not say.
///
/// # Errors
/// The client's.
pub fn all_online(connection: &mut Connection) -> RedisResult<bool> {
    let shards: Value = redis::cmd("CLUSTER").arg("SHARDS").query(connection)?;
    Ok(!mentions(&shards, b"loading"))
}

fn mentions(value: &Value, word: &[u8]) -> bool {
    match value {
        Value::BulkString(text) => text == word,
        Value::Array(all) => all.iter().any(|one| mentions(one, word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowlog_entries_of_another_form_are_left_out() {
        let word = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let entry = Value::Array(vec![
            Value::Int(7),
            Value::Int(1),
            Value::Int(88),
            Value::Array(vec![word("keys"), word("*")]),
        ]);
        let found = slow_command(&entry).unwrap();
        assert_eq!(
            (found.id, found.at_unix_s, found.duration_us, found.name.as_str()),
            (7, 1, 88, "KEYS")
        );
        assert_eq!(slow_command(&Value::Array(vec![Value::Int(1)])), None);
    }
}

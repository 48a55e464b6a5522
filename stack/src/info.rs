//! What a server says of itself: INFO, CONFIG GET and SLOWLOG, decoded.

use std::collections::BTreeMap;

use redis::{Connection, RedisResult, Value};

/// The fields of INFO by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    fields: BTreeMap<String, String>,
}

impl Info {
    /// Asks a server for one section (`persistence`, `server`, …).
    ///
    /// # Errors
    /// The client's.
    pub fn ask(connection: &mut Connection, section: &str) -> RedisResult<Self> {
        let text: String = redis::cmd("INFO").arg(section).query(connection)?;
        Ok(Self::parse(&text))
    }

    /// From its text, or that of another command that has the same form (CLUSTER INFO).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let fields = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
            .collect();
        Self { fields }
    }

    /// A field as text; empty when the server has none of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// A field that is a whole number; none when it is absent or something else.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }
}

/// Numbers by field; of `cmdstat_get:calls=3,usec=5` the fields are `cmdstat_get.calls` and so on.
pub type Numbers = BTreeMap<String, f64>;

/// Every number in a text of INFO's form.
#[must_use]
pub fn numbers(text: &str) -> Numbers {
    let mut numbers = Numbers::new();
    for (name, value) in text.lines().filter_map(|line| line.trim_end().split_once(':')) {
        if let Ok(number) = value.parse() {
            numbers.insert(name.to_owned(), number);
        }
        for (part, value) in value.split(',').filter_map(|part| part.split_once('=')) {
            if let Ok(number) = value.parse() {
                numbers.insert(format!("{name}.{part}"), number);
            }
        }
    }
    numbers
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_by_name() {
        let info = Info::parse("# Stats\r\nlatest_fork_usec:44\r\nrdb_last_bgsave_status:ok\r\n");
        assert_eq!(info.number("latest_fork_usec"), Some(44));
        assert_eq!(info.text("rdb_last_bgsave_status"), "ok");
        assert_eq!((info.number("absent"), info.text("absent")), (None, ""));
    }

    #[test]
    fn fields_within_fields_are_read() {
        let numbers = numbers("a:1\r\ncmdstat_get:calls=3,usec=5\r\nrole:master\r\n");
        let expected = [("a", 1.0), ("cmdstat_get.calls", 3.0), ("cmdstat_get.usec", 5.0)];
        assert_eq!(numbers, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }

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

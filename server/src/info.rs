//! INFO, and what has its form, decoded.

use std::collections::BTreeMap;

/// The fields of INFO by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    fields: BTreeMap<String, String>,
}

impl Info {
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
}

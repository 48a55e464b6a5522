//! Forms in which the same entries can be kept: a number with eight bytes, a flag, or a score.

use redis::Pipeline;

/// One form.
pub(crate) struct Form {
    /// The word of `kind`.
    pub(crate) name: &'static str,
    /// Which key holds an entry.
    key: fn(u64) -> String,
    /// Adds the entry.
    write: fn(&mut Pipeline, &str, u64),
    /// Reads it.
    read: fn(&mut Pipeline, &str, u64),
    /// The command that reads, as commandstats calls it.
    pub(crate) reads_by: &'static str,
}

/// All of them. What is compared stands together: numbers, flags, scores.
pub(crate) const FORMS: [Form; 10] = [
    Form {
        name: "plain",
        key: |entry| format!("stallion:weigh:object:{entry:012}"),
        write: string,
        read: get,
        reads_by: "get",
    },
    Form {
        name: "short",
        key: |entry| format!("w:{entry:x}"),
        write: string,
        read: get,
        reads_by: "get",
    },
    Form {
        name: "hash-100",
        key: |entry| bucket(entry, 100),
        write: field::<100>,
        read: hget::<100>,
        reads_by: "hget",
    },
    Form {
        name: "hash-1000",
        key: |entry| bucket(entry, 1_000),
        write: field::<1_000>,
        read: hget::<1_000>,
        reads_by: "hget",
    },
    Form {
        name: "one-hash",
        key: |_| "stallion:weigh:all".to_owned(),
        write: field::<WHOLE>,
        read: hget::<WHOLE>,
        reads_by: "hget",
    },
    Form {
        name: "flag-keys",
        key: |entry| format!("stallion:weigh:flag:{entry:012}"),
        write: |batch, key, _| {
            batch.cmd("SET").arg(key).arg(1).ignore();
        },
        read: get,
        reads_by: "get",
    },
    Form {
        name: "flag-set",
        key: |_| "stallion:weigh:flags".to_owned(),
        write: |batch, key, entry| {
            batch.cmd("SADD").arg(key).arg(entry).ignore();
        },
        read: |batch, key, entry| {
            batch.cmd("SISMEMBER").arg(key).arg(entry);
        },
        reads_by: "sismember",
    },
    Form {
        name: "flag-bitmap",
        key: |_| "stallion:weigh:bits".to_owned(),
        write: |batch, key, entry| {
            batch.cmd("SETBIT").arg(key).arg(entry).arg(1).ignore();
        },
        read: |batch, key, entry| {
            batch.cmd("GETBIT").arg(key).arg(entry);
        },
        reads_by: "getbit",
    },
    Form {
        name: "score-zset",
        key: |_| "stallion:weigh:scores".to_owned(),
        write: |batch, key, entry| {
            batch.cmd("ZADD").arg(key).arg(score(entry)).arg(entry).ignore();
        },
        read: |batch, key, entry| {
            batch.cmd("ZSCORE").arg(key).arg(entry);
        },
        reads_by: "zscore",
    },
    Form {
        name: "score-packed",
        key: |_| "stallion:weigh:packed".to_owned(),
        write: |batch, key, entry| {
            let bytes = (score(entry) as u32).to_be_bytes();
            batch.cmd("SETRANGE").arg(key).arg(entry * 4).arg(&bytes[..]).ignore();
        },
        read: |batch, key, entry| {
            batch.cmd("GETRANGE").arg(key).arg(entry * 4).arg(entry * 4 + 3);
        },
        reads_by: "getrange",
    },
];

/// A bucket that nothing is outside of.
const WHOLE: u64 = u64::MAX;

impl Form {
    /// The one of a name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FORMS.iter().find(|form| form.name == name)
    }

    /// The key that holds an entry.
    pub(crate) fn key(&self, entry: u64) -> String {
        (self.key)(entry)
    }

    /// Adds an entry.
    pub(crate) fn write(&self, batch: &mut Pipeline, entry: u64) {
        (self.write)(batch, &self.key(entry), entry);
    }

    /// Reads an entry.
    pub(crate) fn read(&self, batch: &mut Pipeline, entry: u64) {
        (self.read)(batch, &self.key(entry), entry);
    }
}

/// The bucket of an entry: its number without the last digits, which are the field in it.
pub(crate) fn bucket(entry: u64, size: u64) -> String {
    format!("stallion:weigh:bucket:{}", entry / size)
}

/// Eight bytes that are no number: servers keep short numbers without memory of their own.
fn value(entry: u64) -> String {
    format!("v{:07}", entry % 10_000_000)
}

fn score(entry: u64) -> u64 {
    entry.wrapping_mul(2_654_435_761) % 1_000_000
}

fn string(batch: &mut Pipeline, key: &str, entry: u64) {
    batch.cmd("SET").arg(key).arg(value(entry)).ignore();
}

fn get(batch: &mut Pipeline, key: &str, _: u64) {
    batch.cmd("GET").arg(key);
}

fn field<const SIZE: u64>(batch: &mut Pipeline, key: &str, entry: u64) {
    batch.cmd("HSET").arg(key).arg(entry % SIZE).arg(value(entry)).ignore();
}

fn hget<const SIZE: u64>(batch: &mut Pipeline, key: &str, entry: u64) {
    batch.cmd("HGET").arg(key).arg(entry % SIZE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_place_in_each_form() {
        assert_eq!(Form::named("hash-100").map(|form| form.key(1_234)), Some(bucket(1_234, 100)));
        assert_eq!(bucket(1_234, 100), "stallion:weigh:bucket:12");
        assert!(Form::named("none").is_none());
        for form in &FORMS {
            let (mut write, mut read) = (Pipeline::new(), Pipeline::new());
            form.write(&mut write, 7);
            form.read(&mut read, 7);
            let key = form.key(7);
            for batch in [write, read] {
                let bytes = batch.get_packed_pipeline();
                let text = String::from_utf8_lossy(&bytes);
                assert!(text.contains(&key), "{}: {text}", form.name);
            }
        }
    }
}

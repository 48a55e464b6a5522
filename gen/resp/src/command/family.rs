//! What is known of Redis's commands: the type of their keys, and what they answer.

use serde::Serialize;

/// What kind of value a key holds. Keys of different kinds have different prefixes, so that no
/// command of a mix meets another's keys (`WRONGTYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// A string, the only type that `load` writes by itself.
    String,
    /// A string that is a number.
    Counter,
    /// A hash.
    Hash,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
    /// A HyperLogLog.
    HyperLogLog,
    /// A bitmap.
    Bitmap,
}

impl KeyType {
    /// What stands between `--key-prefix` and the digits of a key.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::String => "",
            Self::Counter => "int:",
            Self::Hash => "hash:",
            Self::List => "list:",
            Self::Set => "set:",
            Self::SortedSet => "zset:",
            Self::Stream => "stream:",
            Self::HyperLogLog => "hll:",
            Self::Bitmap => "bits:",
        }
    }
}

/// Kinds of replies that fit a command; an error never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers(u8);

impl Answers {
    /// A status such as `+OK`.
    pub const STATUS: Self = Self(1);
    /// An integer.
    pub const INTEGER: Self = Self(2);
    /// A value.
    pub const VALUE: Self = Self(4);
    /// Nothing.
    pub const NULL: Self = Self(8);
    /// An array, set or map.
    pub const AGGREGATE: Self = Self(16);
    /// A value, or nothing.
    pub const MAYBE_VALUE: Self = Self(4 | 8);
    /// A value or several, or nothing.
    const MAYBE_VALUES: Self = Self(4 | 8 | 16);
    /// An integer, or nothing.
    const MAYBE_INTEGER: Self = Self(2 | 8);
    /// Whatever is no error.
    pub const ANY: Self = Self(31);

    /// Whether all kinds of `other` are among these.
    #[must_use]
    #[inline]
    pub const fn allow(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What is known of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) key_type: KeyType,
    pub(super) answers: Answers,
    pub(super) reads: bool,
    /// Done twice it leaves what it leaves when it is done once.
    pub(super) repeats: bool,
}

/// Commands by what they answer and whether that is a read.
type Row = (KeyType, Answers, bool, &'static [&'static str]);

const KNOWN: &[Row] = &[
    (KeyType::String, Answers::MAYBE_VALUE, true, &["GET", "GETEX", "GETDEL"]),
    (KeyType::String, Answers::VALUE, true, &["GETRANGE"]),
    (KeyType::String, Answers::STATUS, false, &["SET", "SETEX", "PSETEX", "MSET", "PING"]),
    (KeyType::String, Answers::AGGREGATE, true, &["MGET"]),
    (
        KeyType::String,
        Answers::INTEGER,
        false,
        &[
            "SETNX", "MSETNX", "APPEND", "STRLEN", "SETRANGE", "DEL", "UNLINK", "EXISTS", "TOUCH",
            "EXPIRE", "PEXPIRE", "TTL", "PTTL", "PERSIST", "WAIT", "DBSIZE", "PUBLISH", "SPUBLISH",
        ],
    ),
    (KeyType::String, Answers::STATUS, false, &["TYPE"]),
    (KeyType::String, Answers::AGGREGATE, false, &["SCAN"]),
    (KeyType::Counter, Answers::INTEGER, false, &["INCR", "INCRBY", "DECR", "DECRBY"]),
    (KeyType::Counter, Answers::VALUE, false, &["INCRBYFLOAT"]),
    (KeyType::Hash, Answers::INTEGER, false, &["HSET", "HSETNX", "HDEL", "HLEN", "HEXISTS"]),
    (KeyType::Hash, Answers::STATUS, false, &["HMSET"]),
    (KeyType::Hash, Answers::MAYBE_VALUE, true, &["HGET"]),
    (KeyType::Hash, Answers::AGGREGATE, true, &["HGETALL", "HMGET", "HKEYS", "HVALS"]),
    (KeyType::Hash, Answers::AGGREGATE, false, &["HSCAN"]),
    (
        KeyType::List,
        Answers::INTEGER,
        false,
        &["LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LLEN", "LREM", "LINSERT"],
    ),
    (KeyType::List, Answers::MAYBE_VALUES, true, &["LPOP", "RPOP", "LINDEX"]),
    (KeyType::List, Answers::AGGREGATE, true, &["LRANGE"]),
    (KeyType::List, Answers::STATUS, false, &["LTRIM", "LSET"]),
    (KeyType::Set, Answers::INTEGER, false, &["SADD", "SREM", "SCARD", "SISMEMBER"]),
    (KeyType::Set, Answers::AGGREGATE, true, &["SMEMBERS"]),
    (KeyType::Set, Answers::MAYBE_VALUES, true, &["SPOP", "SRANDMEMBER"]),
    (
        KeyType::SortedSet,
        Answers::INTEGER,
        false,
        &["ZADD", "ZREM", "ZCARD", "ZCOUNT", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE"],
    ),
    (KeyType::SortedSet, Answers::VALUE, false, &["ZINCRBY"]),
    (KeyType::SortedSet, Answers::MAYBE_VALUE, true, &["ZSCORE"]),
    (KeyType::SortedSet, Answers::MAYBE_INTEGER, true, &["ZRANK", "ZREVRANK"]),
    (
        KeyType::SortedSet,
        Answers::AGGREGATE,
        true,
        &["ZRANGE", "ZREVRANGE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZPOPMIN", "ZPOPMAX"],
    ),
    (KeyType::Stream, Answers::MAYBE_VALUE, false, &["XADD"]),
    (KeyType::Stream, Answers::INTEGER, false, &["XLEN", "XTRIM", "XDEL"]),
    (KeyType::Stream, Answers::AGGREGATE, true, &["XRANGE", "XREVRANGE"]),
    (KeyType::HyperLogLog, Answers::INTEGER, false, &["PFADD", "PFCOUNT"]),
    (KeyType::Bitmap, Answers::INTEGER, false, &["SETBIT", "GETBIT", "BITCOUNT"]),
];

/// Commands that add to what is there, or take from it: done twice they leave something else than done
/// once.
const ONCE: &[&str] = &[
    "GETDEL",
    "APPEND",
    "INCR",
    "INCRBY",
    "DECR",
    "DECRBY",
    "INCRBYFLOAT",
    "LPUSH",
    "RPUSH",
    "LPUSHX",
    "RPUSHX",
    "LREM",
    "LINSERT",
    "LPOP",
    "RPOP",
    "LTRIM",
    "SPOP",
    "ZINCRBY",
    "ZPOPMIN",
    "ZPOPMAX",
    "ZREMRANGEBYRANK",
    "XADD",
    "PUBLISH",
    "SPUBLISH",
];

/// Commands after which a connection is no longer one that answers each request once, and those
/// that end the server; with what they do.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "answers with more than one reply, or later",
        &["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"],
    ),
    ("turns its connection into a stream", &["MONITOR", "SYNC", "PSYNC"]),
    (
        "changes its connection for all requests after it",
        &[
            "AUTH",
            "HELLO",
            "RESET",
            "QUIT",
            "SELECT",
            "CLIENT",
            "READONLY",
            "READWRITE",
            "ASKING",
            "WATCH",
        ],
    ),
    ("is sent around N commands by --tx N", &["MULTI", "EXEC", "DISCARD"]),
    ("stops the server", &["SHUTDOWN", "DEBUG", "FAILOVER"]),
];

impl Family {
    /// What is known of the command with this name in upper case; of an unknown one, that its key
    /// is a string, that it may answer anything, and that it may not be done twice.
    pub(super) fn of(name: &str) -> Result<Self, &'static str> {
        if let Some((why, _)) = REFUSED.iter().find(|(_, names)| names.contains(&name)) {
            return Err(why);
        }
        let known = KNOWN.iter().find(|(.., names)| names.contains(&name));
        Ok(known.map_or(
            Self { key_type: KeyType::String, answers: Answers::ANY, reads: false, repeats: false },
            |&(key_type, answers, reads, _)| {
                let repeats = !ONCE.contains(&name);
                Self { key_type, answers, reads, repeats }
            },
        ))
    }
}

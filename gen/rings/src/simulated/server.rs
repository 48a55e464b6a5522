//! The simulated server: knows every value by its key, and errs by seed.

use std::collections::HashMap;
use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use stallion_resp::tree::Tree;
use stallion_resp::units::KeyId;
use stallion_resp::values::{STAMPED_BYTES, Values};

/// Where a value has its stamp.
const STAMP: Range<usize> = STAMPED_BYTES - size_of::<u64>()..STAMPED_BYTES;

/// How likely each fault is, from 0 to 1, each time it could happen.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// A connection is refused.
    pub refuse: f64,
    /// A connection is reset when something is sent.
    pub reset: f64,
    /// The peer ends the connection in the middle of a reply.
    pub cut: f64,
    /// A send takes only a part at a time.
    pub partial: f64,
    /// A reply arrives in parts.
    pub split: f64,
    /// The server never answers on a connection again (half open).
    pub silence: f64,
    /// The server answers with bytes that are no RESP.
    pub garbage: f64,
    /// The server answers with an error.
    pub error: f64,
    /// The server answers a read with nothing.
    pub miss: f64,
    /// A push message stands before a reply.
    pub push: f64,
    /// Longest delay of anything in nanoseconds.
    pub delay_ns: u64,
}

impl Faults {
    /// A perfect world with a little delay.
    pub const NONE: Self = Self {
        refuse: 0.0,
        reset: 0.0,
        cut: 0.0,
        partial: 0.0,
        split: 0.0,
        silence: 0.0,
        garbage: 0.0,
        error: 0.0,
        miss: 0.0,
        push: 0.0,
        delay_ns: 20_000,
    };
}

/// The server, and the dice by which everything in its world is decided.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) faults: Faults,
    pub(super) random: Xoshiro256PlusPlus,
    pub(super) answered: u64,
    values: Values,
    /// What was written where values have a stamp, by key; none when they have none.
    stamps: Option<HashMap<u64, Vec<u8>>>,
}

impl Server {
    /// Values are written with a stamp, which a read returns.
    pub(super) fn keep_stamps(&mut self) {
        self.stamps = Some(HashMap::new());
    }

    pub(super) fn new(seed: u64, faults: Faults, values: Values) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { faults, random, answered: 0, values, stamps: None }
    }

    /// Whether something happens that is so likely.
    pub(super) fn chance(&mut self, likely: f64) -> bool {
        likely > 0.0 && self.random.random::<f64>() < likely
    }

    /// Answers one request, rightly or as its faults will; `queued` counts those of a transaction
    /// that has begun on the connection.
    pub(super) fn answer(
        &mut self,
        request: &Tree,
        queued: &mut Option<usize>,
        output: &mut Vec<u8>,
    ) {
        self.answered += 1;
        let words = request.list();
        let text = |index: usize| words.get(index).and_then(Tree::text).unwrap_or_default();
        if self.chance(self.faults.push) {
            output.extend(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n");
        }
        if self.chance(self.faults.garbage) {
            output.extend(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            return;
        }
        if self.chance(self.faults.error) {
            output.extend(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n");
            return;
        }
        let name = text(0);
        let digits: String = text(1).chars().filter(char::is_ascii_digit).collect();
        let key = KeyId(digits.parse().unwrap_or(0));
        let mut value = vec![0; self.values.size_of(key)];
        self.values.write(key, &mut value);
        if let Some(stamps) = &mut self.stamps
            && let Some(place) = value.get_mut(STAMP)
        {
            if let ("SET", Some(Tree::Text(written))) = (name.as_str(), words.get(2))
                && let Some(stamp) = written.get(STAMP)
            {
                stamps.insert(key.0, stamp.to_vec());
            }
            if let Some(stamp) = stamps.get(&key.0) {
                place.copy_from_slice(stamp);
            }
        }
        match name.as_str() {
            "MULTI" => {
                (*queued) = Some(0);
                output.extend(b"+OK\r\n");
            }
            "EXEC" => {
                let count = queued.take().unwrap_or(0);
                output.extend(format!("*{count}\r\n").into_bytes());
                output.extend(b":1\r\n".repeat(count));
            }
            _ if queued.is_some() => {
                *queued = queued.map(|count| count + 1);
                output.extend(b"+QUEUED\r\n");
            }
            "SET" => {
                assert_eq!(words[2], Tree::Text(value), "a write arrives as it was made");
                output.extend(b"+OK\r\n");
            }
            "INCR" | "HSET" | "DEL" => output.extend(b":1\r\n"),
            "MGET" => {
                output.extend(format!("*{}\r\n", words.len() - 1).into_bytes());
                output.extend(b"$-1\r\n".repeat(words.len() - 1));
            }
            "HGET" | "EVALSHA" | "EVAL" => output.extend(b"$-1\r\n"),
            "GET" if self.chance(self.faults.miss) => output.extend(b"$-1\r\n"),
            "GET" => {
                output.extend(format!("${}\r\n", value.len()).into_bytes());
                output.extend(value);
                output.extend(b"\r\n");
            }
            _ => output.extend(b"+OK\r\n"),
        }
    }
}

//! `expiry-storm`: many keys whose time ends at one moment, over a while, or which only those who
//! ask for them find expired.

use std::time::{Duration, Instant};

use redis::Pipeline;
use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::duration;
use stallion_server::info::Info;

const DEFAULT_KEYS: u64 = 200_000;
const KEYS_AT_ONCE: u64 = 500;
const VALUE: &str = "a value of the usual length, some forty-eight bytes.";
/// Keys that expired and are still there after this long are left to the deletion at the end.
const GONE_WITHIN: Duration = Duration::from_secs(30);
const PAST: Duration = Duration::from_millis(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Every so many keys one is asked for, where nothing else finds those that expired.
const ASKED: u64 = 10;

/// Make keys that all expire, and see what their end costs
#[derive(Debug, clap::Args)]
pub(crate) struct ExpiryStorm {
    /// Keys to make
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEYS)]
    keys: u64,
    /// Over how long they expire (jitter)
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "2s")]
    lasts: Duration,
    /// When they expire
    #[arg(long, value_name = "WHEN", alias = "policy", default_value = "same")]
    expire: Expire,
}

/// When the keys expire, and who removes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Expire {
    // All at one moment.
    Same,
    // Evenly over `for`.
    Jitter,
    // All at one moment, with the active cycle off: a tenth of them is asked for.
    Lazy,
}

impl Expire {
    fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Jitter => "jitter",
            Self::Lazy => "lazy",
        }
    }
}

impl Fault for ExpiryStorm {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let storm = Storm {
            prefix: format!("stallion:expiry:{:x}:", monotonic_ns()),
            keys: self.keys,
            lasts: self.lasts,
            expire: self.expire,
        };
        let result = storm.rage(endpoint);
        let cleared = storm.clear(endpoint);
        let mut detail = result?;
        cleared?;
        detail.insert("policy".to_owned(), json!(self.expire.name()));
        Ok(detail)
    }
}

struct Storm {
    prefix: String,
    keys: u64,
    lasts: Duration,
    expire: Expire,
}

impl Storm {
    fn rage(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        if self.expire == Expire::Lazy {
            active_expire(endpoint, false)?;
        }
        let before = Counters::ask(endpoint)?;
        let moment_ms = self.make(endpoint)?;
        let left = moment_ms.saturating_sub(server_ms(endpoint)?);
        // A key is there up to the last microsecond of its time, and the server's clock for that is
        // as old as its last turn.
        endpoint.wait(Duration::from_millis(left) + PAST)?;
        let calm = Counters::ask(endpoint)?;
        let (start, start_ns) = (Instant::now(), monotonic_ns());
        let (mut last, mut fastest, mut gone) = (calm, 0.0_f64, Duration::ZERO);
        let (mut looked, mut asked) = (Instant::now(), 0);
        while last.expired - before.expired < self.keys as i64 && start.elapsed() < GONE_WITHIN {
            if self.expire == Expire::Lazy {
                asked = self.ask_some(endpoint, asked)?;
                if asked >= self.keys {
                    gone = start.elapsed();
                    last = Counters::ask(endpoint)?;
                    break;
                }
            }
            endpoint.wait(LOOK_EVERY)?;
            let now = Counters::ask(endpoint)?;
            let seconds = looked.elapsed().as_secs_f64();
            looked = Instant::now();
            fastest = fastest.max((now.expired - last.expired) as f64 / seconds);
            gone = start.elapsed();
            last = now;
        }
        Ok(Detail::from_iter([
            ("keys".to_owned(), json!(self.keys)),
            ("storm_begin_ns".to_owned(), json!(start_ns)),
            ("gone_ms".to_owned(), json!(gone.as_millis())),
            ("expired_keys".to_owned(), json!(last.expired - before.expired)),
            ("most_expired_per_s".to_owned(), json!(fastest)),
            ("active_cpu_ms".to_owned(), json!(last.cpu_ms - calm.cpu_ms)),
            ("time_cap_reached".to_owned(), json!(last.capped - calm.capped)),
        ]))
    }

    /// Makes the keys; gives the server's time at which the first of them expire.
    fn make(&self, endpoint: &mut Endpoint) -> Result<u64, FaultError> {
        // Making them takes a while, which nobody knows before: they get their time at the end.
        let mut made = 0;
        while made < self.keys {
            let mut batch = Pipeline::new();
            for number in made..(made + KEYS_AT_ONCE).min(self.keys) {
                batch.cmd("SET").arg(self.key(number)).arg(VALUE).ignore();
            }
            batch.query::<()>(&mut endpoint.connection)?;
            made += KEYS_AT_ONCE;
            endpoint.wait(Duration::ZERO)?;
        }
        let per_key_ms = 0.02;
        let ahead_ms = (self.keys as f64 * per_key_ms) as u64 + 1_000;
        let moment_ms = server_ms(endpoint)? + ahead_ms;
        let spread_ms = self.lasts.as_millis() as u64;
        let mut timed = 0;
        while timed < self.keys {
            let mut batch = Pipeline::new();
            for number in timed..(timed + KEYS_AT_ONCE).min(self.keys) {
                let late_ms = match self.expire {
                    Expire::Jitter => spread_ms * number / self.keys.max(1),
                    Expire::Same | Expire::Lazy => 0,
                };
                let at_ms = moment_ms + late_ms;
                batch.cmd("PEXPIREAT").arg(self.key(number)).arg(at_ms).ignore();
            }
            batch.query::<()>(&mut endpoint.connection)?;
            timed += KEYS_AT_ONCE;
            endpoint.wait(Duration::ZERO)?;
        }
        Ok(moment_ms)
    }

    /// Asks for every tenth of some keys; gives how many it has been through.
    fn ask_some(&self, endpoint: &mut Endpoint, from: u64) -> Result<u64, FaultError> {
        let to = (from + KEYS_AT_ONCE * ASKED).min(self.keys);
        let mut batch = Pipeline::new();
        for number in (from..to).step_by(ASKED as usize) {
            batch.cmd("EXISTS").arg(self.key(number)).ignore();
        }
        batch.query::<()>(&mut endpoint.connection)?;
        Ok(to)
    }

    /// Whatever is left goes, and the active cycle is on again; also after an interrupt.
    fn clear(&self, endpoint: &mut Endpoint) -> Result<(), FaultError> {
        if self.expire == Expire::Lazy {
            active_expire(endpoint, true)?;
        }
        let mut from = 0;
        while from < self.keys {
            let mut batch = redis::cmd("UNLINK");
            for number in from..(from + KEYS_AT_ONCE).min(self.keys) {
                batch.arg(self.key(number));
            }
            batch.query::<()>(&mut endpoint.connection)?;
            from += KEYS_AT_ONCE;
        }
        Ok(())
    }

    fn key(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }
}

#[derive(Debug, Clone, Copy)]
struct Counters {
    expired: i64,
    cpu_ms: i64,
    capped: i64,
}

impl Counters {
    fn ask(endpoint: &mut Endpoint) -> Result<Self, FaultError> {
        let info = Info::ask(&mut endpoint.connection, "stats")?;
        let number = |name: &str| info.number(name).unwrap_or(0);
        Ok(Self {
            expired: number("expired_keys"),
            cpu_ms: number("expire_cycle_cpu_milliseconds"),
            capped: number("expired_time_cap_reached_count"),
        })
    }
}

fn server_ms(endpoint: &mut Endpoint) -> Result<u64, FaultError> {
    let (seconds, us): (u64, u64) = redis::cmd("TIME").query(&mut endpoint.connection)?;
    Ok(seconds * 1_000 + us / 1_000)
}

fn active_expire(endpoint: &mut Endpoint, on: bool) -> Result<(), FaultError> {
    let mut debug = redis::cmd("DEBUG");
    debug.arg("SET-ACTIVE-EXPIRE").arg(u8::from(on)).query::<()>(&mut endpoint.connection)?;
    Ok(())
}

//! `long-script`: a Lua script that computes and computes, while nobody else is served.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::{config, set_config, slowlog};
use stallion_server::duration;

/// Clocks stand still for scripts, or are not had: it counts.
const SCRIPT: &str = "local sum = 0 for i = 1, tonumber(ARGV[1]) do sum = sum + i end return sum";
/// How far it counts to find out how fast this server does; some 20 ms.
const TRIAL: u64 = 2_000_000;
/// From when on the server answers others, with BUSY, and lets the script be killed.
const BUSY_AFTER_MS: &str = "100";
const LOOK_EVERY: Duration = Duration::from_millis(10);
const NEWEST: u32 = 16;

/// How the script ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum End {
    Left,
    Killed,
}

/// Run a Lua script that computes for a while
#[derive(Debug, clap::Args)]
pub(crate) struct LongScript {
    /// How long it computes, in CPU time
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "500ms")]
    lasts: Duration,
    /// Let it end, or kill it once the server answers BUSY (100 ms)
    #[arg(long, value_name = "END", alias = "policy", default_value = "left")]
    end: End,
}

impl Fault for LongScript {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let kill = self.end == End::Killed;
        // Its name before Redis 7, which every version takes.
        let limit = config(&mut endpoint.connection, "lua-time-limit")?;
        if kill {
            set_config(&mut endpoint.connection, "lua-time-limit", BUSY_AFTER_MS)?;
        }
        let lasts = self.lasts;
        let ran = steps(endpoint, lasts).and_then(|steps| run(endpoint, steps, kill));
        let mut after = endpoint.target.connect()?;
        set_config(&mut after, "lua-time-limit", &limit)?;
        let (took, killed) = ran?;
        let seen = slowlog(&mut after, NEWEST)?;
        let longest = seen.iter().filter(|one| one.name == "EVAL").map(|one| one.duration_us).max();
        Ok(Detail::from_iter([
            ("kind".to_owned(), json!(if kill { "killed" } else { "left" })),
            ("script_ms".to_owned(), json!(took.as_secs_f64() * 1e3)),
            ("killed".to_owned(), json!(u8::from(killed))),
            ("slowlog_us".to_owned(), json!(longest)),
        ]))
    }
}

fn eval(steps: u64) -> redis::Cmd {
    let mut eval = redis::cmd("EVAL");
    eval.arg(SCRIPT).arg(0).arg(steps);
    eval
}

/// How far the server counts in a time.
fn steps(endpoint: &mut Endpoint, lasts: Duration) -> Result<u64, FaultError> {
    let start = Instant::now();
    eval(TRIAL).query::<f64>(&mut endpoint.connection)?;
    let share = lasts.as_secs_f64() / start.elapsed().as_secs_f64().max(1e-6);
    Ok((TRIAL as f64 * share) as u64)
}

/// How long the script ran, and whether it was killed.
fn run(endpoint: &mut Endpoint, steps: u64, kill: bool) -> Result<(Duration, bool), FaultError> {
    let target = endpoint.target.clone();
    let connection = &mut endpoint.connection;
    thread::scope(|scope| {
        let start = Instant::now();
        let script = scope.spawn(move || eval(steps).query::<f64>(connection));
        let mut killed = false;
        while kill && !script.is_finished() {
            thread::sleep(LOOK_EVERY);
            // Nobody connects to a server that computes until it answers BUSY.
            let Ok(mut other) = target.connect_unasked() else { continue };
            killed |= redis::cmd("SCRIPT").arg("KILL").query::<()>(&mut other).is_ok();
        }
        let ended = script.join().map_err(|_| FaultError::Failed("the script's thread".into()))?;
        let took = start.elapsed();
        match ended {
            Ok(_) => Ok((took, false)),
            Err(_) if killed => Ok((took, true)),
            Err(error) => Err(error.into()),
        }
    })
}

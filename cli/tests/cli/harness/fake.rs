//! A RESP server that plays a script: healthy answers, and faults as values.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;

/// What follows on the bytes that a fault says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// As if nothing had been.
    GoOn,
    /// The connection stays open and nothing more is said on it.
    FallSilent,
    /// FIN.
    HangUp,
    /// RST.
    Reset,
}

/// One fault: instead of the answer to the `from`-th command of its name (over all connections,
/// from 1) and the `count - 1` after it, these bytes, and then that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Command's name, or [`ACCEPT`].
    pub(crate) command: &'static str,
    pub(crate) from: u64,
    pub(crate) count: u64,
    pub(crate) say: &'static str,
    pub(crate) then: Then,
}

/// The "command" of a connection that was just accepted.
pub(crate) const ACCEPT: &str = "accept";

/// A server's part.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    pub(crate) faults: Vec<Fault>,
    /// Time taken for each answer.
    pub(crate) delay: Duration,
}

/// The server. It ends with its value.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) port: String,
    stage: Arc<Stage>,
}

#[derive(Debug)]
struct Stage {
    script: Script,
    seen: Mutex<HashMap<String, u64>>,
    over: AtomicBool,
}

impl Fake {
    /// Starts one that plays a script.
    pub(crate) fn play(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let stage =
            Arc::new(Stage { script, seen: Mutex::default(), over: AtomicBool::new(false) });
        let shared = Arc::clone(&stage);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { port, stage }
    }

    /// One with a single fault.
    pub(crate) fn with(fault: Fault) -> Self {
        Self::play(Script { faults: vec![fault], delay: Duration::ZERO })
    }

    /// How often a command came.
    pub(crate) fn seen(&self, command: &str) -> u64 {
        *self.stage.seen.lock().unwrap().get(command).unwrap_or(&0)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stage.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(format!("127.0.0.1:{}", self.port));
    }
}

impl Stage {
    /// Plays one connection to its end.
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let mut next = Some(ACCEPT.to_owned());
        while let Some(command) = next {
            let (say, then) = self.turn(&command);
            if !say.is_empty() && (&stream).write_all(say.as_bytes()).is_err() {
                return;
            }
            match then {
                Then::GoOn => next = read_command(&mut input),
                Then::FallSilent => {
                    let _ = std::io::copy(&mut input, &mut std::io::sink());
                    return;
                }
                Then::HangUp => return,
                Then::Reset => {
                    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    return;
                }
            }
        }
    }

    /// What to say to a command, and what to do then.
    fn turn(&self, command: &str) -> (&'static str, Then) {
        let mut seen = self.seen.lock().unwrap();
        let number = seen.entry(command.to_owned()).or_default();
        *number += 1;
        let number = *number;
        drop(seen);
        if command != ACCEPT {
            std::thread::sleep(self.script.delay);
        }
        self.script
            .faults
            .iter()
            .find(|fault| {
                fault.command == command
                    && number >= fault.from
                    && number - fault.from < fault.count
            })
            .map_or((healthy(command), Then::GoOn), |fault| (fault.say, fault.then))
    }
}

fn healthy(command: &str) -> &'static str {
    match command {
        ACCEPT => "",
        "PING" => "+PONG\r\n",
        "GET" => "$-1\r\n",
        "INFO" => "$21\r\nredis_version:0.0.0\r\n\r\n",
        "SLOWLOG" | "LATENCY" => "*0\r\n",
        "DBSIZE" => ":0\r\n",
        _ => "+OK\r\n",
    }
}

/// The name of the next command; none at the end of the stream.
fn read_command(input: &mut impl BufRead) -> Option<String> {
    let words = read_length(input, '*')?;
    let mut name = None;
    for _ in 0..words {
        let length = read_length(input, '$')?;
        let mut word = vec![0; length + 2];
        input.read_exact(&mut word).ok()?;
        word.truncate(length);
        name.get_or_insert(word);
    }
    Some(String::from_utf8_lossy(&name?).to_uppercase())
}

fn read_length(input: &mut impl BufRead, sign: char) -> Option<usize> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    line.strip_prefix(sign)?.trim_end().parse().ok()
}

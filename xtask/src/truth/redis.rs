//! A few words with a redis-server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// A connection for one command at a time whose answer is short.
pub(super) struct Redis(TcpStream);

impl Redis {
    pub(super) fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a command and gives back its answer as it came.
    pub(super) fn ask(&mut self, words: &[&str]) -> anyhow::Result<String> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut part = [0; 64 << 10];
        loop {
            let length = self.0.read(&mut part)?;
            if length == 0 {
                bail!("the server hung up on {words:?}");
            }
            answer.extend_from_slice(&part[..length]);
            let text = String::from_utf8_lossy(&answer);
            if is_whole(&text) {
                if text.starts_with('-') {
                    bail!("{words:?}: {text}");
                }
                return Ok(text.into_owned());
            }
        }
    }

    /// A number of INFO.
    pub(super) fn info(&mut self, field: &str) -> anyhow::Result<f64> {
        let text = self.ask(&["INFO", "everything"])?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok())
            .with_context(|| format!("INFO has no number {field}"))
    }

    /// Duration of the newest entry of SLOWLOG in nanoseconds: its third number.
    pub(super) fn slowest_ns(&mut self) -> anyhow::Result<u64> {
        let text = self.ask(&["SLOWLOG", "GET", "1"])?;
        let mut numbers =
            text.lines().filter_map(|line| line.strip_prefix(':')?.parse::<u64>().ok());
        let us = numbers.nth(2).with_context(|| format!("SLOWLOG said {text:?}"))?;
        Ok(us * 1_000)
    }
}

/// Whether an answer is complete: a line, or a bulk string of the length that it says. The few
/// arrays that are asked for (SLOWLOG, an empty KEYS) come in one piece.
fn is_whole(text: &str) -> bool {
    match text.split_once("\r\n") {
        None => false,
        Some((head, body)) => match head.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()) {
            Some(length) => body.len() >= length + 2,
            None => text.ends_with("\r\n"),
        },
    }
}

//! The lines of MONITOR: `1339518083.107412 [0 127.0.0.1:60866] "SET" "key" "\x00value"`.

use stallion_resp::command::words::split_bytes;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When, in microseconds since the epoch.
    pub unix_us: u64,
    /// In which database.
    pub database: u64,
    /// A script sent it, not a client: whoever replays the script sends it again.
    pub by_script: bool,
    /// Its words, as bytes.
    pub words: Vec<Vec<u8>>,
}

/// Understands a line without its `+` and its end; none when it is no line of MONITOR.
#[must_use]
pub fn read(line: &[u8]) -> Option<Seen> {
    let (head, words) = split_once(line, b"] ")?;
    let (time, client) = split_once(head, b" [")?;
    let (time, client) = (std::str::from_utf8(time).ok()?, std::str::from_utf8(client).ok()?);
    let (seconds, micros) = time.split_once('.')?;
    let micros: u64 = micros.parse().ok().filter(|_| micros.len() == 6)?;
    let unix_us = seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?;
    let (database, from) = client.split_once(' ')?;
    let words = split_bytes(words).ok().filter(|words| !words.is_empty())?;
    Some(Seen { unix_us, database: database.parse().ok()?, by_script: from == "lua", words })
}

fn split_once<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|part| part == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn lines_are_understood() {
        let seen = read(b"1339518083.107412 [3 127.0.0.1:60866] \"SET\" \"a] b\" \"\\x00\\n\\\"\"")
            .unwrap();
        assert_eq!(
            (seen.unix_us, seen.database, seen.by_script),
            (1_339_518_083_107_412, 3, false)
        );
        assert_eq!(seen.words, [b"SET".to_vec(), b"a] b".to_vec(), b"\0\n\"".to_vec()]);
        assert!(read(b"1.000001 [0 lua] \"GET\" \"k\"").unwrap().by_script);
        assert!(read(b"1.000001 [0 unix:/run/r.sock] \"PING\"").is_some());
        for line in
            ["OK", "", "1.5 [0 x] \"GET\"", "1.000001 [0 x] \"GET", "x.000001 [0 x] \"GET\""]
        {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic(line: Vec<u8>) {
            let _ = read(&line);
        }
    }
}

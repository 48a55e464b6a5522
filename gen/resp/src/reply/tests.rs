use super::*;
use crate::fast_reply::FastReply;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

/// A reply, its text and its body.
type Parsed = (Reply, Vec<u8>, Vec<u8>);

/// Parses `bytes` in the parts that `cuts` makes and returns replies, texts and bodies.
fn parse(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Parsed>, ProtocolError> {
    let mut parser = Parser::new();
    let mut found = Vec::new();
    let mut body = Vec::new();
    let mut start = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    for end in ends {
        let mut part = &bytes[start..end];
        start = end;
        while let Some(reply) = parser.next(&mut part, |at, bytes| {
            if !at.pushed {
                assert_eq!(at.offset, body.len() as u64);
                body.extend_from_slice(bytes);
            }
        })? {
            // Only statuses and errors have a text, and the fast path leaves out that of `+OK`.
            let text = match reply {
                Reply::Status | Reply::Error if parser.text() != b"OK" => parser.text().to_vec(),
                _ => Vec::new(),
            };
            found.push((reply, text, std::mem::take(&mut body)));
        }
        assert!(part.is_empty());
    }
    assert!(parser.at_border(), "bytes are left over");
    Ok(found)
}

/// A reply as it is sent, and what the parser must make of it.
#[derive(Debug, Clone)]
struct Sample {
    bytes: Vec<u8>,
    reply: Reply,
}

fn sample(bytes: impl Into<Vec<u8>>, reply: Reply) -> Sample {
    Sample { bytes: bytes.into(), reply }
}

fn scalar() -> impl Strategy<Value = Sample> {
    prop_oneof![
        Just(sample("+OK\r\n", Reply::Status)),
        "[ -~]{0,700}".prop_map(|text| sample(format!("+{text}\r\n"), Reply::Status)),
        "[A-Z]{1,9} [ -~]{0,60}".prop_map(|text| sample(format!("-{text}\r\n"), Reply::Error)),
        any::<i64>().prop_map(|n| sample(format!(":{n}\r\n"), Reply::Integer(n))),
        any::<bool>().prop_map(|b| sample(
            if b { "#t\r\n" } else { "#f\r\n" },
            Reply::Integer(i64::from(b))
        )),
        Just(sample("$-1\r\n", Reply::Null)),
        Just(sample("*-1\r\n", Reply::Null)),
        Just(sample("_\r\n", Reply::Null)),
        Just(sample(",3.25\r\n", Reply::Value(4))),
        Just(sample("(1234567890123456789012\r\n", Reply::Value(22))),
        (prop_oneof![Just('$'), Just('=')], proptest::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(kind, body)| {
                let mut bytes = format!("{kind}{}\r\n", body.len()).into_bytes();
                bytes.extend(&body);
                bytes.extend(b"\r\n");
                sample(bytes, Reply::Value(body.len() as u64))
            }),
        Just(sample("!9\r\nERR wrong\r\n", Reply::Error)),
    ]
}

fn aggregate(inner: impl Strategy<Value = Sample> + Clone) -> impl Strategy<Value = Sample> {
    (
        prop_oneof![Just('*'), Just('~'), Just('>'), Just('%')],
        proptest::collection::vec(inner, 0..4),
    )
        .prop_map(|(kind, elements)| {
            let pairs = if kind == '%' { 2 } else { 1 };
            let count = elements.len() as u64;
            let mut bytes = format!("{kind}{count}\r\n").into_bytes();
            for element in &elements {
                for _ in 0..pairs {
                    bytes.extend(&element.bytes);
                }
            }
            let reply = if kind == '>' { Reply::Push(count) } else { Reply::Aggregate(count) };
            Sample { bytes, reply }
        })
}

fn any_reply() -> impl Strategy<Value = Sample> {
    scalar().prop_recursive(3, 20, 4, aggregate)
}

proptest! {
    #[test]
    fn every_reply_is_read_however_it_is_cut(
        samples in proptest::collection::vec(any_reply(), 1..12),
        cuts in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.bytes.clone()).collect();
        let found = parse(&bytes, &cuts).unwrap();
        let wanted: Vec<Reply> = samples.iter().map(|sample| sample.reply).collect();
        assert_eq!(found.iter().map(|(reply, ..)| *reply).collect::<Vec<_>>(), wanted);
        assert_eq!(found, parse(&bytes, &[]).unwrap(), "cuts make no difference");
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut parser = Parser::new();
        let mut input = bytes.as_slice();
        while let Ok(Some(_)) = parser.next(&mut input, |_, _| {}) {}
    }
}

#[test]
fn values_and_texts_are_shown() {
    let found =
        parse(b"$5\r\nhello\r\n-MOVED 3999 127.0.0.1:6381\r\n+PONG\r\n", &[3, 7, 19]).unwrap();
    assert_eq!(found[0], (Reply::Value(5), Vec::new(), b"hello".to_vec()));
    assert_eq!(found[1].1, b"MOVED 3999 127.0.0.1:6381");
    assert_eq!(found[2].1, b"PONG");
}

#[test]
fn an_attribute_belongs_to_the_reply_after_it() {
    let found = parse(b"|1\r\n+ttl\r\n:3600\r\n+OK\r\n:1\r\n", &[]).unwrap();
    let replies: Vec<Reply> = found.iter().map(|(reply, ..)| *reply).collect();
    assert_eq!(replies, [Reply::Status, Reply::Integer(1)]);
}

#[test]
fn what_is_no_resp_is_refused() {
    for (bytes, error) in [
        (b"HTTP/1.1 400 Bad Request\r\n".as_slice(), ProtocolError::Type(b'H')),
        (b"$x\r\n", ProtocolError::Number),
        (b"$-7\r\n", ProtocolError::Number),
        (b"$999999999999\r\n", ProtocolError::Number),
        (b":12a\r\n", ProtocolError::Number),
        (b"$2\r\nabc\r\n", ProtocolError::Ending),
        (b"+OK\n", ProtocolError::Ending),
        (b"*-3\r\n", ProtocolError::Number),
    ] {
        assert_eq!(parse(bytes, &[]).unwrap_err(), error, "{}", bytes.escape_ascii());
        let cuts: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(parse(bytes, &cuts).unwrap_err(), error, "{} in bytes", bytes.escape_ascii());
    }
    let deep = b"*1\r\n".repeat(MAX_REPLY_DEPTH + 1);
    assert_eq!(parse(&deep, &[]).unwrap_err(), ProtocolError::Depth);
}

proptest! {
    #[test]
    fn the_fast_reply_is_taken_only_when_the_parser_takes_the_same(
        wanted in 0_usize..2_000, sent in 0_usize..2_000, exact: bool, status: bool,
        flip in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        behind in 0_usize..20,
    ) {
        let sent = if exact { wanted } else { sent };
        let (fast_reply, mut bytes) = if status {
            (FastReply::ok(), b"+OK\r\n".to_vec())
        } else {
            let mut bytes = format!("${sent}\r\n").into_bytes();
            bytes.extend(std::iter::repeat_n(b'v', sent));
            bytes.extend(b"\r\n");
            (FastReply::value(wanted), bytes)
        };
        if let Some((at, byte)) = flip {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(std::iter::repeat_n(b'+', behind));
        let mut input = bytes.as_slice();
        let general = Parser::new().next(&mut input, |_, _| {});
        if let Some(rest) = fast_reply.strip(&bytes) {
            let reply = if status { Reply::Status } else { Reply::Value(wanted as u64) };
            assert_eq!((general, input), (Ok(Some(reply)), rest));
        } else if behind >= 8 && flip.is_none() && (status || sent == wanted) {
            panic!("a fast_reply reply was not recognised");
        }
    }
}

//! Replies, however they are cut: the same replies, texts and values, or the same error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stallion_resp::reply::{Parser, ProtocolError, Reply};

/// What a parser made of a stream that came in parts of so many bytes.
fn parse(stream: &[u8], part_bytes: usize) -> (Vec<(Reply, u64)>, Option<ProtocolError>) {
    let mut parser = Parser::new();
    let (mut found, mut shown) = (Vec::new(), 0);
    for mut part in stream.chunks(part_bytes.max(1)) {
        loop {
            let next = parser.next(&mut part, |at, body| {
                // Parts of a value follow each other without a gap; of a push any number may come.
                if !at.pushed {
                    assert!(at.offset == 0 || at.offset == shown);
                    shown = at.offset + body.len() as u64;
                }
            });
            match next {
                Ok(Some(reply)) => {
                    if let Reply::Value(bytes) = reply {
                        assert!(shown == 0 || shown == bytes || bytes == 0);
                    }
                    assert!(parser.at_border());
                    found.push((reply, std::mem::take(&mut shown)));
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
        assert!(part.is_empty(), "all that there was has been read");
    }
    (found, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&part_bytes, stream)) = input.split_first() else { return };
    let whole = parse(stream, stream.len());
    assert_eq!(whole, parse(stream, usize::from(part_bytes)));
    assert_eq!(whole, parse(stream, 1));
});

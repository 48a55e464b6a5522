//! Requests, counted rather than parsed.
//!
//! A client mostly repeats itself: the same command with the same lengths, other digits in the
//! key. So the *shape* of a request is learned (every byte that gives it structure, and where
//! those are), and as long as the next bytes have the same shape they are the same command of the
//! same length, which two or three comparisons tell. Only what has no known shape, or is cut by
//! the end of a receive, is read word by word.

use std::ops::Range;

use thiserror::Error;

use super::reply::Kind;

/// The peer does not speak RESP; it is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a request is no RESP")]
pub struct Malformed;

/// The longest request whose shape is kept; of a longer one the kernel's copy is the cost.
const MAX_SHAPE_BYTES: usize = 32 << 10;

/// Shapes that are kept: GET, SET, SET with an expiry, and one more.
const SHAPES: usize = 4;

/// First bytes of a word, or of an inline command, that are kept.
const KEPT_BYTES: usize = 32;

/// Redis's own limit of words in one request.
const MAX_WORDS: u64 = 1 << 20;

/// What all requests of the same command and lengths have in common.
#[derive(Debug)]
struct Shape {
    kind: Kind,
    bytes: Box<[u8]>,
    /// Where the structure is: between these lie the bodies of the words after the first.
    fixed: Vec<Range<usize>>,
}

impl Shape {
    /// Learns from one whole request; none when it is an inline command.
    fn of(kind: Kind, request: &[u8]) -> Option<Self> {
        let (words, mut at) = length_line(request, 0, b'*')?;
        let (mut fixed, mut from) = (Vec::new(), 0);
        for word in 0..words {
            let (length, body) = length_line(request, at, b'$')?;
            if word > 0 {
                fixed.push(from..body);
                from = body + length;
            }
            at = body + length + 2;
        }
        fixed.push(from..at);
        (at == request.len()).then(|| Self { kind, bytes: request.into(), fixed })
    }

    #[inline]
    fn fits(&self, input: &[u8]) -> bool {
        input.len() >= self.bytes.len()
            && self.fixed.iter().all(|part| input[part.clone()] == self.bytes[part.clone()])
    }
}

/// The number in a line `*n` or `$n` at `at`, and where the next line begins.
fn length_line(bytes: &[u8], at: usize, sign: u8) -> Option<(usize, usize)> {
    let rest = bytes.get(at..)?.strip_prefix(&[sign])?;
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    Some((number, at + 1 + end + 2))
}

/// The shapes that one core's clients send.
#[derive(Debug, Default)]
pub struct Shapes {
    /// The most recent first.
    known: Vec<Shape>,
}

impl Shapes {
    /// Steps over the requests at the front of `input` that have one known shape; none when the
    /// first has not.
    #[inline]
    fn skip(&mut self, input: &mut &[u8]) -> Option<(Kind, u64)> {
        let index = self.known.iter().position(|shape| shape.fits(input))?;
        self.known[..=index].rotate_right(1);
        let shape = &self.known[0];
        let mut count = 0;
        while shape.fits(input) {
            *input = &input[shape.bytes.len()..];
            count += 1;
        }
        Some((shape.kind, count))
    }

    fn learn(&mut self, kind: Kind, request: &[u8]) {
        // The answers to these depend on the name alone.
        if !matches!(kind, Kind::Value | Kind::Ok | Kind::Pong) || request.len() > MAX_SHAPE_BYTES {
            return;
        }
        if let Some(shape) = Shape::of(kind, request) {
            self.known.truncate(SHAPES - 1);
            self.known.insert(0, shape);
        }
    }
}

/// The beginning of a word or line.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    bytes: [u8; KEPT_BYTES],
    length: usize,
}

impl Kept {
    fn add(&mut self, part: &[u8]) {
        let room = part.len().min(KEPT_BYTES - self.length);
        self.bytes[self.length..self.length + room].copy_from_slice(&part[..room]);
        self.length += room;
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Where in a request the next byte lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before a request, or in its first line.
    #[default]
    First,
    /// In the line with a word's length.
    Length,
    /// In a word, so many bytes before its end; its CR LF comes after.
    Word { left: u64 },
    /// In the CR LF after a word.
    Ending { left: u8 },
}

/// Reads one client's requests.
#[derive(Debug, Default)]
pub struct Reader {
    place: Place,
    line: Kept,
    words: u64,
    word: u64,
    names: [Kept; 2],
}

impl Reader {
    /// Takes in what was received, and tells `each` what is to be answered, in order.
    ///
    /// # Errors
    /// [`Malformed`] when the client speaks something else.
    #[inline]
    pub fn read(
        &mut self,
        shapes: &mut Shapes,
        input: &[u8],
        mut each: impl FnMut(Kind, u64),
    ) -> Result<(), Malformed> {
        let mut rest = input;
        while !rest.is_empty() {
            let whole = self.place == Place::First && self.line.length == 0;
            if whole && let Some((kind, count)) = shapes.skip(&mut rest) {
                each(kind, count);
                continue;
            }
            let before = rest;
            let Some(kind) = self.next(&mut rest)? else {
                break;
            };
            each(kind, 1);
            if whole {
                shapes.learn(kind, &before[..before.len() - rest.len()]);
            }
        }
        Ok(())
    }

    /// The next request, byte by byte; none when the input ends first.
    fn next(&mut self, input: &mut &[u8]) -> Result<Option<Kind>, Malformed> {
        while !input.is_empty() {
            match self.place {
                Place::First | Place::Length => {
                    if self.take_line(input)
                        && let Some(kind) = self.end_line()?
                    {
                        return Ok(Some(kind));
                    }
                }
                Place::Word { left } => {
                    let length = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let (part, rest) = input.split_at(length);
                    *input = rest;
                    if let Some(name) = self.names.get_mut(self.word as usize) {
                        name.add(part);
                    }
                    self.place = match left - length as u64 {
                        0 => Place::Ending { left: 2 },
                        left => Place::Word { left },
                    };
                }
                Place::Ending { left } => {
                    let expected = if left == 2 { b'\r' } else { b'\n' };
                    if input[0] != expected {
                        return Err(Malformed);
                    }
                    *input = &input[1..];
                    self.place = Place::Ending { left: left - 1 };
                    if left == 1
                        && let Some(kind) = self.end_word()
                    {
                        return Ok(Some(kind));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes in a line up to its LF; false when the input ends first.
    fn take_line(&mut self, input: &mut &[u8]) -> bool {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (part, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        self.line.add(part);
        *input = rest;
        end.is_some()
    }

    /// What a whole line says: an inline command is a request of its own.
    fn end_line(&mut self) -> Result<Option<Kind>, Malformed> {
        let kept = std::mem::take(&mut self.line);
        let line = kept.as_slice().trim_ascii_end();
        let number = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
            text.parse::<u64>().map_err(|_| Malformed)
        };
        match (self.place, line) {
            (Place::First, []) => Ok(None),
            (Place::First, [b'*', digits @ ..]) => {
                self.words = number(digits)?;
                (self.word, self.names) = (0, Default::default());
                match self.words {
                    0 => Ok(None),
                    1..=MAX_WORDS => {
                        self.place = Place::Length;
                        Ok(None)
                    }
                    _ => Err(Malformed),
                }
            }
            (Place::First, inline) => {
                let mut words = inline.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
                let (name, second) = (words.next(), words.next());
                let kind = Kind::of(name.unwrap_or_default(), second.unwrap_or_default());
                Ok(Some(kind))
            }
            (_, [b'$', digits @ ..]) => {
                self.place = match number(digits)? {
                    0 => Place::Ending { left: 2 },
                    left => Place::Word { left },
                };
                Ok(None)
            }
            _ => Err(Malformed),
        }
    }

    /// A word and its CR LF are over; the last one ends the request.
    fn end_word(&mut self) -> Option<Kind> {
        self.word += 1;
        if self.word < self.words {
            self.place = Place::Length;
            return None;
        }
        self.place = Place::First;
        let [name, second] = &self.names;
        Some(Kind::of(name.as_slice(), second.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop, proptest};
    use stallion_resp::encoder::request;

    /// Requests with their answers; values may look like structure.
    fn requests() -> impl Strategy<Value = Vec<(Vec<u8>, Kind)>> {
        let body = "[a-z*$0-9\r\n]{0,40}";
        let one = (0..9_u8, body, any::<u16>()).prop_map(|(choice, body, number)| {
            let (body, number) = (body.into_bytes(), format!("{number:06}").into_bytes());
            match choice {
                0..3 => (request(&[b"GET", &number]), Kind::Value),
                3 => (request(&[b"get", &body]), Kind::Value),
                4 => (request(&[b"SET", &number, &body]), Kind::Ok),
                5 => (request(&[b"SET", &number, &body, b"EX", &number]), Kind::Ok),
                6 => (b"PING\r\n".to_vec(), Kind::Pong),
                7 => (request(&[b"HELLO", b"3"]), Kind::Hello3),
                _ => (request(&[b"CONFIG", b"GET", &body]), Kind::Config),
            }
        });
        prop::collection::vec(one, 1..60)
    }

    proptest! {
        #[test]
        fn however_requests_are_cut_each_is_counted_once(
            requests in requests(), cuts in prop::collection::vec(1_usize..200, 1..20),
        ) {
            let stream: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let (mut reader, mut shapes) = (Reader::default(), Shapes::default());
            let (mut rest, mut seen) = (stream.as_slice(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                reader
                    .read(&mut shapes, part, |kind, count| {
                        seen.extend((0..count).map(|_| kind));
                    })
                    .unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let expected: Vec<Kind> = requests.iter().map(|(_, kind)| *kind).collect();
            assert_eq!(seen, expected);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, cut in 0_usize..100) {
            let (mut reader, mut shapes) = (Reader::default(), Shapes::default());
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            for part in [first, second] {
                if reader.read(&mut shapes, part, |_, _| {}).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn requests_of_a_known_shape_are_counted_in_one_stroke() {
        let (mut reader, mut shapes) = (Reader::default(), Shapes::default());
        let stream: Vec<u8> = (0..64)
            .flat_map(|key| request(&[b"GET", format!("key:{key:012}").as_bytes()]))
            .collect();
        let mut calls = Vec::new();
        for _ in 0..2 {
            let each = |kind, count| calls.push((kind, count));
            reader.read(&mut shapes, &stream, each).unwrap();
        }
        let value = Kind::Value;
        assert_eq!(calls, [(value, 1), (value, 63), (value, 64)]);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bytes in ["*x\r\n", "*1\r\nGET\r\n", "*1\r\n$3\r\nGETxx", "*9999999\r\n"] {
            let read = Reader::default().read(&mut Shapes::default(), bytes.as_bytes(), |_, _| {});
            assert_eq!(read, Err(Malformed), "{bytes:?}");
        }
    }
}

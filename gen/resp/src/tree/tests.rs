use super::*;
use crate::reply::{Parser, Reply};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

#[test]
fn a_map_in_an_array_is_a_tree() {
    let bytes = b"*2\r\n%1\r\n$1\r\na\r\n:7\r\n$-1\r\n";
    let mut input = bytes.as_slice();
    let tree = Tree::read(&mut input).unwrap().unwrap();
    let map = Tree::List(vec![Tree::Text(b"a".to_vec()), Tree::Integer(7)]);
    assert_eq!(tree, Tree::List(vec![map, Tree::Null]));
    assert!(input.is_empty());
    for cut in 0..bytes.len() {
        assert_eq!(Tree::read(&mut &bytes[..cut]), Ok(None), "cut at {cut}");
    }
}

#[test]
fn garbage_is_an_error() {
    assert_eq!(Tree::read(&mut b"HTTP\r\n".as_slice()), Err(ProtocolError::Type(b'H')));
    assert_eq!(Tree::read(&mut b"$1\r\nxyz".as_slice()), Err(ProtocolError::Ending));
    // Twice as many elements as a map has pairs: no overflow, and no memory for what is not there.
    assert_eq!(Tree::read(&mut b"%9223372036854775807\r\n".as_slice()), Ok(None));
    for text in ["*-2\r\n", "$-2\r\n", "%-1\r\n"] {
        assert_eq!(Tree::read(&mut text.as_bytes()), Err(ProtocolError::Number), "{text}");
    }
}

/// Every type of reply that RESP2 and RESP3 have, as a server means it.
#[derive(Debug, Clone)]
enum Wire {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    Array(Vec<Wire>),
    // RESP3 alone.
    Null,
    Boolean(bool),
    Double(String),
    BigNumber(String),
    BulkError(String),
    Verbatim(String),
    Map(Vec<(Wire, Wire)>),
    Set(Vec<Wire>),
    Push(Vec<Wire>),
    Attributed(Vec<(Wire, Wire)>, Box<Wire>),
}

fn aggregate<'a>(sign: char, count: usize, parts: impl Iterator<Item = &'a Wire>) -> Vec<u8> {
    let mut bytes = format!("{sign}{count}\r\n").into_bytes();
    parts.for_each(|part| bytes.extend(part.bytes()));
    bytes
}

fn flat(pairs: &[(Wire, Wire)]) -> impl Iterator<Item = &Wire> {
    pairs.iter().flat_map(|(key, value)| [key, value])
}

impl Wire {
    /// As the protocol's text says that it is sent.
    fn bytes(&self) -> Vec<u8> {
        let sized = |sign: char, body: &[u8]| {
            [format!("{sign}{}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
        };
        match self {
            Self::Status(text) => format!("+{text}\r\n").into_bytes(),
            Self::Error(text) => format!("-{text}\r\n").into_bytes(),
            Self::Integer(number) => format!(":{number}\r\n").into_bytes(),
            Self::Bulk(body) => sized('$', body),
            Self::NullBulk => b"$-1\r\n".to_vec(),
            Self::NullArray => b"*-1\r\n".to_vec(),
            Self::Array(list) => aggregate('*', list.len(), list.iter()),
            Self::Null => b"_\r\n".to_vec(),
            Self::Boolean(yes) => if *yes { b"#t\r\n" } else { b"#f\r\n" }.to_vec(),
            Self::Double(text) => format!(",{text}\r\n").into_bytes(),
            Self::BigNumber(text) => format!("({text}\r\n").into_bytes(),
            Self::BulkError(text) => sized('!', text.as_bytes()),
            Self::Verbatim(text) => sized('=', format!("txt:{text}").as_bytes()),
            Self::Map(pairs) => aggregate('%', pairs.len(), flat(pairs)),
            Self::Set(list) => aggregate('~', list.len(), list.iter()),
            Self::Push(list) => aggregate('>', list.len(), list.iter()),
            Self::Attributed(pairs, reply) => {
                [aggregate('|', pairs.len(), flat(pairs)), reply.bytes()].concat()
            }
        }
    }

    /// What must be made of it.
    fn tree(&self) -> Tree {
        let trees = |list: &[Self]| Tree::List(list.iter().map(Self::tree).collect());
        match self {
            Self::Status(text) | Self::Double(text) | Self::BigNumber(text) => {
                Tree::Text(text.clone().into_bytes())
            }
            Self::Error(text) | Self::BulkError(text) => Tree::Error(text.clone()),
            Self::Integer(number) => Tree::Integer(*number),
            Self::Bulk(body) => Tree::Text(body.clone()),
            Self::NullBulk | Self::NullArray | Self::Null => Tree::Null,
            Self::Array(list) | Self::Set(list) | Self::Push(list) => trees(list),
            Self::Boolean(yes) => Tree::Integer(i64::from(*yes)),
            Self::Verbatim(text) => Tree::Text(format!("txt:{text}").into_bytes()),
            Self::Map(pairs) => Tree::List(flat(pairs).map(Self::tree).collect()),
            Self::Attributed(_, reply) => reply.tree(),
        }
    }

    /// What the parser of the hot path must say of it.
    fn reply(&self) -> Reply {
        match self {
            Self::Status(_) => Reply::Status,
            Self::Error(_) | Self::BulkError(_) => Reply::Error,
            Self::Integer(number) => Reply::Integer(*number),
            Self::Boolean(yes) => Reply::Integer(i64::from(*yes)),
            Self::Bulk(body) => Reply::Value(body.len() as u64),
            Self::Double(text) | Self::BigNumber(text) => Reply::Value(text.len() as u64),
            Self::Verbatim(text) => Reply::Value(text.len() as u64 + 4),
            Self::NullBulk | Self::NullArray | Self::Null => Reply::Null,
            Self::Array(list) | Self::Set(list) => Reply::Aggregate(list.len() as u64),
            Self::Map(pairs) => Reply::Aggregate(pairs.len() as u64),
            Self::Push(list) => Reply::Push(list.len() as u64),
            Self::Attributed(_, reply) => reply.reply(),
        }
    }
}

fn scalar() -> impl Strategy<Value = Wire> {
    prop_oneof![
        "[ -~]{0,40}".prop_map(Wire::Status),
        "[A-Z]{1,9} [ -~]{0,40}".prop_map(Wire::Error),
        any::<i64>().prop_map(Wire::Integer),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Wire::Bulk),
        Just(Wire::NullBulk),
        Just(Wire::NullArray),
        Just(Wire::Null),
        any::<bool>().prop_map(Wire::Boolean),
        prop_oneof![Just("inf".to_owned()), Just("nan".to_owned()), "-?[0-9]{1,9}\\.[0-9]{1,9}"]
            .prop_map(Wire::Double),
        "-?[1-9][0-9]{0,80}".prop_map(Wire::BigNumber),
        "[A-Z]{1,9} [ -~\r\n]{0,40}".prop_map(Wire::BulkError),
        "[ -~\r\n]{0,40}".prop_map(Wire::Verbatim),
    ]
}

fn wire() -> impl Strategy<Value = Wire> {
    scalar().prop_recursive(4, 30, 4, |inner| {
        let list = || proptest::collection::vec(inner.clone(), 0..4);
        let pairs = || proptest::collection::vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            list().prop_map(Wire::Array),
            list().prop_map(Wire::Set),
            list().prop_map(Wire::Push),
            pairs().prop_map(Wire::Map),
            (pairs(), inner.clone())
                .prop_map(|(pairs, reply)| Wire::Attributed(pairs, Box::new(reply))),
        ]
    })
}

proptest! {
    #[test]
    fn every_type_of_reply_comes_back_as_it_was_meant(
        replies in proptest::collection::vec(wire(), 1..6), cut in 1_usize..40,
    ) {
        let bytes: Vec<u8> = replies.iter().flat_map(Wire::bytes).collect();
        let mut input = bytes.as_slice();
        for reply in &replies {
            assert_eq!(Tree::read(&mut input), Ok(Some(reply.tree())));
        }
        assert!(input.is_empty());
        let mut parser = Parser::new();
        let mut found = Vec::new();
        for mut part in bytes.chunks(cut) {
            while let Some(reply) = parser.next(&mut part, |_, _| {}).unwrap() {
                found.push(reply);
            }
        }
        assert_eq!(found, replies.iter().map(Wire::reply).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_are_a_panic(bytes: Vec<u8>) {
        let mut input = bytes.as_slice();
        while let Ok(Some(_)) = Tree::read(&mut input) {}
    }
}

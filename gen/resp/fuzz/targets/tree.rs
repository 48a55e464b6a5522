//! Whole replies as trees: they agree with the parser of the hot path, and with requests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stallion_resp::reply::{Parser, Reply};
use stallion_resp::tree::Tree;

fn fits(tree: &Tree, reply: Reply) -> bool {
    match (tree, reply) {
        (Tree::Text(_), Reply::Status | Reply::Value(_))
        | (Tree::Error(_), Reply::Error)
        | (Tree::Null, Reply::Null) => true,
        (Tree::Integer(left), Reply::Integer(right)) => *left == right,
        // The one counts the pairs of a map, the other its keys and values.
        (Tree::List(list), Reply::Push(count) | Reply::Aggregate(count)) => {
            [count, count * 2].contains(&(list.len() as u64))
        }
        _ => false,
    }
}

fuzz_target!(|stream: &[u8]| {
    let mut rest = stream;
    while let Ok(Some(tree)) = Tree::read(&mut rest) {
        let _ = (tree.text(), tree.integer(), tree.list().len());
        let read = &stream[..stream.len() - rest.len()];
        let mut input = read;
        let mut parser = Parser::new();
        let mut last = None;
        while let Ok(Some(reply)) = parser.next(&mut input, |_, _| {}) {
            last = Some(reply);
        }
        assert!(input.is_empty() && parser.at_border(), "both end at the same byte: {read:?}");
        assert!(last.is_some_and(|reply| fits(&tree, reply)), "{tree:?} is {last:?}");
        return;
    }
});

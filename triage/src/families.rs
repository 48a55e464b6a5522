//! Names of keys as patterns: `user:17:name` and `user:4711:name` are `user:#:name`.
//!
//! What stands at one place of many names with few different words (`v1`, `v2`, `user`) is kept; what
//! has many different ones is a number, a name or an id, and becomes `#`. So nothing has to be known
//! about how an application writes its keys.

use std::collections::BTreeMap;

/// More different words than this at one place are an id.
const FEW: usize = 12;
/// What ends a word.
const SEPARATORS: [char; 9] = [':', '/', '.', '|', '-', '_', '{', '}', ' '];
/// What stands behind so many separators is one word.
const DEEPEST: usize = 12;

/// A word of a name: letters, the number after them, and the separator behind both. All of it may be
/// empty; what is no such thing is all letters.
type Word<'a> = [&'a str; 3];

/// The pattern of each name, in their order.
#[must_use]
pub fn patterns(names: &[String]) -> Vec<String> {
    let mut named = vec![String::new(); names.len()];
    let words: Vec<Vec<Word<'_>>> = names.iter().map(|name| split(name)).collect();
    let all: Vec<usize> = (0..names.len()).collect();
    name_them(&words, &all, 0, &mut named);
    named
}

/// Whether two patterns may be of the same keys: a `#` may be anything.
#[must_use]
pub fn alike(one: &str, other: &str) -> bool {
    let (one, other) = (split(one), split(other));
    let pair = |(a, b): (&Word<'_>, &Word<'_>)| {
        let any = |word: &Word<'_>| word[..2] == ["", "#"];
        let numbers = a[0] == b[0] && (a[1] == "#" || b[1] == "#");
        a[2] == b[2] && (a == b || any(a) || any(b) || numbers)
    };
    one.len() == other.len() && one.iter().zip(&other).all(pair)
}

fn split(name: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let end = rest.find(SEPARATORS).filter(|_| words.len() < DEEPEST).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let number = |c: char| c.is_ascii_digit() || c == '#';
        let (letters, digits) = word.split_at(word.trim_end_matches(number).len());
        let is_plain = letters.chars().all(char::is_alphabetic);
        let [letters, digits] = if is_plain { [letters, digits] } else { [word, ""] };
        let (separator, after) = after.split_at(after.chars().next().map_or(0, char::len_utf8));
        words.push([letters, digits, separator]);
        rest = after;
    }
    words
}

/// Extends the pattern of some names, which are the same so far, by what stands at a place: three
/// places are a word.
fn name_them(words: &[Vec<Word<'_>>], some: &[usize], place: usize, named: &mut [String]) {
    let (word, part) = (place / 3, place % 3);
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &index in some {
        if let Some(word) = words[index].get(word) {
            // The number after letters that are many is a part of them.
            let swallowed = part == 1 && named[index].ends_with('#');
            let text = if swallowed { "" } else { word[part] };
            groups.entry(text).or_default().push(index);
        }
    }
    if groups.len() > FEW {
        let merged: Vec<usize> = groups.into_values().flatten().collect();
        merged.iter().for_each(|index| named[*index].push('#'));
        name_them(words, &merged, place + 1, named);
        return;
    }
    for (text, group) in groups {
        group.iter().for_each(|index| named[*index].push_str(text));
        name_them(words, &group, place + 1, named);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    fn named(names: impl Iterator<Item = String>) -> Vec<String> {
        let mut all = patterns(&names.collect::<Vec<_>>());
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn numbers_and_ids_become_one_pattern_and_versions_stay() {
        assert_eq!(named((0..500).map(|i| format!("key:{i:012}"))), ["key:#"]);
        assert_eq!(named((0..500).map(|i| format!("user{i}"))), ["user#"]);
        let names =
            |i: usize| ["v1:user:", "v2:user:"][i % 2].to_owned() + &i.to_string() + ":name";
        assert_eq!(named((0..500).map(names)), ["v1:user:#:name", "v2:user:#:name"]);
        let names = |i: u64| format!("session/{:x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        assert_eq!(named((0..500).map(names)), ["session/#"]);
        assert_eq!(named(["a".to_owned(), String::new()].into_iter()), ["", "a"]);
    }

    #[test]
    fn a_pattern_of_few_names_is_like_that_of_many() {
        assert!(alike("shop:3:cart:#", "shop:#:cart:#"));
        assert!(alike("user#", "user7") && alike("user:#", "user:anna"));
        assert!(!alike("v1:user:#", "v2:user:#") && !alike("a:#", "a:#:b"));
        assert!(!alike("user#", "account#"));
    }

    proptest! {
        #[test]
        fn every_name_has_a_pattern_of_which_it_is_one(
            names in prop::collection::vec("[a-z0-9:é]{0,20}", 0..60)
        ) {
            let all = patterns(&names);
            prop_assert_eq!(all.len(), names.len());
            for (name, pattern) in names.iter().zip(&all) {
                prop_assert_eq!(name.is_empty(), pattern.is_empty());
            }
        }
    }
}

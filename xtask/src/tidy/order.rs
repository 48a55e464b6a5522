//! A module uses only modules that are declared above its own, so that the order of the `mod`
//! lines is the order in which one reads, and no two modules need each other.
//!
//! A module may use its ancestors' own items and its descendants; what an ancestor re-exports
//! counts as the module it comes from.

use super::modules::{Module, roots};
use super::paths::{Named, paths};
use super::source::{Finding, Tree};

/// Re-exports of re-exports are followed so far.
const DEPTH: usize = 8;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in roots(tree) {
        for module in root.all() {
            findings.extend(check_module(&root, module));
        }
    }
    findings
}

fn check_module(root: &Module<'_>, module: &Module<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = paths(module.items)
        .into_iter()
        .filter_map(|named| {
            let target = absolute(&module.path, &named)?;
            let (user, used) = wrong_way(root, &module.path, &target, DEPTH)?;
            let text = format!("`{user}` uses `{used}`, which is declared below it");
            Some(module.file.finding(named.line, text))
        })
        .collect();
    findings.dedup();
    findings
}

/// The path from the crate's root; none when it leads elsewhere, or to a child.
fn absolute(at: &[String], named: &Named) -> Option<Vec<String>> {
    let mut base: Vec<String> = at.to_vec();
    let mut rest = named.segments.as_slice();
    match rest.first()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop()?;
        }
        _ => return None,
    }
    rest = &rest[1..];
    while let Some((first, after)) = rest.split_first()
        && first == "super"
    {
        base.pop()?;
        rest = after;
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// The two siblings of which the upper one uses the lower one, if a module's use of a path makes
/// such a pair.
fn wrong_way(
    root: &Module<'_>,
    user: &[String],
    target: &[String],
    depth: usize,
) -> Option<(String, String)> {
    let shared = user.iter().zip(target).take_while(|(a, b)| a == b).count();
    if shared == user.len() || shared == target.len() {
        return None;
    }
    let ancestor = root.at(&user[..shared])?;
    let own = ancestor.position(&user[shared])?;
    match ancestor.position(&target[shared]) {
        Some(other) if other > own => Some((user[shared].clone(), target[shared].clone())),
        Some(_) => None,
        None => {
            let source = imported(ancestor, &target[shared])?;
            wrong_way(root, user, &source, depth.checked_sub(1)?)
        }
    }
}

/// Where a name comes from that a module imports or re-exports from its own crate.
fn imported(module: &Module<'_>, name: &str) -> Option<Vec<String>> {
    paths(module.items)
        .into_iter()
        .filter(|named| named.known_as.as_deref() == Some(name))
        .find_map(|mut named| {
            let first = named.segments.first()?;
            // `use child::Name` without `self` is a path of the module itself, too.
            if module.position(first).is_some() {
                named.segments.insert(0, "self".to_owned());
            }
            absolute(&module.path, &named)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    /// Findings in a crate whose root declares `a`, then `b` (with `b/x`, then `b/y`), then `c`.
    fn found(path: &str, text: &str) -> Vec<String> {
        let mut files = vec![
            (
                "k/src/lib.rs",
                "pub mod a;\npub mod b;\npub mod c;\npub use c::Thing; pub struct Own;",
            ),
            ("k/src/a.rs", ""),
            ("k/src/b/mod.rs", "mod x; mod y; pub use self::y::Deep; struct Shared;"),
            ("k/src/b/x.rs", ""),
            ("k/src/b/y.rs", ""),
            ("k/src/c.rs", ""),
        ];
        let place = files.iter_mut().find(|(name, _)| *name == path).unwrap();
        place.1 = text;
        check(&tree(&files)).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn upwards_is_right_and_downwards_is_wrong() {
        assert!(found("k/src/b/x.rs", "use crate::a::Thing;").is_empty());
        assert!(found("k/src/b/y.rs", "use super::x::Thing; use super::Shared;").is_empty());
        for wrong in [
            "use crate::{a, c::Thing};",
            "fn f() -> crate::c::Thing { todo() }",
            "fn f() { println!(\"{}\", crate::c::thing()); }",
            "mod inner { use crate::c::Thing; }",
            "use crate::Thing;",
        ] {
            let found = found("k/src/a.rs", wrong);
            assert_eq!(found, ["`a` uses `c`, which is declared below it"], "{wrong}");
        }
        assert_eq!(found("k/src/b/x.rs", "use super::y::Thing;").len(), 1);
        assert_eq!(found("k/src/b/x.rs", "use super::Deep;").len(), 1);
    }

    #[test]
    fn tests_items_of_ancestors_and_children_are_free() {
        for right in [
            "#[cfg(test)] mod tests { use crate::c::Thing; }",
            "use crate::Own;",
            "use std::c::Thing;",
        ] {
            assert!(found("k/src/a.rs", right).is_empty(), "{right}");
        }
    }
}

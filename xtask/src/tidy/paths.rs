//! The paths that a module's code names, outside of its tests.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemFn, ItemMod, ItemUse, Macro, UseTree};

use super::test_code::is_test;

/// One path as it is written: `crate`, `super` or `self`, or anything else, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// By which name a `use` makes it known; none in code.
    pub(super) known_as: Option<String>,
}

/// Every path in the items of a module; modules within it are left to themselves.
pub(super) fn paths(items: &[Item]) -> Vec<Named> {
    let mut found = Paths(Vec::new());
    for item in items.iter().filter(|item| !matches!(item, Item::Mod(_))) {
        found.visit_item(item);
    }
    found.0
}

struct Paths(Vec<Named>);

impl Paths {
    fn add_use(&mut self, before: &[String], tree: &UseTree) {
        let mut leaf = |name: String, known_as: String, line: usize| {
            let mut segments = before.to_vec();
            if name != "self" {
                segments.push(name);
            }
            self.0.push(Named { segments, line, known_as: Some(known_as) });
        };
        match tree {
            UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                self.add_use(&before, &path.tree);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(before, tree);
                }
            }
            UseTree::Name(name) => {
                let text = name.ident.to_string();
                let last = before.last().cloned().unwrap_or_default();
                let known_as = if text == "self" { last } else { text.clone() };
                leaf(text, known_as, name.ident.span().start().line);
            }
            UseTree::Rename(rename) => {
                let line = rename.ident.span().start().line;
                leaf(rename.ident.to_string(), rename.rename.to_string(), line);
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                leaf("*".to_owned(), "*".to_owned(), line);
            }
        }
    }

    /// A macro's arguments are only tokens: a run of names with `::` between them is a path.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut run: Option<Named> = None;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    match &mut run {
                        Some(named) if colons == 2 => named.segments.push(ident.to_string()),
                        _ => {
                            self.0.extend(run.take());
                            run = Some(Named {
                                segments: vec![ident.to_string()],
                                line: ident.span().start().line,
                                known_as: None,
                            });
                        }
                    }
                    colons = 0;
                }
                other => {
                    self.0.extend(run.take());
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.0.extend(run);
    }
}

fn tested(attributes: &[Attribute]) -> bool {
    is_test(attributes)
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !tested(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !tested(&item.attrs) {
            self.add_use(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.0.push(Named { segments, line, known_as: None });
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

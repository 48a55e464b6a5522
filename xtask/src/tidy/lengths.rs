//! Files have at most 400 lines and functions at most 70; test modules do not count.

use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, ItemMod, Signature, TraitItemFn};

use super::source::{File, Finding, Tree};
use super::test_code::{is_test, test_modules};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;

/// What may be longer, and why. An exemption that is no longer needed is a finding, too.
///
/// Each is a path, the name of a function in it (empty: the file itself), and a reason.
const EXEMPT: [(&str, &str, &str); 0] = [];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, &EXEMPT)
}

fn check_with(tree: &Tree, exempt: &[(&str, &str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = vec![false; exempt.len()];
    let mut judge = |file: &File, function: &str, line: usize, text: String| match exempt
        .iter()
        .position(|(path, name, _)| *path == file.path && *name == function)
    {
        Some(index) => needed[index] = true,
        None => findings.push(file.finding(line, text)),
    };
    for (file, syntax) in tree.rust() {
        let lines = file_lines(file, syntax);
        if lines > FILE_LINES {
            let text =
                format!("has {lines} lines, {FILE_LINES} are allowed: split it by what it knows");
            judge(file, "", 0, text);
        }
        for function in functions(syntax) {
            let Function { name, line, lines } = function;
            if lines > FUNCTION_LINES && !file.is_test() {
                let text = format!("`{name}` has {lines} lines, {FUNCTION_LINES} are allowed");
                judge(file, &name, line, text);
            }
        }
    }
    for ((path, name, _), needed) in exempt.iter().zip(needed) {
        if !needed && tree.file(path).is_some() {
            let what = if name.is_empty() { "the file" } else { name };
            let text = format!("{what} needs no exemption from the lengths any more: remove it");
            findings.push(Finding { path: (*path).to_owned(), line: 0, text });
        }
    }
    findings
}

fn file_lines(file: &File, syntax: &syn::File) -> usize {
    let tests: usize = test_modules(syntax).map(lines_of).sum();
    file.text.lines().count() - tests
}

/// The lines of a module with its body, its attributes left out.
fn lines_of(module: &ItemMod) -> usize {
    module.content.as_ref().map_or(0, |(braces, _)| {
        braces.span.close().end().line + 1 - module.mod_token.span.start().line
    })
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

fn functions(syntax: &syn::File) -> Vec<Function> {
    let mut found = Functions(Vec::new());
    found.visit_file(syntax);
    found.0
}

struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, signature: &Signature, block: &Block) {
        let line = signature.fn_token.span.start().line;
        self.0.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: block.brace_token.span.close().end().line + 1 - line,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    work();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_may_have_seventy_lines() {
        assert!(check(&tree(&[("a.rs", &function(70))])).is_empty());
        let found = check(&tree(&[("a.rs", &format!("\nimpl A {{ {} }}", function(71)))]));
        assert!(found[0].text.contains("`long` has 71 lines"), "{found:?}");
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn test_modules_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(390));
        // The line of its attribute counts.
        let text = format!("{}{tests}", "fn a() {}\n".repeat(399));
        assert!(check(&tree(&[("a.rs", &text)])).is_empty());
        let text = format!("fn b() {{}}\n{text}");
        let found = check(&tree(&[("a.rs", &text)]));
        assert!(found[0].text.starts_with("has 401 lines"), "{found:?}");
    }

    #[test]
    fn a_needless_exemption_is_found() {
        let long = [("a.rs", "long", "a reason")];
        assert!(check_with(&tree(&[("a.rs", &function(71))]), &long).is_empty());
        assert_eq!(check_with(&tree(&[("a.rs", &function(70))]), &long).len(), 1);
    }
}

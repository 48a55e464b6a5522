//! No `unwrap` and no `expect` outside of tests, unless the reason stands beside it.

use syn::visit::{self, Visit};
use syn::{Attribute, ExprMethodCall, ImplItemFn, ItemFn, ItemImpl, ItemMod};

use super::source::{File, Finding, Tree};
use super::test_code::{is_exempt, is_test};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, syntax) in tree.rust().filter(|(file, _)| !file.is_test()) {
        let mut panics = Panics { file, exempt: Vec::new(), findings: Vec::new() };
        panics.enter(&syntax.attrs, |panics| visit::visit_file(panics, syntax));
        findings.extend(panics.findings);
    }
    findings
}

struct Panics<'a> {
    file: &'a File,
    /// The lints that the items around exempt themselves from.
    exempt: Vec<&'static str>,
    findings: Vec<Finding>,
}

const LINTS: [(&str, &str); 2] = [("unwrap", "unwrap_used"), ("expect", "expect_used")];

impl Panics<'_> {
    fn enter(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        if is_test(attributes) {
            return;
        }
        let before = self.exempt.len();
        let lints = LINTS.iter().map(|(_, lint)| *lint);
        self.exempt.extend(lints.filter(|lint| is_exempt(attributes, lint)));
        visit(self);
        self.exempt.truncate(before);
    }
}

impl<'ast> Visit<'ast> for Panics<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.enter(&item.attrs, |panics| visit::visit_item_mod(panics, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.enter(&item.attrs, |panics| visit::visit_item_impl(panics, item));
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.enter(&item.attrs, |panics| visit::visit_item_fn(panics, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.enter(&item.attrs, |panics| visit::visit_impl_item_fn(panics, item));
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let lint = LINTS.iter().find(|(method, _)| call.method == method);
        if let Some((method, lint)) = lint
            && !self.exempt.contains(lint)
        {
            let text = format!(
                "`{method}` outside of tests: return an error, or say in #[expect(clippy::{lint}, \
                 reason)] why it cannot fail"
            );
            let line = call.method.span().start().line;
            self.findings.push(self.file.finding(line, text));
        }
        visit::visit_expr_method_call(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    #[test]
    fn only_code_outside_of_tests_is_found() {
        let text = "
            fn a() { b().unwrap(); }
            #[expect(clippy::expect_used, reason = \"x\")]
            fn c() { d().expect(\"x\"); }
            fn e() { f().expect(\"x\"); g().unwrap_or(1); }
            #[test] fn t() { h().unwrap(); }
            #[cfg(test)] mod tests { fn i() { j().unwrap(); } }
        ";
        let lines = |path| -> Vec<usize> {
            check(&tree(&[(path, text)])).iter().map(|finding| finding.line).collect()
        };
        assert_eq!(lines("gen/src/a.rs"), [2, 5]);
        assert!(lines("gen/tests/a.rs").is_empty());
    }
}

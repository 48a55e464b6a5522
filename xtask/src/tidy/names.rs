//! Names that say nothing, and re-exports that hide what they export.

use syn::visit::{self, Visit};
use syn::{ItemUse, UseTree, Visibility};

use super::source::{File, Finding, Tree};

const SAY_NOTHING: [&str; 7] = ["util", "utils", "helper", "helpers", "misc", "common", "manager"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, syntax) in tree.rust() {
        findings.extend(empty_name(file));
        let mut globs = Globs { file, findings: Vec::new() };
        globs.visit_file(syntax);
        findings.extend(globs.findings);
    }
    findings
}

/// What tests share is named for where it is, not for what it knows: there `common` says enough.
fn empty_name(file: &File) -> Option<Finding> {
    let stem = file.path.rsplit('/').next()?.strip_suffix(".rs")?;
    let found = SAY_NOTHING.contains(&stem) && !file.is_test();
    found.then(|| file.finding(0, format!("`{stem}` says nothing: name it for what it knows")))
}

struct Globs<'a> {
    file: &'a File,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Globs<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !matches!(item.vis, Visibility::Inherited) && has_glob(&item.tree) {
            let line = item.use_token.span.start().line;
            let text = "a glob re-export: name what is exported".to_owned();
            self.findings.push(self.file.finding(line, text));
        }
        visit::visit_item_use(self, item);
    }
}

fn has_glob(tree: &UseTree) -> bool {
    match tree {
        UseTree::Glob(_) => true,
        UseTree::Path(path) => has_glob(&path.tree),
        UseTree::Group(group) => group.items.iter().any(has_glob),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    #[test]
    fn empty_names_and_glob_re_exports_are_found() {
        let found = check(&tree(&[
            ("gen/src/utils.rs", ""),
            ("gen/tests/common.rs", ""),
            ("gen/src/keys.rs", "use a::*;\npub use b::{c, d::*};"),
        ]));
        let places: Vec<(&str, usize)> = found.iter().map(|f| (f.path.as_str(), f.line)).collect();
        assert_eq!(places, [("gen/src/utils.rs", 0), ("gen/src/keys.rs", 2)]);
    }
}

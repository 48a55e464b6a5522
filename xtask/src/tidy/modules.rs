//! The modules of each crate as a tree, children in the order of their declaration.

use syn::{Item, ItemMod};

use super::source::{File, Tree};
use super::test_code::is_test;

/// One module, in its own file or in its parent's.
pub(super) struct Module<'a> {
    /// Names from the crate's root, which itself has none.
    pub(super) path: Vec<String>,
    pub(super) file: &'a File,
    pub(super) items: &'a [Item],
    pub(super) children: Vec<Module<'a>>,
}

impl Module<'_> {
    /// Where a child stands among its siblings.
    pub(super) fn position(&self, child: &str) -> Option<usize> {
        self.children.iter().position(|module| module.path.last().is_some_and(|name| name == child))
    }

    /// The module of a path from the crate's root, when this is the root.
    pub(super) fn at(&self, path: &[String]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        self.children[self.position(first)?].at(rest)
    }

    /// This module and all below it.
    pub(super) fn all(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }
}

/// The root module of every library and program of the workspace.
pub(super) fn roots(tree: &Tree) -> Vec<Module<'_>> {
    tree.rust()
        .filter(|(file, _)| {
            ["src/lib.rs", "src/main.rs"].iter().any(|root| file.path.ends_with(root))
        })
        .map(|(file, syntax)| {
            let folder = folder_of(&file.path).to_owned();
            module(tree, Vec::new(), file, &syntax.items, &folder)
        })
        .collect()
}

/// `folder` is where the files of its children are.
fn module<'a>(
    tree: &'a Tree,
    path: Vec<String>,
    file: &'a File,
    items: &'a [Item],
    folder: &str,
) -> Module<'a> {
    let declared = items.iter().filter_map(|item| match item {
        Item::Mod(declaration) if !is_test(&declaration.attrs) => Some(declaration),
        _ => None,
    });
    let children =
        declared.filter_map(|declaration| child(tree, &path, file, declaration, folder)).collect();
    Module { path, file, items, children }
}

fn child<'a>(
    tree: &'a Tree,
    parent: &[String],
    file: &'a File,
    declaration: &'a ItemMod,
    folder: &str,
) -> Option<Module<'a>> {
    let name = declaration.ident.to_string();
    let path = [parent, std::slice::from_ref(&name)].concat();
    let below = format!("{folder}/{name}");
    if let Some((_, items)) = &declaration.content {
        return Some(module(tree, path, file, items, &below));
    }
    let file = [format!("{below}.rs"), format!("{below}/mod.rs")]
        .iter()
        .find_map(|path| tree.file(path))?;
    Some(module(tree, path, file, &file.syntax.as_ref()?.items, &below))
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

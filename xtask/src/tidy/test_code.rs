//! Which parts of a file are there only to test.

use syn::{Attribute, Item, ItemMod, Meta};

/// `#[cfg(test)]` (also among others) or `#[test]`.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.tokens.clone().into_iter().any(|token| token.to_string() == "test")
        }
        _ => false,
    })
}

/// `#[expect(clippy::LINT, …)]` or `allow`: the exemption has its reason beside it.
pub(super) fn is_exempt(attributes: &[Attribute], lint: &str) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("expect") || list.path.is_ident("allow") => {
            list.tokens.clone().into_iter().any(|token| token.to_string() == lint)
        }
        _ => false,
    })
}

/// The test modules of a file.
pub(super) fn test_modules(file: &syn::File) -> impl Iterator<Item = &ItemMod> {
    file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_some() && is_test(&module.attrs) => Some(module),
        _ => None,
    })
}

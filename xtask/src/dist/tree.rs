//! A tree of files to be packed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::pages::Pages;
use super::program::Program;
use crate::shell;

/// A tree of files to be packed.
pub(super) struct Tree {
    pub(super) root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: PathBuf) -> anyhow::Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    pub(super) fn add(&self, from: &Path, to: &str, mode: u32) -> anyhow::Result<PathBuf> {
        let path = self.root.join(to);
        fs::create_dir_all(path.parent().context("a path with a folder")?)?;
        fs::copy(from, &path).with_context(|| from.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(path)
    }

    pub(super) fn write(&self, to: &str, text: &str) -> anyhow::Result<()> {
        let path = self.root.join(to);
        fs::create_dir_all(path.parent().context("a path with a folder")?)?;
        fs::write(path, text)?;
        Ok(())
    }

    /// What a distribution's package puts into a system.
    pub(super) fn of_system(
        root: PathBuf,
        program: &Program,
        pages: &Pages,
    ) -> anyhow::Result<Self> {
        let tree = Self::new(root)?;
        tree.add(&program.path, "usr/bin/stallion", 0o755)?;
        for entry in fs::read_dir(pages.of("man"))? {
            let page = entry?;
            let to = format!("usr/share/man/man1/{}", page.file_name().to_string_lossy());
            let path = tree.add(&page.path(), &to, 0o644)?;
            shell::output(&["gzip", "--best", "--no-name", &path.display().to_string()])?;
        }
        for (file, to) in [
            ("stallion", "usr/share/bash-completion/completions/stallion"),
            ("_stallion", "usr/share/zsh/site-functions/_stallion"),
            ("stallion.fish", "usr/share/fish/vendor_completions.d/stallion.fish"),
            ("stallion.toml", "usr/share/doc/stallion/examples/stallion.toml"),
        ] {
            tree.add(&pages.of(file), to, 0o644)?;
        }
        for file in ["README.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            let to = format!("usr/share/doc/stallion/{file}");
            tree.add(&shell::root().join(file), &to, 0o644)?;
        }
        Ok(tree)
    }

    pub(super) fn path(&self) -> String {
        self.root.display().to_string()
    }
}

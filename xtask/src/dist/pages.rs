//! What the program writes of itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell;

/// The manual, completions, and a file of settings.
pub(super) struct Pages {
    folder: PathBuf,
}

impl Pages {
    pub(super) fn make(program: &Path, out: &Path) -> anyhow::Result<Self> {
        let folder = out.join("pages");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("man"))?;
        let name = program.display().to_string();
        let man = folder.join("man").display().to_string();
        shell::output(&[&name, "shell", "--man", &man])?;
        for (shell_name, file) in
            [("bash", "stallion"), ("zsh", "_stallion"), ("fish", "stallion.fish")]
        {
            let text = shell::output(&[&name, "shell", "--completions", shell_name])?;
            fs::write(folder.join(file), text)?;
        }
        fs::write(folder.join("stallion.toml"), shell::output(&[&name, "shell", "--settings"])?)?;
        Ok(Self { folder })
    }

    pub(super) fn of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

//! Limits of the kernel on the server, for a while.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

/// A control group (version 1) of its own for the server; it goes back with the value's end.
pub(super) struct Group {
    folder: PathBuf,
    parent: PathBuf,
    pid: String,
}

impl Group {
    pub(super) fn new(controller: &str, pid: u32) -> anyhow::Result<Self> {
        let parent = PathBuf::from("/sys/fs/cgroup").join(controller);
        let folder = parent.join(format!("stallion-truth-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let group = Self { folder, parent, pid: pid.to_string() };
        group.write("cgroup.procs", &group.pid)?;
        Ok(group)
    }

    pub(super) fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    pub(super) fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = self.folder.join(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.parent.join("cgroup.procs"), &self.pid);
        let _ = fs::remove_dir(&self.folder);
    }
}

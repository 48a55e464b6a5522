//! A limit of memory around one server: a control group of its own, of version 2 or 1.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where version 2 is mounted when its controllers are in use, and version 1's memory controller.
const UNIFIED: &str = "/sys/fs/cgroup";
const CLASSIC: &str = "/sys/fs/cgroup/memory";

/// A group that holds one server and what it forks. Dropping it lets them go.
#[derive(Debug)]
pub struct MemoryGroup {
    folder: PathBuf,
    parent: PathBuf,
    unified: bool,
}

impl MemoryGroup {
    /// Puts a process into a new group. What it has allocated before is not counted.
    ///
    /// # Errors
    /// The system's, with the file: it takes root, and a kernel with memory control groups.
    pub fn around(pid: u32) -> io::Result<Self> {
        let controllers = fs::read_to_string(Path::new(UNIFIED).join("cgroup.controllers"));
        let unified =
            controllers.is_ok_and(|all| all.split_whitespace().any(|one| one == "memory"));
        let parent = PathBuf::from(if unified { UNIFIED } else { CLASSIC });
        if unified {
            // Where the system has done so already this changes nothing.
            write(&parent.join("cgroup.subtree_control"), "+memory")?;
        }
        let folder = parent.join(format!("stallion-{}-{pid}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| named(&folder, &error))?;
        let group = Self { folder, parent, unified };
        group.take(pid)?;
        Ok(group)
    }

    /// Puts a further process into the group.
    ///
    /// # Errors
    /// As of [`Self::around`].
    pub fn take(&self, pid: u32) -> io::Result<()> {
        write(&self.folder.join("cgroup.procs"), &pid.to_string())
    }

    /// Limits what all its processes have together; none is no limit.
    ///
    /// # Errors
    /// As of [`Self::around`].
    pub fn limit(&self, bytes: Option<u64>) -> io::Result<()> {
        let (name, none) =
            if self.unified { ("memory.max", "max") } else { ("memory.limit_in_bytes", "-1") };
        let text = bytes.map_or_else(|| none.to_owned(), |bytes| bytes.to_string());
        write(&self.folder.join(name), &text)
    }

    /// Bytes that its processes have without the files they read and write, which can be let go.
    ///
    /// # Errors
    /// As of [`Self::around`].
    pub fn anonymous_bytes(&self) -> io::Result<u64> {
        self.field("memory.stat", if self.unified { "anon" } else { "rss" })
    }

    /// How many processes the limit has cost.
    ///
    /// # Errors
    /// As of [`Self::around`].
    pub fn kills(&self) -> io::Result<u64> {
        let name = if self.unified { "memory.events" } else { "memory.oom_control" };
        self.field(name, "oom_kill")
    }

    fn field(&self, file: &str, name: &str) -> io::Result<u64> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).map_err(|error| named(&path, &error))?;
        Ok(field(&text, name).unwrap_or(0))
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|(field, _)| *field == name)?.1.trim().parse().ok()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // What has ended meanwhile is not to be moved, and a folder that stays is empty.
        let all = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        for pid in all.lines() {
            let _ = fs::write(self.parent.join("cgroup.procs"), pid);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!((field(text, "oom_kill"), field(text, "oom")), (Some(3), None));
    }
}

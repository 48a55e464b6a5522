//! A limit of memory around one server: a control group of its own, of version 2 or 1.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where version 2 is mounted when its controllers are in use; below it are version 1's controllers.
const ROOT: &str = "/sys/fs/cgroup";

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
        let (parent, unified) = parent(Path::new(ROOT))?;
        if unified {
            // Where the system has done so already this changes nothing.
            write(&parent.join("cgroup.subtree_control"), "+memory")?;
        }
        let folder = parent.join(format!("stallion-{}-{pid}", std::process::id()));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(named(&folder, &error));
            }
            _ => {}
        }
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

/// The group in which ours is to be, and whether it is of version 2.
fn parent(root: &Path) -> io::Result<(PathBuf, bool)> {
    let controllers = fs::read_to_string(root.join("cgroup.controllers"));
    if controllers.is_ok_and(|all| all.split_whitespace().any(|one| one == "memory")) {
        return Ok((root.to_owned(), true));
    }
    let classic = root.join("memory");
    // In version 2 a folder of that name is a group as any other, and limits nothing.
    if classic.join("memory.limit_in_bytes").is_file() {
        return Ok((classic, false));
    }
    let text = format!(
        "{} and {}: there is no memory controller of control groups; start the kernel with \
         cgroup_enable=memory, or in a container give it the host's control groups",
        root.join("cgroup.controllers").display(),
        classic.display()
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
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

    #[test]
    fn a_missing_memory_controller_is_told_and_nothing_is_made() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| root.path().join(name);
        fs::write(place("cgroup.controllers"), "cpuset cpu io pids\n").unwrap();
        let text = parent(root.path()).unwrap_err().to_string();
        assert!(text.contains("no memory controller") && text.contains("cgroup_enable"), "{text}");
        assert!(!place("memory").exists());
        // A group that somebody made by that name.
        fs::create_dir(place("memory")).unwrap();
        assert!(parent(root.path()).is_err());
        fs::write(place("memory").join("memory.limit_in_bytes"), "1\n").unwrap();
        assert_eq!(parent(root.path()).unwrap(), (place("memory"), false));
        fs::write(place("cgroup.controllers"), "cpu memory pids\n").unwrap();
        assert_eq!(parent(root.path()).unwrap(), (root.path().to_owned(), true));
    }
}

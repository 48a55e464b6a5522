//! Where stacks live, and how the leftovers of killed runners are told from living ones.
//!
//! Each stack is a folder below one root, and its runner holds a lock on that folder for as long
//! as it lives: the kernel drops the lock however the runner ends. A folder that can be locked is
//! therefore a leftover. No pid is written down, so none can be mistaken after its reuse: a
//! process belongs to the stack in whose folder it works.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::getuid;
use tempfile::TempDir;

use crate::error::StackError;
use crate::process::{kill_all_within, working_folder};

const PREFIX: &str = "stack-";
/// Another runner may remove the empty root between two of our steps.
const CLAIM_ATTEMPTS: u32 = 5;

/// The folder below which all stacks of one user live.
#[derive(Debug, Clone)]
pub struct Registry {
    root: PathBuf,
}

impl Registry {
    /// The registry of this user: `stallion-UID` in the folder for temporary files.
    #[must_use]
    pub fn of_this_user() -> Self {
        Self::at(disk_for_temporary_files().join(format!("stallion-{}", getuid())))
    }

    /// A registry somewhere else.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Kills and removes every stack whose runner is dead; says how many there were.
    ///
    /// # Errors
    /// [`StackError::Io`], when a leftover cannot be removed.
    pub fn sweep(&self) -> Result<usize, StackError> {
        let failed = |error| StackError::io(self.root.display().to_string())(error);
        let Some(_lock) = self.lock().map_err(failed)? else {
            return Ok(0);
        };
        let mut swept = 0;
        for folder in self.stacks().map_err(failed)? {
            swept += usize::from(remove_if_abandoned(&folder).map_err(failed)?);
        }
        // Only succeeds once it is empty; so does the last stack's end.
        let _ = fs::remove_dir(&self.root);
        Ok(swept)
    }

    /// Whether a process is a server of a stack of this registry.
    #[must_use]
    pub fn owns(&self, pid: u32) -> bool {
        // The servers of a cluster work in folders of their own inside of the stack's.
        working_folder(pid).is_some_and(|folder| folder.ancestors().any(|at| self.is_stack(at)))
    }

    fn is_stack(&self, folder: &Path) -> bool {
        folder.parent() == Some(&self.root)
            && folder
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
    }

    /// A new folder, locked.
    pub(crate) fn claim(&self) -> Result<Claim, StackError> {
        let mut attempt = 1;
        loop {
            match self.try_claim() {
                Ok(claim) => return Ok(claim),
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && attempt < CLAIM_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(StackError::io(self.root.display().to_string())(error)),
            }
        }
    }

    fn try_claim(&self) -> io::Result<Claim> {
        create_private(&self.root)?;
        let root = self.lock()?.ok_or(io::ErrorKind::NotFound)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.root)?;
        let lock = File::open(folder.path())?;
        lock.lock()?;
        drop(root);
        Ok(Claim { folder: Some(folder), root: self.root.clone(), _lock: lock })
    }

    /// Keeps other runners from claiming and sweeping; none when there is no root.
    fn lock(&self) -> io::Result<Option<File>> {
        match File::open(&self.root) {
            Ok(file) => file.lock().map(|()| Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn stacks(&self) -> io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                folders.push(entry.path());
            }
        }
        Ok(folders)
    }
}

/// One stack's folder, ours for as long as this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    folder: Option<TempDir>,
    root: PathBuf,
    _lock: File,
}

impl Claim {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(&self.root, TempDir::path)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Whatever cannot be removed now, the next sweep tries again.
        let _ = kill_all_within(self.folder());
        if let Some(folder) = self.folder.take() {
            let _ = folder.close();
        }
        let _ = fs::remove_dir(&self.root);
    }
}

fn remove_if_abandoned(folder: &Path) -> io::Result<bool> {
    let lock = File::open(folder)?;
    match lock.try_lock() {
        Ok(()) => {
            kill_all_within(folder)?;
            fs::remove_dir_all(folder)?;
            Ok(true)
        }
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A folder that only this user can enter: its name is easy to guess, and somebody else may have
/// made it first.
fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == getuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "belongs to somebody else; remove it, or set TMPDIR",
    ))
}

/// The folder for temporary files, but /var/tmp where that would be memory: an fsync to a tmpfs
/// costs nothing, and a snapshot on it takes the heap's size once more.
fn disk_for_temporary_files() -> PathBuf {
    let usual = std::env::temp_dir();
    let on_disk = Path::new("/var/tmp");
    let chosen = std::env::var_os("TMPDIR").is_some();
    let folder = if !chosen && in_memory(&usual) && !in_memory(on_disk) {
        on_disk.to_owned()
    } else {
        usual
    };
    // A process's working folder is told without symbolic links.
    folder.canonicalize().unwrap_or(folder)
}

fn in_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

//! A file system of its own on a loop device that, as RAID does, lets nobody change a page while it
//! is being written. Gone with the value.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::shell;

pub(super) struct Disk {
    device: String,
    mount: PathBuf,
}

impl Disk {
    /// Makes one of so many MiB, with its image and its mount in `folder`. A direct one has no
    /// memory between it and the disk below: a request takes as long as that one's.
    pub(super) fn new(folder: &Path, mib: u64, direct: bool) -> anyhow::Result<Self> {
        let image = folder.join("image");
        fs::File::create(&image)?.set_len(mib << 20)?;
        let image = image.display().to_string();
        shell::run(&["mkfs.ext4", "-q", "-F", "-O", "^has_journal", &image])?;
        let direct = format!("--direct-io={}", if direct { "on" } else { "off" });
        let device = shell::output(&["losetup", "--find", "--show", &direct, &image])?;
        let device = device.trim().to_owned();
        let disk = Self { device, mount: folder.join("disk") };
        let name = disk.device.trim_start_matches("/dev/");
        let stable = format!("/sys/block/{name}/queue/stable_writes");
        fs::write(&stable, "1").with_context(|| stable.clone())?;
        fs::create_dir(&disk.mount)?;
        shell::run(&["mount", &disk.device, &disk.mount.display().to_string()])?;
        Ok(disk)
    }

    /// Its name in the kernel, `loop0`.
    pub(super) fn name(&self) -> &str {
        self.device.trim_start_matches("/dev/")
    }

    /// Where its files are.
    pub(super) fn folder(&self) -> &Path {
        &self.mount
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = shell::output_quietly(&["umount", "--lazy", &self.mount.display().to_string()]);
        let _ = shell::output_quietly(&["losetup", "--detach", &self.device]);
    }
}

/// Major and minor number of the disk that a folder lies on.
pub(super) fn numbers_of(folder: &Path) -> anyhow::Result<String> {
    let device = fs::metadata(folder)?.dev();
    Ok(format!("{}:{}", libc::major(device), libc::minor(device)))
}

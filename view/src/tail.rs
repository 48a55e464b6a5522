//! Timelines that are still being written: what has been added since the last look.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use stallion_timeline::Record;

/// Bytes that one look takes in at most: a late look must not hold up the keys.
const LOOK_BYTES: u64 = 4 << 20;

/// A file that grows. It need not be there yet, and may be made anew.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    inode: u64,
    at: u64,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
}

impl Tail {
    /// From the beginning of a file on.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), inode: 0, at: 0, rest: Vec::new() }
    }

    /// The file that is followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The records that were added since the last look. A file that is not there has none, and a line
    /// that is no record (of a later version, say) is passed over.
    pub fn look(&mut self) -> Vec<Record> {
        let Ok(mut file) = File::open(&self.path) else { return Vec::new() };
        let Ok(now) = file.metadata() else { return Vec::new() };
        if now.ino() != self.inode || now.len() < self.at {
            *self = Self { inode: now.ino(), ..Self::of(&self.path) };
        }
        if file.seek(SeekFrom::Start(self.at)).is_err() {
            return Vec::new();
        }
        let mut new = Vec::new();
        let Ok(length) = file.take(LOOK_BYTES).read_to_end(&mut new) else { return Vec::new() };
        self.at += length as u64;
        self.rest.extend_from_slice(&new);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        whole.split(|byte| *byte == b'\n').filter_map(record).collect()
    }
}

fn record(line: &[u8]) -> Option<Record> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LINE: &str = "{\"record\":\"loss\",\"at_ns\":1,\"source\":\"x\",\"count\":";

    #[test]
    fn what_is_added_is_read_once_and_half_a_line_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe.jsonl");
        let mut tail = Tail::of(&path);
        assert!(tail.look().is_empty(), "it is not there yet");
        let mut file = File::create(&path).unwrap();
        write!(file, "{LINE}1}}\nno record\n{LINE}").unwrap();
        assert_eq!(tail.look().len(), 1);
        assert!(tail.look().is_empty());
        writeln!(file, "2}}").unwrap();
        let [Record::Loss(loss)] = &tail.look()[..] else { panic!("one record") };
        assert_eq!(loss.count, 2);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, format!("{LINE}3}}\n")).unwrap();
        assert_eq!(tail.look().len(), 1, "a new file is read from its beginning");
    }
}

//! The folder of one run's results.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::summary::lines;

/// What a run writes; leftovers of an earlier run would otherwise be joined with the new one.
const FILES: [&str; 16] = [
    "point.json",
    "counters.json",
    "ceiling.json",
    "ceiling.html",
    "script.lua",
    "scenario.toml",
    "drive.jsonl",
    "drive.json",
    "probe.jsonl",
    "probe.log",
    "chaos.jsonl",
    "servers.json",
    "report.log",
    "report.html",
    "report.md",
    "report.json",
];

/// The folder, and the names of the files in it.
#[derive(Debug)]
pub(super) struct Results {
    folder: PathBuf,
}

impl Results {
    /// Makes the folder, removes an earlier run's files, and writes the scenario down.
    pub(super) fn prepare(folder: &Path, source: &str) -> io::Result<Self> {
        let at = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
        let results = Self::of(folder);
        for path in FILES.map(|name| results.file(name)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at(&path, error));
                }
                _ => {}
            }
        }
        let scenario = results.file("scenario.toml");
        fs::write(&scenario, source).map_err(|error| at(&scenario, error))?;
        Ok(results)
    }

    /// The results that are in a folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn drive_timeline(&self) -> PathBuf {
        self.file("drive.jsonl")
    }

    pub(super) fn drive_summary(&self) -> PathBuf {
        self.file("drive.json")
    }

    pub(super) fn probe_timeline(&self) -> PathBuf {
        self.file("probe.jsonl")
    }

    pub(super) fn chaos_timeline(&self) -> PathBuf {
        self.file("chaos.jsonl")
    }

    pub(super) fn counters(&self) -> PathBuf {
        self.file("counters.json")
    }

    pub(super) fn servers(&self) -> PathBuf {
        self.file("servers.json")
    }

    pub(super) fn ceiling(&self) -> PathBuf {
        self.file("ceiling.json")
    }

    pub(super) fn ceiling_log(&self) -> PathBuf {
        self.file("ceiling.log")
    }

    pub(super) fn probe_log(&self) -> PathBuf {
        self.file("probe.log")
    }

    pub(super) fn report_log(&self) -> PathBuf {
        self.file("report.log")
    }

    pub(super) fn last_line_of_probe_log(&self) -> String {
        let text = fs::read_to_string(self.probe_log()).unwrap_or_default();
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        last.unwrap_or("it said nothing").to_owned()
    }

    /// The HTML report, when there is one.
    pub(super) fn html(&self) -> Option<PathBuf> {
        Some(self.file("report.html")).filter(|path| path.is_file())
    }

    /// The findings in lines, from report.json.
    pub(super) fn summary(&self) -> Vec<String> {
        let text = fs::read(self.file("report.json")).unwrap_or_default();
        serde_json::from_slice(&text).map_or_else(|_| Vec::new(), |report| lines(&report))
    }
}

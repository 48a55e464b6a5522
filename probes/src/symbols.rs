//! Names for program counters and return addresses of the server.
//!
//! Distribution packages strip their symbol tables, but a redis-server exports its functions for
//! modules, so the dynamic table of Debian's still names 4 007 of them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::procfs::{Mapping, executable_mappings};

/// The functions of one file, by their offsets in it.
#[derive(Debug, Default)]
struct Functions {
    /// Start, length, name; sorted by start.
    by_offset: Vec<(u64, u64, String)>,
}

/// Names the addresses of one process. Files are read when first needed.
#[derive(Debug, Default)]
pub struct Symbols {
    root: PathBuf,
    mappings: Vec<Mapping>,
    files: HashMap<String, Functions>,
}

impl Symbols {
    /// Those of a process, through its own root folder (a container's).
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        Self {
            root: PathBuf::from(format!("/proc/{pid}/root")),
            mappings: executable_mappings(&maps),
            files: HashMap::new(),
        }
    }

    /// Reads all files now, while the process lives: the last events of one that was killed are
    /// named after it has gone.
    pub fn preload(&mut self) {
        let paths: Vec<String> = self.mappings.iter().map(|map| map.path.clone()).collect();
        for path in paths {
            self.load(&path);
        }
    }

    /// The function at an address, when its file names it.
    pub fn function(&mut self, address: u64) -> Option<&str> {
        let (mapping, offset) = self.locate(address)?;
        let path = mapping.path.clone();
        self.load(&path).at(offset)
    }

    /// The function at an address, or else its file's name; empty for an unknown address.
    pub fn describe(&mut self, address: u64) -> String {
        let Some((mapping, _)) = self.locate(address) else {
            return String::new();
        };
        let path = mapping.path.clone();
        match self.function(address) {
            Some(name) => name.to_owned(),
            None => file_name(&path).to_owned(),
        }
    }

    /// The file that the process maps under a name of which `matches` is true, as this host can
    /// open it.
    pub fn file(&self, matches: impl Fn(&str) -> bool) -> Option<PathBuf> {
        let mapping = self.mappings.iter().find(|mapping| matches(file_name(&mapping.path)))?;
        Some(self.open_path(&mapping.path))
    }

    fn locate(&self, address: u64) -> Option<(&Mapping, u64)> {
        let mapping =
            self.mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))?;
        Some((mapping, address - mapping.start + mapping.offset))
    }

    fn load(&mut self, path: &str) -> &Functions {
        let file = self.open_path(path);
        self.files
            .entry(path.to_owned())
            .or_insert_with(|| Functions::read(&file).unwrap_or_default())
    }

    fn open_path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

impl Functions {
    fn read(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let file = object::File::parse(bytes.as_slice()).ok()?;
        let offset_of = |address: u64| {
            file.segments().find_map(|segment| {
                let start = segment.address();
                let (offset, length) = segment.file_range();
                (start..start + length).contains(&address).then(|| address - start + offset)
            })
        };
        let mut by_offset: Vec<(u64, u64, String)> = file
            .dynamic_symbols()
            .chain(file.symbols())
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
            .filter_map(|symbol| {
                let offset = offset_of(symbol.address())?;
                Some((offset, symbol.size(), symbol.name().ok()?.to_owned()))
            })
            .collect();
        by_offset.sort();
        by_offset.dedup_by_key(|(offset, _, _)| *offset);
        Some(Self { by_offset })
    }

    fn at(&self, offset: u64) -> Option<&str> {
        let index = self.by_offset.partition_point(|(start, _, _)| *start <= offset);
        let (start, length, name) = self.by_offset.get(index.checked_sub(1)?)?;
        (offset - start < (*length).max(1)).then_some(name)
    }
}

/// Those of `names` that a program file defines.
#[must_use]
pub fn exported<'a>(path: &Path, names: &[&'a str]) -> Vec<&'a str> {
    let functions = Functions::read(path).unwrap_or_default();
    let defines = |name: &str| functions.by_offset.iter().any(|(_, _, known)| known == name);
    names.iter().copied().filter(|name| defines(name)).collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_fall_into_functions_and_gaps_do_not() {
        let functions =
            Functions { by_offset: vec![(10, 5, "first".into()), (20, 10, "second".into())] };
        assert_eq!(functions.at(9), None);
        assert_eq!(functions.at(10), Some("first"));
        assert_eq!(functions.at(15), None, "between the two");
        assert_eq!(functions.at(29), Some("second"));
        assert_eq!(functions.at(30), None);
    }

    #[test]
    fn libc_of_this_process_is_found_and_named() {
        let mut symbols = Symbols::of(std::process::id());
        let fork = libc::fork as *const () as u64;
        assert_eq!(symbols.describe(0), "");
        assert!(symbols.describe(fork).contains("fork"), "{}", symbols.describe(fork));
        assert!(symbols.file(|name| name.starts_with("libc.so")).is_some_and(|path| path.exists()));
    }
}

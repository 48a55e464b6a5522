//! `cargo xtask fuzz`: coverage-guided fuzzing of what reads bytes from others, by libFuzzer, with
//! the compiler that builds everything else: the flags that cargo-fuzz would give it are stable.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::shell;

/// The programs of gen/resp/fuzz, each with a corpus of its name.
const TARGETS: [&str; 3] = ["reply", "tree", "redirect"];

/// Edge coverage with the counters and tables that libFuzzer reads.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// An input that takes longer is a find: the parsers are linear.
const SLOWEST: &str = "-timeout=5";

/// Memory in MiB beyond which an input is a find: a length is no reason to allocate.
const MOST_MEMORY: &str = "-rss_limit_mb=512";

/// Longest input: enough for every state, short enough to be tried often.
const LONGEST: &str = "-max_len=4096";

/// Fuzzes each target for so long (or only `only`). What is found new and interesting is kept
/// beside the build; `merge` adds what of it covers more to the committed corpus.
pub(crate) fn run(length: Duration, only: Option<&str>, merge: bool) -> anyhow::Result<()> {
    if let Some(unknown) = only.filter(|name| !TARGETS.contains(name)) {
        bail!("`{unknown}` is no target: give one of {}", TARGETS.join(", "));
    }
    let folder = build()?;
    for target in TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)) {
        let program = folder.join(target);
        let committed = shell::root().join("gen/resp/fuzz/corpus").join(target);
        let found = shell::target().join("fuzz/corpus").join(target);
        let finds = shell::target().join("fuzz/artifacts");
        for folder in [&found, &finds] {
            std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        }
        let artifacts = format!("-artifact_prefix={}/{target}-", finds.display());
        let time = format!("-max_total_time={}", length.as_secs().max(1));
        let [program, committed, found] =
            [program, committed, found].map(|path| path.display().to_string());
        let options = [SLOWEST, MOST_MEMORY, LONGEST, "-print_final_stats=1", &artifacts];
        if merge {
            shell::run(&[&[&*program, "-merge=1"], &options[..], &[&committed, &found]].concat())?;
        } else {
            shell::run(&[&[&*program, &time], &options[..], &[&found, &committed]].concat())?;
        }
    }
    Ok(())
}

/// Reads `90s`, `10m`, or a number of seconds.
pub(crate) fn length(text: &str) -> anyhow::Result<Duration> {
    let (number, seconds) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 = number.parse().with_context(|| format!("--for {text}: give 90s or 10m"))?;
    Ok(Duration::from_secs(number * seconds))
}

/// Builds the programs and says where they are.
fn build() -> anyhow::Result<PathBuf> {
    let host = host_triple()?;
    let target_folder = shell::target().join("fuzz");
    let status = shell::command(&["cargo", "build", "--release", "--locked", "--target", &host])
        .arg("--manifest-path")
        .arg(shell::root().join("gen/resp/fuzz/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_folder)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the fuzz targets do not build ({status}); libFuzzer needs a C++ compiler (g++)");
    }
    Ok(target_folder.join(host).join("release"))
}

/// With a target named, build scripts and macros are built without the flags.
fn host_triple() -> anyhow::Result<String> {
    let version = shell::output(&["rustc", "-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

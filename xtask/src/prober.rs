//! `stallion probe` as a child process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

/// Starts a prober by its command line on a CPU, off the server's, and waits until it is attached.
pub(crate) fn start(words: &[String], cpu: usize) -> anyhow::Result<Child> {
    let mut prober = Command::new("taskset")
        .args(["-c", &cpu.to_string()])
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the prober")?;
    let errors = prober.stderr.take().context("no pipe")?;
    let mut lines = BufReader::new(errors).lines();
    let mut said = String::new();
    while let Some(Ok(line)) = lines.next() {
        if line.trim() == "ready" {
            // Somebody must go on reading, or the prober would block on a full pipe.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(prober);
        }
        said += &(line + "\n");
    }
    bail!("the probes could not be attached by `{}`:\n{said}", words.join(" "))
}

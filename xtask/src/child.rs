//! Child processes, with what they used and how to stop them for a while.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

/// What a process printed and used.
#[derive(Debug)]
pub(crate) struct Used {
    pub(crate) stdout: String,
    /// User and system time of all of its threads.
    pub(crate) cpu_ns: u64,
}

/// Starts a program whose output is to be read; its errors are shown.
pub(crate) fn spawn(words: &[String]) -> anyhow::Result<Child> {
    let (program, arguments) = words.split_first().context("no program to start")?;
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", words.join(" ")))
}

/// Runs a program to its end.
pub(crate) fn run(words: &[String]) -> anyhow::Result<Used> {
    finish(spawn(words)?).with_context(|| format!("`{}`", words.join(" ")))
}

/// What a program prints until its end, however it ends.
pub(crate) fn output_of(child: Child) -> anyhow::Result<String> {
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits for a program's end; std knows no resource usage, so the system is asked itself.
pub(crate) fn finish(mut child: Child) -> anyhow::Result<Used> {
    let mut stdout = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut stdout)?;
    }
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: a struct of integers, for which zeroes are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: our own child, which nobody else waits for; both pointers are valid.
    if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } != pid {
        return Err(std::io::Error::last_os_error()).context("waiting for it");
    }
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        bail!("it failed (status {status:#x}): {stdout}");
    }
    Ok(Used { stdout, cpu_ns: nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime) })
}

fn nanoseconds(time: libc::timeval) -> u64 {
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1_000
}

/// A signal to a child of ours that has not been waited for.
pub(crate) fn signal(child: &Child, signal: libc::c_int) -> anyhow::Result<()> {
    let pid = libc::pid_t::try_from(child.id())?;
    // SAFETY: touches no memory; the pid is that of a child that still has its entry.
    if unsafe { libc::kill(pid, signal) } != 0 {
        return Err(std::io::Error::last_os_error()).context("a signal could not be sent");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_child_is_read_timed_and_its_failure_is_told() {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo $i";
        let used = run(&words(&["sh", "-c", busy])).unwrap();
        assert_eq!(used.stdout.trim(), "200000");
        assert!(used.cpu_ns > 1_000_000, "{} ns", used.cpu_ns);
        assert!(run(&words(&["sh", "-c", "exit 3"])).is_err());
        assert!(run(&words(&["/no/such/program"])).is_err());
    }
}

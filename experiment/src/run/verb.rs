//! Another verb of the same program as a child process.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use stallion_stack::die_with_parent;
pub(super) use stallion_stack::die_with_parent as die_with_us;
use stallion_stack::interrupt::Interrupt;

/// How long a verb may take to drain and write its file after Ctrl-C.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// On two cores the child of a BGSAVE shares the client's core, and is not to make it late: a
/// nice of -10 outweighs a nice of 0 by nine to one.
const INSTRUMENT_NICE: i32 = -10;

/// A running verb. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Verb {
    child: Child,
}

/// Whether a verb's own lateness would be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Importance {
    /// It measures.
    Instrument,
    /// It prepares, or evaluates.
    Other,
}

impl Verb {
    /// Starts a verb. Its output goes to `log`, or to our own terminal. An instrument, which must
    /// not be late, goes before others on its core where the host allows that (root).
    pub(super) fn start(
        program: &Path,
        flags: &[String],
        log: Option<&Path>,
        importance: Importance,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(flags).stdin(Stdio::null());
        // The scenario says all: what the user has set for verbs of his own is not meant for these.
        let set = std::env::vars_os().map(|(name, _)| name);
        let ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("STALLION_");
        set.filter(ours).for_each(|name| {
            command.env_remove(name);
        });
        command.env("STALLION_CONFIG", "none");
        if importance == Importance::Instrument {
            go_before_others(&mut command);
        }
        if let Some(log) = log {
            let file = File::create(log)?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let child = die_with_parent(&mut command).spawn()?;
        Ok(Self { child })
    }

    /// How it ended; none while it runs.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end. An interrupt is passed on, and then it may still write its file.
    pub(super) fn wait(&mut self, interrupt: &Interrupt) -> io::Result<ExitStatus> {
        while !interrupt.raised() {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY);
        }
        self.stop()
    }

    /// Ends it as Ctrl-C would, and by force when that does not help.
    pub(super) fn stop(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::SIGINT);
        let start = Instant::now();
        while start.elapsed() < ENDS_WITHIN {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY);
        }
        self.signal(Signal::SIGKILL);
        self.child.wait()
    }

    fn signal(&self, signal: Signal) {
        // Fails only when the whole group has ended.
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), signal);
    }
}

fn go_before_others(command: &mut Command) {
    // SAFETY: between fork and exec only an async-signal-safe system call is made.
    unsafe {
        command.pre_exec(|| {
            // Refused without root; then it has to make do with its share.
            libc::setpriority(libc::PRIO_PROCESS, 0, INSTRUMENT_NICE);
            Ok(())
        });
    }
}

impl Drop for Verb {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

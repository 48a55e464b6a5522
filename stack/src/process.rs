//! One server as a child process: started, awaited, killed with all it forked.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getppid};
use stallion_server::Target;
use stallion_server::info::Info;

use crate::error::{READY_WITHIN, StackError};

/// How long killed processes may take to vanish.
const GONE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How much of a log an error message repeats.
const LOG_LINES: usize = 5;

/// The first server program that is in the PATH.
pub(crate) fn program() -> Result<&'static str, StackError> {
    let found = ["redis-server", "valkey-server"].into_iter().find(|one| file_of(one).is_some());
    found.ok_or(StackError::NoServer)
}

/// Where a program of the PATH is: a server that shall start itself again must know.
fn file_of(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A server that is up. Dropping it kills it and all it forked.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    program: &'static str,
    child: Child,
    port: u16,
    log: PathBuf,
}

impl ServerProcess {
    /// Where it writes its log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn start(
        program: &'static str,
        configuration: &str,
        port: u16,
        folder: &Path,
        huge_pages: bool,
    ) -> Result<Self, StackError> {
        let conf = folder.join("server.conf");
        fs::write(&conf, configuration).map_err(StackError::io(conf.display().to_string()))?;
        let log = log_of(folder);
        let output = File::create(&log).map_err(StackError::io(log.display().to_string()))?;
        let errors = output.try_clone().map_err(StackError::io(program))?;
        let mut command = Command::new(file_of(program).ok_or(StackError::NoServer)?);
        command
            .arg(&conf)
            // The folder is also how a sweep tells whose process it is.
            .current_dir(folder)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        if huge_pages {
            // The first is what a system's library reads, the second what Redis's own one does.
            command.env("MALLOC_CONF", "thp:always").env("JE_MALLOC_CONF", "thp:always");
        }
        let child = die_with_parent(&mut command).spawn().map_err(StackError::io(program))?;
        let mut server = Self { program, child, port, log };
        server.wait_until_ready(folder)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, folder: &Path) -> Result<(), StackError> {
        let start = Instant::now();
        let target = Target::tcp("127.0.0.1", self.port, None, None);
        let program = self.program;
        while start.elapsed() < READY_WITHIN {
            let ended = self.child.try_wait().map_err(StackError::io(program))?;
            if ended.is_some() {
                let log = last_lines(folder);
                return Err(StackError::Ended { program, log });
            }
            if self.answers(&target) {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
        let log = last_lines(folder);
        Err(StackError::Silent { program, log })
    }

    /// Whether this very process answers: somebody else may have got the port first.
    fn answers(&self, target: &Target) -> bool {
        let Ok(mut connection) = target.connect() else {
            return false;
        };
        Info::ask(&mut connection, "server")
            .is_ok_and(|info| info.number("process_id") == Some(i64::from(self.child.id())))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn program(&self) -> &'static str {
        self.program
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // SIGKILL: the data is thrown away, so nothing is worth a wait for a last fsync. The
        // whole group, so that the child of a running BGSAVE goes too.
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Puts a child into a group of its own (Ctrl-C on the terminal reaches it only through us) and
/// has the kernel kill it when the thread that spawns it ends.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    let parent = Pid::this();
    command.process_group(0);
    // SAFETY: between fork and exec only async-signal-safe system calls are made.
    unsafe {
        command.pre_exec(move || {
            set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have died before the line above.
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from(io::ErrorKind::BrokenPipe))
            }
        })
    }
}

/// Kills every process that works in a folder, and waits until they are gone.
pub(crate) fn kill_all_within(folder: &Path) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let found = pids_within(folder)?;
        if found.is_empty() {
            return Ok(());
        }
        for pid in found {
            // It may have ended by itself since.
            let _ = kill(pid, Signal::SIGKILL);
        }
        if start.elapsed() > GONE_WITHIN {
            let text = format!("processes in {} do not die", folder.display());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn pids_within(folder: &Path) -> io::Result<Vec<Pid>> {
    let numbers = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    Ok(numbers
        .filter(|pid| working_folder(pid.cast_unsigned()).is_some_and(|at| at.starts_with(folder)))
        .map(Pid::from_raw)
        .collect())
}

/// Where a process works; none for processes of others and for zombies.
pub(crate) fn working_folder(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn last_lines(folder: &Path) -> String {
    let text = fs::read_to_string(log_of(folder)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join(" | ")
}

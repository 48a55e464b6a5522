//! The binary under test: started, signalled, awaited, never left behind.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stallion_timeline::Timeline;

/// A run that takes longer hangs, which is a failure of its own.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The summary of a run whose every request that was sent was answered, as `--json -` printed it.
    #[track_caller]
    pub(crate) fn all_answered(&self) -> Value {
        let summary: Value = serde_json::from_str(&self.out).expect(&self.err);
        let accounting = &summary["accounting"];
        for (name, wanted) in [("failed", 0), ("timeouts", 0), ("lost", 0)] {
            assert_eq!(accounting[name], wanted, "{name} of {summary:#}");
        }
        let count = |name: &str| accounting[name].as_u64().unwrap();
        // What is due in the last moment finds no room when a busy machine is late with answers.
        assert!(count("unsent") <= count("due") / 50, "{summary:#}");
        assert_eq!(count("due"), count("answered") + count("unsent"), "{summary:#}");
        summary
    }

    /// Demands an exit code and words in what was printed (either stream).
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "exit code of {self:#?}");
        for word in words {
            assert!(
                self.out.contains(word) || self.err.contains(word),
                "{word:?} is not in {self:#?}"
            );
        }
        self
    }

    /// The object that `--json -` printed, which is all that is on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON object ({error}) in {self:#?}"))
    }
}

/// A run in progress.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts the binary. `files` bounds its open files.
    pub(crate) fn start(args: &[&str], files: Option<u64>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
        command
            .args(args)
            .env_remove("REDISCLI_AUTH")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(files) = files {
            let limit = move || {
                setrlimit(Resource::RLIMIT_NOFILE, files, files).map_err(std::io::Error::from)
            };
            // SAFETY: setrlimit is async-signal-safe, and nothing else is done after the fork.
            unsafe { command.pre_exec(limit) };
        }
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().map(reader);
        let err = child.stderr.take().map(reader);
        Self { child, out, err }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits for its end; a run that hangs is killed and fails the test.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it hangs; so far it printed:\n{}", self.printed().1);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (out, err) = self.printed();
        Ended { code: status.code(), out, err }
    }

    fn printed(&mut self) -> (String, String) {
        let join = |reader: Option<JoinHandle<String>>| reader.unwrap().join().unwrap();
        (join(self.out.take()), join(self.err.take()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        text
    })
}

/// Runs the binary to its end.
#[track_caller]
pub(crate) fn stallion(args: &[&str]) -> Ended {
    Running::start(args, None).end()
}

/// The words of a short `drive` against a port, with further flags, none of them given twice.
pub(crate) fn drive<'a>(port: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["drive", "-p", port, "--keys", "1000", "--warmup", "200ms"], more].concat()
}

/// The same, content with a run that a busy machine has made invalid: what the test is about is
/// something else.
pub(crate) fn lenient_drive<'a>(port: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&drive(port, more)[..], &["--allow-invalid"]].concat()
}

/// A timeline as `drive --out` left it.
#[track_caller]
pub(crate) fn timeline(folder: &Path) -> Timeline {
    Timeline::read(&folder.join("drive.jsonl")).unwrap()
}

/// What the intervals of a timeline say was answered.
pub(crate) fn answered(timeline: &Timeline) -> u64 {
    timeline
        .records
        .iter()
        .map(|record| match record {
            stallion_timeline::Record::Interval(interval) => interval.answered,
            _ => 0,
        })
        .sum()
}

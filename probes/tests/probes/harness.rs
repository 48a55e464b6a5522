//! A throw-away redis-server, and a watch of it in a thread.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code outside of the test functions themselves"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use stallion_probes::{Choice, Notice, Plan, ProbeError, Target, Without, watch};
use stallion_timeline::{ProbeState, Stall, StallClass};
use tempfile::TempDir;

/// Whether the probes can be tried. Without root a test says so and is skipped, but never in CI.
pub(crate) fn may_probe() -> bool {
    if stallion_probes::capability::bpf::may_load() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "CI must run the probe tests as root");
    eprintln!("skipped: probes need root");
    false
}

/// One redis-server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts one on a free port with further settings.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_by(Command::new("redis-server"), folder(), settings)
    }

    /// Starts one by a command of its own in a folder.
    pub(crate) fn start_by(command: Command, folder: TempDir, settings: &[&str]) -> Self {
        Self::start_at(free_port(), command, folder, settings)
    }

    /// Starts one at a port.
    pub(crate) fn start_at(
        port: u16,
        mut command: Command,
        folder: TempDir,
        settings: &[&str],
    ) -> Self {
        let child = command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--enable-debug-command", "yes", "--slowlog-log-slower-than", "1000"])
            .arg("--dir")
            .arg(folder.path())
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let server = Self { child, port, _folder: folder };
        let patience = Instant::now() + Duration::from_secs(10);
        while server.try_ask("PING").as_deref() != Some("+PONG\r\n") {
            assert!(Instant::now() < patience, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends an inline command, and returns the answer as it came.
    pub(crate) fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap_or_else(|| panic!("no answer to {command}"))
    }

    pub(crate) fn try_ask(&self, command: &str) -> Option<String> {
        // The end of the connection is no mark: a forked child keeps the socket open.
        const MARK: &str = "$4\r\nmark\r\n";
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        stream.write_all(format!("{command}\r\nECHO mark\r\n").as_bytes()).ok()?;
        let mut answer = Vec::new();
        let mut part = [0; 65_536];
        while !answer.ends_with(MARK.as_bytes()) {
            let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
            answer.extend_from_slice(&part[..count]);
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        text.strip_suffix(MARK).map(str::to_owned)
    }

    /// Many commands over one connection; the answers are read and dropped.
    pub(crate) fn ask_all(&self, commands: impl Iterator<Item = String>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut answer = [0; 65_536];
        for command in commands {
            // In one piece: the answer to half a command is 40 ms away (Nagle's algorithm).
            stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
            let count = stream.read(&mut answer).unwrap();
            assert!(
                count > 0 && answer[0] != b'-',
                "{}",
                String::from_utf8_lossy(&answer[..count])
            );
        }
    }

    /// A number from INFO.
    pub(crate) fn info(&self, name: &str) -> f64 {
        let text = self.ask("INFO everything");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
    }

    /// Waits for the end of the process, which nobody reaps before this is dropped.
    pub(crate) fn wait_until_ended(&self) {
        let stat = format!("/proc/{}/stat", self.pid());
        let patience = Instant::now() + Duration::from_secs(20);
        while !fs::read_to_string(&stat).is_ok_and(|text| text.contains(") Z ")) {
            assert!(Instant::now() < patience, "the server did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Duration of the newest entry of SLOWLOG, in milliseconds.
    pub(crate) fn slowest_ms(&self, command: &str) -> f64 {
        let text = self.ask("SLOWLOG GET 10");
        let lines: Vec<&str> = text.lines().collect();
        let at = lines
            .iter()
            .position(|line| line.eq_ignore_ascii_case(command))
            .unwrap_or_else(|| panic!("{command} is not in SLOWLOG: {text}"));
        // An entry is id, time, duration, then the arguments with their lengths.
        let duration = lines[..at].iter().rev().find_map(|line| line.strip_prefix(':'));
        duration.unwrap().parse::<f64>().unwrap() / 1e3
    }

    pub(crate) fn wait_until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !done(self) {
            assert!(Instant::now() < patience, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a watch saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) states: Vec<ProbeState>,
    pub(crate) stalls: Vec<Stall>,
    pub(crate) lost: u64,
    /// Processes that were attached to, and that ended.
    pub(crate) pids: Vec<u32>,
    pub(crate) ended: Vec<u32>,
}

impl Seen {
    pub(crate) fn of(&self, class: StallClass) -> impl Iterator<Item = &Stall> {
        self.stalls.iter().filter(move |stall| stall.class == class)
    }

    /// Stalled time of a class in milliseconds.
    pub(crate) fn total_ms(&self, class: StallClass) -> f64 {
        self.of(class).map(|stall| stall.busy_ns as f64 / 1e6).sum()
    }

    /// The longest of a class.
    pub(crate) fn longest(&self, class: StallClass) -> &Stall {
        self.of(class)
            .max_by_key(|stall| stall.busy_ns)
            .unwrap_or_else(|| panic!("no {class:?} among {:#?}", self.stalls))
    }
}

/// Runs a program that must succeed, and returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Keeps a process, or with 0 this thread, on the first core.
pub(crate) fn pin(pid: u32) {
    pin_thread(pid, 0);
}

/// Keeps a thread on a core.
pub(crate) fn pin_thread(pid: u32, core: usize) {
    // SAFETY: a zeroed set is an empty one; the process is this test's own.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        assert_eq!(libc::sched_setaffinity(pid as i32, size_of_val(&set), &raw const set), 0);
    }
}

/// A port at which nobody listens now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Processes that any watch of this test program has attached to.
static ATTACHED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Waits until a watch has attached to a process.
pub(crate) fn wait_until_attached(pid: u32) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !ATTACHED.lock().unwrap().contains(&pid) {
        assert!(Instant::now() < patience, "nobody attached to {pid}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder on a disk: below the target folder, because /tmp may be memory.
pub(crate) fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A control group of cgroup v1 or v2; removed when dropped.
pub(crate) struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// Makes one for a controller; the first of the files that the kernel has is given its text.
    pub(crate) fn new(controller: &str, settings: &[(&str, &str)]) -> Self {
        let name = format!("stallion-test-{}-{controller}", std::process::id());
        // The one controller whose name changed.
        let first_name = if controller == "io" { "blkio" } else { controller };
        let first = Path::new("/sys/fs/cgroup").join(first_name);
        let folder = if first.is_dir() {
            first.join(name)
        } else {
            let root = Path::new("/sys/fs/cgroup");
            let _ = fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"));
            root.join(name)
        };
        fs::create_dir_all(&folder).unwrap();
        let group = Self { folder };
        for (file, text) in settings {
            let path = group.folder.join(file);
            if path.exists() {
                fs::write(&path, text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            }
        }
        group
    }

    pub(crate) fn add(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// Writes one of the group's files.
    pub(crate) fn set(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    /// A figure from one of the group's files.
    pub(crate) fn figure(&self, file: &str, name: &str) -> Option<f64> {
        let text = fs::read_to_string(self.folder.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that was just killed still counts for a moment.
        for _ in 0..100 {
            match fs::remove_dir(&self.folder) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                _ => return,
            }
        }
    }
}

/// Watches a server while `disturb` runs, and for a moment longer.
pub(crate) fn watched(server: &Server, disturb: impl FnOnce()) -> Seen {
    watched_by(plan(Target::Port(server.port)), disturb)
}

/// Watches as planned.
pub(crate) fn watched_by(plan: Plan, disturb: impl FnOnce()) -> Seen {
    let (ready, attached) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let thread: JoinHandle<Result<Seen, ProbeError>> = std::thread::spawn(move || {
        let mut seen = Seen::default();
        let mut awaited = plan.targets.len() as i64;
        let ending = || matches!(stopped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        watch(&plan, ending, |notice| match notice {
            Notice::Attached { states, pid, .. } => {
                seen.states = states.to_vec();
                seen.pids.push(pid);
                ATTACHED.lock().unwrap().push(pid);
                awaited -= 1;
                if awaited == 0 {
                    let _ = ready.send(());
                }
            }
            Notice::Stall(stall) => seen.stalls.push(stall.clone()),
            Notice::Lost(count) => seen.lost += count,
            Notice::ServerEnded(pid) => seen.ended.push(pid),
        })?;
        Ok(seen)
    });
    if attached.recv_timeout(Duration::from_secs(30)).is_ok() {
        std::thread::sleep(Duration::from_millis(100));
        disturb();
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(stop);
    thread.join().unwrap().unwrap()
}

pub(crate) fn plan(target: Target) -> Plan {
    Plan {
        targets: vec![target],
        out: None,
        duration: None,
        threshold: Duration::from_millis(1),
        follow: false,
        probes: Choice::default(),
        without: Without::default(),
    }
}

/// Fails unless `got` is within `share` of `wanted`.
pub(crate) fn assert_near(what: &str, got: f64, wanted: f64, share: f64) {
    println!("{what}: {got:.3} against {wanted:.3}");
    assert!((got - wanted).abs() <= wanted * share, "{what}: {got:.3} against {wanted:.3}");
}

//! Every command of docs/book/src/recipes.md, as the page says that they are run.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("../../../docs/book/src/recipes.md");

/// The flags whose times are cut, and to what.
const TIMES: [(&str, &str); 3] = [("--duration", "2s"), ("--for", "1s"), ("--step", "1s")];

/// What stands before each block: which ends of a command are as the page says, and that the test is
/// root.
const PRELUDE: &str = r#"
set -e
sudo() { "$@"; }
stallion() {
    code=0
    command stallion "$@" || code=$?
    case "$1:$code" in
        *:0 | drive:3 | ceiling:3 | lab:3 | ceiling:99 | compare:4 | compare:99 | triage:3 | triage:99) ;;
        *) echo "stallion $* ended with $code" >&2; return "$code" ;;
    esac
}
"#;

/// A network of its own, with the servers of the page; gone with the value, with all that runs in it.
struct Network {
    name: String,
    running: Vec<Child>,
}

impl Network {
    fn new(folder: &Path) -> Self {
        let name = format!("stallion-howto-{}", std::process::id());
        let mut network = Self { name, running: Vec::new() };
        done(Command::new("ip").args(["netns", "add", &network.name]));
        done(Command::new("ip").args(["-n", &network.name, "link", "set", "lo", "up"]));
        network.serve(6379, folder, &[]);
        let ports: Vec<u16> = (7000..7006).collect();
        for port in &ports {
            let file = format!("nodes-{port}.conf");
            let cluster = ["--cluster-enabled", "yes", "--cluster-config-file", &file];
            network.serve(*port, folder, &cluster);
        }
        let nodes: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut create = network.within(&["redis-cli", "--cluster", "create"]);
        create.args(&nodes).args(["--cluster-replicas", "1", "--cluster-yes"]);
        done(create.stdout(Stdio::null()));
        let begun = Instant::now();
        let mut ask = network.within(&["redis-cli", "-p", "7000", "cluster", "info"]);
        while !said(&mut ask).contains("cluster_state:ok") {
            assert!(begun.elapsed() < Duration::from_secs(60), "the cluster does not come up");
            std::thread::sleep(Duration::from_millis(200));
        }
        network
    }

    fn within(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).args(words);
        command
    }

    fn serve(&mut self, port: u16, folder: &Path, settings: &[&str]) {
        let (number, folder) = (port.to_string(), folder.display().to_string());
        let file = format!("dump-{port}.rdb");
        let words = ["redis-server", "--port", &number, "--save", "", "--dir", &folder];
        let mut command = self.within(&words);
        command.args(["--dbfilename", &file]).args(settings).stdout(Stdio::null());
        self.running.push(command.spawn().unwrap());
        let begun = Instant::now();
        let mut ping = self.within(&["redis-cli", "-p", &number, "ping"]);
        while !said(&mut ping).contains("PONG") {
            assert!(begun.elapsed() < Duration::from_secs(30), "no server on {port}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

#[track_caller]
fn done(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn said(command: &mut Command) -> String {
    let output = command.stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The blocks of the page, each a script.
fn blocks() -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in PAGE.lines() {
        match (&mut open, line) {
            (None, "```sh") => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => *block += &(shortened(line) + "\n"),
            (None, _) => {}
        }
    }
    blocks
}

/// A line with its times cut, as the page says, and nothing else changed.
fn shortened(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        if let Some((_, cut)) = TIMES.iter().find(|(flag, _)| *flag == words[at - 1]) {
            words[at] = cut;
        }
    }
    words.join(" ")
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    // SAFETY: asks for a number.
    let root = unsafe { nix::libc::geteuid() } == 0;
    assert!(root || std::env::var_os("CI").is_none(), "CI must run this test as root");
    if !root || cfg!(not(feature = "probes")) {
        eprintln!("skipped: the page's probes and a network of its own need root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new(folder.path());
    let program = Path::new(env!("CARGO_BIN_EXE_stallion")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    for block in blocks() {
        let script = folder.path().join("block.sh");
        std::fs::write(&script, format!("{PRELUDE}{block}")).unwrap();
        let log = File::create(folder.path().join("block.log")).unwrap();
        let mut shell = network.within(&["sh", &script.display().to_string()]);
        shell.current_dir(folder.path()).env("PATH", &path).stdin(Stdio::null());
        shell.stdout(log.try_clone().unwrap()).stderr(log);
        let begun = Instant::now();
        let status = shell.status().unwrap();
        println!("{:5.1} s\n{block}", begun.elapsed().as_secs_f64());
        let log = std::fs::read_to_string(folder.path().join("block.log")).unwrap();
        assert!(status.success(), "{status} of\n{block}\n{log}");
    }
    for file in ["results/a/report.html", "results/before/drive.hlog", "pr.md", "summary.json"] {
        let size = std::fs::metadata(folder.path().join(file)).unwrap().len();
        assert!(size > 100, "{file} has {size} bytes");
    }
}

#[test]
fn times_are_cut_and_nothing_else() {
    let line = "sudo stallion probe -p 6379 --live --for 30s &";
    assert_eq!(shortened(line), "sudo stallion probe -p 6379 --live --for 1s &");
    assert_eq!(shortened("stallion drive --rate 1..5"), "stallion drive --rate 1..5");
    let blocks = blocks();
    let lines = blocks.iter().flat_map(|block| block.lines());
    let ours = lines.filter(|line| line.contains("stallion ")).count();
    assert!(ours > 40, "{ours}");
}

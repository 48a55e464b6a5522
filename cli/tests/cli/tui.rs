//! `--tui` on a real pseudo-terminal: it is drawn, follows the terminal's size, ends when it is asked
//! to, and gives the terminal back whatever happens.

use std::io::Write as _;
use std::process::Command;

use stallion_view::terminal::Hands;
use stallion_view::{Model, Second, Watch};

use crate::harness::pty::Pty;
use crate::harness::redis::Redis;
use crate::harness::stallion::stallion;

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
    command.args(args);
    command
}

#[test]
fn a_run_is_shown_resized_and_ended_by_a_key() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let stalls = folder.path().join("stalls.jsonl");
    let file = stalls.display().to_string();
    let flags = ["--rate", "500", "--duration", "60s", "--keys", "100", "--allow-invalid"];
    let watching = ["drive", "-p", &server.port, "--tui", "--stalls", &file];
    let mut pty = Pty::start(program(&[&watching[..], &flags].concat()), 30, 100);
    pty.shows("of 60 s");
    assert!(pty.is_taken() && !pty.is_cooked() && pty.has_colour());
    pty.shows("500/s of 500");
    pty.shows("is not there yet");
    // What a prober writes while the run lasts.
    let stall = r#"{"record":"stall","class":"fork","pid":1,"tid":1,"thread":"main","start_ns":1,"end_ns":45000001,"busy_ns":45000000,"count":1,"what":"clone"}"#;
    writeln!(std::fs::File::create(&stalls).unwrap(), "{stall}").unwrap();
    pty.shows("45.0 ms");
    pty.resize(12, 50);
    pty.shows("q ends");
    pty.press("q");
    let code = pty.end();
    assert!(!pty.is_taken() && pty.is_cooked(), "{}", pty.text());
    assert_eq!(code, Some(0), "{}", pty.text());
    pty.shows("verdict");
}

#[test]
fn control_c_ends_it_too_and_no_color_is_heeded() {
    let server = Redis::start(&[]);
    let flags = ["--rate", "500", "--duration", "60s", "--keys", "100", "--allow-invalid"];
    let mut command = program(&[&["drive", "-p", &server.port, "--tui"][..], &flags].concat());
    // Through a shell: the harness takes NO_COLOR from the environment.
    let line = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<_> = line.map(|word| word.to_string_lossy().into_owned()).collect();
    command = Command::new("sh");
    command.args(["-c", &format!("NO_COLOR=1 exec {}", line.join(" "))]);
    let mut pty = Pty::start(command, 30, 100);
    pty.shows("500/s of 500");
    assert!(!pty.has_colour(), "{}", pty.text());
    pty.press("\x03");
    assert_eq!(pty.end(), Some(0), "{}", pty.text());
    assert!(!pty.is_taken() && pty.is_cooked());
    pty.shows("ended early by a signal");
}

#[test]
fn a_run_that_cannot_start_leaves_the_terminal_alone() {
    let mut pty = Pty::start(program(&["drive", "-p", "1", "--tui"]), 30, 100);
    assert_eq!(pty.end(), Some(2), "{}", pty.text());
    assert!(!pty.is_taken() && pty.is_cooked());
    pty.shows("error:");
}

#[test]
fn without_a_terminal_there_are_lines() {
    let server = Redis::start(&[]);
    let flags = ["--rate", "500", "--duration", "2s", "--keys", "100", "--allow-invalid"];
    let ended = stallion(&[&["drive", "-p", &server.port, "--tui"][..], &flags].concat());
    ended.expect(0, &["req/s", "verdict"]);
    assert!(!ended.out.contains('\x1b') && !ended.err.contains('\x1b'), "{ended:#?}");
    stallion(&["drive", "--stalls", "x.jsonl"]).expect(2, &["--tui"]);
}

#[test]
fn a_panic_is_told_on_a_terminal_that_is_as_it_was() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tui::a_thread_panics_on_a_screen", "--ignored", "--nocapture"]);
    // The first line of what is told must not scroll away.
    command.env("RUST_BACKTRACE", "0");
    let mut pty = Pty::start(command, 30, 100);
    assert_ne!(pty.end(), Some(0), "{}", pty.text());
    assert!(!pty.is_taken() && pty.is_cooked(), "{}", pty.text());
    pty.shows("a shard broke");
}

#[test]
#[ignore = "started by another test, on a terminal"]
fn a_thread_panics_on_a_screen() {
    let hands = Hands { look: Box::new(|_| false), stop: Box::new(|| {}) };
    let watch = Watch::begin(Model::new("stallion drive"), hands).unwrap();
    watch.tell(|model| model.second(Second::default()));
    std::thread::sleep(std::time::Duration::from_millis(500));
    let broken = std::thread::spawn(|| panic!("a shard broke")).join();
    drop(watch);
    assert!(broken.is_ok(), "as was meant");
}

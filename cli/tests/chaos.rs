//! `stallion chaos` as a user meets it: exit codes, messages, and the timeline it writes.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use std::fs;
use std::process::{Command, Output};

use stallion_stack::{Placement, Stack};
use stallion_stack::{Registry, StackPlan};
use stallion_timeline::{Record, Role, Timeline};
use tempfile::TempDir;

const PASSWORD: &str = "hunter2-is-secret";

/// A server with a password, in a registry that is not the user's: a foreign one.
fn server() -> (TempDir, Stack) {
    let folder = tempfile::tempdir().unwrap();
    let plan = StackPlan::default();
    let nowhere = Placement { server: None, client: None, others: Vec::new() };
    let registry = Registry::at(folder.path().canonicalize().unwrap().join("stacks"));
    let stack = Stack::start(&plan, &nowhere, &registry).unwrap();
    let mut connection = stack.target().connect().unwrap();
    stallion_server::ask::set_config(&mut connection, "requirepass", PASSWORD).unwrap();
    (folder, stack)
}

fn chaos(flags: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
    let Output { status, stdout, stderr } =
        command.arg("chaos").args(flags).env_remove("REDISCLI_AUTH").output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code(), text)
}

#[test]
fn an_unknown_action_lists_the_valid_ones() {
    let (code, text) = chaos(&["--action", "explode"]);
    assert_eq!(code, Some(2), "{text}");
    for action in ["bgsave", "aof-rewrite", "bigkey-on", "pause", "fsync-policy"] {
        assert!(text.contains(action), "{text}");
    }
}

#[test]
fn a_closed_port_and_a_wrong_parameter_are_usage_errors() {
    let (code, text) = chaos(&["bgsave", "-p", "1"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("redis://127.0.0.1:1") && text.contains("--port"), "{text}");
    let (code, text) = chaos(&["bgsave", "--fields", "3"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("unexpected argument '--fields'"), "{text}");
    let (code, text) = chaos(&["fsync-policy", "--appendfsync", "sometimes"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("possible values: no, everysec, always"), "{text}");
}

/// The form of 0.1, which goes with the next release.
#[test]
fn an_action_by_its_flag_is_taken_with_a_note() {
    let (_folder, stack) = server();
    let port = stack.port().to_string();
    let flags =
        ["-p", &port, "--action", "weigh", "-a", PASSWORD, "--policy=short", "--keys", "100"];
    let (code, text) = chaos(&[&flags[..], &["--allow-foreign"]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("is now `stallion chaos memory-footprint`"), "{text}");
    assert!(text.contains("bytes_per_entry"), "{text}");
}

#[test]
fn the_help_of_a_fault_is_short_and_says_its_units() {
    for kind in stallion_fault::FAULTS {
        let (code, text) = chaos(&[kind.name, "--help"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.lines().count() < 60, "{text}");
        assert!(text.contains("Times are 500ms"), "{text}");
    }
}

#[test]
fn a_password_is_needed_taken_and_never_shown() {
    let (folder, stack) = server();
    let port = stack.port().to_string();
    let (code, text) = chaos(&["bgsave", "-p", &port]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("-a/--pass"), "{text}");
    let (code, text) = chaos(&["bgsave", "-p", &port, "-a", "wrong-one"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(!text.contains("wrong-one"), "{text}");

    let out = folder.path().join("new/chaos.jsonl");
    let url = format!("redis://default:{PASSWORD}@127.0.0.1:{port}");
    let file = out.display().to_string();
    let (code, text) = chaos(&["bgsave", "--target", &url, "--out", &file]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("latest_fork_usec"), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
    let written = fs::read_to_string(&out).unwrap();
    assert!(!written.contains(PASSWORD), "{written}");

    let timeline = Timeline::read(&out).unwrap();
    assert_eq!(timeline.header.role, Role::Chaos);
    assert_eq!(timeline.header.target, format!("redis://127.0.0.1:{port}"));
    assert!(!timeline.truncated());
    assert!(matches!(&timeline.records[..], [Record::Chaos(chaos)] if chaos.action == "bgsave"));
}

#[test]
fn harm_to_a_foreign_server_needs_leave() {
    let (_folder, stack) = server();
    let port = stack.port().to_string();
    let pause = ["pause", "-p", &port, "-a", PASSWORD, "--for", "50ms"];
    let (code, text) = chaos(&pause);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--allow-foreign"), "{text}");
    let (code, text) = chaos(&[&pause[..], &["--allow-foreign"]].concat());
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_failed_action_exits_with_one_and_is_still_recorded() {
    let (folder, stack) = server();
    let port = stack.port().to_string();
    let out = folder.path().join("chaos.jsonl").display().to_string();
    fs::remove_dir_all(stack.folder()).unwrap();
    let flags = ["bgsave", "-p", &port, "-a", PASSWORD, "--out", &out];
    let (code, text) = chaos(&flags);
    assert_eq!(code, Some(1), "{text}");
    let timeline = Timeline::read(out.as_ref()).unwrap();
    assert!(matches!(&timeline.records[..], [Record::Chaos(chaos)] if chaos.outcome != "ok"));
}

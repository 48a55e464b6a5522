//! A stack is a real server, and leaves no process, port or folder behind, however it ends.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::common::{eventually, processes_within, registry, start};
use redis::Commands as _;
use stallion_lab::chaos::{self, Parameters, Site};
use stallion_lab::stack::plan::AppendFsync;
use stallion_lab::stack::{StackError, StackPlan};
use stallion_lab::{Interrupt, Stack};

/// Set for the copy of this test program that plays the runner who is killed.
const ROLE: &str = "STALLION_TEST_RUNNER_ROOT";

#[test]
fn a_server_runs_as_planned_and_vanishes() {
    let (_folder, registry, root) = registry();
    let plan = StackPlan {
        maxmemory: "64mb".to_owned(),
        appendonly: true,
        appendfsync: AppendFsync::Always,
        ..StackPlan::default()
    };
    let stack = start(&plan, &registry);
    let mut connection = stack.target().connect().unwrap();
    let () = connection.set("key", "value").unwrap();
    for (name, value) in [
        ("maxmemory", "67108864"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("save", ""),
        ("enable-debug-command", "yes"),
    ] {
        assert_eq!(
            stallion_lab::info::config(&mut connection, name).unwrap(),
            value,
            "{name}"
        );
    }
    assert!(registry.owns(stack.pid()));
    assert!(!registry.owns(std::process::id()));
    let port = stack.port();
    drop(stack);
    assert!(!root.exists(), "the folder stays behind");
    TcpListener::bind(("127.0.0.1", port)).expect("the port stays taken");
}

#[test]
fn a_running_bgsave_goes_with_its_server() {
    let (_folder, registry, root) = registry();
    let stack = start(&StackPlan::default(), &registry);
    let mut connection = stack.target().connect().unwrap();
    let () = redis::cmd("DEBUG")
        .arg("POPULATE")
        .arg(200_000)
        .query(&mut connection)
        .unwrap();
    let () = stallion_lab::info::set_config(&mut connection, "rdb-key-save-delay", "1000").unwrap();
    let () = redis::cmd("BGSAVE").query(&mut connection).unwrap();
    eventually("two processes", || processes_within(&root).len() == 2);
    drop(stack);
    assert_eq!(processes_within(&root), Vec::<String>::new());
    assert!(!root.exists());
}

#[test]
fn a_server_that_does_not_start_says_why_and_leaves_nothing() {
    let (_folder, registry, root) = registry();
    let plan = StackPlan {
        maxmemory: "plenty".to_owned(),
        ..StackPlan::default()
    };
    let error = Stack::start(&plan, &crate::common::nowhere(), &registry).unwrap_err();
    assert!(matches!(error, StackError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("maxmemory"), "{error}");
    assert!(!root.exists());
}

#[test]
fn a_living_stack_is_not_swept() {
    let (_folder, registry, root) = registry();
    let stack = start(&StackPlan::default(), &registry);
    assert_eq!(registry.sweep().unwrap(), 0);
    let second = start(&StackPlan::default(), &registry);
    stack
        .target()
        .connect()
        .expect("the first stack was swept by the second's start");
    drop(stack);
    second
        .target()
        .connect()
        .expect("the second stack went with the first");
    drop(second);
    assert!(!root.exists());
}

#[test]
#[ignore = "no test of its own: the runner that the next test starts and kills"]
fn runner_that_is_killed() {
    let root = std::env::var_os(ROLE).unwrap();
    let registry = stallion_lab::stack::Registry::at(root.into());
    let stack = start(&StackPlan::default(), &registry);
    let mut connection = stack.target().connect().unwrap();
    let () = redis::cmd("DEBUG")
        .arg("POPULATE")
        .arg(200_000)
        .query(&mut connection)
        .unwrap();
    let () = stallion_lab::info::set_config(&mut connection, "rdb-key-save-delay", "1000").unwrap();
    let mut site = Site::connect(&stack.target(), &Interrupt::new(), false).unwrap();
    let bgsave = chaos::find("bgsave").unwrap();
    chaos::perform(bgsave, &mut site, &Parameters::default()).unwrap();
}

#[test]
fn a_killed_runner_leaves_no_server_and_the_next_start_sweeps_the_rest() {
    let (_folder, registry, root) = registry();
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stack::runner_that_is_killed", "--ignored"])
        .env(ROLE, &root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("a server with its BGSAVE", || {
        processes_within(&root).len() == 2
    });
    runner.kill().unwrap();
    runner.wait().unwrap();
    // The kernel kills the server; its orphaned child saves on (200 s by its delay).
    eventually("only the child is left", || {
        processes_within(&root).len() == 1
    });
    assert_eq!(registry.sweep().unwrap(), 1);
    assert_eq!(processes_within(&root), Vec::<String>::new());
    assert!(!root.exists());
}

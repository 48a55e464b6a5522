//! A stack is a real server, and leaves no process, port or folder behind, however it ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::Commands as _;
use stallion_server::ask::{config, set_config};
use stallion_stack::stack_plan::AppendFsync;
use stallion_stack::{Interrupt, Stack};
use stallion_stack::{Registry, StackError, StackPlan};

use crate::common::{eventually, nowhere, processes_within, registry, start};

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
        assert_eq!(config(&mut connection, name).unwrap(), value, "{name}");
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
    slow_bgsave(&stack);
    eventually("two processes", || processes_within(&root).len() == 2);
    drop(stack);
    assert_eq!(processes_within(&root), Vec::<String>::new());
    assert!(!root.exists());
}

#[test]
fn a_server_that_does_not_start_says_why_and_leaves_nothing() {
    let (_folder, registry, root) = registry();
    let plan = StackPlan { maxmemory: "plenty".to_owned(), ..StackPlan::default() };
    let error = Stack::start(&plan, &nowhere(), &registry).unwrap_err();
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
    stack.target().connect().expect("the first stack was swept by the second's start");
    drop(stack);
    second.target().connect().expect("the second stack went with the first");
    drop(second);
    assert!(!root.exists());
}

/// Starts one of the ignored tests below in a process of its own.
fn runner(test: &str, root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .env(ROLE, root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn stack_of_runner() -> Stack {
    let root = std::env::var_os(ROLE).unwrap();
    start(&StackPlan::default(), &Registry::at(root.into()))
}

#[test]
#[ignore = "no test of its own: the runner that the next test starts and interrupts"]
fn runner_that_is_interrupted() {
    let interrupt = Interrupt::on_signals().unwrap();
    let _stack = stack_of_runner();
    assert!(!interrupt.sleep(Duration::from_secs(60)), "nobody interrupted");
}

#[test]
fn an_interrupted_runner_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (_folder, _, root) = registry();
        let mut runner = runner("stack::runner_that_is_interrupted", &root);
        eventually("a server", || processes_within(&root).len() == 1);
        kill(Pid::from_raw(runner.id().cast_signed()), signal).unwrap();
        assert!(runner.wait().unwrap().success());
        assert_eq!(processes_within(&root), Vec::<String>::new());
        assert!(!root.exists());
    }
}

#[test]
#[ignore = "no test of its own: the runner that the next test starts and kills"]
fn runner_that_is_killed() {
    let stack = stack_of_runner();
    slow_bgsave(&stack);
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_runner_leaves_no_server_and_the_next_start_sweeps_the_rest() {
    let (_folder, registry, root) = registry();
    let mut runner = runner("stack::runner_that_is_killed", &root);
    eventually("a server with its BGSAVE", || processes_within(&root).len() == 2);
    runner.kill().unwrap();
    runner.wait().unwrap();
    // The kernel kills the server; its orphaned child saves on.
    eventually("only the child is left", || processes_within(&root).len() == 1);
    assert_eq!(registry.sweep().unwrap(), 1);
    assert_eq!(processes_within(&root), Vec::<String>::new());
    assert!(!root.exists());
}

/// Starts a BGSAVE that would take 200 s.
fn slow_bgsave(stack: &Stack) {
    let mut connection = stack.target().connect().unwrap();
    let () = redis::cmd("DEBUG").arg("POPULATE").arg(200_000).query(&mut connection).unwrap();
    set_config(&mut connection, "rdb-key-save-delay", "1000").unwrap();
    let () = redis::cmd("BGSAVE").query(&mut connection).unwrap();
}

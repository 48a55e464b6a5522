//! Requests of several keys on a real cluster, each of which lies in a slot of its own: they are
//! divided, transactions are about one key, and scripts are known to every node.

use std::time::Duration;

use serde_json::Value;
use stallion_server::Target;
use stallion_server::info::Info;
use stallion_stack::Stack;

use crate::harness::cluster::{cluster, disturb};
use crate::harness::stallion::{Running, stallion};

const KEYS: &str = "2000";

/// A run at a steady rate, of which all must be answered.
fn start(stack: &Stack, more: &[&str]) -> Running {
    // A node that nobody answers for, and then one that does.
    let seed = format!("127.0.0.1:{}", stack.port());
    let flags = [
        "drive",
        "--topology",
        "cluster",
        "-p",
        "1",
        "--cluster-nodes",
        &seed,
        "--keys",
        KEYS,
        "--rate",
        "1000",
        "--warmup",
        "0s",
        "--conns",
        "6",
        "--pipeline",
        "4",
        "--json",
        "-",
        "--allow-invalid",
    ];
    Running::start(&[&flags, more].concat(), None)
}

fn calls(targets: &[Target], command: &str) -> u64 {
    let count = |target: &Target| {
        let mut connection = target.connect().unwrap();
        let info = Info::ask(&mut connection, "commandstats").unwrap();
        let text = info.text(&format!("cmdstat_{command}")).to_owned();
        let calls = text.split(',').find_map(|part| part.strip_prefix("calls="));
        calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
    };
    targets.iter().map(count).sum()
}

fn ask_all(stack: &Stack, words: &[&str]) {
    for target in stack.targets() {
        let mut connection = target.connect().unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut connection).unwrap();
    }
}

fn answered(summary: &Value, command: &str) -> u64 {
    summary["ops_by_command"][command]["ok"].as_u64().unwrap()
}

#[test]
fn several_keys_are_one_request_and_reach_every_node() {
    let folder = tempfile::tempdir().unwrap();
    let stack = cluster(folder.path(), 1, KEYS);
    each_key_is_asked_for_once(&stack);
    nothing_is_lost_while_slots_move(&stack);
    a_transaction_is_about_one_key(&stack);
    scripts_that_are_lost_are_sent_again(&stack);
    writes_are_waited_for(&stack);
}

fn each_key_is_asked_for_once(stack: &Stack) {
    let mix = ["--mix", "mget:5=2,mset:3=1,get=1,unlink:2=1", "--duration", "2s"];
    let summary = start(stack, &mix).end().all_answered();
    let of = |command: &str| answered(&summary, command);
    assert!(of("mget") > 100 && of("mset") > 50 && of("unlink") > 50, "{summary:#}");
    let divided = &summary["cluster"]["divided"];
    assert_eq!(divided["requests"], of("mget") + of("mset") + of("unlink"), "{summary:#}");
    let parts = 5 * of("mget") + 3 * of("mset") + 2 * of("unlink");
    assert_eq!((&divided["parts"], &divided["partly_failed"]), (&parts.into(), &0.into()));
    for (command, keys) in [("mget", 5), ("mset", 3), ("unlink", 2)] {
        // A write reaches the replica of its node, too.
        let copies = if command == "mget" { 1 } else { 2 };
        let counted = calls(&stack.targets(), command);
        assert!(counted >= of(command) * keys, "{command}: {counted}, {summary:#}");
        assert!(counted <= of(command) * keys * copies, "{command}: {counted}, {summary:#}");
    }
}

fn nothing_is_lost_while_slots_move(stack: &Stack) {
    for more in [&["--mix", "mget:4=1,mset:4=1"][..], &["--mix", "get=1,set=1", "--tx", "3"]] {
        let run = start(stack, &[more, &["--duration", "6s"]].concat());
        std::thread::sleep(Duration::from_millis(500));
        let to = format!("127.0.0.1:{}", stack.ports()[1]);
        let arguments = [("slots", "0-199"), ("to", &to), ("for", "100ms")];
        disturb(&stack.target(), "reshard", &arguments);
        let summary = run.end().all_answered();
        assert!(summary["redirects"]["moved"].as_u64() > Some(0), "{summary:#}");
    }
}

fn a_transaction_is_about_one_key(stack: &Stack) {
    ask_all(stack, &["CONFIG", "RESETSTAT"]);
    let summary =
        start(stack, &["--rw-ratio", "1:0", "--tx", "4", "--duration", "2s"]).end().all_answered();
    let transactions = answered(&summary, "multi");
    assert!(transactions > 1_000, "{summary:#}");
    assert_eq!(calls(&stack.targets(), "exec"), transactions);
    assert_eq!(calls(&stack.targets(), "get"), 4 * transactions);
}

fn scripts_that_are_lost_are_sent_again(stack: &Stack) {
    let run = start(stack, &["--mix", "evalsha=1", "--duration", "3s"]);
    std::thread::sleep(Duration::from_millis(1_500));
    ask_all(stack, &["SCRIPT", "FLUSH"]);
    let summary = run.end().all_answered();
    assert!(summary["cluster"]["again"]["NOSCRIPT"].as_u64() > Some(0), "{summary:#}");
    assert_eq!(summary["errors"].get("NOSCRIPT"), None, "{summary:#}");
}

fn writes_are_waited_for(stack: &Stack) {
    let summary =
        start(stack, &["--mix", "set=9,wait:1=1", "--duration", "2s"]).end().all_answered();
    assert!(answered(&summary, "wait") > 50, "{summary:#}");
}

#[test]
fn what_is_of_several_slots_and_cannot_be_divided_is_refused() {
    for (flags, said) in [
        (&["--command", "SUNION __key__ __other__"][..], "CROSSSLOT"),
        (&["--mix", "get=1,incr=1", "--tx", "2"], "--key-prefix"),
        (&["--mix", "mget:2=1", "--tx", "2"], "CROSSSLOT"),
        (&["--cluster-nodes", "nonsense"], "HOST:PORT"),
    ] {
        let drive = ["drive", "-p", "1", "--topology", "cluster", "--duration", "1s"];
        stallion(&[&drive, flags].concat()).expect(2, &[said]);
    }
    let alone = ["drive", "-p", "1", "--cluster-nodes", "127.0.0.1:2"];
    stallion(&alone).expect(2, &["--topology cluster"]);
}

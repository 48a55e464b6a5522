//! What can be refused without a server: each flag by its name, and what to give instead.

use crate::harness::free_port;
use crate::harness::stallion::stallion;

/// Flags, and words that the refusal must have.
type Case<'a> = (&'a [&'a str], &'a [&'a str]);

const FLAGS: &[Case<'static>] = &[
    (&["--conns", "0"], &["--conns is 0", "at least 1"]),
    (&["--conns", "99999"], &["--conns 99999", "more --cores"]),
    (&["--pipeline", "0"], &["--pipeline 0", "1 to 4096"]),
    (&["--keys", "0"], &["--keys 0", "1 to"]),
    (&["--value-size", "629145600"], &["--value-size 629145600", "512 MiB"]),
    (&["--value-size", "600MB"], &["--value-size", "600MB"]),
    (&["--ttl-frac", "1.5"], &["--ttl-frac must be 0 to 1"]),
    (&["--ttl-frac", "0.5", "--ttl-range", "9-3"], &["--ttl-range", "MIN <= MAX"]),
    (&["--ttl-range", "soon"], &["--ttl-range", "for example 60-3600"]),
    (&["--cores", "4095"], &["--cores names CPU 4095", "may use"]),
    (&["--cores", "one"], &["--cores", "give 1 or 2-5"]),
    (&["--timeout", "0s"], &["--timeout is 0", "10s"]),
    (&["--interval", "0s"], &["--interval is 0"]),
    (&["--port", "70000"], &["--port"]),
    (&["--target", "redis://h", "--host", "h"], &["--target", "cannot be used with"]),
];

const DRIVE_FLAGS: &[Case<'static>] = &[
    (&["--rate", "0"], &["--rate 0 sends nothing", "max for the closed model"]),
    (&["--rate", "fast"], &["--rate fast", "give max, a number (20000)"]),
    (&["--rate", "-5"], &["-5"]),
    (&["--rate", "1000..."], &["--rate 1000...", "a ramp (1000..50000)"]),
    (&["--rate", "@/nowhere"], &["/nowhere"]),
    (&["--duration", "0s"], &["--duration is 0"]),
    (&["--duration", "soon"], &["--duration", "soon"]),
    (&["--rw-ratio", "0:0"], &["--rw-ratio 0:0", "9:1"]),
    (&["--rw-ratio", "9"], &["give reads:writes"]),
    (&["--dist", "zipfian", "--zipf-s", "77"], &["--zipf-s 77", "0.1 to 5"]),
    (&["--mix", "get=80,geet=1"], &["--mix", "geet", "lrange"]),
    (&["--mix", "get"], &["NAME=WEIGHT", "get=80"]),
    (&["--mix", "get=0"], &["weights are all 0", "get=80,set=20"]),
    (&["--mix", "mget:0=1"], &["mget:1 to mget:1000"]),
    (&["--mix", "/nowhere/mix.toml"], &["/nowhere/mix.toml", "No such file"]),
    (&["--mix", "get=1", "--rw-ratio", "1:1"], &["--rw-ratio", "cannot be used with"]),
    (&["--command", "SUBSCRIBE news"], &["--command", "SUBSCRIBE", "more than one reply"]),
    (&["--command", "SET \"k"], &["quotation mark"]),
    (&["--target", "null", "--mix", "incr=1"], &["--target null answers GET and SET alone"]),
    (&["--script", "/nowhere.lua"], &["--script /nowhere.lua", "No such file"]),
    (&["--tx", "0"], &["--tx 0", "1 to 1000"]),
    (&["--tx", "2", "--mix", "wait=1"], &["wait cannot stand between MULTI and EXEC"]),
    (&["--slo", "p98<1ms"], &["p50, p90, p99"]),
    (&["--slo", "p99<soon"], &["p99<1ms"]),
    (&["--phase-label", "later"], &["TIME=TEXT"]),
    (&["--arrivals", "bursty"], &["constant", "poisson"]),
];

#[track_caller]
fn refused(verb: &str, flags: &[&str], words: &[&str]) {
    let args: Vec<&str> = [verb].iter().chain(flags).copied().collect();
    stallion(&args).expect(2, words);
}

#[test]
fn impossible_flags_are_refused_by_name() {
    for (flags, words) in FLAGS {
        refused("drive", flags, words);
        refused("load", flags, words);
    }
    for (flags, words) in DRIVE_FLAGS {
        refused("drive", flags, words);
    }
}

#[test]
fn a_password_is_never_printed() {
    let port = free_port().to_string();
    for target in [
        "redis://user:hidden@h:port".to_owned(),
        "http://user:hidden@host".to_owned(),
        "rediss://:hidden@host".to_owned(),
        "redis://user:hidden@".to_owned(),
        "user:hidden@host:7000".to_owned(),
        "redis://hidden@h:99999".to_owned(),
        // Well formed, and nobody listens.
        format!("redis://user:hidden@127.0.0.1:{port}"),
        "redis://:hidden@no.such.host.invalid".to_owned(),
    ] {
        for verb in ["drive", "load"] {
            let ended = stallion(&[verb, "--target", &target]);
            ended.expect(2, &["error: "]);
            let printed = format!("{}{}", ended.out, ended.err);
            assert!(!printed.contains("hidden"), "{target}: {printed}");
        }
    }
}

#[test]
fn a_closed_port_is_named_with_a_remedy() {
    let port = free_port().to_string();
    let address = format!("redis://127.0.0.1:{port}");
    for verb in ["drive", "load"] {
        stallion(&[verb, "-p", &port]).expect(2, &[&address, "refused", "redis-cli"]);
    }
    stallion(&["drive", "--target", "unix:///nowhere/redis.sock"])
        .expect(2, &["unix:///nowhere/redis.sock", "No such file", "is the server running"]);
    let long = format!("unix:///{}", "x".repeat(200));
    stallion(&["drive", "--target", &long]).expect(2, &["path"]);
}

#[test]
fn completions_and_the_manual_know_the_flags() {
    for (shell, words) in
        [("bash", "complete -F"), ("zsh", "#compdef stallion"), ("fish", "complete -c")]
    {
        let script = stallion(&["shell", "--completions", shell]);
        script.expect(0, &[words, "slow-threshold", "fail-on"]);
    }
    let script = stallion(&["shell", "--completions", "bash"]).out;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions");
    std::fs::write(&file, script).unwrap();
    let parsed = std::process::Command::new("bash").arg("-n").arg(&file).status().unwrap();
    assert!(parsed.success(), "bash cannot read its completions");
    stallion(&["shell", "--man", &folder.path().display().to_string()]).expect(0, &["stallion.1"]);
    let page = std::fs::read_to_string(folder.path().join("stallion-drive.1")).unwrap();
    assert!(page.starts_with(".") && page.contains("slow\\-threshold"), "{page}");
    stallion(&["shell", "--completions", "cmd"]).expect(2, &["cmd", "bash", "zsh"]);
}

#[test]
fn settings_come_from_the_command_line_then_the_environment_then_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)], toml: &str, args: &[&str]| {
        std::fs::write(folder.path().join("stallion.toml"), toml).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stallion"));
        command.current_dir(folder.path()).args(args).envs(variables.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let refused = "error: redis://127.0.0.1:1: Connection refused";
    let from_file = run(&[], "[drive]\nport = 1\n", &["drive"]);
    assert_eq!(from_file.0, Some(2));
    assert!(from_file.1.contains("note: --port 1 from stallion.toml line 2"), "{from_file:?}");
    assert!(from_file.1.contains(refused), "{from_file:?}");
    let (code, text) = run(&[("STALLION_DRIVE_PORT", "1")], "[drive]\nport = 2\n", &["drive"]);
    assert!(code == Some(2) && text.contains("the environment (STALLION_DRIVE_PORT)"), "{text}");
    assert!(text.contains(refused), "{text}");
    let (_, text) = run(&[("STALLION_DRIVE_PORT", "2")], "port = 3\n", &["drive", "-p", "1"]);
    assert!(text.starts_with(refused), "{text}");
    let (code, text) = run(&[], "[drive]\nraet = 2\n", &["drive"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("stallion.toml line 2: `stallion drive` has no flag --raet; is `rate`"),
        "{text}"
    );
    let (code, text) = run(&[], "[drive]\n\nconns = \"many\"\n", &["drive"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("--conns is from stallion.toml line 3"), "{text}");
    let (code, text) =
        run(&[("STALLION_CONFIG", "none")], "[drive]\nraet = 2\n", &["drive", "-p", "1"]);
    assert!(code == Some(2) && text.starts_with(refused), "{text}");
}

/// docs/book/src/cli.md; `cargo xtask book` writes it.
#[test]
fn the_reference_of_the_book_is_that_of_the_flags() {
    let page = include_str!("../../../docs/book/src/cli.md");
    let printed = stallion(&["shell", "--reference"]);
    printed.expect(0, &["## stallion drive", "--slow-threshold"]);
    assert!(printed.out == page, "docs/book/src/cli.md is out of date: run `cargo xtask book`");
}

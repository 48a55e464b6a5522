use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::layer::{Layer, environment};
use super::*;

fn program() -> Command {
    let rate = Arg::new("rate").long("rate").value_name("RATE").help("How fast");
    let mix = Arg::new("mix").long("mix").conflicts_with("rw");
    let rw = Arg::new("rw").long("rw-ratio").default_value("1:0");
    let port = Arg::new("port").long("port").action(ArgAction::Append);
    let verify = Arg::new("verify").long("verify").action(ArgAction::SetTrue);
    let drive = Command::new("drive").args([rate, mix, rw, port.clone(), verify]);
    let run = Command::new("run").arg(Arg::new("out").long("out")).arg(Arg::new("name"));
    let config = Arg::new("config").long("config").global(true).value_name("FILE");
    Command::new("stallion")
        .arg(config.value_parser(clap::value_parser!(PathBuf)))
        .subcommand(drive)
        .subcommand(Command::new("probe").arg(port.required(true)))
        .subcommand(Command::new("lab").subcommand(run))
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Usage(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The words after a file of this text was read.
fn completed(line: &str, toml: &str) -> Result<Vec<String>, String> {
    let folder = std::env::temp_dir().join(format!("stallion-settings-{}", std::process::id()));
    let told = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&folder).map_err(told)?;
    let path = folder.join(format!("{:x}.toml", toml.len() * 31 + line.len()));
    std::fs::write(&path, toml).map_err(told)?;
    let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    words.extend(["--config".into(), path.clone().into()]);
    let done = complete(&program(), words).map_err(text);
    std::fs::remove_file(&path).map_err(told)?;
    let done = done.map_err(|error| error.replace(&path.display().to_string(), "FILE"))?;
    let typed = line.split(' ').count() + 2;
    Ok(done.words[typed..].iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

#[test]
fn a_file_says_what_the_command_line_leaves_open() {
    let toml = "port = 7000\n[drive]\nrate = 20000\nverify = true\nrw_ratio = \"9:1\"\n[probe]\nport = [1, 2]\n";
    let words = completed("stallion drive", toml).unwrap();
    assert_eq!(words, ["--rate=20000", "--rw-ratio=9:1", "--verify", "--port=7000"]);
    let words = completed("stallion drive --rate 5 --mix get=1", toml).unwrap();
    assert_eq!(words, ["--verify", "--port=7000"], "a mix excludes a ratio");
    assert_eq!(completed("stallion probe", toml).unwrap(), ["--port=1", "--port=2"]);
    assert_eq!(completed("stallion lab run x", "[lab.run]\nout = \"y\"").unwrap(), ["--out=y"]);
    assert_eq!(completed("stallion drive", "[drive]\nverify = false").unwrap(), [""; 0]);
    // What is meant for all verbs of one, unless that verb has its own.
    let toml = "[lab]\nout = \"all\"\n[lab.run]\nout = \"one\"";
    assert_eq!(completed("stallion lab run x", toml).unwrap(), ["--out=one"]);
    assert_eq!(completed("stallion lab run x", "[lab]\nout = \"all\"").unwrap(), ["--out=all"]);
}

#[test]
fn slips_are_named_with_file_line_and_what_was_meant() {
    for (toml, wanted) in [
        (
            "[drive]\n\nraet = 1",
            "FILE line 3: `stallion drive` has no flag --raet; is `rate` meant?",
        ),
        ("[drve]\nrate = 1", "FILE line 1: there is no verb `drve`; is `drive` meant?"),
        ("prot = 1", "FILE line 1: no verb has a flag --prot; is `port` meant?"),
        ("[lab.rnu]\nout = 1", "FILE line 1: there is no verb `rnu`; is `run` meant?"),
        (
            "[drive]\nverify = 3",
            "FILE line 2: --verify is on or off: give true or false, not \"3\"",
        ),
        ("[drive]\nrate = 2026-11-21", "FILE line 2: a flag's value is"),
        ("[drive\nrate = 1", "FILE line 1: "),
        // A slip in a table of another verb, too.
        ("[probe]\nprt = 1", "FILE line 2: `stallion probe` has no flag --prt; is `port` meant?"),
    ] {
        let error = completed("stallion drive", toml).unwrap_err();
        assert!(error.starts_with(wanted), "{error}");
    }
    let words = ["stallion", "drive", "--config", "/no/such.toml"].map(OsString::from).to_vec();
    assert!(text(complete(&program(), words).unwrap_err()).contains("no such file"));
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Layer, String> {
    let mut program = program();
    program.build();
    let drive = program.find_subcommand("drive").ok_or("no such verb")?;
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    environment(&program, &["drive"], drive, variables).map_err(text)
}

#[test]
fn the_environment_names_verb_and_flag() {
    let found = from_environment(&[
        ("STALLION_DRIVE_RW_RATIO", "9:1"),
        ("STALLION_DRIVE_VERIFY", "1"),
        ("STALLION_PROBE_PORT", "1"),
        ("STALLION_LAB_RUN_OUT", "x"),
        ("STALLION_SERVICE_HOST", "10.0.0.1"),
        ("HOME", "/"),
    ]);
    let words: Vec<_> = found.unwrap().into_iter().flat_map(|found| found.words).collect();
    assert_eq!(words, ["--rw-ratio=9:1", "--verify"]);
    let error = from_environment(&[("STALLION_DRIVE_RAET", "1")]).unwrap_err();
    assert!(error.contains("no flag --raet; is STALLION_DRIVE_RATE meant?"), "{error}");
}

#[test]
fn what_is_added_stands_before_two_dashes() {
    let words = ["stallion", "drive", "--", "x"].map(OsString::from).to_vec();
    let origin = layer::Origin::Environment("X".to_owned());
    let (id, flag) = ("rate".to_owned(), "rate".to_owned());
    let added = [Found { id, flag, words: vec!["--rate=1".to_owned()], origin }];
    assert_eq!(with(words, &added), ["stallion", "drive", "--rate=1", "--", "x"]);
}

#[test]
fn the_template_is_a_file_that_sets_nothing_until_it_is_edited() {
    let text = template(&program());
    assert!(text.contains("\n[drive]\n# How fast\n#rate = \"RATE\"\n"), "{text}");
    assert!(text.contains("#rw-ratio = \"1:0\"") && text.contains("[lab.run]"), "{text}");
    assert_eq!(completed("stallion drive", &text).unwrap(), [""; 0]);
    let edited = text.replace("#rw-ratio", "rw-ratio");
    assert_eq!(completed("stallion drive", &edited).unwrap(), ["--rw-ratio=1:0"]);
}

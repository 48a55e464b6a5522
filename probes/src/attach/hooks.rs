//! The three kinds of hook.

use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;

use aya::Ebpf;
use aya::programs::perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
use aya::programs::uprobe::UProbeScope;
use aya::programs::{PerfEvent, Program, RawTracePoint, UProbe};

/// Loads the program that has a raw tracepoint's name, and attaches it there.
pub(super) fn raw_tracepoint(ebpf: &mut Ebpf, name: &str) -> Result<(), String> {
    raw_tracepoint_by(ebpf, name, name)
}

/// The same with a program of another name.
pub(super) fn raw_tracepoint_by(ebpf: &mut Ebpf, by: &str, name: &str) -> Result<(), String> {
    let program: &mut RawTracePoint = program(ebpf, by)?;
    program.load().map_err(|error| words(&error))?;
    program.attach(name).map_err(|error| format!("{name}: {}", words(&error)))?;
    Ok(())
}

/// Attaches a program to functions of a file, for one process.
pub(super) fn uprobe(
    ebpf: &mut Ebpf,
    name: &str,
    file: &PathBuf,
    functions: &[&str],
    pid: u32,
) -> Result<(), String> {
    let scope = UProbeScope::OneProcess(NonZeroU32::new(pid).ok_or("process 0 is no server")?);
    let program: &mut UProbe = program(ebpf, name)?;
    program.load().map_err(|error| words(&error))?;
    for function in functions {
        program
            .attach(*function, file, scope)
            .map_err(|error| format!("{function}: {}", words(&error)))?;
    }
    Ok(())
}

/// Attaches a program to every `period`th software event of one thread.
pub(super) fn perf_event(
    ebpf: &mut Ebpf,
    name: &str,
    event: SoftwareEvent,
    period: u64,
    tid: u32,
) -> Result<(), String> {
    let program: &mut PerfEvent = program(ebpf, name)?;
    program.load().map_err(|error| words(&error))?;
    program
        .attach(
            PerfEventConfig::Software(event),
            PerfEventScope::OneProcess { pid: tid, cpu: None },
            SamplePolicy::Period(period),
            false,
        )
        .map_err(|error| words(&error))?;
    Ok(())
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| format!("the object has no program {name}: run `cargo xtask ebpf`"))
}

/// An error with its causes in one line; of a verifier's log the last words only.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if std::env::var_os("STALLION_VERIFIER_LOG").is_some() {
        let _ = fs::write("/dev/stderr", &text);
    }
    match lines.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first} … {last}"),
    }
}

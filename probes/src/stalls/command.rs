//! The main thread on its core for long: hooks in: raw tracepoint `local_timer_entry` or perf software
//! event cpu-clock of that thread, the sleeps that `scheduler` sees, uprobes on rare commands,
//! `task_struct.ioac`. Stalls out: [`StallClass::Command`], `Syscall`,
//! `AofWrite`, `Fork` (when its own probe is not attached).

use stallion_probes_common::command::{Call, Stack, Stretch};
use stallion_timeline::{Stall, StallClass};

use super::from_span;
use crate::server::{Server, is_append_only_file};
use crate::symbols::Symbols;
use crate::syscalls;

/// Commands that are rare and mostly slow: a uprobe on each costs nothing until it runs (0.9 µs
/// then, 2 with its return), and gives exact bounds. Commands that a workload may send 100 000
/// times a second stay off this list; the sampler sees them when they are slow.
pub const RARE: [&str; 8] = [
    "keysCommand",
    "debugCommand",
    "flushallCommand",
    "flushdbCommand",
    "sortCommand",
    "saveCommand",
    "memoryCommand",
    "scriptCommand",
];

/// Functions whose names end in `Command` and which only lead to the command.
const DISPATCH: [&str; 2] = ["processCommand", "execCommand"];

/// Jobs of the event loop that are worth a name, when no command is on the stack.
const JOBS: [&str; 9] = [
    "serverCron",
    "databasesCron",
    "activeExpireCycle",
    "activeDefragCycle",
    "performEvictions",
    "flushAppendOnlyFile",
    "replicationCron",
    "clusterCron",
    "freeClientsInAsyncFreeQueue",
];

/// One call of a rare command.
pub fn call(event: &Call, server: &mut Server) -> Stall {
    let what = readable(&server.symbols.describe(event.function));
    server.note_exact(&event.span);
    from_span(StallClass::Command, &event.span, server, what)
}

/// A stretch that ended. Its command is the one that the stack of the same stretch showed.
pub fn stretch(event: &Stretch, server: &mut Server) -> Option<Stall> {
    let on_stack = server.command_on_stack.take();
    let on_stack =
        on_stack.filter(|(at, _)| (event.span.start_ns..=event.span.end_ns).contains(at));
    let timed_elsewhere = mostly_in_call(event)
        && ((syscalls::is_sync(event.syscall) && server.watches("fsync"))
            || (syscalls::is_fork(event.syscall) && server.watches("fork")));
    if timed_elsewhere || server.is_told(&event.span) {
        return None;
    }
    if let Some(holder) = server.io_thread_without_core(&event.span) {
        let what = format!("waits for {holder}");
        let mut stall = from_span(StallClass::RunQueue, &event.span, server, what);
        stall.count = 1;
        return Some(stall);
    }
    // One sample in a system call may have hit the answer's write.
    let (class, what) = if mostly_in_call(event) && event.span.count > 1 {
        in_syscall(event, server)
    } else {
        let ips: Vec<u64> = event.ips.iter().copied().filter(|ip| *ip != 0).collect();
        let hottest = hottest(&ips, &mut server.symbols);
        let what = match (on_stack, hottest) {
            (Some((_, command)), _) => command,
            (None, hottest) if hottest.is_empty() => String::new(),
            (None, hottest) => format!("in {hottest}"),
        };
        (StallClass::Command, what)
    };
    let mut stall = from_span(class, &event.span, server, what);
    stall.count = 1;
    stall.detail.insert("samples".into(), event.span.count as f64);
    stall.detail.insert("error_ns".into(), event.error_ns as f64);
    Some(stall)
}

/// Whether three of four samples or more were in the same system call.
fn mostly_in_call(event: &Stretch) -> bool {
    event.syscall >= 0 && event.in_syscall.saturating_mul(4) >= event.span.count.saturating_mul(3)
}

fn in_syscall(event: &Stretch, server: &Server) -> (StallClass, String) {
    let call = syscalls::name(event.syscall);
    if syscalls::is_fork(event.syscall) {
        return (StallClass::Fork, call);
    }
    if syscalls::is_sync(event.syscall) {
        return (StallClass::Fsync, format!("on the CPU in {call}"));
    }
    let file = server.file(event.argument);
    if syscalls::is_write(event.syscall) && is_append_only_file(&file) {
        let name = file.rsplit('/').next().unwrap_or_default();
        return (StallClass::AofWrite, format!("on the CPU in {call} {name}"));
    }
    (StallClass::Syscall, format!("on the CPU in {call}"))
}

/// The function that most of the samples hit.
fn hottest(ips: &[u64], symbols: &mut Symbols) -> String {
    let mut names: Vec<String> = ips.iter().map(|ip| symbols.describe(*ip)).collect();
    names.sort();
    let mut best = (0, String::new());
    for group in names.chunk_by(|one, other| one == other) {
        if group.len() > best.0 {
            best = (group.len(), group[0].clone());
        }
    }
    best.1
}

/// The command on a stack, by its return addresses.
///
/// Without frame pointers a stack cannot be walked, so every word of it is looked up. A word may
/// be left over from an earlier call, but the chain that is alive ends in `call`, and the command
/// is the first one towards the stack's top from there.
pub fn name_on_stack(stack: &Stack, symbols: &mut Symbols) -> Option<String> {
    let names: Vec<String> = std::iter::once(stack.ip)
        .chain(stack.words)
        .filter_map(|address| Some(symbols.function(address)?.to_owned()))
        .collect();
    command_among(&names)
}

/// The command among function names that stand in the order of the stack, innermost first.
fn command_among(names: &[String]) -> Option<String> {
    // The outermost: a script's own calls are nested in it.
    let dispatched = names.iter().rposition(|name| name == "call").unwrap_or(names.len());
    let is_command =
        |name: &&String| name.ends_with("Command") && !DISPATCH.contains(&name.as_str());
    let command = names[..dispatched].iter().rev().find(is_command);
    let job = || names.iter().find(|name| JOBS.contains(&name.as_str()));
    Some(readable(command.or_else(job)?))
}

/// `keysCommand` as people write it: `KEYS`. A job keeps its name. A command that jumps to its
/// generic form (`genericHgetallCommand`, `evalGenericCommand`) leaves only that on the stack.
fn readable(function: &str) -> String {
    match function.strip_suffix("Command") {
        Some(command) if !command.is_empty() => command.to_uppercase().replace("GENERIC", ""),
        _ => function.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(names: &[&str]) -> Option<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        command_among(&names)
    }

    #[test]
    fn the_command_next_to_call_is_the_one() {
        let chain = ["stringmatchlen", "keysCommand", "call", "processCommand", "aeMain"];
        assert_eq!(among(&chain).as_deref(), Some("KEYS"));
        let stale = ["getCommand", "stringmatchlen", "keysCommand", "call", "setCommand"];
        assert_eq!(among(&stale).as_deref(), Some("KEYS"), "left-overs on both sides");
        let script = ["getCommand", "call", "luaV_execute", "evalGenericCommand", "call"];
        assert_eq!(among(&script).as_deref(), Some("EVAL"));
    }

    #[test]
    fn without_a_command_a_job_is_named_or_nothing() {
        assert_eq!(
            among(&["dictFind", "activeExpireCycle", "serverCron"]).as_deref(),
            Some("activeExpireCycle")
        );
        assert_eq!(among(&["memcpy", "processCommand"]), None);
        assert_eq!(among(&[]), None);
    }

    #[test]
    fn functions_read_as_commands() {
        assert_eq!(readable("hgetallCommand"), "HGETALL");
        assert_eq!(readable("genericHgetallCommand"), "HGETALL");
        assert_eq!(readable("serverCron"), "serverCron");
        assert_eq!(readable("Command"), "Command");
    }
}

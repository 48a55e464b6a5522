//! Waits off the core: hooks in: raw tracepoints `sched_switch`, `sched_waking`. Stalls out:
//! [`StallClass::RunQueue`], `Throttle`, `OffCpu`, `Stopped`; and, for a write of the append-only
//! file, `AofWrite` or `FsyncWait`.

use stallion_probes_common::scheduler::{UNKNOWN_SYSCALL, Wait, WaitClass};
use stallion_probes_common::{Kind, Span};
use stallion_timeline::{Stall, StallClass};

use super::{block_io, comm, from_span};
use crate::server::{Server, is_append_only_file};
use crate::syscalls;

/// The stall of one wait, or of a window of short ones.
pub fn stall(event: &Wait, server: &mut Server) -> Option<Stall> {
    let other = comm(&event.other_comm);
    let wait = WaitClass::from_u32(event.class)?;
    if wait.is_halt() {
        // Its start is told at once: the end may never come.
        server.halt = (event.span.count == 0).then_some(*event);
    }
    if event.span.count == 0 {
        return None;
    }
    let (class, what) = match wait {
        WaitClass::RunQueue => (StallClass::RunQueue, core_of(&other, event.other_tid)),
        WaitClass::Throttle => (StallClass::Throttle, "cgroup CPU quota".to_owned()),
        WaitClass::Stopped => (StallClass::Stopped, stopped_by(event, &other)),
        WaitClass::Traced => (StallClass::Traced, by("traced", &other, event.other_tid)),
        // The thread that thaws is mostly the one that froze.
        WaitClass::Frozen => (StallClass::Frozen, by("thawed", &other, event.other_tid)),
        // The fsync probe has the whole call; this is the part of it off the core.
        WaitClass::OffCpu if syscalls::is_sync(event.syscall) && server.watches("fsync") => {
            return None;
        }
        WaitClass::OffCpu => off_cpu(event, server),
    };
    if event.span.tid != server.pid {
        server.note_io_wait(&event.span, &what);
    }
    let mut stall = from_span(class, &event.span, server, what);
    if class != StallClass::RunQueue {
        let fd = syscalls::is_write(event.syscall) || syscalls::is_sync(event.syscall);
        block_io::explain(&mut stall, server, fd.then_some(event.argument));
    }
    if event.background_sync_ns != 0 {
        stall.detail.insert("background_sync_ns".into(), event.background_sync_ns as f64);
    }
    Some(stall)
}

/// The stall of a thread that was still stopped, traced or frozen when the watch ended.
pub fn unfinished(server: &mut Server, now_ns: u64) -> Option<Stall> {
    let mut event = server.halt.take()?;
    event.span = Span::single(Kind::Wait, event.span.tid, event.span.start_ns, now_ns);
    if WaitClass::from_u32(event.class) == Some(WaitClass::Frozen) {
        event.other_tid = 0;
    }
    let mut told = stall(&event, server)?;
    told.detail.insert("unfinished".into(), 1.0);
    Some(told)
}

/// `SIGSTOP by bash (4242)`.
fn stopped_by(event: &Wait, sender: &str) -> String {
    let signal = syscalls::signal(u32::try_from(event.argument).unwrap_or(0));
    if event.other_tid == 0 { signal } else { by(&signal, sender, event.other_tid) }
}

fn by(what: &str, name: &str, pid: u32) -> String {
    match pid {
        0 => what.to_owned(),
        _ => format!("{what} by {name} ({pid})"),
    }
}

fn core_of(name: &str, tid: u32) -> String {
    match tid {
        0 if name.is_empty() => "another thread had the core".to_owned(),
        0 => "an idle core woke up".to_owned(),
        _ => format!("{name} ({tid}) had the core"),
    }
}

/// Class and words of a blocked system call or page fault.
fn off_cpu(event: &Wait, server: &Server) -> (StallClass, String) {
    if event.syscall == UNKNOWN_SYSCALL {
        return (StallClass::OffCpu, "blocked in the kernel".to_owned());
    }
    if event.syscall < 0 {
        return (StallClass::FileFault, "page fault".to_owned());
    }
    let call = syscalls::name(event.syscall);
    if syscalls::is_write(event.syscall) {
        return write(&call, event, server);
    }
    let class =
        if syscalls::is_sync(event.syscall) { StallClass::Fsync } else { StallClass::OffCpu };
    (class, format!("blocked in {call}"))
}

/// A blocked write: of the append-only file, and then behind a background fsync or not.
fn write(call: &str, event: &Wait, server: &Server) -> (StallClass, String) {
    let file = server.file(event.argument);
    let name = file.rsplit('/').next().unwrap_or_default();
    if !is_append_only_file(&file) {
        return (StallClass::OffCpu, format!("blocked in {call} {name}").trim().to_owned());
    }
    match event.background_sync_ns {
        0 => (StallClass::AofWrite, format!("blocked in {call} {name}")),
        _ => (StallClass::FsyncWait, format!("{call} {name} behind a background fsync")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(class: WaitClass, syscall: i64) -> Wait {
        let mut other_comm = [0; 16];
        other_comm[..4].copy_from_slice(b"stre");
        Wait {
            span: Span::single(Kind::Wait, 1, 10, 30),
            class: class as u32,
            other_tid: 42,
            syscall,
            argument: u64::MAX,
            background_sync_ns: 0,
            other_comm,
        }
    }

    #[test]
    fn a_stop_without_an_end_lasts_until_the_watch_ends() {
        let mut server = Server::of(1);
        let mut begin = wait(WaitClass::Stopped, -1);
        begin.argument = 19;
        begin.span = Span { count: 0, ..Span::single(Kind::Wait, 1, 10, 10) };
        assert!(stall(&begin, &mut server).is_none());
        let told = unfinished(&mut server, 50).unwrap();
        assert_eq!((told.start_ns, told.busy_ns), (10, 40));
        assert_eq!(told.what, "SIGSTOP by stre (42)");
        assert!(unfinished(&mut server, 60).is_none(), "told once");
        stall(&begin, &mut server);
        begin.span = Span::single(Kind::Wait, 1, 10, 30);
        assert!(stall(&begin, &mut server).is_some());
        assert!(unfinished(&mut server, 60).is_none(), "it ended");
    }

    #[test]
    fn each_wait_says_who_or_where() {
        let mut server = Server::of(1);
        let mut told = |class, syscall| {
            let stall = stall(&wait(class, syscall), &mut server).unwrap();
            (stall.class, stall.what)
        };
        let (class, what) = told(WaitClass::RunQueue, -1);
        assert_eq!((class, what.as_str()), (StallClass::RunQueue, "stre (42) had the core"));
        assert_eq!(told(WaitClass::OffCpu, UNKNOWN_SYSCALL).1, "blocked in the kernel");
        assert_eq!(core_of("", 0), "another thread had the core", "without type information");
        assert_eq!(told(WaitClass::Throttle, -1).0, StallClass::Throttle);
        assert_eq!(told(WaitClass::Stopped, -1).0, StallClass::Stopped);
        assert_eq!(
            told(WaitClass::Traced, -1),
            (StallClass::Traced, "traced by stre (42)".to_owned())
        );
        assert_eq!(told(WaitClass::Frozen, -1).0, StallClass::Frozen);
        assert_eq!(told(WaitClass::OffCpu, -1).0, StallClass::FileFault);
        assert_eq!(told(WaitClass::OffCpu, libc::SYS_fsync).0, StallClass::Fsync);
        let (class, what) = told(WaitClass::OffCpu, libc::SYS_futex);
        assert_eq!((class, what.as_str()), (StallClass::OffCpu, "blocked in futex"));
        assert_eq!(told(WaitClass::OffCpu, libc::SYS_write).0, StallClass::OffCpu, "a socket");
    }
}

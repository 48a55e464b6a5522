//! The end of the server's process: hooks in: raw tracepoints `sched_process_exit`,
//! `signal_generate`. Stall out: [`StallClass::Exited`], which has no length.

use stallion_probes_common::exit::Exit;
use stallion_timeline::{Stall, StallClass};

use super::{comm, from_span};
use crate::server::Server;
use crate::syscalls;

/// The code of a kernel that does not show it.
const UNKNOWN: u32 = u32::MAX;

/// The end, with how it came about in words.
pub fn stall(event: &Exit, server: &mut Server) -> Stall {
    let what = words(event, server.chosen_by_oom_killer);
    let mut stall = from_span(StallClass::Exited, &event.span, server, what);
    if event.code != UNKNOWN {
        stall.detail.insert("status".into(), f64::from(event.status()));
        stall.detail.insert("signal".into(), f64::from(event.killed_by()));
    }
    stall
}

fn words(event: &Exit, by_oom_killer: bool) -> String {
    if event.code == UNKNOWN {
        return "ended".to_owned();
    }
    let signal = syscalls::signal(event.killed_by());
    let sender = |signal: u32| {
        let known = event.sender_tid != 0 && event.signal == signal;
        known.then(|| format!("{} ({})", comm(&event.sender_comm), event.sender_tid))
    };
    match event.killed_by() {
        // A server that ends by itself was mostly asked to.
        0 => match sender(libc::SIGTERM.unsigned_abs()) {
            Some(sender) => {
                format!("exited with status {} after SIGTERM by {sender}", event.status())
            }
            None => format!("exited with status {}", event.status()),
        },
        _ if by_oom_killer => format!("killed by the kernel's OOM killer ({signal})"),
        killed_by => match sender(killed_by) {
            Some(sender) => format!("killed by {signal} from {sender}"),
            None => format!("killed by {signal}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stallion_probes_common::{Kind, Span};

    fn exit(code: u32, signal: u32) -> Exit {
        let mut sender_comm = [0; 16];
        sender_comm[..4].copy_from_slice(b"bash");
        Exit {
            span: Span::single(Kind::Exit, 1, 10, 10),
            code,
            sender_tid: 42,
            signal,
            reserved: 0,
            sender_comm,
        }
    }

    #[test]
    fn each_end_says_how_it_came_about() {
        assert_eq!(words(&exit(9, 9), false), "killed by SIGKILL from bash (42)");
        assert_eq!(words(&exit(9, 9), true), "killed by the kernel's OOM killer (SIGKILL)");
        assert_eq!(words(&exit(0x8b, 9), false), "killed by SIGSEGV", "with a core, by itself");
        assert_eq!(words(&exit(0, 15), false), "exited with status 0 after SIGTERM by bash (42)");
        assert_eq!(words(&exit(1 << 8, 17), false), "exited with status 1");
        assert_eq!(words(&exit(UNKNOWN, 9), false), "ended");
    }
}

//! A program on a real pseudo-terminal, seen through an emulator.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::libc;
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use vt100::Parser;

use super::eventually;

/// The terminal's side of the program.
pub(crate) struct Pty {
    master: File,
    child: Child,
    parser: Arc<Mutex<Parser>>,
}

fn size(rows: u16, cols: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

impl Pty {
    /// Starts a program whose terminal is of this size, with all three streams on it.
    pub(crate) fn start(mut command: Command, rows: u16, cols: u16) -> Self {
        let pty = openpty(Some(&size(rows, cols)), None).unwrap();
        let slave = File::from(pty.slave);
        command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("REDISCLI_AUTH")
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave));
        // SAFETY: two system calls that are async-signal-safe: a session of its own, whose terminal
        // this is.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        // The command keeps the slave's copies open until it is dropped.
        drop(command);
        let master = File::from(pty.master);
        let parser = Arc::new(Mutex::new(Parser::new(cells(rows), cells(cols), 0)));
        let (mut from, into) = (master.try_clone().unwrap(), Arc::clone(&parser));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the end: the last one that had the terminal open is gone.
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                into.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { master, child, parser }
    }

    /// What stands on the screen.
    pub(crate) fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Whether the program has a screen of its own.
    pub(crate) fn is_taken(&self) -> bool {
        self.parser.lock().unwrap().screen().alternate_screen()
    }

    /// Whether any cell is in a colour.
    pub(crate) fn has_colour(&self) -> bool {
        let parser = self.parser.lock().unwrap();
        let (rows, cols) = parser.screen().size();
        let (rows, cols) = (rows.get(), cols.get());
        let places = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
        places
            .filter_map(|(row, col)| parser.screen().cell(row, col))
            .any(|cell| cell.fgcolor() != vt100::Color::Default)
    }

    /// Whether a line is edited and echoed by the terminal, as a shell expects it.
    pub(crate) fn is_cooked(&self) -> bool {
        let flags = tcgetattr(&self.master).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        self.parser.lock().unwrap().screen_mut().set_size(cells(rows), cells(cols));
        let size = size(rows, cols);
        // SAFETY: the call reads a struct that outlives it.
        let set =
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0);
    }

    /// Waits until the screen shows it.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        eventually(&format!("{words:?} on the screen"), || self.text().contains(words));
    }

    /// Waits for the program's end; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let mut code = None;
        eventually("the program's end", || {
            code = self.child.try_wait().unwrap().map(|status| status.code());
            code.is_some()
        });
        code.flatten()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The terminal: taken when a run begins, given back when it ends, however it ends.
//!
//! One thread draws and reads keys. It sleeps until there is something to draw, so that it costs a
//! millisecond of a core a second, and none of the shards' (its starter says where it may run).

use std::io;
use std::panic::{set_hook, take_hook};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use crate::model::Model;
use crate::panels::draw;
use crate::theme::Theme;

/// How long a key, or what a file says anew, may wait.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long somebody who restores the terminal waits for whoever draws.
const DRAWN_WITHIN: Duration = Duration::from_millis(200);

/// The terminal is ours. There is one terminal, and so one flag.
static OURS: AtomicBool = AtomicBool::new(false);

/// Held while something is drawn.
static DRAWING: Mutex<()> = Mutex::new(());

/// Whether a run has the terminal now: what is printed would be drawn over.
#[must_use]
pub fn is_taken() -> bool {
    OURS.load(Ordering::SeqCst)
}

/// What the drawing thread does besides: `look` is called a few times a second to bring news, `stop`
/// when the user wants the run to end.
pub struct Hands {
    /// Brings news; says whether there was any.
    pub look: Box<dyn FnMut(&mut Model) -> bool + Send>,
    /// Asks the run to end, as Ctrl-C does.
    pub stop: Box<dyn Fn() + Send>,
}

/// A run on the whole terminal. Dropping it gives the terminal back.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    model: Mutex<Model>,
    changed: AtomicBool,
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        // Whoever panicked while he told something left what he had told.
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The operating system's, when this is no terminal after all.
    pub fn begin(model: Model, hands: Hands) -> io::Result<Self> {
        let shared = Arc::new(Shared { model: Mutex::new(model), changed: AtomicBool::new(true) });
        restore_on_panic();
        enable_raw_mode()?;
        OURS.store(true, Ordering::SeqCst);
        let theirs = Arc::clone(&shared);
        let screen = execute!(io::stdout(), EnterAlternateScreen)
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(io::stdout())))
            .and_then(|screen| {
                std::thread::Builder::new()
                    .name("view".to_owned())
                    .spawn(move || watch(screen, &theirs, hands))
            });
        match screen {
            Ok(thread) => Ok(Self { shared, thread: Some(thread) }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Adds to what is known; it is drawn soon.
    pub fn tell(&self, news: impl FnOnce(&mut Model)) {
        news(&mut self.shared.model());
        self.shared.changed.store(true, Ordering::Release);
    }

    /// Gives the terminal back.
    pub fn end(self) {}
}

impl Drop for Watch {
    fn drop(&mut self) {
        restore();
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been told.
            let _ = thread.join();
        }
    }
}

/// Gives the terminal back, once.
fn restore() {
    let begun = Instant::now();
    // Not the drawing thread itself, which may have panicked while it drew: it waits in vain, briefly.
    let mut drawn = DRAWING.try_lock();
    while drawn.is_err() && begun.elapsed() < DRAWN_WITHIN {
        std::thread::sleep(Duration::from_millis(5));
        drawn = DRAWING.try_lock();
    }
    if OURS.swap(false, Ordering::SeqCst) {
        // There is nobody to tell if the terminal is gone.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// A panic is told on a terminal that is as it was, whichever thread it is in.
fn restore_on_panic() {
    let told = take_hook();
    set_hook(Box::new(move |info| {
        restore();
        told(info);
    }));
}

fn watch<B: ratatui::backend::Backend>(
    mut screen: ratatui::Terminal<B>,
    shared: &Shared,
    mut hands: Hands,
) {
    let theme = Theme::of_environment();
    let mut asked = false;
    while OURS.load(Ordering::SeqCst) {
        let keys = keys();
        if keys.stop {
            if asked {
                // The second time ends the process at once, which gives nothing back.
                restore();
            }
            asked = true;
            shared.model().end();
            (hands.stop)();
        }
        let news = (hands.look)(&mut shared.model());
        let changed = shared.changed.swap(false, Ordering::Acquire);
        if !(news || changed || keys.any) {
            continue;
        }
        let drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        if OURS.load(Ordering::SeqCst) {
            let model = shared.model();
            // A terminal that cannot be drawn on now may be gone: the run goes on without.
            let _ = screen.draw(|frame| draw(frame, &model, theme));
        }
        drop(drawing);
    }
}

/// What the user did since the last look.
#[derive(Debug, Default, Clone, Copy)]
struct Keys {
    any: bool,
    stop: bool,
}

/// Waits for keys, a change of size, or the time of the next look.
fn keys() -> Keys {
    let mut found = Keys::default();
    let mut wait = LOOK_EVERY;
    loop {
        match poll(wait) {
            Ok(true) => {}
            Ok(false) => return found,
            Err(_) => {
                std::thread::sleep(wait);
                return found;
            }
        }
        wait = Duration::ZERO;
        found.any = true;
        if let Ok(Event::Key(key)) = read() {
            found.stop |= ends(key);
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let wanted = match key.code {
        KeyCode::Char('q' | 'Q') => !control,
        KeyCode::Char('c') => control,
        _ => false,
    };
    wanted && key.kind == KeyEventKind::Press
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_control_c_end_the_run_and_nothing_else_does() {
        let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert!(ends(plain(KeyCode::Char('q'))));
        assert!(ends(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        for code in [KeyCode::Char('c'), KeyCode::Esc, KeyCode::Enter] {
            assert!(!ends(plain(code)), "{code:?}");
        }
    }
}

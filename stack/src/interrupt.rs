//! Ctrl-C as a value: whoever waits asks it, and so every run ends tidily.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The longest time for which a sleeper does not look at the flag. A signal does not wake a
/// sleeping thread other than the one it was delivered to.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Whether the user asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    raised: Arc<AtomicBool>,
    outer: Option<Arc<Interrupt>>,
}

impl Interrupt {
    /// One that only [`Interrupt::raise`] can raise.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that SIGINT, SIGTERM and SIGHUP raise; they no longer end the process.
    ///
    /// # Errors
    /// The operating system's, when it refuses a handler.
    pub fn on_signals() -> io::Result<Self> {
        let interrupt = Self::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.raised))?;
        }
        Ok(interrupt)
    }

    /// One that is raised with this one, and can be raised without it.
    #[must_use]
    pub fn inner(&self) -> Self {
        Self { outer: Some(Arc::new(self.clone())), ..Self::default() }
    }

    /// Asks everybody to stop.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn raised(&self) -> bool {
        let outer = self.outer.as_ref().is_some_and(|outer| outer.raised());
        outer || self.raised.load(Ordering::Relaxed)
    }

    /// Sleeps; false when it was cut short.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.raised() {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_interrupt_cuts_sleep_short() {
        let interrupt = Interrupt::new();
        assert!(interrupt.sleep(Duration::from_millis(1)));
        interrupt.raise();
        let start = Instant::now();
        assert!(!interrupt.sleep(Duration::from_secs(60)));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn an_inner_interrupt_follows_the_outer_one_only() {
        let outer = Interrupt::new();
        let (first, second) = (outer.inner(), outer.inner());
        first.raise();
        assert!(first.raised() && !second.raised() && !outer.raised());
        outer.raise();
        assert!(second.raised());
    }
}

//! Colours, or none: NO_COLOR, when it is there and not empty, takes them away, and then the curves
//! differ by their marks and what matters is bold.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use stallion_timeline::StallClass;

use crate::model::Kind;

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    colour: bool,
}

/// The curves of the latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P50,
    P99,
    P999,
    Max,
}

impl Curve {
    pub(crate) const ALL: [Self; 4] = [Self::P50, Self::P99, Self::P999, Self::Max];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
        }
    }
}

impl Theme {
    /// With colours or without.
    #[must_use]
    pub const fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// As NO_COLOR says (<https://no-color.org>).
    #[must_use]
    pub fn of_environment() -> Self {
        Self::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    fn of(self, colour: Color, without: Modifier) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new().add_modifier(without) }
    }

    pub(crate) fn curve(self, curve: Curve) -> Style {
        match curve {
            Curve::P50 => self.of(Color::Green, Modifier::empty()),
            Curve::P99 => self.of(Color::Yellow, Modifier::empty()),
            Curve::P999 => self.of(Color::Magenta, Modifier::empty()),
            Curve::Max => self.of(Color::Red, Modifier::BOLD),
        }
    }

    /// What a curve is drawn with, and how its legend shows it.
    pub(crate) const fn mark(self, curve: Curve) -> (Marker, &'static str) {
        if self.colour {
            return (Marker::Braille, "─");
        }
        match curve {
            Curve::P50 => (Marker::Dot, "•"),
            Curve::P99 => (Marker::Braille, "⠒"),
            Curve::P999 => (Marker::Custom('+'), "+"),
            Curve::Max => (Marker::Custom('^'), "^"),
        }
    }

    pub(crate) fn rate(self) -> Style {
        self.of(Color::Cyan, Modifier::BOLD)
    }

    pub(crate) fn dim(self) -> Style {
        self.of(Color::DarkGray, Modifier::DIM)
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn good(self) -> Style {
        self.of(Color::Green, Modifier::empty())
    }

    pub(crate) fn bad(self) -> Style {
        self.of(Color::Red, Modifier::BOLD)
    }

    /// Green, yellow or red as a core fills.
    pub(crate) fn load(self, share: f64) -> Style {
        match share {
            share if share >= 0.95 => self.bad(),
            share if share >= 0.8 => self.of(Color::Yellow, Modifier::empty()),
            _ => self.good(),
        }
    }

    pub(crate) fn kind(self, kind: Kind) -> Style {
        match kind {
            Kind::Stall(class) => self.class(class),
            Kind::Disturbance => self.of(Color::Blue, Modifier::BOLD),
            Kind::Slowlog => self.of(Color::Cyan, Modifier::empty()),
            Kind::Outage => self.bad(),
            Kind::Client => self.of(Color::Yellow, Modifier::BOLD),
            Kind::Note => self.dim(),
        }
    }

    /// Red for the disk, magenta for memory, yellow for the core, cyan for what the server does itself.
    pub(crate) fn class(self, class: StallClass) -> Style {
        use StallClass as C;
        let colour = match class {
            C::Fsync | C::AofWrite | C::FsyncWait | C::BlockIo => Color::Red,
            C::Fork | C::CowFault | C::ZeroFault | C::FileFault | C::HugePage | C::Reclaim => {
                Color::Magenta
            }
            C::RunQueue
            | C::Throttle
            | C::OffCpu
            | C::Stopped
            | C::Traced
            | C::Frozen
            | C::Exited
            | C::Softirq
            | C::Network => Color::Yellow,
            C::Command | C::Syscall => Color::Cyan,
        };
        self.of(colour, Modifier::BOLD)
    }
}

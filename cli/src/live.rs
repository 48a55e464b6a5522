//! What can be seen of a run while it lasts: metrics for Prometheus, and the whole terminal.

mod metrics;

mod screen;

use std::net::SocketAddr;
use std::path::PathBuf;

use stallion_client::ceiling::Tried;
use stallion_client::plan::{Plan, Rate};
use stallion_client::record::Progress;
use stallion_client::run::background::Background;
use stallion_resp::encoder::Encoder;

use metrics::Scraped;
pub(crate) use metrics::{address, serve_board};
use screen::Screen;
pub(crate) use screen::of_lab;

use crate::exit::Failure;

/// The flag of what Prometheus sees.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "While it lasts")]
pub(crate) struct Metrics {
    /// Answer Prometheus at http://ADDRESS/metrics while it lasts: a port of loopback, or HOST:PORT
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) metrics: Option<SocketAddr>,
}

/// The flags of the whole terminal.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "While it lasts")]
pub(crate) struct Shown {
    /// Show it on the whole terminal while it lasts: percentiles, rate, cores, nodes and stalls; q
    /// ends it. Without a terminal there are lines
    #[arg(long)]
    tui: bool,
    /// Show the stalls of this timeline, too, as `stallion probe --out FILE` writes it
    #[arg(long, value_name = "FILE", requires = "tui")]
    stalls: Option<PathBuf>,
}

/// Everybody who sees a run of the client.
pub(crate) struct Live {
    encoder: Encoder,
    open: bool,
    scraped: Option<Scraped>,
    screen: Screen,
}

impl Live {
    /// Listens for Prometheus at once; the terminal is taken when the first second is over, so that
    /// a run that cannot start leaves it alone.
    pub(crate) fn begin(
        verb: &str,
        plan: &Plan,
        metrics: &Metrics,
        shown: &Shown,
    ) -> Result<Self, Failure> {
        // Whoever answers scrapes does so off the shards' cores.
        let _aside = Background::of(&plan.cores);
        Ok(Self {
            encoder: plan.encoder(),
            open: plan.rate != Rate::Max,
            scraped: metrics.metrics.map(Scraped::serve).transpose()?,
            screen: Screen::wanted(verb, plan, shown),
        })
    }

    /// What is told in lines, where a person or a log wants them: not where the screen shows it.
    pub(crate) fn wants_lines(&self) -> bool {
        self.screen.wants_lines()
    }

    /// Whether the terminal is, or will be, taken.
    pub(crate) fn has_screen(&self) -> bool {
        matches!(self.screen, Screen::Wanted(..) | Screen::Taken(..))
    }

    /// Takes in one second, the warm-up's seconds, too.
    pub(crate) fn second(&mut self, progress: &Progress) {
        self.second_of(progress, self.open);
    }

    /// Takes in one second of the open model, or of the closed one.
    pub(crate) fn second_of(&mut self, progress: &Progress, open: bool) {
        if let Some(scraped) = &mut self.scraped {
            scraped.second(progress, self.encoder.commands(), open);
        }
        self.screen.second(progress, open);
    }

    /// Takes in a step of a search.
    pub(crate) fn step(&self, tried: &Tried) {
        self.screen.step(tried);
    }
}

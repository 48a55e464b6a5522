//! Metrics for Prometheus.

use std::net::{Ipv4Addr, SocketAddr};

use hdrhistogram::Histogram;
use stallion_client::record::Progress;
use stallion_metrics::sources::Second;
use stallion_metrics::{Board, serve};
use stallion_resp::command::Commands;
use stallion_timeline::histogram::empty;

use crate::client::socket_address;
use crate::exit::Failure;

/// `--metrics`: a port alone is one of loopback.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => socket_address(text),
    }
}

/// Serves an empty board.
pub(crate) fn serve_board(address: SocketAddr) -> Result<Board, Failure> {
    let board = Board::default();
    let bound = serve(address, board.clone()).map_err(|error| {
        Failure::usage(format!("--metrics {address}: {error}; give another port, or 0 for any"))
    })?;
    eprintln!("metrics at http://{bound}/metrics");
    Ok(board)
}

/// The metrics of a client's run, and memory to decode in.
pub(crate) struct Scraped {
    board: Board,
    histograms: [Histogram<u64>; 3],
}

impl Scraped {
    pub(crate) fn serve(address: SocketAddr) -> Result<Self, Failure> {
        let board = serve_board(address)?;
        Ok(Self { board, histograms: [empty(), empty(), empty()] })
    }

    /// Takes in one second, the warm-up's seconds, too.
    pub(crate) fn second(&mut self, progress: &Progress, commands: &Commands, open: bool) {
        let merged = &progress.merged;
        let [response, service, lag] = &mut self.histograms;
        merged.response_of(open).write_to(response);
        merged.service.write_to(service);
        merged.lag.write_to(lag);
        let counts = merged.counts;
        self.board.second(&Second {
            seconds: (merged.end_ns - merged.start_ns) as f64 / 1e9,
            due: counts.due,
            sent: counts.sent,
            answered: counts.answered,
            timeouts: counts.timeouts,
            lost: counts.lost,
            in_flight: merged.in_flight,
            backlog: merged.backlog,
            ops: merged.ops_by_name(commands),
            errors: merged.errors_by_name(),
            response,
            service,
            lag,
            bytes: (merged.bytes_sent, merged.bytes_received),
            reconnects: merged.reconnects,
            cpu_ns: merged.cpu_ns,
            busy_max: merged.busy_max,
            cluster: progress.cluster.as_ref(),
        });
        progress.servers.iter().for_each(|server| self.board.server(server));
    }
}

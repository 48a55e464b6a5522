//! `stallion null`: the cheapest server there is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use stallion_null::{NullServer, Settings};
use stallion_rings::wait::WaitPolicy;

use crate::client::{self, human_count};
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  stallion null --port 7000 --cores 0         then, on another core, any client you like:
  stallion drive -p 7000 --cores 1 --pipeline 16
  redis-benchmark -p 7000 -t get -P 16
  stallion drive --target null                both in one process

It counts requests rather than reading them, stores nothing, and answers GET with the same value
whatever the key: what a client reaches against it is the client's own ceiling.";

/// How often the stop flag is looked at.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// The flags of `null`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address to listen on; there is no password, so think before leaving the loopback
    #[arg(short = 'h', long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one, which is printed
    #[arg(short, long, default_value_t = 6379)]
    port: u16,
    /// CPUs to pin one ring each to, such as 0 or 2-5 [default: one ring, not pinned]
    #[arg(long, value_name = "LIST", value_parser = client::cores)]
    cores: Option<client::CoreList>,
    /// Bytes of the value that GET returns
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    value_size: usize,
    /// Clients at once, over all cores
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    conns: usize,
    /// How a core waits for requests: block, adaptive, or spin (cheapest for the client)
    #[arg(long, value_enum, default_value_t = client::Wait::Block)]
    wait: client::Wait,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// A null server on a free port of the loopback, for a client in the same process.
pub(crate) fn beside(cores: Vec<usize>, value_bytes: usize, clients: usize) -> Settings {
    // The control connections, too; and the kernel deals clients out to cores by a hash, which may
    // give one of them nearly all.
    let clients = (clients + 8) * cores.len().max(1);
    Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        cores,
        value_bytes,
        clients,
        wait: WaitPolicy::Block,
    }
}

/// The first CPU that is not taken; none when all are.
pub(crate) fn spare_core(taken: &[usize]) -> Vec<usize> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (0..cpus).find(|cpu| !taken.contains(cpu)).into_iter().collect()
}

pub(crate) fn run(args: &Args) -> Outcome {
    let settings = Settings {
        address: SocketAddr::from((args.host, args.port)),
        cores: args.cores.as_ref().map_or_else(Vec::new, |list| list.0.clone()),
        value_bytes: args.value_size,
        clients: args.conns,
        wait: args.wait.into(),
    };
    let stop = client::stop_flag()?;
    let server = NullServer::start(&settings).map_err(Failure::usage)?;
    println!("null server on redis://{} (Ctrl-C ends it)", server.address());
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(STOP_CHECK);
    }
    let served = server.stop();
    println!(
        "{} requests of {} clients answered",
        human_count(served.requests as f64),
        human_count(served.clients as f64)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_null_server_keeps_off_the_clients_cores() {
        assert_eq!(spare_core(&[1]), [0]);
        assert!(!spare_core(&[0]).contains(&0));
    }
}

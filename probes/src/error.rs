//! What can go wrong, each with its remedy.

use std::path::PathBuf;

use thiserror::Error;

/// Why the probes cannot watch.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The program was built without its kernel side.
    #[error(
        "this stallion was built without its eBPF probes; build it with \
         `cargo build --release --features probes`"
    )]
    NotBuilt,
    /// Not allowed to load BPF programs.
    #[error(
        "the probes need root (CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE): run `sudo stallion probe …`; \
         `stallion doctor` says what else this host lacks"
    )]
    NotPermitted,
    /// No server at this port.
    #[error("{0}")]
    NoServer(String),
    /// A file of /proc could not be read.
    #[error("cannot read {path}: {error}")]
    Proc {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// The program runs in a pid namespace of its own.
    #[error(
        "stallion runs in a container's pid namespace, where the kernel's process ids mean \
         nothing; run it on the host, or with `--pid=host --privileged`"
    )]
    InnerPidNamespace,
    /// The object could not be loaded.
    #[error("cannot load the eBPF object: {0}; `stallion doctor` tests each hook by itself")]
    Load(String),
    /// No probe at all could be attached.
    #[error("no probe could be attached: {0}")]
    NothingAttached(String),
    /// The timeline could not be written.
    #[error("cannot write the timeline: {0}")]
    Write(#[from] std::io::Error),
}

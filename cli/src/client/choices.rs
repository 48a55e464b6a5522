//! Flags that take one of a few words, and what the words mean to the engine.

use stallion_resp::values::Content;
use stallion_rings::wait::{Io as RingIo, WaitPolicy};

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Io {
    Uring,
    Epoll,
}

impl From<Io> for RingIo {
    fn from(io: Io) -> Self {
        match io {
            Io::Uring => Self::Uring,
            Io::Epoll => Self::Epoll,
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum ValueContent {
    /// Random bytes, which nothing compresses
    Random,
    /// One short text over and over
    Pattern,
}

impl From<ValueContent> for Content {
    fn from(content: ValueContent) -> Self {
        match content {
            ValueContent::Random => Self::Random,
            ValueContent::Pattern => Self::Pattern,
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Wait {
    Block,
    Adaptive,
    Spin,
}

impl From<Wait> for WaitPolicy {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Block => Self::Block,
            Wait::Adaptive => Self::Adaptive,
            Wait::Spin => Self::Spin,
        }
    }
}

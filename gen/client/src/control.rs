//! Everything that is asked of a server beside the measured traffic, off the workers' cores.

pub mod greeting;

mod stream;

mod refused;

mod line;

pub mod preflight;

pub mod topology;

pub mod lag;

pub mod callers;

pub mod capture;

pub mod info;

#[cfg(feature = "postgres")]
pub mod postgres;

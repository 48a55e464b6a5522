//! Everything that is asked of a server beside the measured traffic, off the shards' cores.

pub mod greeting;

pub mod trust;

mod stream;

mod refused;

mod line;

pub mod preflight;

pub mod topology;

pub mod lag;

pub mod callers;

pub mod capture;

pub mod info;

pub mod postgres;

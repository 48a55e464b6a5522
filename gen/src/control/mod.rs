//! Everything that is asked of a server beside the measured traffic, off the shards' cores.

pub mod greeting;

pub mod preflight;

pub mod capture;

pub mod info;

//! Pictures and words of an [`Analysis`](crate::analysis::Analysis).

pub mod json;

pub mod tables;

pub mod lanes;

pub mod figure;

pub mod markdown;

pub mod html;

pub mod terminal;

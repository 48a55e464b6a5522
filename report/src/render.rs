//! Pictures and words of an [`Analysis`](crate::analysis::Analysis).

pub mod json;

pub mod tables;

pub mod lanes;

mod axes;

mod rows;

pub mod overview;

pub mod curves;

pub mod cluster;

pub mod markdown;

pub mod html;

pub mod sheet;

pub mod ceiling;

pub mod terminal;

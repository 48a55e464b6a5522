//! What a request's end becomes: an outcome, a sample, counts, histograms, an interval.

pub mod outcome;

pub mod histogram;

pub mod mitigation;

pub mod store;

pub mod slow;

pub mod late;

pub mod cluster;

pub mod cluster_sum;

pub mod interval;

pub mod steady;

//! Who serves which key: hash slots, the map from slots to nodes, and what servers say about it.

pub mod ring;

pub mod slots;

pub mod redirect;

pub mod map;

pub mod board;

//! Who serves which key: hash slots, the map from slots to nodes, and what servers say about it.

pub mod hash_ring;

pub mod slots;

pub mod slot_map;

pub mod cluster_map;

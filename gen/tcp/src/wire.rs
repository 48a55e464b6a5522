//! Packets as bytes. Parsers take anything and refuse what they do not understand; they never panic.

pub mod checksum;

pub mod ethernet;

pub mod arp;

pub mod ip;

pub mod icmp;

pub mod neighbour;

pub mod segment;

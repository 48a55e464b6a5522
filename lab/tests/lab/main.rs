//! The lab against real servers. One test program, so that it links once.

mod common;

mod scenario;

mod stack;

mod chaos;

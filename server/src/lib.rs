//! One way to name a server, and to read what it says of itself.
//!
//! The modules in the order of their use:
//!
//! 1. [`duration`]: the times of every flag and scenario.
//! 2. [`place`]: the place of a server, and all addresses of its name.
//! 3. [`url`]: a URL, percent-decoded, with everything that is not supported refused by name.
//! 4. [`login`]: user and password from the URL, the flags and the environment together.
//! 5. [`slots`]: ranges of a cluster's hash slots.
//! 6. [`info`]: INFO, and what has its form.
//! 7. [`cluster_nodes`]: CLUSTER NODES.
//! 8. [`target`]: a connection for questions, by the crate `redis` (feature `redis`), and [`ask`], the
//!    questions of the lab.

pub mod duration;

pub mod place;

pub mod login;

pub mod url;

pub mod slots;

pub mod info;

pub mod cluster_nodes;

#[cfg(feature = "redis")]
pub mod target;

#[cfg(feature = "redis")]
pub mod ask;

pub use login::{GivenLogin, Login, LoginError};
pub use place::Place;
#[cfg(feature = "redis")]
pub use target::{Target, Tls};
pub use url::{Url, UrlError};

//! Joins timelines, attributes slow requests to stalls, and renders the result.
//!
//! A pure function from files to findings: nothing here talks to a server, so a run can be
//! analysed years later and on another host. The modules in the order of their dependency:
//!
//! 1. [`words`], [`cause`]: how figures and causes are said.
//! 2. [`summary`], [`run`], [`join`]: N timelines become one [`run::Run`] on one clock.
//! 3. [`baseline`]: what the client's latency is when nothing is wrong.
//! 4. [`ledger`]: nested and overlapping stalls of the main thread become time that adds up.
//! 5. [`backlog`]: how much delay past stalls still owe to requests that wait behind others.
//! 6. [`attribute`]: each nanosecond of each slow request gets exactly one cause.
//! 7. [`spike`]: the stretches in which latency left its baseline.
//! 8. [`evidence`], [`crosscheck`], [`accounting`]: what the server and the sums say about it.
//! 9. [`around`], [`cluster`]: what each disturbance did to the latency, and what each node saw.
//! 10. [`analysis`]: all of the above in one [`analysis::Report`]; [`incident`], [`finding`]: in sentences.
//! 11. [`render`]: HTML, Markdown, JSON, terminal; [`files`]: which to read, where to write.

pub mod words;

pub mod cause;

pub mod summary;

pub mod run;

pub mod join;

pub mod baseline;

pub mod ledger;

pub mod backlog;

pub mod nodes;

pub mod attribute;

pub mod spike;

pub mod evidence;

pub mod disturbance;

pub mod crosscheck;

pub mod accounting;

pub mod around;

pub mod cluster;

pub mod analysis;

pub mod incident;

pub mod silence;

pub mod finding;

pub mod render;

pub mod files;

//! A real cluster of three primaries, filled, gone with the test.

use std::path::Path;

use stallion_fault::{self as fault, Endpoint};
use stallion_server::Target;
use stallion_stack::{Interrupt, Placement, Stack};
use stallion_stack::{Registry, StackKind, StackPlan};
use stallion_timeline::Chaos;

use super::stallion::stallion;

/// Three primaries with so many replicas each, and so many keys, whose servers count from zero.
pub(crate) fn cluster(folder: &Path, replicas: u16, keys: &str) -> Stack {
    let plan = StackPlan { kind: StackKind::Cluster, replicas, ..StackPlan::default() };
    let placement = Placement { server: None, client: None, others: Vec::new() };
    let registry = Registry::at(folder.canonicalize().unwrap().join("stacks"));
    let stack = Stack::start(&plan, &placement, &registry).unwrap();
    let port = stack.port().to_string();
    let flags = ["load", "--topology", "cluster", "-p", &port, "--keys", keys, "--conns", "6"];
    stallion(&flags).expect(0, &["keys written", "0 absent, 0 wrong"]);
    for target in stack.targets() {
        let mut connection = target.connect().unwrap();
        redis::cmd("CONFIG").arg("RESETSTAT").query::<()>(&mut connection).unwrap();
    }
    stack
}

/// Does to it what `stallion chaos` does, which must work.
pub(crate) fn disturb(target: &Target, name: &str, arguments: &[(&str, &str)]) -> Chaos {
    let mut endpoint = Endpoint::connect(target, &Interrupt::new(), true).unwrap();
    let injection = fault::find(name).unwrap().read(arguments.iter().copied()).unwrap();
    let record = injection.perform(&mut endpoint).unwrap();
    assert_eq!(record.outcome, "ok", "{record:?}");
    record
}

//! Waits for a disk, with what the disk did in them.
use crate::harness::{Server, may_probe, watched};
use stallion_timeline::{StallClass, ThreadRole};

#[test]
fn an_fsync_says_what_the_disk_did() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let value = "x".repeat(60_000);
    let seen = watched(&server, || {
        server.ask_all((0..1_000).map(|key| format!("SET key:{key} {value}")));
        server.ask("CONFIG SET appendfsync always");
        server.ask("SET last one");
    });
    let fsync = seen.longest(StallClass::Fsync);
    let disk = seen.longest(StallClass::BlockIo);
    println!("{fsync:#?}\n{disk:#?}");
    assert_eq!((fsync.thread, disk.thread), (ThreadRole::Main, ThreadRole::Main));
    let device_ms = fsync.detail["device_ns"] / 1e6;
    let fsync_ms = fsync.busy_ns as f64 / 1e6;
    assert!(device_ms <= fsync_ms * 1.01 && device_ms > fsync_ms * 0.3, "{device_ms} {fsync_ms}");
    assert!(!disk.what.contains("device") && disk.what != "a disk", "{}", disk.what);
    assert!(fsync.what.ends_with(&format!(" on {}", disk.what)), "{}", fsync.what);
    assert!(fsync.detail["device_requests"] >= 1.0);
    assert!(fsync.detail["device_bytes"] > 1e6, "{fsync:?}");
}

//! Requests of block devices: hooks in: raw tracepoints `block_rq_issue`, `block_rq_complete`,
//! while a thread of the server is in fsync or asleep for a disk. Stall out:
//! [`StallClass::BlockIo`]: how long the device was busy in that wait, which it explains.

use std::fs;
use std::os::unix::fs::MetadataExt;

use stallion_probes_common::block_io::Disk;
use stallion_timeline::{Stall, StallClass};

use super::from_span;
use crate::server::Server;

/// Bits of a device's minor number in the kernel.
const MINOR_BITS: u32 = 20;

/// What one device did during one wait.
pub fn stall(event: &Disk, server: &mut Server) -> Stall {
    server.note_disk(event);
    let mut stall = from_span(StallClass::BlockIo, &event.span, server, name(event.device));
    stall.detail.insert("bytes".into(), event.bytes as f64);
    stall.detail.insert("slowest_ns".into(), event.slowest_ns as f64);
    stall
}

/// Tells a call that waited for a disk how long that was busy: the disk of the call's file, or
/// else the busiest one, because a volume has no requests of its own.
pub fn explain(stall: &mut Stall, server: &Server, fd: Option<u64>) {
    let device = fd.and_then(|fd| device_of(server.pid, fd));
    let Some(disk) = server.disk_within(stall.start_ns, stall.end_ns, stall.tid, device) else {
        return;
    };
    // The device is followed until the thread runs again, and the wait ends when it may.
    let device_ns = disk.busy_ns.min(stall.end_ns.saturating_sub(stall.start_ns));
    let detail = &mut stall.detail;
    detail.insert("device_ns".into(), device_ns as f64);
    detail.insert("device_bytes".into(), disk.bytes as f64);
    detail.insert("device_requests".into(), disk.requests as f64);
    detail.insert("device_slowest_ns".into(), disk.slowest_ns as f64);
    stall.what = format!("{} on {}", stall.what, name(disk.device));
}

/// The whole disk below an open file, numbered as the kernel does.
fn device_of(pid: u32, fd: u64) -> Option<u32> {
    let dev = fs::metadata(format!("/proc/{pid}/fd/{fd}")).ok()?.dev();
    let (major, minor) = (libc::major(dev), libc::minor(dev));
    let folder = format!("/sys/dev/block/{major}:{minor}");
    if fs::exists(format!("{folder}/partition")).unwrap_or(false) {
        let text = fs::read_to_string(format!("{folder}/../dev")).ok()?;
        let (major, minor) = text.trim().split_once(':')?;
        return Some(major.parse::<u32>().ok()? << MINOR_BITS | minor.parse::<u32>().ok()?);
    }
    Some(major << MINOR_BITS | minor)
}

/// The name that the kernel gives to a device, or its numbers; "a disk" when they are unknown.
fn name(device: u32) -> String {
    if device == 0 {
        return "a disk".to_owned();
    }
    let (major, minor) = (device >> MINOR_BITS, device & ((1 << MINOR_BITS) - 1));
    let text = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/uevent"));
    text.ok()
        .and_then(|text| crate::procfs::field(&text, "DEVNAME=").map(str::to_owned))
        .unwrap_or_else(|| format!("device {major}:{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stallion_probes_common::{Kind, Span};

    fn disk(device: u32, start_ns: u64, end_ns: u64, busy_ns: u64) -> Disk {
        let span = Span { busy_ns, count: 2, ..Span::single(Kind::Disk, 1, start_ns, end_ns) };
        Disk { span, device, reserved: 0, bytes: 8192, slowest_ns: 7 }
    }

    #[test]
    fn a_call_is_told_what_the_busiest_device_did_in_it() {
        let mut server = Server::of(1);
        stall(&disk(0xfff0_0001, 100, 200, 40), &mut server);
        stall(&disk(0xfff0_0002, 100, 200, 90), &mut server);
        stall(&disk(0xfff0_0002, 200, 300, 30), &mut server);
        stall(&disk(0xfff0_0002, 900, 990, 90), &mut server);
        let span = Span::single(Kind::Sync, 1, 90, 310);
        let mut sync = from_span(StallClass::Fsync, &span, &mut server, "fsync x.aof".into());
        explain(&mut sync, &server, None);
        assert_eq!(sync.what, "fsync x.aof on device 4095:2");
        assert_eq!((sync.detail["device_ns"], sync.detail["device_bytes"]), (120.0, 16_384.0));
        let busiest = server.disk_within(90, 310, 1, Some(7)).unwrap();
        let of_file = server.disk_within(90, 310, 1, Some(0xfff0_0001)).unwrap();
        assert_eq!((busiest.busy_ns, of_file.busy_ns), (120, 40), "the file's own, if it is known");
        assert_eq!((sync.detail["device_requests"], sync.detail["device_slowest_ns"]), (4.0, 7.0));
    }

    #[test]
    fn the_main_thread_is_not_told_what_a_background_thread_waited_for() {
        let mut server = Server::of(1);
        let mut event = disk(0xfff0_0001, 100, 200, 40);
        event.span.tid = 2;
        stall(&event, &mut server);
        assert_eq!(server.disk_within(90, 310, 1, None), None);
        assert!(server.disk_within(90, 310, 2, None).is_some());
    }

    #[test]
    fn a_call_without_requests_stays_as_it_is() {
        let mut server = Server::of(1);
        let span = Span::single(Kind::Sync, 1, 90, 310);
        let mut sync = from_span(StallClass::Fsync, &span, &mut server, "fsync x.aof".into());
        explain(&mut sync, &server, None);
        assert!(sync.what == "fsync x.aof" && sync.detail.is_empty());
    }
}

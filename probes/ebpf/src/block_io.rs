//! Requests of block devices, followed only while a thread of the server waits for a disk: inside
//! fsync, or the main thread uninterruptibly asleep (a write of the append-only file, a page
//! read from a file).
//!
//! Completions run in whatever thread they interrupt, so requests are known by their addresses,
//! never by the current thread. While nothing waits, each hook is one comparison.

use aya_ebpf::Global;
use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::{Array, LruHashMap};
use aya_ebpf::programs::RawTracePointContext;
use stallion_probes_common::block_io::{DEVICES, Device, Disk};

use crate::shared::{emit, floor_ns, main_tid, now_ns, read_field};

/// 1 more than the offsets of `request.{__data_len, start_time_ns, rq_disk, q}`,
/// `request_queue.disk` and `gendisk.{major, first_minor}`; 0 where the kernel does not tell, or
/// has no such field.
#[unsafe(no_mangle)]
static REQUEST_OFFSETS: Global<[u32; 7]> = Global::new([0; 7]);

const DATA_LEN: usize = 0;
const START_TIME: usize = 1;
const RQ_DISK: usize = 2;
const QUEUE: usize = 3;
const QUEUE_DISK: usize = 4;
const MAJOR: usize = 5;
const FIRST_MINOR: usize = 6;

/// Who waits for a disk, since when; 0 for nobody.
struct Waits {
    main_sync_ns: u64,
    main_asleep_ns: u64,
    background_ns: u64,
    background_tid: u32,
    /// Counted up when the first of them begins.
    number: u64,
}

static mut WAITS: Waits =
    Waits { main_sync_ns: 0, main_asleep_ns: 0, background_ns: 0, background_tid: 0, number: 0 };

/// A request that was issued during a wait.
#[derive(Clone, Copy)]
#[repr(C)]
struct Issued {
    wait: u64,
    start_ns: u64,
    slot: u32,
    bytes: u32,
}

/// By address of the request. The oldest go when an aborted one never came back.
#[map]
static REQUESTS: LruHashMap<u64, Issued> = LruHashMap::with_max_entries(4096, 0);

#[map]
static DISKS: Array<Device> = Array::with_max_entries(DEVICES as u32, 0);

/// A thread enters fsync.
#[inline(always)]
pub(crate) fn sync_begins(tid: u32, now: u64) {
    let waits = &raw mut WAITS;
    // SAFETY: words that are written by the waiting thread only; Redis has one main thread, and
    // one that syncs in the background.
    unsafe {
        begin(now);
        if tid == main_tid() {
            (*waits).main_sync_ns = now;
        } else {
            (*waits).background_tid = tid;
            (*waits).background_ns = now;
        }
    }
}

/// A thread leaves fsync.
#[inline(always)]
pub(crate) fn sync_ends(tid: u32, now: u64) {
    let waits = &raw mut WAITS;
    // SAFETY: as in `sync_begins`.
    unsafe {
        hand_over(tid, now);
        if tid == main_tid() {
            (*waits).main_sync_ns = 0;
        } else {
            (*waits).background_ns = 0;
        }
    }
}

/// The main thread falls into a sleep that no signal ends: mostly for a disk.
#[inline(always)]
pub(crate) fn sleep_begins(now: u64) {
    let waits = &raw mut WAITS;
    // SAFETY: as in `sync_begins`.
    unsafe {
        // Inside fsync the whole call is one wait.
        if (*waits).main_sync_ns == 0 {
            begin(now);
            (*waits).main_asleep_ns = now;
        }
    }
}

/// It is back.
#[inline(always)]
pub(crate) fn sleep_ends(now: u64) {
    let waits = &raw mut WAITS;
    // SAFETY: as in `sync_begins`.
    unsafe {
        if (*waits).main_asleep_ns != 0 {
            hand_over(main_tid(), now);
            (*waits).main_asleep_ns = 0;
        }
    }
}

#[raw_tracepoint(tracepoint = "block_rq_issue")]
fn block_rq_issue(ctx: RawTracePointContext) -> i32 {
    issue(ctx.arg(0))
}

#[raw_tracepoint(tracepoint = "block_rq_complete")]
fn block_rq_complete(ctx: RawTracePointContext) -> i32 {
    complete(ctx.arg(0), ctx.arg(2))
}

/// Before Linux 5.11 the queue stood before the request.
#[raw_tracepoint(tracepoint = "block_rq_issue")]
fn block_rq_issue_of_queue(ctx: RawTracePointContext) -> i32 {
    issue(ctx.arg(1))
}

/// As `block_rq_issue_of_queue`.
#[raw_tracepoint(tracepoint = "block_rq_complete")]
fn block_rq_complete_of_queue(ctx: RawTracePointContext) -> i32 {
    complete(ctx.arg(1), ctx.arg(3))
}

#[inline(always)]
fn issue(request: u64) -> i32 {
    let since = since();
    if since == 0 {
        return 0;
    }
    let now = now_ns();
    let Some((slot, disk)) = slot(device_of(request), since) else {
        return 0;
    };
    let offsets = REQUEST_OFFSETS.load();
    let issued = Issued {
        // SAFETY: reads a word.
        wait: unsafe { WAITS.number },
        start_ns: read_field(request, offsets[START_TIME]).filter(|ns| *ns != 0).unwrap_or(now),
        slot,
        bytes: read_field(request, offsets[DATA_LEN]).unwrap_or(0),
    };
    // A request that the driver gave back is issued again, and is in flight already. One of an
    // earlier wait was completed when nobody watched: the address is another request's now.
    // SAFETY: the value is read at once; nobody else issues the same request.
    let again = unsafe { REQUESTS.get(request) }.is_some_and(|known| known.wait == issued.wait);
    if !again && REQUESTS.insert(request, issued, 0).is_ok() {
        // SAFETY: an element of an array map lives as long as the program.
        unsafe { (*disk).issued(now) };
    }
    0
}

#[inline(always)]
fn complete(request: u64, done_bytes: u32) -> i32 {
    let since = since();
    if since == 0 {
        return 0;
    }
    let offsets = REQUEST_OFFSETS.load();
    let left: u32 = read_field(request, offsets[DATA_LEN]).unwrap_or(0);
    if done_bytes < left {
        return 0; // the rest of it comes later
    }
    let now = now_ns();
    // SAFETY: the value is copied out; nobody else completes the same request.
    let known = unsafe { REQUESTS.get(request) }.copied();
    let _ = REQUESTS.remove(request);
    match known {
        // SAFETY: reads a word; an element of an array map lives as long as the program.
        Some(issued) if issued.wait == unsafe { WAITS.number } => {
            if let Some(disk) = DISKS.get_ptr_mut(issued.slot) {
                unsafe { (*disk).completed(now, issued.start_ns, u64::from(issued.bytes)) };
            }
        }
        _ => {
            let started = read_field(request, offsets[START_TIME]).unwrap_or(0);
            let start = if started == 0 { since } else { started };
            if let Some((_, disk)) = slot(device_of(request), since) {
                // SAFETY: as above.
                unsafe { (*disk).completed_earlier(now, start, u64::from(done_bytes)) };
            }
        }
    }
    0
}

/// When the wait began that is going on; 0 without one.
#[inline(always)]
fn since() -> u64 {
    let waits = &raw const WAITS;
    // SAFETY: reads words.
    unsafe {
        let main = (*waits).main_sync_ns | (*waits).main_asleep_ns;
        if main != 0 { main } else { (*waits).background_ns }
    }
}

/// Begins a wait; one that is going on is told up to here, so that no part belongs to two.
#[inline(always)]
unsafe fn begin(now: u64) {
    let waits = &raw mut WAITS;
    // SAFETY: as in `sync_begins`.
    unsafe {
        if since() == 0 {
            (*waits).number += 1;
        } else if (*waits).main_sync_ns | (*waits).main_asleep_ns != 0 {
            hand_over(main_tid(), now);
        } else {
            hand_over((*waits).background_tid, now);
        }
    }
}

/// Major and minor number of a request's disk; 0 without type information.
#[inline(always)]
fn device_of(request: u64) -> u64 {
    let offsets = REQUEST_OFFSETS.load();
    let disk: Option<u64> = if offsets[RQ_DISK] != 0 {
        read_field(request, offsets[RQ_DISK])
    } else {
        read_field(request, offsets[QUEUE]).and_then(|queue| read_field(queue, offsets[QUEUE_DISK]))
    };
    let Some(disk) = disk else {
        return 0;
    };
    let number = |after: u32| u64::from(read_field::<u32>(disk, after).unwrap_or(0));
    number(offsets[MAJOR]) << 20 | number(offsets[FIRST_MINOR])
}

/// The place of a device in the wait that is going on.
#[inline(always)]
fn slot(device: u64, since: u64) -> Option<(u32, *mut Device)> {
    // SAFETY: reads a word.
    let wait = unsafe { WAITS.number };
    for slot in 0..DEVICES as u32 {
        let disk = DISKS.get_ptr_mut(slot)?;
        // SAFETY: an element of an array map lives as long as the program.
        unsafe {
            if (*disk).wait != wait {
                (*disk).begin(wait, device, since);
            }
            if (*disk).device == device {
                return Some((slot, disk));
            }
        }
    }
    None
}

/// Tells what each device did during a wait that ends.
#[inline(always)]
fn hand_over(tid: u32, now: u64) {
    // SAFETY: reads a word.
    let wait = unsafe { WAITS.number };
    for slot in 0..DEVICES as u32 {
        let Some(disk) = DISKS.get_ptr_mut(slot) else {
            return;
        };
        // SAFETY: an element of an array map lives as long as the program.
        let (span, bytes, slowest_ns, device) = unsafe {
            if (*disk).wait != wait {
                return;
            }
            let (span, bytes, slowest_ns) = (*disk).take(now);
            (span, bytes, slowest_ns, (*disk).device)
        };
        if span.busy_ns >= floor_ns() {
            let mut span = span;
            span.tid = tid;
            emit(&Disk { span, device: device as u32, reserved: 0, bytes, slowest_ns });
        }
    }
}

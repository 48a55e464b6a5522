//! A provided-buffer ring: memory that the kernel fills with what it receives.
//!
//! Where the kernel has incremental buffers (6.12) one buffer serves many receives, each taking
//! only the bytes it got; otherwise each receive takes a buffer whole.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// `IOU_PBUF_RING_INC` of linux/io_uring.h.
const INCREMENTAL: u16 = 2;

/// `IORING_CQE_F_BUF_MORE` of linux/io_uring.h: the buffer has room left for the next receive.
const BUFFER_MORE: u32 = 1 << 4;

/// The buffers of one ring.
#[derive(Debug)]
pub(crate) struct Buffers {
    entries: *mut BufRingEntry,
    entries_layout: std::alloc::Layout,
    memory: Box<[u8]>,
    /// Bytes of each buffer that earlier receives have taken (incremental mode).
    taken: Box<[usize]>,
    size: usize,
    count: u16,
    /// How many of them the kernel has been given; those with higher numbers wait.
    in_use: u16,
    tail: u16,
    incremental: bool,
}

/// Buffer group of the ring; there is only one.
pub(crate) const GROUP: u16 = 0;

impl Buffers {
    /// Allocates `count` (a power of two) buffers of `size` bytes and registers them; `incremental`
    /// if that is wanted and the kernel can. The kernel is given `first` of them.
    ///
    /// # Errors
    /// The kernel's: before 5.19 it knows no buffer rings; `ENOMEM` when memlock is exceeded.
    pub(crate) fn register(
        submitter: &Submitter<'_>,
        (first, count): (u16, u16),
        size: usize,
        incremental: bool,
    ) -> io::Result<Self> {
        let bytes = usize::from(count) * size_of::<BufRingEntry>();
        let layout = std::alloc::Layout::from_size_align(bytes, 4096).map_err(io::Error::other)?;
        // SAFETY: the layout has a size that is not zero.
        let entries = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<BufRingEntry>();
        if entries.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut buffers = Self {
            entries,
            entries_layout: layout,
            memory: vec![0; usize::from(count) * size].into(),
            taken: vec![0; usize::from(count)].into(),
            size,
            count,
            in_use: 0,
            tail: 0,
            incremental,
        };
        if !incremental || buffers.register_as(submitter, INCREMENTAL).is_err() {
            buffers.incremental = false;
            buffers.register_as(submitter, 0)?;
        }
        for _ in 0..first.min(count) {
            buffers.provide_another();
        }
        Ok(buffers)
    }

    /// Whether one buffer serves several receives.
    #[must_use]
    pub(crate) const fn incremental(&self) -> bool {
        self.incremental
    }

    fn register_as(&self, submitter: &Submitter<'_>, flags: u16) -> io::Result<()> {
        // SAFETY: the entries are page-aligned, live as long as `self`, and `Uring` drops the
        // ring (which unregisters them) before its buffers.
        unsafe {
            submitter.register_buf_ring_with_flags(self.entries as u64, self.count, GROUP, flags)
        }
    }

    /// The kernel ran out of buffers: it gets one more, while there are any.
    pub(crate) fn provide_another(&mut self) {
        if self.in_use < self.count {
            self.provide(self.in_use);
            self.in_use += 1;
        }
    }

    /// Gives a buffer to the kernel.
    fn provide(&mut self, id: u16) {
        self.taken[usize::from(id)] = 0;
        let at = usize::from(self.tail & (self.count - 1));
        let address = self.memory[usize::from(id) * self.size..].as_mut_ptr();
        // SAFETY: `at` is below `count`, so the entry is ours; the kernel reads entries only up
        // to the tail, which is moved afterwards with release order.
        unsafe {
            let entry = &mut *self.entries.add(at);
            entry.set_addr(address as u64);
            entry.set_len(self.size as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `BufRingEntry::tail` is where the kernel reads the tail of the ring.
        let tail = unsafe { &*BufRingEntry::tail(self.entries).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// The `length` bytes that a completion put into buffer `id`, and whether the buffer is full
    /// and must go back by [`Buffers::recycle`].
    pub(crate) fn received(
        &mut self,
        id: u16,
        length: usize,
        flags: u32,
    ) -> (std::ops::Range<usize>, bool) {
        let start = usize::from(id) * self.size + self.taken[usize::from(id)];
        self.taken[usize::from(id)] += length;
        (start..start + length, !(self.incremental && flags & BUFFER_MORE != 0))
    }

    /// The memory in which the ranges that [`Buffers::received`] gives lie.
    #[must_use]
    #[inline]
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Gives a buffer back to the kernel; its bytes are no longer needed.
    pub(crate) fn recycle(&mut self, id: u16) {
        self.provide(id);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: allocated in `register` with this layout, and freed only here.
        unsafe { std::alloc::dealloc(self.entries.cast(), self.entries_layout) };
    }
}

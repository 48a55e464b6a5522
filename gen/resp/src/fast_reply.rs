//! The replies that nearly all requests get, taken without parsing.

/// The reply that a command nearly always gets, recognised by its first and last bytes.
#[derive(Debug, Clone, Copy)]
pub struct FastReply {
    /// Its first bytes, and which of them count.
    head: u64,
    mask: u64,
    bytes: usize,
}

impl FastReply {
    /// None: every reply is parsed.
    pub const NONE: Self = Self { head: 0, mask: 0, bytes: usize::MAX };

    /// `+OK`.
    #[must_use]
    pub fn ok() -> Self {
        Self::new(b"+OK\r\n", 5)
    }

    /// A value of so many bytes.
    #[must_use]
    pub fn value(value_bytes: usize) -> Self {
        let header = format!("${value_bytes}\r\n");
        Self::new(header.as_bytes(), header.len() + value_bytes + 2)
    }

    fn new(header: &[u8], bytes: usize) -> Self {
        let mut head = [0; 8];
        let Some(front) = head.get_mut(..header.len()) else {
            // Longer than the word that is compared: never recognised, always parsed.
            return Self::NONE;
        };
        front.copy_from_slice(header);
        let mask = u64::MAX >> (64 - 8 * header.len());
        Self { head: u64::from_le_bytes(head), mask, bytes }
    }

    /// How long it is.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What follows it in `input`; none when `input` does not begin with it, or is too short to
    /// tell at once (the parser will).
    #[inline(always)]
    #[must_use]
    pub fn strip<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let head = u64::from_le_bytes(*input.first_chunk()?);
        let (reply, rest) = input.split_at_checked(self.bytes)?;
        (head & self.mask == self.head && reply.ends_with(b"\r\n")).then_some(rest)
    }

    /// Strips as many off the front of `input` as come, while `expects` the next one, which is given
    /// how many there were. Returns how many there were.
    #[inline(always)]
    pub fn strip_while(&self, input: &mut &[u8], expects: impl Fn(usize) -> bool) -> usize {
        let (mut left, mut taken) = (*input, 0);
        while expects(taken)
            && let Some(rest) = self.strip(left)
        {
            left = rest;
            taken += 1;
        }
        *input = left;
        taken
    }
}

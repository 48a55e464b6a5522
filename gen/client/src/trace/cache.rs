//! Cache traces as Twitter published them (Yang, Yue and Rashmi, "A large scale analysis of hundreds
//! of in-memory cache clusters at Twitter", OSDI 2020): lines of
//! `timestamp,key,key size,value size,client id,operation,TTL`, with times in whole seconds.

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// Seconds from the start of the trace.
    pub second: u64,
    /// The key, as it stands there.
    pub key: &'a [u8],
    /// Bytes of the value.
    pub value_bytes: usize,
    /// What was done.
    pub operation: Operation,
    /// Time to live in seconds; 0 for none.
    pub ttl_s: u64,
}

/// What a line does, in Redis's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `get` and `gets`
    Get,
    /// `set`, `replace` and `cas`: SET, which has no counterpart of their conditions.
    Set,
    /// `add`: SET … NX.
    Add,
    /// `append` and `prepend`: APPEND.
    Append,
    /// `delete`: DEL.
    Delete,
    /// `incr`: INCR.
    Increment,
    /// `decr`: DECR.
    Decrement,
}

/// Understands a line; none when it is none.
#[must_use]
pub fn read(line: &[u8]) -> Option<Access<'_>> {
    // Keys may have commas: the six other fields are counted from both ends.
    let comma = line.iter().position(|byte| *byte == b',')?;
    let (second, rest) = (&line[..comma], &line[comma + 1..]);
    let mut fields = rest.rsplitn(6, |byte| *byte == b',');
    let [ttl, operation, _client, value_bytes, _key_bytes, key] =
        std::array::from_fn(|_| fields.next());
    let number = |field: Option<&[u8]>| std::str::from_utf8(field?).ok()?.trim().parse().ok();
    let operation = match operation?.trim_ascii() {
        b"get" | b"gets" => Operation::Get,
        b"set" | b"replace" | b"cas" => Operation::Set,
        b"add" => Operation::Add,
        b"append" | b"prepend" => Operation::Append,
        b"delete" => Operation::Delete,
        b"incr" => Operation::Increment,
        b"decr" => Operation::Decrement,
        _ => return None,
    };
    Some(Access {
        second: number(Some(second))?,
        key: key.filter(|key| !key.is_empty())?,
        value_bytes: usize::try_from(number(value_bytes)?).ok()?,
        operation,
        ttl_s: number(ttl)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn lines_are_understood() {
        let access = read(b"7,a,b:c,5,230,90,set,3600").unwrap();
        let wanted = Access {
            second: 7,
            key: b"a,b:c",
            value_bytes: 230,
            operation: Operation::Set,
            ttl_s: 3_600,
        };
        assert_eq!(access, wanted);
        for line in ["", "1,k,1,1,1,touch,0", "x,k,1,1,1,get,0", "1,k,1,1,get,0", "1,,1,1,1,get,0"]
        {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic(line: Vec<u8>) {
            let _ = read(&line);
        }
    }
}

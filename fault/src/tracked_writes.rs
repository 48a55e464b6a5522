//! Writes that are remembered, so that it can be asked later which of them a server has.

use redis::{Connection, RedisResult};

/// Keys that are asked for at once.
const AT_ONCE: usize = 500;

/// Numbered keys with one prefix, and what became of each write.
#[derive(Debug)]
pub(crate) struct TrackedWrites {
    prefix: String,
    /// The numbers whose write was acknowledged.
    acknowledged: Vec<u64>,
    /// Those that the server did, as far as anybody knows, without the acknowledgement that was wanted.
    unconfirmed: Vec<u64>,
    refused: u64,
    next: u64,
}

/// What a server has of it.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    /// Acknowledged and not there.
    pub(crate) acknowledged: u64,
    /// Not acknowledged and not there.
    pub(crate) unconfirmed: u64,
    /// What the missing writes take in the stream of replication, in bytes.
    pub(crate) bytes: u64,
}

impl TrackedWrites {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, acknowledged: vec![], unconfirmed: vec![], refused: 0, next: 0 }
    }

    /// Writes the next key. With `wait`, so many replicas must have it within 100 ms for it to count
    /// as acknowledged. An error is the server's refusal, and counted.
    pub(crate) fn write(&mut self, connection: &mut Connection, wait: Option<u64>) -> bool {
        let number = self.next;
        self.next += 1;
        let set = redis::cmd("SET").arg(self.key(number)).arg(number).query::<()>(connection);
        if set.is_err() {
            self.refused += 1;
            return false;
        }
        let enough = wait.is_none_or(|replicas| {
            let told: RedisResult<u64> =
                redis::cmd("WAIT").arg(replicas).arg(100).query(connection);
            told.is_ok_and(|had| had >= replicas)
        });
        if enough {
            self.acknowledged.push(number)
        } else {
            self.unconfirmed.push(number)
        }
        enough
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    pub(crate) fn unconfirmed(&self) -> u64 {
        self.unconfirmed.len() as u64
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Asks a server for every key.
    pub(crate) fn missing(&self, connection: &mut Connection) -> RedisResult<Missing> {
        let mut missing = Missing::default();
        let acknowledged = self.absent(&self.acknowledged, connection)?;
        let unconfirmed = self.absent(&self.unconfirmed, connection)?;
        missing.acknowledged = acknowledged.len() as u64;
        missing.unconfirmed = unconfirmed.len() as u64;
        missing.bytes = acknowledged.iter().chain(&unconfirmed).map(|one| self.length(*one)).sum();
        Ok(missing)
    }

    fn absent(&self, numbers: &[u64], connection: &mut Connection) -> RedisResult<Vec<u64>> {
        let mut absent = Vec::new();
        for some in numbers.chunks(AT_ONCE) {
            let mut asked = redis::pipe();
            for number in some {
                asked.cmd("GET").arg(self.key(*number));
            }
            let values: Vec<Option<u64>> = asked.query(connection)?;
            let pairs = some.iter().zip(values);
            absent
                .extend(pairs.filter(|(number, value)| *value != Some(**number)).map(|(n, _)| *n));
        }
        Ok(absent)
    }

    /// Removes what a server has of it.
    pub(crate) fn remove(&self, connection: &mut Connection) -> RedisResult<()> {
        let all: Vec<u64> = (0..self.next).collect();
        for some in all.chunks(AT_ONCE) {
            let mut removed = redis::pipe();
            for number in some {
                removed.cmd("UNLINK").arg(self.key(*number)).ignore();
            }
            removed.query::<()>(connection)?;
        }
        Ok(())
    }

    fn key(&self, number: u64) -> String {
        format!("{}:{number}", self.prefix)
    }

    /// `*3 $3 SET $n key $m value`, as it is replicated.
    fn length(&self, number: u64) -> u64 {
        let word = |length: usize| length.to_string().len() + 5 + length;
        (4 + word(3) + word(self.key(number).len()) + word(number.to_string().len())) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_as_long_as_its_protocol() {
        let writes = TrackedWrites::new("p".to_owned());
        let text = "*3\r\n$3\r\nSET\r\n$4\r\np:12\r\n$2\r\n12\r\n";
        assert_eq!(writes.length(12), text.len() as u64);
    }
}

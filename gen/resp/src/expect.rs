//! What each command of a run may be answered with, and whether an answer is a hit or a miss.

use super::fast_reply::FastReply;
use super::reply::Reply;
use crate::command::{Answers, Commands};
use crate::limits::MAX_COMMANDS;
use crate::units::CommandId;
use crate::values::Values;

/// What an answer is to its request. Errors are the caller's to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// One that it may get.
    Done,
    /// A read found something.
    Found,
    /// A read found nothing.
    Nothing,
    /// One that it cannot get.
    Wrong,
}

/// The commands of a run by what they may be answered with.
#[derive(Debug, Clone)]
pub struct Expected {
    rows: [Row; MAX_COMMANDS],
    fast_reply: [FastReply; MAX_COMMANDS],
    count: usize,
    reads: u32,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    /// Replies to one request.
    replies: u16,
    answers: Answers,
    reads: bool,
    verifies: bool,
    repeats: bool,
}

impl Expected {
    /// What these commands get, when they carry and find these values.
    #[must_use]
    pub fn of(commands: &Commands, values: &Values) -> Self {
        let (reads, verifies, repeats) = (false, false, true);
        let nothing = Row { replies: 1, answers: Answers::ANY, reads, verifies, repeats };
        let (mut rows, mut fast_reply) = ([nothing; MAX_COMMANDS], [FastReply::NONE; MAX_COMMANDS]);
        let mut reads = 0;
        for (index, command) in commands.list.iter().enumerate() {
            let (answers, is_read, verifies) = (command.answers, command.reads, command.verifies);
            let repeats = command.repeats;
            rows[index] = Row { replies: 1, answers, reads: is_read, verifies, repeats };
            reads |= u32::from(is_read) << index;
            fast_reply[index] = match values.sizes().fixed() {
                // What its answer is to the whole must be seen.
                _ if command.part_of.is_some() => FastReply::NONE,
                _ if answers == Answers::STATUS => FastReply::ok(),
                Some(bytes) if verifies => FastReply::value(bytes),
                _ => FastReply::NONE,
            };
        }
        if let (Some(id), Some(count)) = (commands.transaction_id(), commands.transaction) {
            let (replies, answers) = (count as u16 + 2, Answers::AGGREGATE);
            let repeats = commands.list.iter().all(|one| one.repeats || one.weight == 0);
            rows[id.index()] = Row { replies, answers, repeats, ..nothing };
        }
        Self { rows, fast_reply, count: commands.len(), reads }
    }

    /// How many commands there are.
    #[must_use]
    #[inline]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The commands that read, by bit.
    #[must_use]
    #[inline]
    pub const fn reads(&self) -> u32 {
        self.reads
    }

    /// The reply that a command nearly always gets.
    #[must_use]
    #[inline]
    pub const fn fast_reply(&self, command: CommandId) -> &FastReply {
        &self.fast_reply[command.index()]
    }

    /// Replies to one request: more than one for a transaction.
    #[must_use]
    #[inline]
    pub const fn replies(&self, command: CommandId) -> u16 {
        self.rows[command.index()].replies
    }

    /// Whether the answer is the value of the request's key.
    #[must_use]
    #[inline]
    pub const fn is_value_of_key(&self, command: CommandId) -> bool {
        self.rows[command.index()].verifies
    }

    /// Whether a request of which nobody knows whether it was done may be done again.
    #[must_use]
    #[inline]
    pub const fn repeats(&self, command: CommandId) -> bool {
        self.rows[command.index()].repeats
    }

    /// What `reply` is to a request of `command`; `nulls` elements of an aggregate are nothing.
    #[must_use]
    pub fn judge(&self, command: CommandId, reply: Reply, nulls: u64) -> Fit {
        let row = &self.rows[command.index()];
        let kind = match reply {
            Reply::Status => Answers::STATUS,
            Reply::Integer(_) => Answers::INTEGER,
            Reply::Value(_) => Answers::VALUE,
            Reply::Null => Answers::NULL,
            Reply::Aggregate(_) => Answers::AGGREGATE,
            Reply::Error | Reply::Push(_) => return Fit::Wrong,
        };
        let is_whole = match reply {
            Reply::Aggregate(elements) if row.replies > 1 => elements + 2 == u64::from(row.replies),
            _ => true,
        };
        match reply {
            _ if !row.answers.allow(kind) || !is_whole => Fit::Wrong,
            _ if !row.reads => Fit::Done,
            Reply::Null => Fit::Nothing,
            Reply::Aggregate(elements) if elements == nulls => Fit::Nothing,
            _ => Fit::Found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::built_in;

    #[test]
    fn replies_fit_their_commands() {
        let names = ["get", "set", "incr", "mget:2", "hgetall"];
        let list = names.map(|name| built_in(name).unwrap()).to_vec();
        let commands = Commands { list, transaction: Some(3) };
        let expected = Expected::of(&commands, &Values::fixed(1, 4));
        for (index, reply, nulls, fit) in [
            (0, Reply::Value(4), 0, Fit::Found),
            (0, Reply::Null, 0, Fit::Nothing),
            (0, Reply::Integer(1), 0, Fit::Wrong),
            (1, Reply::Status, 0, Fit::Done),
            (1, Reply::Null, 0, Fit::Wrong),
            (2, Reply::Integer(1), 0, Fit::Done),
            (2, Reply::Value(1), 0, Fit::Wrong),
            (3, Reply::Aggregate(2), 1, Fit::Found),
            (3, Reply::Aggregate(2), 2, Fit::Nothing),
            (4, Reply::Aggregate(0), 0, Fit::Nothing),
            (5, Reply::Aggregate(3), 0, Fit::Done),
            (5, Reply::Aggregate(2), 0, Fit::Wrong),
            (5, Reply::Null, 0, Fit::Wrong),
        ] {
            assert_eq!(expected.judge(CommandId(index), reply, nulls), fit, "{index} {reply:?}");
        }
        assert_eq!((expected.replies(CommandId(5)), expected.reads()), (5, 0b11001));
    }
}

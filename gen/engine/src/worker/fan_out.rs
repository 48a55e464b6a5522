//! Requests of several keys that lie in several slots of a cluster: each goes out as one request for
//! each key, and is over when the last of them is.
//!
//! It stays one request with one intended time. It is sent when its first part is, and its answer is
//! the worst that one of its parts got.

use crate::limits::MAX_FANNED_OUT;
use crate::measure::outcome::Outcome;
use crate::units::Nanos;
use stallion_resp::command::Commands;
use stallion_resp::limits::MAX_COMMANDS;
use stallion_resp::op::{Distributions, Draw, Op};
use stallion_resp::units::{CommandId, KeyId};

/// The requests of one worker whose parts are under way.
#[derive(Debug)]
pub struct FanOut {
    /// By command: that which asks for one of its keys, and how many it names.
    divided: [Option<(CommandId, u32)>; MAX_COMMANDS],
    /// The keys of the request that is being divided.
    keys: Vec<KeyId>,
    wholes: Vec<Whole>,
    free: Vec<u32>,
    most: usize,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// What was asked.
    pub op: Op,
    /// Intended time.
    pub due: Nanos,
    /// When the first of its parts was handed to the kernel; never before one was.
    pub sent: Nanos,
    /// How many parts it has.
    pub parts: u32,
    left: u32,
    failed: u32,
    /// How it ended, if all parts have.
    pub outcome: Outcome,
}

impl Whole {
    /// Whether some of its parts were answered, and others failed.
    #[must_use]
    pub const fn is_partly(&self) -> bool {
        self.failed > 0 && self.failed < self.parts
    }
}

impl FanOut {
    /// For these commands; none when none of them is divided.
    #[must_use]
    pub fn of(commands: &Commands) -> Option<Self> {
        let mut divided = [None; MAX_COMMANDS];
        for (at, command) in commands.list.iter().enumerate() {
            let part = commands.part(CommandId(at as u8));
            divided[at] = part.map(|part| (part, command.keys() as u32));
        }
        let most = divided.iter().flatten().map(|(_, keys)| *keys as usize).max()?;
        let (keys, free) = (Vec::with_capacity(most), Vec::with_capacity(MAX_FANNED_OUT));
        Some(Self { divided, keys, wholes: Vec::with_capacity(MAX_FANNED_OUT), free, most })
    }

    /// The most parts that one request has.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Whether one more can be begun.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.free.is_empty() || self.wholes.len() < MAX_FANNED_OUT
    }

    /// What asks for one key of a command; none when it is sent as it is.
    #[inline]
    #[must_use]
    pub fn part(&self, command: CommandId) -> Option<CommandId> {
        self.divided[command.index()].map(|(part, _)| part)
    }

    /// Begins one that was drawn by `distributions`, and gives its number. The caller has seen that there is
    /// room. Its keys follow one by one from [`FanOut::key`].
    pub fn begin(
        &mut self,
        op: Op,
        due: Nanos,
        distributions: Distributions<'_, impl Draw>,
    ) -> u32 {
        let parts = self.divided[op.command.index()].map_or(1, |(_, keys)| keys);
        let (mut rest, mut key) = (distributions.rest(op), op.key);
        self.keys.clear();
        self.keys.push(key);
        for _ in 1..parts {
            key = rest.key(key);
            self.keys.push(key);
        }
        let (sent, left, failed) = (Nanos::NEVER, parts, 0);
        let whole = Whole { op, due, sent, parts, left, failed, outcome: Outcome::Miss };
        let at = self.free.pop().unwrap_or(self.wholes.len() as u32);
        match self.wholes.get_mut(at as usize) {
            Some(place) => *place = whole,
            None => self.wholes.push(whole),
        }
        at + 1
    }

    /// One key of the request that was begun last.
    #[must_use]
    pub fn key(&self, index: usize) -> Option<KeyId> {
        self.keys.get(index).copied()
    }

    /// A part ended that was sent at `sent`. Gives the whole when it was the last.
    pub fn end(&mut self, number: u32, sent: Nanos, outcome: Outcome) -> Option<Whole> {
        let at = number.checked_sub(1)?;
        let whole = self.wholes.get_mut(at as usize)?;
        whole.left -= 1;
        whole.failed += u32::from(rank(outcome) > rank(Outcome::Hit));
        whole.sent = whole.sent.min(sent);
        if rank(outcome) > rank(whole.outcome) {
            whole.outcome = outcome;
        }
        let ended = *whole;
        if ended.left > 0 {
            return None;
        }
        self.free.push(at);
        Some(ended)
    }
}

/// Of two outcomes the request has the one that weighs more: an answer holds something if one of its
/// parts does, and it has failed if one of them has.
const fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Miss => 0,
        Outcome::Ok => 1,
        Outcome::Hit => 2,
        Outcome::Error(_) => 3,
        Outcome::Lost => 4,
        Outcome::Timeout => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::outcome::ErrorKind;
    use crate::workload::keys::Keys;
    use crate::workload::mix::{Mix, Ttl};
    use crate::workload::{Traffic, Workload};
    use stallion_resp::command::{Command, built_in};

    fn commands() -> Commands {
        Commands::of(vec![Command::get(1), built_in("mget:3").unwrap()]).with_parts()
    }

    #[test]
    fn a_request_ends_with_its_last_part_and_as_its_worst() {
        let commands = commands();
        let mut parts = FanOut::of(&commands).unwrap();
        assert_eq!((parts.most(), parts.part(CommandId(0))), (3, None));
        assert_eq!(parts.part(CommandId(1)), Some(CommandId(2)));
        let mix = Mix::new(&commands.list, Ttl::NONE);
        let traffic = Workload::Traffic(Traffic::new(Keys::Uniform { keys: 1_000 }, mix, 1));
        let op = Op { command: CommandId(1), nonce: 7, key: KeyId(5), ttl_s: 0 };
        let error = Outcome::Error(ErrorKind::ClusterDown);
        for (outcomes, whole, partly) in [
            ([Outcome::Miss, Outcome::Hit, Outcome::Miss], Outcome::Hit, false),
            ([Outcome::Miss; 3], Outcome::Miss, false),
            ([Outcome::Hit, error, Outcome::Hit], error, true),
            ([Outcome::Lost, error, Outcome::Timeout], Outcome::Timeout, false),
        ] {
            let number = parts.begin(op, Nanos(1), traffic.distributions());
            assert_eq!(number, 1, "its place is used again");
            assert_eq!((parts.key(0), parts.key(3)), (Some(KeyId(5)), None));
            let [first, second, third] = outcomes;
            assert_eq!(parts.end(number, Nanos(9), first), None);
            assert_eq!(parts.end(number, Nanos(4), second), None);
            let ended = parts.end(number, Nanos(6), third).unwrap();
            assert_eq!((ended.op, ended.sent, ended.parts), (op, Nanos(4), 3));
            assert_eq!((ended.outcome, ended.is_partly()), (whole, partly));
        }
    }

    #[test]
    fn its_keys_are_those_that_it_would_name_whole() {
        use stallion_resp::encoder::Encoder;
        use stallion_resp::values::Values;
        let commands = commands();
        let mix = Mix::new(&commands.list, Ttl::NONE);
        let traffic = Workload::Traffic(Traffic::new(Keys::Uniform { keys: 1_000 }, mix, 1));
        let mut encoder = Encoder::new(commands.clone(), "key:", Values::fixed(1, 10));
        let mut parts = FanOut::of(&commands).unwrap();
        let op = Op { command: CommandId(1), nonce: 7, key: KeyId(5), ttl_s: 0 };
        parts.begin(op, Nanos(1), traffic.distributions());
        let mut out = vec![0; encoder.longest()];
        let length = encoder.encode(op, traffic.distributions(), &mut out);
        let text = String::from_utf8_lossy(&out[..length]).into_owned();
        let names: Vec<String> =
            (0..3).map(|at| format!("key:{:012}", parts.key(at).unwrap().0)).collect();
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with("key:")).collect();
        assert_eq!(found, names);
    }
}

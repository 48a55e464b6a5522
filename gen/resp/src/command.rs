//! The commands of a run: each a template of words, the type of its key, and what it may answer.
//!
//! A request is a pure function of its command, its key and a nonce of 16 bits, so that it can be
//! made again from the one word that is kept of it in flight.

mod built_in;

mod family;

pub mod words;

mod parts;

use serde::Serialize;
use sha1_smol::Sha1;
use thiserror::Error;

pub use built_in::{BUILT_INS, built_in};
pub use family::{Answers, KeyType};

use family::Family;
use words::{Piece, Word, WordsError, split};

use crate::units::CommandId;

/// One command of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The name under which it is counted.
    pub name: String,
    /// What it was made of, for people.
    pub text: String,
    /// How often it is drawn, against the sum of all weights.
    pub weight: u32,
    /// Its words.
    #[serde(skip)]
    pub words: Vec<Word>,
    /// What kind of value its keys hold.
    pub key_type: KeyType,
    /// Which replies fit it.
    #[serde(skip)]
    pub answers: Answers,
    /// It reads: an answer that holds something is a hit, one that holds nothing is a miss.
    #[serde(skip)]
    pub reads: bool,
    /// Its answer is the value of its key, which `--verify` can check.
    #[serde(skip)]
    pub verifies: bool,
    /// It is a SET that may get a time to live.
    #[serde(skip)]
    pub expires: bool,
    /// The script that it runs by its digest.
    #[serde(skip)]
    pub script: Option<String>,
    /// Done twice it leaves what it leaves when it is done once: lost with a connection, it may be
    /// sent again.
    #[serde(skip)]
    pub repeats: bool,
    /// It asks for one key of the command of this id, and is never drawn by itself.
    #[serde(skip)]
    pub part_of: Option<CommandId>,
}

/// The commands of a run; the place of each is its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commands {
    /// What is drawn by weight.
    pub list: Vec<Command>,
    /// So many of them at a time between MULTI and EXEC; the id of that is the first after the
    /// list's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<usize>,
}

impl Commands {
    /// These, each sent alone.
    #[must_use]
    pub const fn of(list: Vec<Command>) -> Self {
        Self { list, transaction: None }
    }

    /// GET and SET by weight; one whose weight is 0 is left out.
    #[must_use]
    pub fn reads_and_writes(reads: u32, writes: u32) -> Self {
        let mut list = vec![Command::get(reads), Command::set(writes)];
        list.retain(|command| command.weight > 0);
        Self::of(list)
    }

    /// The same, with a SET that is never drawn if there is none that may expire.
    #[must_use]
    pub fn with_refill(mut self) -> Self {
        if !self.list.iter().any(|command| command.name == "set" && command.expires) {
            self.list.push(Command::set(0));
            name_apart(&mut self.list);
        }
        self
    }

    /// How many ids there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len() + self.transaction.is_some() as usize
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The name under which the command of an id is counted.
    #[must_use]
    pub fn name(&self, id: CommandId) -> &str {
        self.list.get(id.index()).map_or("multi", |command| &command.name)
    }

    /// The id of the transaction, if that is what is sent.
    #[must_use]
    pub const fn transaction_id(&self) -> Option<CommandId> {
        match self.transaction {
            Some(_) => Some(CommandId(self.list.len() as u8)),
            None => None,
        }
    }
}

/// Why a template is no command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// It cannot be split into words.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// It has no words.
    #[error("there is no command in it: give one such as \"HSET __key__ field __data__\"")]
    Empty,
    /// One that a load generator must not send.
    #[error("{name} {why}; it cannot be part of a mix")]
    Refused {
        /// The command.
        name: String,
        /// What it would do.
        why: &'static str,
    },
    /// A name that stands for none.
    #[error("{name:?} is no command of a mix: give one of {known}, or a template by --command")]
    Unknown {
        /// As asked.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A count that is out of range, or of a command that takes none.
    #[error("{name}:{count} is out of range: give {name}:1 to {name}:{most}")]
    Count {
        /// The command.
        name: String,
        /// As asked.
        count: String,
        /// The most.
        most: usize,
    },
    /// A count of a command that takes none.
    #[error("{name} takes no count: leave out the part after the colon")]
    Countless {
        /// The command.
        name: String,
    },
}

impl Command {
    /// A command from a template such as `HSET __key__ field __data__`: words as redis-cli takes
    /// them, with [placeholders](words).
    ///
    /// # Errors
    /// [`CommandError`] when there are no words, or it is a command that no mix can have.
    pub fn from_template(text: &str) -> Result<Self, CommandError> {
        let words = split(text)?;
        let first = words.first().and_then(Word::literal).ok_or(CommandError::Empty)?;
        let name = String::from_utf8_lossy(first).to_uppercase();
        let family =
            Family::of(&name).map_err(|why| CommandError::Refused { name: name.clone(), why })?;
        // With options a write may answer with the old value, or with nothing.
        let plain = !(name == "SET" && words.len() > 3);
        let is_increment =
            |word: &Word| word.literal().is_some_and(|word| word.eq_ignore_ascii_case(b"INCR"));
        let adds = name == "ZADD" && words.iter().any(is_increment);
        Ok(Self {
            name: name.to_lowercase(),
            text: text.to_owned(),
            weight: 1,
            key_type: family.key_type,
            answers: if plain { family.answers } else { Answers::ANY },
            reads: family.reads,
            verifies: matches!(name.as_str(), "GET" | "HGET") && family.reads,
            expires: name == "SET" && words.len() == 3,
            repeats: family.repeats && !adds,
            words,
            script: None,
            part_of: None,
        })
    }

    /// A script and the words that follow its number of keys, by default the key alone.
    ///
    /// # Errors
    /// [`CommandError`] when the words cannot be split.
    pub fn from_script(lua: &str, args: &str) -> Result<Self, CommandError> {
        let rest = split(args)?;
        let keys = rest.iter().take_while(|word| word.has_key()).count();
        let digest = Sha1::from(lua).digest().to_string();
        let words = ["EVALSHA", &digest, &keys.to_string()].map(Word::text);
        Ok(Self {
            name: "evalsha".to_owned(),
            text: format!("EVALSHA {digest} {keys} {args}"),
            weight: 1,
            words: words.into_iter().chain(rest).collect(),
            key_type: KeyType::String,
            answers: Answers::ANY,
            reads: false,
            verifies: false,
            expires: false,
            script: Some(lua.to_owned()),
            repeats: false,
            part_of: None,
        })
    }

    /// A command of a trace, known by its name in upper case alone: it may answer anything. None for
    /// one that no mix can have.
    #[must_use]
    pub fn recorded(name: &str) -> Option<Self> {
        let family = Family::of(name).ok()?;
        Some(Self {
            name: name.to_lowercase(),
            text: name.to_owned(),
            weight: 1,
            words: Vec::new(),
            key_type: KeyType::String,
            answers: Answers::ANY,
            reads: family.reads,
            verifies: false,
            expires: false,
            script: None,
            repeats: family.repeats,
            part_of: None,
        })
    }

    /// `GET key`, with this weight.
    #[must_use]
    pub fn get(weight: u32) -> Self {
        Self::plain("get", &[Piece::Text(b"GET".to_vec()), Piece::Key], weight)
    }

    /// `SET key value`, with this weight.
    #[must_use]
    pub fn set(weight: u32) -> Self {
        Self::plain("set", &[Piece::Text(b"SET".to_vec()), Piece::Key, Piece::Data], weight)
    }

    fn plain(name: &str, pieces: &[Piece], weight: u32) -> Self {
        let words: Vec<Word> = pieces.iter().map(|piece| Word(vec![piece.clone()])).collect();
        let reads = name == "get";
        Self {
            name: name.to_owned(),
            text: built_in::template(name),
            weight,
            words,
            key_type: KeyType::String,
            answers: if reads { Answers::MAYBE_VALUE } else { Answers::STATUS },
            reads,
            verifies: reads,
            expires: !reads,
            script: None,
            repeats: true,
            part_of: None,
        }
    }

    /// How many keys it names.
    #[must_use]
    pub fn keys(&self) -> usize {
        let others = self.words.iter().flat_map(|word| &word.0);
        1 + others.filter(|piece| **piece == Piece::Other).count()
    }

    /// Whether it names its key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.words.iter().any(Word::has_key)
    }

    /// Whether it has parts that its key does not determine.
    #[must_use]
    pub fn is_varied(&self) -> bool {
        let mut pieces = self.words.iter().flat_map(|word| &word.0);
        pieces.any(|piece| matches!(piece, Piece::Other | Piece::Field | Piece::Number))
    }
}

/// Gives every command a name of its own: the second `hset` is counted as `hset#2`.
pub fn name_apart(commands: &mut [Command]) {
    for index in 1..commands.len() {
        let (before, rest) = commands.split_at_mut(index);
        let name = rest[0].name.clone();
        let is_taken = |name: &str| before.iter().any(|other| other.name == name);
        if !is_taken(&name) {
            continue;
        }
        let mut number = 2;
        while is_taken(&format!("{name}#{number}")) {
            number += 1;
        }
        rest[0].name = format!("{name}#{number}");
    }
}

#[cfg(test)]
mod tests;

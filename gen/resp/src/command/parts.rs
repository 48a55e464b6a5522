//! Commands of several keys that a cluster takes only if all of them lie in one slot, and that say the
//! same when each key is asked for by itself.

use super::words::{Piece, Word};
use super::{Command, Commands};
use crate::units::CommandId;

/// Their names, and how many words each of their keys has.
const DIVISIBLE: [(&[u8], usize); 6] =
    [(b"MGET", 1), (b"MSET", 2), (b"DEL", 1), (b"UNLINK", 1), (b"EXISTS", 1), (b"TOUCH", 1)];

impl Commands {
    /// The same, and for each command of several keys that can be divided the one that asks for one
    /// of its keys. A transaction cannot be divided.
    #[must_use]
    pub fn with_parts(mut self) -> Self {
        if self.transaction.is_none() {
            let numbered = self.list.iter().enumerate();
            let parts: Vec<Command> =
                numbered.filter_map(|(at, one)| one.part(CommandId(at as u8))).collect();
            self.list.extend(parts);
        }
        self
    }

    /// The command that asks for one key of this one; none when it is sent as it is.
    #[must_use]
    pub fn part(&self, id: CommandId) -> Option<CommandId> {
        let at = self.list.iter().position(|command| command.part_of == Some(id));
        at.map(|at| CommandId(at as u8))
    }
}

impl Command {
    /// What asks for one of its keys; none when it has but one, or is no command that can be divided,
    /// or when its keys differ in more than their digits.
    fn part(&self, id: CommandId) -> Option<Self> {
        let (name, words) = self.words.split_first()?;
        let literal = name.literal()?;
        let is_it = |known: &&(&[u8], usize)| literal.eq_ignore_ascii_case(known.0);
        let (_, each) = DIVISIBLE.iter().find(is_it)?;
        let mut groups = words.chunks(*each).map(|group| group.iter().map(own).collect());
        let first: Vec<Word> = groups.next()?;
        let is_one = self.keys() < 2 || !first.first()?.has_key() || !first.iter().all(is_plain);
        if is_one || !groups.all(|group: Vec<Word>| group == first) {
            return None;
        }
        let words = std::iter::once(name.clone()).chain(first).collect();
        let (name, text) = (format!("{}/1", self.name), format!("one key of {}", self.text));
        Some(Self { name, text, weight: 0, words, part_of: Some(id), ..self.clone() })
    }
}

/// A word as it is when its key is the request's own.
fn own(word: &Word) -> Word {
    let own = |piece: &Piece| match piece {
        Piece::Other => Piece::Key,
        piece => piece.clone(),
    };
    Word(word.0.iter().map(own).collect())
}

/// Whether a key determines all of a word.
fn is_plain(word: &Word) -> bool {
    word.0.iter().all(|piece| matches!(piece, Piece::Text(_) | Piece::Key | Piece::Data))
}

#[cfg(test)]
mod tests {
    use super::super::built_in;
    use super::*;

    fn parts(text: &str) -> Commands {
        Commands::of(vec![Command::get(1), Command::from_template(text).unwrap()]).with_parts()
    }

    #[test]
    fn keys_are_asked_for_one_by_one() {
        for (text, part) in [
            ("MGET __key__ __other__ __other__", "MGET __key__"),
            ("mset a:__key__ __data__ a:__other__ __data__", "mset a:__key__ __data__"),
            ("DEL __key__ __other__", "DEL __key__"),
        ] {
            let commands = parts(text);
            assert_eq!(commands.part(CommandId(1)), Some(CommandId(2)), "{text}");
            let wanted = Command::from_template(part).unwrap();
            let made = &commands.list[2];
            assert_eq!((&made.words, made.weight), (&wanted.words, 0), "{text}");
            assert_eq!((made.answers, made.reads), (wanted.answers, wanted.reads), "{text}");
            assert_eq!(commands.part(CommandId(0)), None);
        }
    }

    #[test]
    fn what_cannot_be_divided_stays_whole() {
        for text in [
            "MGET __key__",
            "MSETNX __key__ __data__ __other__ __data__",
            "MGET a:__key__ b:__other__",
            "MSET __key__ __field__ __other__ __field__",
            "SUNION __key__ __other__",
            "MSET __key__ __data__ __other__",
        ] {
            assert_eq!(parts(text).list.len(), 2, "{text}");
        }
        let mget = built_in("mget:3").unwrap();
        let in_transactions = Commands { transaction: Some(2), ..Commands::of(vec![mget]) };
        assert_eq!(in_transactions.with_parts().list.len(), 1);
    }
}

//! The commands that a mix knows by name.

use super::{Command, CommandError};
use crate::limits::MAX_COUNT;

/// A name, its template, and how many when a `{}` in it is not told.
struct BuiltIn {
    name: &'static str,
    template: &'static str,
    /// What stands for each of the further ones of N keys.
    each: &'static str,
    count: Option<usize>,
}

const fn plain(name: &'static str, template: &'static str) -> BuiltIn {
    BuiltIn { name, template, each: "", count: None }
}

const fn counted(name: &'static str, template: &'static str, count: usize) -> BuiltIn {
    BuiltIn { name, template, each: "", count: Some(count) }
}

const TABLE: [BuiltIn; 17] = [
    plain("get", "GET __key__"),
    plain("set", "SET __key__ __data__"),
    plain("incr", "INCR __key__"),
    BuiltIn { name: "del", template: "DEL __key__", each: " __other__", count: Some(1) },
    BuiltIn { name: "unlink", template: "UNLINK __key__", each: " __other__", count: Some(1) },
    BuiltIn { name: "mget", template: "MGET __key__", each: " __other__", count: Some(10) },
    BuiltIn {
        name: "mset",
        template: "MSET __key__ __data__",
        each: " __other__ __data__",
        count: Some(10),
    },
    plain("hset", "HSET __key__ __field__ __data__"),
    plain("hget", "HGET __key__ __field__"),
    plain("hgetall", "HGETALL __key__"),
    plain("lpush", "LPUSH __key__ __data__"),
    plain("lpop", "LPOP __key__"),
    counted("lrange", "LRANGE __key__ 0 {last}", 10),
    plain("zadd", "ZADD __key__ __number__ __field__"),
    counted("zrange", "ZRANGE __key__ 0 {last}", 10),
    counted("scan", "SCAN __number__ COUNT {}", 10),
    counted("wait", "WAIT {} 100", 1),
];

/// The name of a script in a mix.
const SCRIPT: &str = "evalsha";

/// What it runs unless `--script` says otherwise: a read, so that it changes nothing.
const DEFAULT_SCRIPT: &str = "return redis.call('GET', KEYS[1])";

/// The names that a mix knows.
pub const BUILT_INS: [&str; TABLE.len() + 1] = {
    let mut names = [SCRIPT; TABLE.len() + 1];
    let mut index = 0;
    while index < TABLE.len() {
        names[index] = TABLE[index].name;
        index += 1;
    }
    names
};

/// The template of a command that takes no count.
pub(super) fn template(name: &str) -> String {
    let found = TABLE.iter().find(|known| known.name == name);
    found.map_or_else(String::new, |known| known.template.to_owned())
}

/// The command of a name, or of a name and a count such as `mget:8`.
///
/// # Errors
/// [`CommandError`] for an unknown name or a count that cannot be.
pub fn built_in(name: &str) -> Result<Command, CommandError> {
    let (name, count) = match name.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (name, None),
    };
    let lower = name.to_lowercase();
    if lower == SCRIPT && count.is_none() {
        // It changes nothing.
        return Ok(Command { repeats: true, ..Command::from_script(DEFAULT_SCRIPT, "__key__")? });
    }
    let Some(known) = TABLE.iter().find(|known| known.name == lower) else {
        let (name, known) = (name.to_owned(), BUILT_INS.join(", "));
        return Err(CommandError::Unknown { name, known });
    };
    let count = match (known.count, count) {
        (None, None) => return Command::from_template(known.template),
        (None, Some(_)) => return Err(CommandError::Countless { name: lower }),
        (Some(usual), None) => usual,
        (Some(_), Some(asked)) => {
            let wrong =
                || CommandError::Count { name: lower, count: asked.to_owned(), most: MAX_COUNT };
            let parsed = asked.parse().ok().filter(|count| (1..=MAX_COUNT).contains(count));
            parsed.ok_or_else(wrong)?
        }
    };
    let others = known.each.repeat(count - 1);
    let text = known.template.replace("{last}", &(count - 1).to_string());
    Command::from_template(&(text.replace("{}", &count.to_string()) + &others))
}

//! Requests as they are sent: drawn by a workload, written by the encoder, and read again.

use proptest::prelude::proptest;
use stallion_engine::workload::keys::Keys;
use stallion_engine::workload::mix::{Mix, Ttl};
use stallion_engine::workload::{Fill, Traffic, Workload};
use stallion_resp::command::{BUILT_INS, Command, Commands, built_in};
use stallion_resp::encoder::{Encoder, key_text, request};
use stallion_resp::limits::KEY_DIGITS;
use stallion_resp::op::Op;
use stallion_resp::sizes::Sizes;
use stallion_resp::tree::Tree;
use stallion_resp::units::{CommandId, KeyId};
use stallion_resp::values::{Content, Values};

fn nothing() -> Workload {
    Workload::Fill(Fill::new(0, 1, 0, 1, Ttl::NONE, 1, 1))
}

fn traffic(commands: &Commands) -> Workload {
    let mix = Mix::new(&commands.list, Ttl::NONE);
    Workload::Traffic(Traffic::new(Keys::Uniform { keys: 1_000 }, mix, 1))
}

fn encoded(encoder: &mut Encoder, op: Op, workload: &Workload) -> Vec<u8> {
    let mut out = vec![0xff; encoder.longest()];
    let length = encoder.encode(op, workload.distributions(), &mut out);
    out.truncate(length);
    out
}

/// The words of every request in a stream.
fn requests(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let Ok(Some(tree)) = Tree::read(&mut bytes) else { panic!("no whole request: {bytes:?}") };
        let word = |tree: &Tree| match tree {
            Tree::Text(bytes) => bytes.clone(),
            other => panic!("{other:?}"),
        };
        requests.push(tree.list().iter().map(word).collect());
    }
    requests
}

fn value(values: &Values, key: u64) -> Vec<u8> {
    let mut value = vec![0; values.size_of(KeyId(key))];
    values.write(KeyId(key), &mut value);
    value
}

/// The number at the end of a key.
fn number(key: &[u8]) -> u64 {
    String::from_utf8_lossy(&key[key.len() - KEY_DIGITS..]).parse().unwrap_or(u64::MAX)
}

proptest! {
    #[test]
    fn templates_write_what_the_general_encoder_writes(
        key in 0_u64..1_000_000_000_000, size in 0_usize..5_000, ttl_s: u32, write: bool, by_distribution: bool,
    ) {
        let distribution = if by_distribution { format!("{size}-{}", size + 9) } else { size.to_string() };
        let values = Values::new(1, distribution.parse::<Sizes>().unwrap(), Content::Random);
        let commands = Commands::of(vec![Command::get(1), Command::set(1)]);
        let mut encoder = Encoder::new(commands, "key:", values.clone());
        let ttl_s = if write { ttl_s } else { 0 };
        let op = Op { command: CommandId(u8::from(write)), nonce: 0, key: KeyId(key), ttl_s };
        let text = key_text("key:", KeyId(key));
        let (value, ttl) = (value(&values, key), ttl_s.to_string());
        let words: Vec<&[u8]> = match (write, ttl_s) {
            (false, _) => vec![b"GET", text.as_bytes()],
            (true, 0) => vec![b"SET", text.as_bytes(), &value],
            (true, _) => vec![b"SET", text.as_bytes(), &value, b"EX", ttl.as_bytes()],
        };
        assert_eq!(encoded(&mut encoder, op, &nothing()), request(&words));
    }

    #[test]
    fn every_built_in_is_one_request_and_the_same_twice(key in 0_u64..1_000, nonce: u16) {
        for name in BUILT_INS {
            let commands = Commands::of(vec![built_in(name).unwrap()]);
            let workload = traffic(&commands);
            let words = commands.list[0].words.len();
            let values = Values::new(1, "5-50".parse().unwrap(), Content::Pattern);
            let mut encoder = Encoder::new(commands, "key:", values);
            let op = Op { command: CommandId(0), nonce, key: KeyId(key), ttl_s: 0 };
            let bytes = encoded(&mut encoder, op, &workload);
            let read = requests(&bytes);
            assert_eq!((read.len(), read[0].len()), (1, words), "{name}");
            assert_eq!(bytes, encoded(&mut encoder, op, &workload), "{name}");
        }
    }

    #[test]
    fn a_value_follows_its_own_key(key in 0_u64..1_000, nonce: u16) {
        let commands = Commands::of(vec![built_in("mset:5").unwrap()]);
        let workload = traffic(&commands);
        let values = Values::new(1, "5-50".parse().unwrap(), Content::Random);
        let mut encoder = Encoder::new(commands, "key:", values.clone());
        let op = Op { command: CommandId(0), nonce, key: KeyId(key), ttl_s: 0 };
        let words = requests(&encoded(&mut encoder, op, &workload)).remove(0);
        assert_eq!(number(&words[1]), key);
        for pair in words[1..].chunks(2) {
            assert_eq!(pair[1], value(&values, number(&pair[0])));
        }
    }
}

#[test]
fn keys_of_different_types_have_different_names() {
    let list = ["get", "incr", "hset", "lpush", "zadd"].map(|name| built_in(name).unwrap());
    let commands = Commands::of(list.to_vec());
    let workload = traffic(&commands);
    let mut encoder = Encoder::new(commands, "p:", Values::fixed(1, 4));
    let mut keys: Vec<Vec<u8>> = (0..5)
        .map(|id| {
            let op = Op { command: CommandId(id), key: KeyId(7), ..Op::default() };
            let key = requests(&encoded(&mut encoder, op, &workload))[0][1].clone();
            assert_eq!(key, encoder.key_text(CommandId(id), KeyId(7)));
            key
        })
        .collect();
    assert_eq!(keys[2], b"p:hash:000000000007");
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5);
}

#[test]
fn a_transaction_is_framed_and_its_commands_follow_the_mix() {
    let list = vec![built_in("incr").unwrap(), built_in("mget:3").unwrap()];
    let commands = Commands { transaction: Some(50), ..Commands::of(list) };
    let workload = traffic(&commands);
    let mut encoder = Encoder::new(commands, "k", Values::fixed(1, 4));
    let op = Op { command: CommandId(2), nonce: 9, key: KeyId(7), ttl_s: 0 };
    let read = requests(&encoded(&mut encoder, op, &workload));
    assert_eq!((read.len(), &read[0][0][..], &read[51][0][..]), (52, &b"MULTI"[..], &b"EXEC"[..]));
    assert_eq!(number(&read[1][1]), 7);
    let reads = read[1..51].iter().filter(|words| words[0] == b"MGET").count();
    assert!((10..40).contains(&reads), "{reads} of 50 at even weights");
}

#[test]
fn a_lost_script_is_sent_in_full_once() {
    let commands = Commands::of(vec![built_in("evalsha").unwrap(), Command::get(1)]);
    let mut encoder = Encoder::new(commands, "k", Values::fixed(1, 4));
    let op = Op::default();
    let first =
        |encoder: &mut Encoder, op| requests(&encoded(encoder, op, &nothing())).remove(0).remove(0);
    assert_eq!(first(&mut encoder, op), b"EVALSHA");
    encoder.forget_script(CommandId(0));
    assert_eq!(first(&mut encoder, Op { command: CommandId(1), ..op }), b"GET");
    assert_eq!(first(&mut encoder, op), b"EVAL");
    assert_eq!(first(&mut encoder, op), b"EVALSHA");
}

use super::*;

#[test]
fn plain_commands_are_their_templates() {
    for (plain, text) in
        [(Command::get(1), "GET __key__"), (Command::set(1), "SET __key__ __data__")]
    {
        assert_eq!(plain, Command::from_template(text).unwrap());
        assert_eq!(plain, built_in(&plain.name).unwrap());
    }
}

#[test]
fn counts_make_words() {
    let mget = built_in("mget:3").unwrap();
    assert_eq!((mget.words.len(), mget.keys()), (4, 3));
    let mset = built_in("mset").unwrap();
    assert_eq!((mset.words.len(), mset.keys()), (21, 10));
    assert_eq!(built_in("LRANGE:5").unwrap().text, "LRANGE __key__ 0 4");
    for (name, words) in [
        ("mget:0", "mget:1 to mget:"),
        ("mget:x", "mget:x"),
        ("get:2", "takes no count"),
        ("geet", "lrange"),
    ] {
        let error = built_in(name).unwrap_err().to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[test]
fn every_name_is_a_command() {
    for name in BUILT_INS {
        assert_eq!(built_in(name).unwrap().name, name);
    }
}

#[test]
fn what_breaks_the_order_of_answers_is_refused() {
    for text in ["subscribe a", "MULTI", "CLIENT REPLY OFF", "", "  ", "__key__"] {
        assert!(Command::from_template(text).is_err(), "{text:?}");
    }
    assert!(Command::from_template("MODULE.CMD __key__").is_ok());
}

#[test]
fn a_script_names_its_keys() {
    let script = Command::from_script("return 1", "__key__ __other__ 5").unwrap();
    // From redis-cli: SCRIPT LOAD "return 1".
    assert!(script.text.starts_with("EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 2 "));
    assert_eq!(script.keys(), 2);
}

#[test]
fn names_are_made_different() {
    let mut list = vec![Command::get(1), Command::get(1), Command::set(1), Command::get(1)];
    name_apart(&mut list);
    let names: Vec<&str> = list.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["get", "get#2", "set", "get#3"]);
}

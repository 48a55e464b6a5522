//! URLs: what is understood, what is refused, and that a password is never shown.

use proptest::prelude::*;
use stallion_server::{GivenLogin, Place, Url};

fn read(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{error}"))
}

fn tcp(host: &str, port: u16) -> Place {
    Place::Tcp { host: host.to_owned(), port }
}

#[test]
fn every_form_has_one_meaning() {
    let unix = |path: &str| Place::Unix(path.into());
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    for (url, place, user, password, database, by_tls) in [
        ("redis://h", tcp("h", 6379), "", "", None, false),
        ("valkey://h:7000/", tcp("h", 7000), "", "", None, false),
        ("REDIS://h/0", tcp("h", 6379), "", "", Some(0), false),
        ("rediss://h/3", tcp("h", 6379), "", "", Some(3), true),
        ("valkeys://[::1]:7/15?", tcp("::1", 7), "", "", Some(15), true),
        ("redis://[::1]", tcp("::1", 6379), "", "", None, false),
        ("redis://[fe80::1%25lo]:7", tcp("fe80::1%lo", 7), "", "", None, false),
        ("redis://h?db=4", tcp("h", 6379), "", "", Some(4), false),
        ("redis://:secret@h", tcp("h", 6379), "", "secret", None, false),
        ("redis://bob:p@ss@h:7000/0", tcp("h", 7000), "bob", "p@ss", Some(0), false),
        ("redis://bob:p%40ss@h", tcp("h", 6379), "bob", "p@ss", None, false),
        ("redis://b%6Fb:a%2Fb%3Ac%25d%23e@h/1", tcp("h", 6379), "bob", "a/b:c%d#e", Some(1), false),
        ("redis://bob@h", tcp("h", 6379), "bob", "", None, false),
        ("redis://%C3%BCnal:%F0%9F%94%91@h", tcp("h", 6379), "ünal", "🔑", None, false),
        ("unix:///run/r.sock", unix("/run/r.sock"), "", "", None, false),
        ("unix:///run/with%20space?db=2", unix("/run/with space"), "", "", Some(2), false),
        ("unix:///run/at@home", unix("/run/at@home"), "", "", None, false),
        ("unix://bob:pw@/run/r.sock?db=1", unix("/run/r.sock"), "bob", "pw", Some(1), false),
    ] {
        let found = read(url);
        assert_eq!(found.place, place, "{url}");
        assert_eq!((found.login.user, found.login.password), (text(user), text(password)), "{url}");
        assert_eq!((found.database, found.by_tls), (database, by_tls), "{url}");
    }
    assert_eq!(read("redis://alice:@h").login.password.as_deref(), Some(""), "a nopass user's");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (url, wanted) in [
        ("http://a", "redis://"),
        ("h:7000", "redis://"),
        ("redis://", "redis://"),
        ("redis://:hidden@", "redis://"),
        ("redis:///3", "redis://"),
        ("redis://h:0", "port"),
        ("redis://h:x", "port"),
        ("redis://h:+7", "port"),
        ("redis://h:65536", "port"),
        ("redis://[::1]7", "port"),
        ("redis://[::1", "]"),
        ("redis://[h]:7", "brackets"),
        ("redis://a b:7", "no name of a host"),
        ("redis://h/abc", "database"),
        ("redis://h/-1", "database"),
        ("redis://h/1/2", "database"),
        ("redis://h/4294967296", "database"),
        ("redis://h/1?db=2", "twice"),
        ("redis://h?db=2&db=2", "twice"),
        ("redis://h?db=x", "database"),
        ("redis://h?timeout=5", "?timeout="),
        ("unix:///s?pass=hidden", "?pass="),
        ("redis://h/0#insecure", "fragment"),
        ("redis://u:hidden%4@h", "%25"),
        ("redis://u:hidden%zz@h", "%25"),
        ("redis://u:hidden%FF@h", "password is no text"),
        ("unix://run/r.sock", "begins with /"),
        ("unix://", "begins with /"),
        ("unix://u:hidden@run/r.sock", "begins with /"),
    ] {
        let error = Url::parse(url).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.starts_with("--target"), "{url}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[test]
fn it_is_shown_with_its_database_and_without_its_login() {
    for (url, shown) in [
        ("redis://bob:pw@h", "redis://h:6379"),
        ("valkeys://:pw@[::1]:7/2", "rediss://[::1]:7/2"),
        ("unix://bob:pw@/s?db=1", "unix:///s?db=1"),
    ] {
        assert_eq!(read(url).to_string(), shown);
        assert!(!format!("{:?}", read(url)).contains("pw"));
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

proptest! {
    #[test]
    fn what_is_encoded_comes_out_as_it_was(
        user in "\\PC{1,12}", password in "\\PC{0,24}", port in 1_u16.., database in any::<u32>(),
    ) {
        let url = format!("redis://{}:{}@h:{port}/{database}", encoded(&user), encoded(&password));
        let found = read(&url);
        prop_assert_eq!(found.place, tcp("h", port));
        prop_assert_eq!(found.database, Some(database));
        let login = GivenLogin { url: found.login, ..GivenLogin::default() }.combined().unwrap();
        prop_assert_eq!(login.user, Some(user));
        prop_assert_eq!(login.password, Some(password));
    }

    #[test]
    fn no_text_is_a_panic_and_no_error_shows_a_login(
        scheme in "(redis|rediss|unix|x)?(://)?", secret in "[a-z:%@/?#]{0,6}hidden[a-z:%@/]{0,6}",
        place in "[\\[\\]a-z0-9:/?#%=]{0,16}",
    ) {
        let url = format!("{scheme}u:{secret}@{place}");
        if let Err(error) = Url::parse(&url) {
            prop_assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }
}

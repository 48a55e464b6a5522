//! What a connection says first: HELLO and AUTH, the same for control and for traffic.

use crate::plan::{Credentials, Plan};
use stallion_engine::mitigation::MitigationKind;
use stallion_engine::worker::Greeting;
use stallion_resp::encoder::request;

/// The hand-shake for `credentials`; a PING for RESP2 without a password, which proxies know that
/// know neither HELLO nor AUTH. Its answer proves each connection before a request depends on it:
/// a server above its maxclients accepts a connection, and only then says that it will not serve.
#[must_use]
pub fn greeting(credentials: &Credentials, resp3: bool) -> Greeting {
    let user = credentials.user.as_deref().unwrap_or("default").as_bytes();
    let password = credentials.password.as_deref().map(str::as_bytes);
    let bytes = match (resp3, password) {
        (true, None) => request(&[b"HELLO", b"3"]),
        (true, Some(password)) => request(&[b"HELLO", b"3", b"AUTH", user, password]),
        (false, None) => request(&[b"PING"]),
        // Servers before 6.0 know AUTH with one word only.
        (false, Some(password)) if credentials.user.is_none() => request(&[b"AUTH", password]),
        (false, Some(password)) => request(&[b"AUTH", user, password]),
    };
    Greeting { bytes, replies: 1 }
}

/// The hand-shake of a connection that carries requests: after the greeting its database and its
/// name, when they are not the usual ones. It goes out in one piece, and every answer is awaited.
#[must_use]
pub fn session(plan: &Plan) -> Greeting {
    let Greeting { mut bytes, mut replies } =
        greeting(&plan.credentials, plan.resp3 || plan.mitigation.is_some());
    let mut say = |words: &[&[u8]]| {
        bytes.extend(request(words));
        replies += 1;
    };
    if let Some(MitigationKind::LocalCache { broadcast, .. }) = plan.mitigation {
        let prefix = plan.key_prefix.as_bytes();
        if broadcast {
            say(&[b"CLIENT", b"TRACKING", b"ON", b"BCAST", b"PREFIX", prefix]);
        } else {
            say(&[b"CLIENT", b"TRACKING", b"ON"]);
        }
    }
    if let Some(MitigationKind::ReplicaRead { .. }) = plan.mitigation {
        // A primary does not mind, and may be a replica tomorrow.
        say(&[b"READONLY"]);
    }
    if plan.db > 0 {
        say(&[b"SELECT", plan.db.to_string().as_bytes()]);
    }
    if let Some(name) = &plan.client_name {
        say(&[b"CLIENT", b"SETNAME", name.as_bytes()]);
    }
    Greeting { bytes, replies }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fit_the_credentials() {
        let who = |user: Option<&str>, password: Option<&str>| Credentials {
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
            tls: None,
        };
        let text = |greeting: Greeting| String::from_utf8(greeting.bytes).unwrap();
        assert!(text(greeting(&who(None, None), false)).contains("PING"));
        assert!(text(greeting(&who(None, Some("pw")), false)).starts_with("*2\r\n$4\r\nAUTH"));
        assert!(text(greeting(&who(Some("u"), Some("pw")), false)).starts_with("*3\r\n$4\r\nAUTH"));
        assert!(text(greeting(&who(None, Some("pw")), true)).contains("default"));
    }
}

//! User and password. They come from the flags, from the URL and from the environment, and combine.

use std::fmt;

use thiserror::Error;

/// The variable of redis-cli that keeps a password out of the list of processes.
const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";

/// Who to be on a server. Its `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// ACL user; none for `default`.
    pub user: Option<String>,
    /// Password; an empty one is a password, which a user with `nopass` takes.
    pub password: Option<String>,
}

/// Where user and password may come from.
#[derive(Clone, Default)]
pub struct GivenLogin {
    /// `--user`.
    pub user: Option<String>,
    /// `-a` or `--pass`.
    pub password: Option<String>,
    /// What the URL says.
    pub url: Login,
    /// `REDISCLI_AUTH`: for a server without a password of its own.
    pub environment: Option<String>,
}

/// Why they do not go together. No text shows a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginError {
    /// Two users.
    #[error("--user and the user of --target differ: leave one out")]
    Users,
    /// Two passwords.
    #[error("-a/--pass and the password of --target differ: leave one out")]
    Passwords,
    /// A user who cannot log in.
    #[error(
        "--user {0} has no password and would not be logged in: give -a, {PASSWORD_VARIABLE}, or \
         --target redis://user:password@host (-a '' for a user with nopass)"
    )]
    NoPassword(String),
    /// The same of a URL, whose user is not shown: it may be meant as the password.
    #[error(
        "--target names a user and no password: write redis://user:password@host, \
         redis://:password@host for the password of the default user, or give -a or {PASSWORD_VARIABLE}"
    )]
    NoPasswordInUrl,
}

/// The password of the environment; an empty variable is none, as for redis-cli.
#[must_use]
pub fn environment() -> Option<String> {
    std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty())
}

impl GivenLogin {
    /// Who to be. The flags and the URL may not differ; the environment's password stands in where
    /// neither of them has one.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn combined(self) -> Result<Login, LoginError> {
        let Self { user, password, url, environment } = self;
        let by_flag = user.clone();
        let user = one_of(user, url.user).ok_or(LoginError::Users)?;
        let password = one_of(password, url.password).ok_or(LoginError::Passwords)?.or(environment);
        match (user, password) {
            (Some(_), None) => {
                Err(by_flag.map_or(LoginError::NoPasswordInUrl, LoginError::NoPassword))
            }
            (user, password) => Ok(Login { user, password }),
        }
    }
}

/// The one that is given; none when two are given that differ.
fn one_of(flag: Option<String>, url: Option<String>) -> Option<Option<String>> {
    match (&flag, &url) {
        (Some(one), Some(other)) if one != other => None,
        _ => Some(flag.or(url)),
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Login(hidden)")
    }
}

impl fmt::Debug for GivenLogin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("GivenLogin(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn given(user: &str, password: &str, url: (&str, &str), environment: &str) -> GivenLogin {
        let url = Login { user: text(url.0), password: text(url.1) };
        GivenLogin {
            user: text(user),
            password: text(password),
            url,
            environment: text(environment),
        }
    }

    #[test]
    fn each_part_comes_from_where_it_is_given() {
        let nobody = ("", "");
        for (given, user, password) in [
            (given("", "", nobody, ""), "", ""),
            (given("", "", nobody, "env"), "", "env"),
            (given("", "flag", nobody, "env"), "", "flag"),
            (given("", "", ("", "url"), "env"), "", "url"),
            (given("alice", "", nobody, "env"), "alice", "env"),
            (given("alice", "", ("", "url"), ""), "alice", "url"),
            (given("", "flag", ("alice", ""), "env"), "alice", "flag"),
            (given("alice", "same", ("alice", "same"), ""), "alice", "same"),
        ] {
            let login = given.combined().unwrap();
            assert_eq!((login.user, login.password), (text(user), text(password)));
        }
        let nopass = GivenLogin { password: Some(String::new()), ..given("alice", "", nobody, "") };
        assert_eq!(nopass.combined().unwrap().password.as_deref(), Some(""));
    }

    #[test]
    fn what_differs_or_lacks_is_refused_without_showing_it() {
        let cases = [
            (given("alice", "", ("", ""), ""), "--user alice has no password"),
            (given("", "", ("hidden", ""), ""), "names a user and no password"),
            (given("alice", "x", ("bob", ""), ""), "--user and the user"),
            (given("", "hidden", ("", "other-hidden"), ""), "-a/--pass and the password"),
        ];
        for (given, wanted) in cases {
            assert!(!format!("{given:?}").contains("hidden-"));
            let error = given.combined().unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("hidden"), "{error}");
        }
    }
}

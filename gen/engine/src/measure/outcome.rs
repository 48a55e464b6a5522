//! How a request ended, and the kinds of error that are told apart.

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that fits.
    Ok,
    /// A read that found something.
    Hit,
    /// A read that found nothing.
    Miss,
    /// An error reply, or a value that is not the one that was written.
    Error(ErrorKind),
    /// Not answered in time.
    Timeout,
    /// Its connection was lost before the answer.
    Lost,
}

/// Error replies by their first word, and the client's own findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorKind {
    /// `-ERR …`
    Err,
    /// `-OOM …`: maxmemory reached.
    Oom,
    /// `-LOADING …`: the data set is being read.
    Loading,
    /// `-READONLY …`: a replica was asked to write.
    ReadOnly,
    /// `-MISCONF …`: writes are stopped after a failed save.
    MisConf,
    /// `-BUSY …`: a script is running.
    Busy,
    /// `-NOAUTH …`
    NoAuth,
    /// `-WRONGPASS …`
    WrongPass,
    /// `-NOPERM …`
    NoPerm,
    /// `-WRONGTYPE …`
    WrongType,
    /// `-MASTERDOWN …`
    MasterDown,
    /// `-NOREPLICAS …`
    NoReplicas,
    /// `-CLUSTERDOWN …`
    ClusterDown,
    /// `-MOVED slot host:port`
    Moved,
    /// `-ASK slot host:port`
    Ask,
    /// `-TRYAGAIN …`
    TryAgain,
    /// `-CROSSSLOT …`
    CrossSlot,
    /// `-NOSCRIPT …`: the server does not know the script; it is sent in full next.
    NoScript,
    /// `-EXECABORT …`: a command of a transaction was refused.
    ExecAbort,
    /// An error reply that begins with another word.
    Other,
    /// A value that is not the one that was written (`--verify`).
    Verify,
    /// A reply that does not fit its request.
    Unexpected,
    /// Bytes that are no RESP; the connection was closed.
    Protocol,
    /// A connection that could not be opened.
    Connect,
    /// A connection that its peer closed or reset.
    Disconnect,
    /// The store behind the cache refused or failed (`--store`).
    Store,
}

impl ErrorKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 26] = [
        Self::Err,
        Self::Oom,
        Self::Loading,
        Self::ReadOnly,
        Self::MisConf,
        Self::Busy,
        Self::NoAuth,
        Self::WrongPass,
        Self::NoPerm,
        Self::WrongType,
        Self::MasterDown,
        Self::NoReplicas,
        Self::ClusterDown,
        Self::Moved,
        Self::Ask,
        Self::TryAgain,
        Self::CrossSlot,
        Self::NoScript,
        Self::ExecAbort,
        Self::Other,
        Self::Verify,
        Self::Unexpected,
        Self::Protocol,
        Self::Connect,
        Self::Disconnect,
        Self::Store,
    ];

    /// How many there are; counters are arrays of this length.
    pub const COUNT: usize = Self::ALL.len();

    /// The name under which it is counted: Redis's own word, or the client's in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Err => "ERR",
            Self::Oom => "OOM",
            Self::Loading => "LOADING",
            Self::ReadOnly => "READONLY",
            Self::MisConf => "MISCONF",
            Self::Busy => "BUSY",
            Self::NoAuth => "NOAUTH",
            Self::WrongPass => "WRONGPASS",
            Self::NoPerm => "NOPERM",
            Self::WrongType => "WRONGTYPE",
            Self::MasterDown => "MASTERDOWN",
            Self::NoReplicas => "NOREPLICAS",
            Self::ClusterDown => "CLUSTERDOWN",
            Self::Moved => "MOVED",
            Self::Ask => "ASK",
            Self::TryAgain => "TRYAGAIN",
            Self::CrossSlot => "CROSSSLOT",
            Self::NoScript => "NOSCRIPT",
            Self::ExecAbort => "EXECABORT",
            Self::Other => "OTHER",
            Self::Verify => "verify",
            Self::Unexpected => "unexpected",
            Self::Protocol => "protocol",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Store => "store",
        }
    }

    /// What a user can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Oom => "maxmemory is reached: raise it, or set a maxmemory-policy that evicts",
            Self::Loading => "the server is reading its data set: wait until it says PONG",
            Self::ReadOnly => "a replica takes no writes: drive its primary, or read only",
            Self::MisConf => "the server cannot save: see its log",
            Self::Busy => "a script is running: wait, or SCRIPT KILL",
            Self::NoAuth | Self::WrongPass => "give -a PASSWORD (and --user NAME)",
            Self::NoPerm => "the user lacks a right: ACL SETUSER NAME +get +set ~*",
            Self::WrongType => "the keys hold something else: choose another --key-prefix",
            Self::MasterDown => "a replica without its primary: drive the primary",
            Self::NoReplicas => "too few replicas are in step: see min-replicas-to-write",
            Self::ClusterDown => "slots are not served: see CLUSTER INFO",
            Self::Moved | Self::Ask | Self::TryAgain | Self::CrossSlot => {
                "a node of a cluster, and not of these keys alone: give --topology cluster"
            }
            Self::Verify => {
                "a value is not the one that was written: load and drive with the same --seed, \
                 --value-size and --key-prefix"
            }
            Self::NoScript => "the script was lost (SCRIPT FLUSH, a restart) and was sent again",
            Self::ExecAbort => "a command of the transaction is wrong: see its text",
            Self::Err | Self::Other => "the server's own words are in its log or in redis-cli",
            Self::Unexpected | Self::Protocol => "this is not a Redis server, or a proxy broke off",
            Self::Connect => "nobody accepted: see the server's log",
            Self::Disconnect => "the peer closed: see the server's log, `timeout`, maxclients",
            Self::Store => {
                "its queue was full, or it failed: raise --store-queue or --store-servers"
            }
        }
    }

    /// Whether it asks a cluster's client to go on elsewhere or later, and is no failure there.
    #[must_use]
    pub const fn is_redirect(self) -> bool {
        matches!(self, Self::Moved | Self::Ask | Self::TryAgain)
    }

    /// Whether a cluster mends it by itself, so that the request is worth sending again.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::TryAgain
                | Self::ClusterDown
                | Self::Loading
                | Self::ReadOnly
                | Self::MasterDown
                | Self::Disconnect
        )
    }

    /// The kind of a name that [`ErrorKind::name`] gave.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of an error reply, from its text without the sign.
    #[must_use]
    pub fn of_reply(text: &[u8]) -> Self {
        let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .filter(|kind| (*kind as u8) < Self::Verify as u8)
            .find(|kind| kind.name().as_bytes() == word)
            .unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indices() {
        for (index, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(ErrorKind::named(kind.name()), Some(kind));
        }
    }

    #[test]
    fn replies_are_told_apart_by_their_first_word() {
        let kind = |text: &str| ErrorKind::of_reply(text.as_bytes());
        assert_eq!(kind("OOM command not allowed"), ErrorKind::Oom);
        assert_eq!(kind("MOVED 1 a:2"), ErrorKind::Moved);
        assert_eq!(kind("OOMPH"), ErrorKind::Other);
        assert_eq!(kind("verify"), ErrorKind::Other);
        assert_eq!(kind(""), ErrorKind::Other);
    }
}

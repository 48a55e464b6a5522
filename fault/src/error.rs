//! Why a fault was refused or went wrong.

use stallion_server::target::TargetError;
use stallion_stack::respawn::RespawnError;
use thiserror::Error;

/// Why an action was refused, or went wrong.
#[derive(Debug, Error)]
pub enum FaultError {
    /// No action has this name.
    #[error("there is no action `{name}`; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The fault does not know an argument.
    #[error("`{action}` takes no `{argument}`{takes}")]
    Argument {
        /// The fault.
        action: &'static str,
        /// The argument's name.
        argument: String,
        /// What it takes, as the end of the sentence.
        takes: String,
    },
    /// An argument is missing, or has a value that makes no sense.
    #[error("`{action}`: {text}")]
    Value {
        /// The action.
        action: &'static str,
        /// What is wrong, and what is right.
        text: String,
    },
    /// The server was not started by Stallion.
    #[error(
        "`{action}` may harm those who use {target}, and Stallion did not start that server; \
         if it is yours to harm, add --allow-foreign"
    )]
    Foreign {
        /// The action.
        action: &'static str,
        /// The server.
        target: String,
    },
    /// The server could not be reached.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The server refused a command.
    #[error("the server refused a command: {0}")]
    Refused(#[from] redis::RedisError),
    /// The server reported that what it was asked to do failed.
    #[error("{0}")]
    Failed(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl From<RespawnError> for FaultError {
    fn from(error: RespawnError) -> Self {
        match error {
            RespawnError::Target(error) => Self::Target(error),
            RespawnError::Refused(error) => Self::Refused(error),
            RespawnError::Failed(text) => Self::Failed(text),
            RespawnError::Interrupted => Self::Interrupted,
        }
    }
}

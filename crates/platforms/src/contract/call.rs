//! The common part of all calls of a platform's API: access, context and errors.

use model::{Connection, Health, PageFailure, Timestamp};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Location of a connection's API and the credentials for it.
#[derive(Clone)]
pub struct Access {
    /// Scheme, host and port, without a slash at the end.
    pub base_url: String,
    /// The connection's credential; the platform defines its kind.
    pub token: String,
    /// The access token that the platform issued for it, on platforms with [`Tokens`](crate::Tokens).
    pub access_token: Option<String>,
    /// The API version to request; empty for the platform's default.
    pub api_version: String,
    /// The account's name on the platform, for APIs that need it.
    pub account: String,
}

impl From<&Connection> for Access {
    fn from(connection: &Connection) -> Self {
        Self {
            base_url: connection.base_url.clone(),
            token: connection.token.clone(),
            access_token: None,
            api_version: connection.api_version.clone(),
            account: connection.account.clone(),
        }
    }
}

/// The input of a call besides the call itself.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// Location and credentials of the API.
    pub access: &'a Access,
    /// Idempotency key: of one write, the same for every attempt, or of a batch.
    pub idempotency_key: &'a str,
    /// The current time.
    pub now: Timestamp,
}

/// The reason why a call had no success; it states what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Compare-and-set failed: the platform has another value. Read again.
    #[error("the platform has another value")]
    Conflict,
    /// The platform has no such object, or doesn't count it at that location. Its state is no longer known.
    #[error("the platform has no such object")]
    Gone,
    /// Not now: too many calls.
    #[error("too many calls")]
    RateLimited {
        /// Minimum wait.
        after: Option<Duration>,
    },
    /// Not now: the outcome is unknown or the platform has an outage. The same call may safely be repeated.
    #[error("{reason}")]
    Transient {
        /// The observed failure, without payload.
        reason: String,
    },
    /// Every call of this account is refused until its credentials or settings change. Independent of the value.
    #[error("{1}")]
    AccountRefused(AccountRefusal, Reject),
    /// The write's time or key is too old for the platform, so that repeating the call doesn't show its outcome. Read
    /// the object and start a new call.
    #[error("{0}")]
    TooOld(Reject),
    /// This value or this object is permanently refused.
    #[error("{0}")]
    Rejected(Reject),
}

impl CallError {
    /// A failure that the same call may be repeated after.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into() }
    }

    /// Returns the failure that it is for a page of a list. A refused account is one of all lists, and refuses this one
    /// if others can be read.
    pub const fn page_failure(&self) -> PageFailure {
        match self {
            Self::RateLimited { after } => PageFailure::RateLimited { after: *after },
            Self::Conflict | Self::Transient { .. } => PageFailure::Outage,
            Self::Gone | Self::TooOld(_) | Self::Rejected(_) | Self::AccountRefused(..) => {
                PageFailure::Refused
            }
        }
    }

    /// Returns true if the platform refused the credentials: the call wasn't made.
    pub const fn is_unauthorized(&self) -> bool {
        matches!(self, Self::AccountRefused(AccountRefusal::Unauthorized, _))
    }
}

impl From<Reject> for CallError {
    /// Credentials and settings concern the account; anything else concerns the value.
    fn from(reject: Reject) -> Self {
        match reject.class {
            RejectClass::Auth => Self::AccountRefused(AccountRefusal::Unauthorized, reject),
            RejectClass::Config => Self::AccountRefused(AccountRefusal::Misconfigured, reject),
            RejectClass::Schema | RejectClass::Data | RejectClass::Platform | RejectClass::Bug => {
                Self::Rejected(reject)
            }
        }
    }
}

/// The reason why an account accepts no calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRefusal {
    /// The credentials are refused or lack a permission.
    Unauthorized,
    /// The account is closed, frozen or moved, or a setting of the connection is wrong or missing.
    Misconfigured,
}

impl From<AccountRefusal> for Health {
    fn from(refusal: AccountRefusal) -> Self {
        match refusal {
            AccountRefusal::Unauthorized => Self::NeedsReauth,
            AccountRefusal::Misconfigured => Self::Misconfigured,
        }
    }
}

//! Access tokens that a platform issues for a limited time.

use crate::{Access, CallError, HttpReply, HttpRequest};
use model::Timestamp;
use stage::Reject;

/// The access tokens of a platform whose credentials make no calls themselves: they only get such a token.
pub trait Tokens: Sync {
    /// The request for a new access token. Its [`Access`] has none.
    fn request(&self, access: &Access) -> Result<HttpRequest, Reject>;

    /// The token in the reply, which came at `now`.
    fn issued(&self, reply: &HttpReply<'_>, now: Timestamp) -> Result<AccessToken, CallError>;
}

/// An access token.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token; secret.
    pub value: String,
    /// Time after which the platform refuses it.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for AccessToken {
    // The token is never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

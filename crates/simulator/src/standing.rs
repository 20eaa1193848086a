//! An account that takes no calls, and what its platform answers then.

use crate::exchange::Reply;
use crate::shop::Kind;
use serde_json::json;

/// How an account stands with its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Calls are taken.
    #[default]
    Good,
    /// Every call is answered 401: the token was revoked or ran out.
    TokenRefused,
    /// Every call is answered 402: the merchant owes the platform money.
    Frozen,
    /// Every call is answered 404, without a body of the platform's API: the account was closed.
    Closed,
    /// Every call is answered 423: the platform has locked the account.
    Locked,
}

impl Standing {
    /// The answer to any call; `None` if calls are taken.
    pub(crate) fn answer(self, platform: Kind) -> Option<Reply> {
        let (status, message) = match self {
            Self::Good => return None,
            Self::TokenRefused => (401, "Invalid API key or access token"),
            Self::Frozen => (402, "Unavailable Shop"),
            Self::Closed => (404, "Not Found"),
            Self::Locked => (423, "Locked"),
        };
        Some(Reply::of(
            status,
            match (platform, self) {
                (Kind::Shopify, _) => json!({"errors": message}),
                (Kind::Square, Self::TokenRefused) => {
                    let error = json!({"category": "AUTHENTICATION_ERROR", "code": "ACCESS_TOKEN_REVOKED"});
                    json!({"errors": [error]})
                }
                (Kind::Square, _) => json!({"message": message}),
                (Kind::Treez, _) => json!({"resultCode": "FAIL", "resultReason": message}),
            },
        ))
    }
}

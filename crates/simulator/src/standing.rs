//! Account states that refuse all calls, and the platform's response in each.

use crate::exchange::Reply;
use crate::shop::Kind;
use serde_json::json;

/// Standing of an account with its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Calls are accepted.
    #[default]
    Good,
    /// Every call gets a 401: the token was revoked or has expired.
    TokenRefused,
    /// Every call gets a 402: the merchant owes the platform money.
    Frozen,
    /// Every call gets a 404, without a body of the platform's API: the account was closed.
    Closed,
    /// Every call gets a 423: the platform has locked the account.
    Locked,
}

impl Standing {
    /// The response to any call; `None` if calls are accepted.
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

//! Account states that refuse all calls.

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

/// Status and message of the response to any call of a refused account; platforms write it in their own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: &'static str,
}

impl Standing {
    /// The refusal of any call; `None` if calls are accepted.
    pub(crate) const fn refusal(self) -> Option<Refusal> {
        let (status, message) = match self {
            Self::Good => return None,
            Self::TokenRefused => (401, "Invalid API key or access token"),
            Self::Frozen => (402, "Unavailable Shop"),
            Self::Closed => (404, "Not Found"),
            Self::Locked => (423, "Locked"),
        };
        Some(Refusal { status, message })
    }
}

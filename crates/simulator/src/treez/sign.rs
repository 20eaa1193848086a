//! Authentication of webhooks: a static bearer token; nothing is signed.

use crate::platform::{Headers, Unsigned};

/// The header with the token.
pub(super) const SIGNATURE: &str = "authorization";

pub(super) fn headers(webhook: &Unsigned<'_>) -> Headers {
    vec![("content-type", "application/json".to_owned()), (SIGNATURE, format!("Bearer {}", webhook.secret))]
}

//! Authentication of webhooks: the code of the app; nothing is signed.

use crate::platform::{Headers, Unsigned};

/// The header with the code.
pub(super) const SIGNATURE: &str = "x-clover-auth";

pub(super) fn headers(webhook: &Unsigned<'_>) -> Headers {
    vec![("content-type", "application/json".to_owned()), (SIGNATURE, webhook.secret.to_owned())]
}

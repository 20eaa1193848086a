//! Signatures of webhooks: HMAC of the body.

use crate::platform::{Headers, Unsigned};
use crate::sign::hmac_base64;

/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-acme-signature";

pub(super) fn headers(webhook: &Unsigned<'_>) -> Headers {
    let signature = hmac_base64(webhook.secret, &[webhook.body]);
    vec![("content-type", "application/json".to_owned()), (SIGNATURE, signature)]
}

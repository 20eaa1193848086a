//! The HMAC that platforms sign webhooks with. Written from their documents, independently of the code that verifies
//! the signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA256 of `parts`, one after the other, in base64.
pub(crate) fn hmac_base64(key: &str, parts: &[&[u8]]) -> String {
    // HMAC takes keys of any length, so that the other case can't occur.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    for part in parts {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

//! Signatures of webhooks: HMAC of the URL as registered, then the body, with the subscription's key.

use crate::platform::{Headers, Unsigned};
use crate::sign::hmac_base64;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-square-hmacsha256-signature";
/// The header of the time before 2021, with a signature by SHA-1.
const FORMER_SIGNATURE: &str = "x-square-signature";

pub(super) fn headers(webhook: &Unsigned<'_>) -> Headers {
    let signature = hmac_base64(webhook.secret, &[webhook.url.as_bytes(), webhook.body]);
    vec![("content-type", "application/json".to_owned()), (SIGNATURE, signature)]
}

/// The headers of the time before 2021.
pub(super) fn former_headers(webhook: &Unsigned<'_>) -> Headers {
    // HMAC takes keys of any length, so that the other case can't occur.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(webhook.secret.as_bytes()) else { return Vec::new() };
    mac.update(webhook.url.as_bytes());
    mac.update(webhook.body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    vec![("content-type", "application/json".to_owned()), (FORMER_SIGNATURE, signature)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_bodies_are_signed_like_the_vectors_of_the_sdk() {
        // square/square-nodejs-sdk, tests/integration/webhooks.test.ts.
        let long = r#"{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}"#;
        let vectors = [
            (
                "Ibxx_5AKakO-3qeNVR61Dw",
                "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
                long,
                "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=",
            ),
            (
                "signature-key",
                "https://webhook.site/webhooks",
                r#"{"data":{"type":"webhooks","id":"fake_id"}}"#,
                "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA=",
            ),
            (
                "signature-key",
                "https://webhook.site/webhooks",
                r#"{"data":{"type":"webhooks","id":">id<"}}"#,
                "Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U=",
            ),
        ];
        for (secret, url, body, signature) in vectors {
            let webhook = Unsigned { account: "", secret, url, topic: "", id: "", body: body.as_bytes() };
            assert_eq!(headers(&webhook)[1], (SIGNATURE, signature.to_owned()));
        }
    }
}

//! Signatures that more than one platform uses, checked in constant time.
//!
//! Every active secret is tried, even after one matched: the time that a check takes shows neither which secret signed
//! nor how much of the signature was right.

use crate::Unverified;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

/// Verifies that `signature` is the base64 of HMAC-SHA256 over the concatenated `parts`, with any of `secrets`.
///
/// The base64 must be standard and canonical (padded, no white space, no spare bits set): one signature has one
/// spelling. An empty secret matches nothing, so that a connection without a secret accepts no delivery.
pub(crate) fn hmac_sha256_base64(
    secrets: &[String],
    parts: &[&[u8]],
    signature: &str,
) -> Result<(), Unverified> {
    let Ok(given) = STANDARD.decode(signature) else { return Err(Unverified::Mismatch) };
    let matches = |secret: &String| {
        // A key of any length is allowed (RFC 2104), so that `Err` never occurs.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return Choice::from(0) };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().ct_eq(given.as_slice())
    };
    any(secrets, matches)
}

/// Verifies that `header_value` is `Bearer <secret>` with any of `secrets`; the scheme in any case (RFC 9110, 11.1).
pub(crate) fn bearer(secrets: &[String], header_value: &str) -> Result<(), Unverified> {
    let Some((scheme, token)) = header_value.split_once(' ') else { return Err(Unverified::Mismatch) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unverified::Mismatch);
    }
    any(secrets, |secret| token.as_bytes().ct_eq(secret.as_bytes()))
}

/// Verifies that `given` is any of `secrets`.
pub(crate) fn secret(secrets: &[String], given: &str) -> Result<(), Unverified> {
    any(secrets, |secret| given.as_bytes().ct_eq(secret.as_bytes()))
}

fn any(secrets: &[String], matches: impl Fn(&String) -> Choice) -> Result<(), Unverified> {
    let usable = secrets.iter().filter(|secret| !secret.is_empty());
    let found = usable.fold(Choice::from(0), |found, secret| found | matches(secret));
    if bool::from(found) { Ok(()) } else { Err(Unverified::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shopify/shopify-app-js, packages/apps/shopify-api/lib/webhooks/__tests__/validate.test.ts.
    const SIGNATURE: &str = "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=";
    const BODY: &[u8] = br#"{"foo": "bar"}"#;

    fn secrets(all: &[&str]) -> Vec<String> {
        all.iter().map(|&secret| secret.to_owned()).collect()
    }

    #[test]
    fn a_published_signature_matches_whole_and_in_parts() {
        let key = secrets(&["test_secret_key"]);
        assert_eq!(hmac_sha256_base64(&key, &[BODY], SIGNATURE), Ok(()));
        assert_eq!(hmac_sha256_base64(&key, &[&BODY[..4], &BODY[4..]], SIGNATURE), Ok(()));
    }

    #[test]
    fn any_active_secret_matches_whichever_place_it_has() {
        for key in [&["test_secret_key", "old"], &["new", "test_secret_key"]] {
            assert_eq!(hmac_sha256_base64(&secrets(key), &[BODY], SIGNATURE), Ok(()));
        }
        for key in [&[] as &[&str], &[""], &["new", "old"]] {
            assert_eq!(hmac_sha256_base64(&secrets(key), &[BODY], SIGNATURE), Err(Unverified::Mismatch));
        }
    }

    #[test]
    fn a_signature_has_one_spelling() {
        let key = secrets(&["test_secret_key"]);
        let unpadded = SIGNATURE.trim_end_matches('=');
        let spaced = format!(" {SIGNATURE}");
        let url_safe = SIGNATURE.replace('/', "_").replace('+', "-") + "=";
        let spare_bits = SIGNATURE.replace("a7g=", "a7h=");
        let cut = &SIGNATURE[..40];
        for text in ["", unpadded, &spaced, &url_safe, &spare_bits, cut, "€"] {
            assert_eq!(hmac_sha256_base64(&key, &[BODY], text), Err(Unverified::Mismatch), "{text}");
        }
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        // RFC 4231 has no empty key; this is HMAC-SHA256("", ""), FIPS 198-1.
        let empty = "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=";
        assert_eq!(hmac_sha256_base64(&secrets(&[""]), &[b""], empty), Err(Unverified::Mismatch));
        assert_eq!(bearer(&secrets(&[""]), "Bearer "), Err(Unverified::Mismatch));
        assert_eq!(secret(&secrets(&[""]), ""), Err(Unverified::Mismatch));
    }

    #[test]
    fn a_secret_matches_as_a_whole() {
        let key = secrets(&["old", "c0de"]);
        for value in ["c0de", "old"] {
            assert_eq!(secret(&key, value), Ok(()), "{value}");
        }
        for value in ["", "c0d", "c0dee", "C0DE", " c0de", "c0de ", "c0de, c0de"] {
            assert_eq!(secret(&key, value), Err(Unverified::Mismatch), "{value}");
        }
    }

    #[test]
    fn a_bearer_token_matches_as_a_whole() {
        let key = secrets(&["old", "t0ken"]);
        for value in ["Bearer t0ken", "bearer t0ken", "BEARER old"] {
            assert_eq!(bearer(&key, value), Ok(()), "{value}");
        }
        for value in
            ["", "t0ken", "Bearer", "Bearer t0ke", "Bearer t0kenn", "Bearer  t0ken", "Basic t0ken", "Bearer "]
        {
            assert_eq!(bearer(&key, value), Err(Unverified::Mismatch), "{value}");
        }
    }
}

//! The signature of a webhook: HMAC-SHA256 of the raw body with the app's client secret, in base64.

use super::SIGNATURE;
use crate::{Secrets, Signed, Unverified, verify};

/// Verifies that any active secret signed the body. Only the body is signed: the signature doesn't prove the headers.
pub(super) fn verify(signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified> {
    let signature = SIGNATURE.of(|name| signed.header(name)).ok_or(Unverified::Missing)?;
    // Shopify's own validator refuses an empty body whatever its signature (shopify-app-js, hmac-validator.ts).
    if signed.body.is_empty() {
        return Err(Unverified::Mismatch);
    }
    verify::hmac_sha256_base64(secrets.active, &[signed.body], signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shopify/shopify-app-js, packages/apps/shopify-api/lib/webhooks/__tests__/validate.test.ts.
    const SECRET: &str = "test_secret_key";
    const BODY: &[u8] = br#"{"foo": "bar"}"#;
    const VECTOR: &str = "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=";

    fn check(headers: &[(&str, &str)], body: &[u8], active: &[&str]) -> Result<(), Unverified> {
        let headers: Vec<_> =
            headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let active: Vec<_> = active.iter().map(|&secret| secret.to_owned()).collect();
        verify(&Signed { headers: &headers, body }, &Secrets { active: &active, notification_url: "" })
    }

    #[test]
    fn the_published_delivery_is_believed_under_both_names_of_the_header() {
        assert_eq!(check(&[("x-shopify-hmac-sha256", VECTOR)], BODY, &[SECRET]), Ok(()));
        assert_eq!(check(&[("shopify-hmac-sha256", VECTOR)], BODY, &[SECRET]), Ok(()));
        assert_eq!(check(&[("x-shopify-hmac-sha256", VECTOR)], BODY, &["next", SECRET]), Ok(()));
    }

    #[test]
    fn a_delivery_without_a_signature_is_missing_one() {
        assert_eq!(check(&[], BODY, &[SECRET]), Err(Unverified::Missing));
        assert_eq!(check(&[("x-shopify-hmac-sha256", "")], BODY, &[SECRET]), Err(Unverified::Missing));
    }

    #[test]
    fn an_empty_body_is_not_believed_even_with_its_own_signature() {
        // HMAC-SHA256 of nothing with the key of the vector.
        let signature = "wde+AV/P/S1RUZlUH69IkPgPFLVGtBzMGLvoVzqwiwo=";
        assert_eq!(check(&[("x-shopify-hmac-sha256", signature)], b"", &[SECRET]), Err(Unverified::Mismatch));
    }

    #[test]
    fn another_secret_body_or_spelling_does_not_match() {
        let header = [("x-shopify-hmac-sha256", VECTOR)];
        assert_eq!(check(&header, BODY, &["other"]), Err(Unverified::Mismatch));
        assert_eq!(check(&header, BODY, &[]), Err(Unverified::Mismatch));
        assert_eq!(check(&header, br#"{"foo":"bar"}"#, &[SECRET]), Err(Unverified::Mismatch));
    }
}

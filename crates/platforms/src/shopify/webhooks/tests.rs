//! Published signatures, and the headers of deliveries.

use super::{super::PLATFORM, *};
use model::Timestamp;

// Shopify/shopify-app-js, packages/apps/shopify-api/lib/webhooks/__tests__/validate.test.ts.
const SECRET: &str = "test_secret_key";
const BODY: &[u8] = br#"{"foo": "bar"}"#;
const VECTOR: &str = "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=";

fn check(headers: &[(&str, &str)], body: &[u8], active: &[&str]) -> Result<(), Unverified> {
    let headers: Vec<_> = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let active: Vec<_> = active.iter().map(|&secret| secret.to_owned()).collect();
    PLATFORM
        .verify(&Signed { headers: &headers, body }, &VerifyContext::new(&active, "", Timestamp::default()))
}

#[test]
fn the_published_delivery_is_verified_under_both_names_of_the_header() {
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
fn an_empty_body_is_not_verified_even_with_its_own_signature() {
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

fn split_of(headers: &[(&str, &str)]) -> Vec<Envelope> {
    let headers: Vec<_> = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    PLATFORM.split(&Signed { headers: &headers, body: b"{}" })
}

#[test]
fn topic_and_delivery_come_from_headers_of_either_name() {
    let expected = [Envelope::whole("products/update".to_owned(), Some("w-1".to_owned()))];
    let present = [("x-shopify-topic", "products/update"), ("x-shopify-webhook-id", "w-1")];
    let events = [("shopify-topic", "products/update"), ("shopify-webhook-id", "w-1")];
    assert_eq!(split_of(&present), expected);
    assert_eq!(split_of(&events), expected);
}

#[test]
fn the_event_id_distinguishes_no_deliveries() {
    let headers = [("x-shopify-topic", "orders/paid"), ("x-shopify-event-id", "e-1")];
    assert_eq!(split_of(&headers)[0].key, None);
    assert_eq!(split_of(&[("x-shopify-webhook-id", "w-1")]), []);
}

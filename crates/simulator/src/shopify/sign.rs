//! Signatures of webhooks: HMAC-SHA256 of the body alone, with the app's secret.

use crate::platform::{Headers, Unsigned};
use crate::sign::hmac_base64;

/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-shopify-hmac-sha256";

pub(super) fn headers(webhook: &Unsigned<'_>) -> Headers {
    vec![
        ("content-type", "application/json".to_owned()),
        (SIGNATURE, hmac_base64(webhook.secret, &[webhook.body])),
        ("x-shopify-topic", webhook.topic.to_owned()),
        ("x-shopify-webhook-id", webhook.id.to_owned()),
        ("x-shopify-shop-domain", domain(webhook.account)),
    ]
}

/// The domain of a shop that is named by its domain or by the first part of it.
fn domain(account: &str) -> String {
    if account.contains('.') { account.to_owned() } else { format!("{account}.myshopify.com") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_like_the_vector_of_the_sdk() {
        // Shopify/shopify-app-js, lib/webhooks/__tests__/validate.test.ts.
        let webhook = Unsigned {
            account: "demo",
            secret: "test_secret_key",
            url: "https://elsewhere.example",
            topic: "products/update",
            id: "w1",
            body: br#"{"foo": "bar"}"#,
        };
        let headers = headers(&webhook);
        let value = |name: &str| headers.iter().find(|(held, _)| *held == name).unwrap().1.as_str();
        assert_eq!(value(SIGNATURE), "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=");
        assert_eq!(value("x-shopify-shop-domain"), "demo.myshopify.com");
        assert_eq!(domain("demo.myshopify.com"), "demo.myshopify.com");
    }
}

//! Signatures of webhooks: HMAC-SHA256 of the body alone, with the webhook's secret.

use super::webhook::TOPICS;
use crate::platform::{Headers, Unsigned};
use crate::sign::hmac_base64;

/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-wc-webhook-signature";

pub(super) fn headers(webhook: &Unsigned<'_>) -> Headers {
    let (resource, event) = webhook.topic.split_once('.').unwrap_or((webhook.topic, ""));
    vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", "WooCommerce/10.3.5 Hookshot (WordPress/6.8.3)".to_owned()),
        ("x-wc-webhook-source", site(webhook.account)),
        ("x-wc-webhook-topic", webhook.topic.to_owned()),
        ("x-wc-webhook-resource", resource.to_owned()),
        ("x-wc-webhook-event", event.to_owned()),
        (SIGNATURE, hmac_base64(webhook.secret, &[webhook.body])),
        ("x-wc-webhook-id", number(webhook.topic).to_string()),
        ("x-wc-webhook-delivery-id", webhook.id.to_owned()),
    ]
}

/// The number of the webhook of a topic: a shop has one for each.
pub(super) fn number(topic: &str) -> usize {
    TOPICS.iter().position(|known| *known == topic).map_or(0, |index| index + 1)
}

/// The address of a site that is named by its host, or by all of its address.
fn site(account: &str) -> String {
    if account.contains("://") { account.to_owned() } else { format!("https://{account}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_php_signs_it() {
        // base64_encode( hash_hmac( 'sha256', $body, $secret, true ) ), as with the vector of Shopify/shopify-app-js,
        // lib/webhooks/__tests__/validate.test.ts, whose scheme is the same.
        let webhook = Unsigned {
            account: "shop.example",
            secret: "test_secret_key",
            url: "https://elsewhere.example",
            topic: "product.updated",
            id: "d1",
            body: br#"{"foo": "bar"}"#,
        };
        let headers = headers(&webhook);
        let value = |name: &str| headers.iter().find(|(held, _)| *held == name).unwrap().1.as_str();
        assert_eq!(value(SIGNATURE), "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=");
        assert_eq!(value("x-wc-webhook-source"), "https://shop.example/");
        assert_eq!((value("x-wc-webhook-resource"), value("x-wc-webhook-event")), ("product", "updated"));
        assert_eq!(site("http://shop.example/tea/"), "http://shop.example/tea/");
    }
}

//! Deliveries of platforms, written independently of the code that reads them.

use crate::Account;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::Timestamp;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

/// A wrong way to sign a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missigned {
    /// The right signature in hexadecimal instead of base64.
    Hexadecimal,
    /// The right signature without base64's padding.
    Unpadded,
    /// No signature.
    Absent,
    /// A signature over the registered URL with a slash appended; Square only.
    OtherUrl,
    /// Only the signature that Square made before 2021: SHA-1 in a header of its own.
    Sha1Alone,
}

/// A delivery as it is transmitted. Sent again, it is the same delivery.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The URL that it is sent to.
    pub url: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The bytes that are signed.
    pub body: Vec<u8>,
}

impl Signed {
    /// Signs as Shopify does: over the body alone, for the account's shop.
    pub(crate) fn by_shopify(of: &Account, topic: &str, delivery: &str, body: Vec<u8>) -> Self {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-shopify-hmac-sha256".to_owned(), hmac_base64(&of.secret, &[&body])),
            ("x-shopify-topic".to_owned(), topic.to_owned()),
            ("x-shopify-webhook-id".to_owned(), delivery.to_owned()),
            ("x-shopify-shop-domain".to_owned(), format!("{}.myshopify.com", of.name)),
        ];
        Self { url: of.webhook_url.clone(), headers, body }
    }

    /// Signs as Square does: over the URL as registered, then the body.
    pub(crate) fn by_square(url: &str, secret: &str, body: Vec<u8>) -> Self {
        let signature = hmac_base64(secret, &[url.as_bytes(), &body]);
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-square-hmacsha256-signature".to_owned(), signature),
        ];
        Self { url: url.to_owned(), headers, body }
    }

    /// Authenticates as Treez does: with a bearer token.
    pub(crate) fn by_treez(url: &str, secret: &str, body: Vec<u8>) -> Self {
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), format!("Bearer {secret}")),
        ];
        Self { url: url.to_owned(), headers, body }
    }

    /// Signs as Square did before 2021: over the URL and the body, with SHA-1.
    pub(crate) fn by_square_with_sha1(url: &str, secret: &str, body: Vec<u8>) -> Self {
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any length makes a key");
        mac.update(url.as_bytes());
        mac.update(&body);
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-square-signature".to_owned(), STANDARD.encode(mac.finalize().into_bytes())),
        ];
        Self { url: url.to_owned(), headers, body }
    }

    /// Replaces the signature by the result of `rewrite` on its base64 text.
    pub(crate) fn rewriting_signature(mut self, rewrite: impl Fn(&str) -> String) -> Self {
        for (name, value) in &mut self.headers {
            if SIGNATURES.contains(&name.as_str()) {
                *value = rewrite(value);
            }
        }
        self
    }

    /// Adds a header, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(held, _)| *held != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Removes the header of that name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(held, _)| held != name);
        self
    }
}

/// The headers that carry a signature.
const SIGNATURES: [&str; 2] = ["x-shopify-hmac-sha256", "x-square-hmacsha256-signature"];

/// Converts base64 to hexadecimal.
pub(crate) fn hexadecimal(base64: &str) -> String {
    hex::encode(STANDARD.decode(base64).expect("base64"))
}

fn hmac_base64(key: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any length makes a key");
    for part in parts {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Body of Shopify's `inventory_levels/update`: a level, `second` seconds into the year 2026.
pub fn level_body(item: u64, location: u64, available: i64, second: i64) -> Vec<u8> {
    let body = json!({
        "inventory_item_id": item,
        "location_id": location,
        "available": available,
        "updated_at": time(second),
        "admin_graphql_api_id": format!("gid://shopify/InventoryLevel/{item}?inventory_item_id={item}"),
    });
    body.to_string().into_bytes()
}

/// Body of Shopify's `products/update`: a product, `second` seconds into the year 2026, with `variants` variants.
/// Variant n has the id `product + n`, the inventory item `product + n + 100` and the SKU `sku-<product>-n`.
pub fn product_body(product: u64, title: &str, variants: u64, second: i64) -> Vec<u8> {
    let variant = |number: u64| {
        json!({
            "id": product + number,
            "product_id": product,
            "title": format!("Variant {number}"),
            "price": "9.50",
            "sku": format!("sku-{product}-{number}"),
            "inventory_item_id": product + number + 100,
        })
    };
    let variants: Vec<Value> = (1..=variants).map(variant).collect();
    let body = json!({
        "id": product,
        "title": title,
        "body_html": "As sold in the shop.",
        "vendor": "Tests",
        "status": "active",
        "updated_at": time(second),
        "variants": variants,
    });
    body.to_string().into_bytes()
}

fn time(second: i64) -> String {
    /// 2026-01-01T00:00:00Z.
    const BEGINNING: i64 = 1_767_225_600;
    Timestamp::from_micros((BEGINNING + second) * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_signed_like_the_vectors_of_the_sdks() {
        // Shopify/shopify-app-js, lib/webhooks/__tests__/validate.test.ts; square/square-nodejs-sdk,
        // tests/integration/webhooks.test.ts.
        assert_eq!(
            hmac_base64("test_secret_key", &[br#"{"foo": "bar"}"#]),
            "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="
        );
        let parts: [&[u8]; 2] =
            [b"https://webhook.site/webhooks", br#"{"data":{"type":"webhooks","id":"fake_id"}}"#];
        assert_eq!(hmac_base64("signature-key", &parts), "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA=");
    }

    #[test]
    fn times_count_from_the_beginning_of_the_year() {
        assert_eq!(time(61), "2026-01-01T00:01:01Z");
    }
}

//! Signatures, on the sender's side; each platform's README in `crates/platforms` has the source.

use crate::{environment::RunningConnection, failure::Failed};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Names and values of headers.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// Returns the headers that the platform would send.
pub(crate) fn signed_headers(
    connection: &RunningConnection,
    topic: &str,
    delivery: &str,
    body: &[u8],
) -> Result<Headers, Failed> {
    match connection.platform.as_str() {
        "shopify" => shopify(&connection.secret, &connection.account, topic, delivery, body),
        "square" => {
            let signature = signature(&connection.secret, &[connection.webhook_url.as_bytes(), body])?;
            Ok(vec![
                ("x-square-hmacsha256-signature", signature),
                ("content-type", "application/json".to_owned()),
            ])
        }
        "treez" => Ok(vec![
            ("authorization", format!("Bearer {}", connection.secret)),
            ("content-type", "application/json".to_owned()),
        ]),
        other => Err(Failed::Usage(format!("deliveries of {other} can't be signed here"))),
    }
}

/// Returns the headers of Shopify.
pub(crate) fn shopify(
    secret: &str,
    shop: &str,
    topic: &str,
    delivery: &str,
    body: &[u8],
) -> Result<Headers, Failed> {
    Ok(vec![
        ("x-shopify-hmac-sha256", signature(secret, &[body])?),
        ("x-shopify-topic", topic.to_owned()),
        ("x-shopify-webhook-id", delivery.to_owned()),
        ("x-shopify-shop-domain", format!("{shop}.myshopify.com")),
        ("content-type", "application/json".to_owned()),
    ])
}

fn signature(secret: &str, parts: &[&[u8]]) -> Result<String, Failed> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| Failed::Other("the secret can't be a key".to_owned()))?;
    for part in parts {
        mac.update(part);
    }
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

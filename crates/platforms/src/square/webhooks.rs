//! Signature, topic and id of a webhook.

use crate::{Envelope, Signed, Unverified, VerifyContext, Webhooks, json, verify};
use serde::Deserialize;

/// The header that carries the signature.
const SIGNATURE_HEADER: &str = "x-square-hmacsha256-signature";

/// The part of a body that distinguishes deliveries.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    topic: String,
    event_id: Option<String>,
}

impl Webhooks for super::Square {
    fn signature_headers(&self) -> &'static [&'static str] {
        &[SIGNATURE_HEADER]
    }

    /// Base64 of HMAC-SHA256 over the URL as registered, then the raw body. No time is signed: a replay is recognized by
    /// its `event_id` alone.
    fn verify(&self, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified> {
        let signature = signed.header(SIGNATURE_HEADER).ok_or(Unverified::Missing)?;
        let parts = [context.notification_url.as_bytes(), signed.body];
        verify::hmac_sha256_base64(context.secrets, &parts, signature)
    }

    /// Reads `type` and `event_id` only; Square sends the same `event_id` with every retry.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope> {
        let event = json::object(signed.body).and_then(|body| serde_json::from_slice(body).ok());
        let envelope =
            |Event { topic, event_id }| Envelope::whole(topic, event_id.filter(|id| !id.is_empty()));
        event.map(envelope).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;

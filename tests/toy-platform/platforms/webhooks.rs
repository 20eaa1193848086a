//! Signature, topic and id of a webhook.

use crate::{Envelope, VerifyContext, Signed, Unverified, Webhooks, json, verify};
use serde::Deserialize;

/// The header that carries the signature.
const SIGNATURE_HEADER: &str = "x-acme-signature";

/// The part of a body that distinguishes deliveries.
#[derive(Deserialize)]
struct Event {
    topic: String,
    id: String,
}

impl Webhooks for super::Acme {
    fn signature_headers(&self) -> &'static [&'static str] {
        &[SIGNATURE_HEADER]
    }

    /// Base64 of HMAC-SHA256 over the raw body.
    fn verify(&self, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified> {
        let signature = signed.header(SIGNATURE_HEADER).ok_or(Unverified::Missing)?;
        verify::hmac_sha256_base64(context.secrets, &[signed.body], signature)
    }

    /// Reads `topic` and `id` only.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope> {
        let event = json::object(signed.body).and_then(|body| serde_json::from_slice(body).ok());
        event.map(|Event { topic, id }| Envelope::whole(topic, Some(id))).into_iter().collect()
    }
}

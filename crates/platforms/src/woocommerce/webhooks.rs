//! Signature, topic and id of a webhook, and the ping by which WooCommerce checks its URL.

use crate::{
    Envelope, Handshake, HandshakeMedia, HandshakeReply, Handshakes, Signed, Unverified, VerifyContext,
    Webhooks, verify,
};
use model::RawDigest;

const SIGNATURE: &str = "x-wc-webhook-signature";
const TOPIC: &str = "x-wc-webhook-topic";
/// The address of the site that sends the webhook.
pub(super) const SOURCE: &str = "x-wc-webhook-source";
/// The hash of the webhook's own id and the second of the attempt.
pub(super) const DELIVERY_ID: &str = "x-wc-webhook-delivery-id";

// The id of the subscription is not mapped; it is what a shop's log shows.
const KEPT_HEADERS: &[&str] = &[SOURCE, DELIVERY_ID, "x-wc-webhook-id"];
const SINGLE_HEADERS: &[&str] = &[SIGNATURE, TOPIC, SOURCE, DELIVERY_ID, "x-wc-webhook-id"];

/// Upper limit of a ping, in bytes: its one field with the digits of the largest id that MySQL stores.
const PING_BYTES_MAX: usize = 31;

impl Webhooks for super::WooCommerce {
    fn signature_headers(&self) -> &'static [&'static str] {
        &[SIGNATURE]
    }

    fn single_headers(&self) -> &'static [&'static str] {
        SINGLE_HEADERS
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        KEPT_HEADERS
    }

    /// HMAC-SHA256 of the raw body with the webhook's secret, in base64. Only the body is signed: the signature proves
    /// neither the headers nor the time.
    fn verify(&self, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified> {
        let signature = signed.header(SIGNATURE).filter(|signature| !signature.is_empty());
        let signature = signature.ok_or(Unverified::Missing)?;
        // The body is always JSON; an empty one would make every signature of nothing a delivery.
        if signed.body.is_empty() {
            return Err(Unverified::Mismatch);
        }
        verify::hmac_sha256_base64(context.secrets, &[signed.body], signature)
    }

    /// The delivery id is the same for everything that one webhook sends within a second: only with the body does it
    /// identify a delivery.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope> {
        let Some(topic) = signed.header(TOPIC).filter(|topic| !topic.is_empty()) else { return Vec::new() };
        let digest = RawDigest::of(crate::json::without_mark(signed.body));
        let key = signed.header(DELIVERY_ID).map(|id| format!("{id}/{digest}"));
        vec![Envelope::whole(topic.to_owned(), key)]
    }

    fn handshakes(&self) -> Option<&dyn Handshakes> {
        Some(self)
    }
}

impl Handshakes for super::WooCommerce {
    fn body_bytes_max(&self) -> usize {
        PING_BYTES_MAX
    }

    /// An empty reply to the form `webhook_id=<digits>`, which WooCommerce sends when a webhook is made or its URL is
    /// changed. It has no signature and no header of its own, and anything but 200 counts as an error.
    fn reply(
        &self,
        request: &Handshake<'_>,
        _context: &VerifyContext<'_>,
    ) -> Result<Option<HandshakeReply>, Unverified> {
        let id = request.body.strip_prefix(b"webhook_id=").unwrap_or_default();
        let is_ping = !request.is_get && !id.is_empty() && id.iter().all(u8::is_ascii_digit);
        Ok(is_ping.then(|| HandshakeReply { media_type: HandshakeMedia::Text, body: String::new() }))
    }
}

#[cfg(test)]
mod tests;

//! Signature, topic and id of a webhook; Shopify puts all three into headers.

use crate::{Envelope, Signed, Unverified, VerifyContext, Webhooks, verify};

/// A header under its present name and under its name in the events product, which drops the `x-`.
pub(super) struct Names {
    present: &'static str,
    events: &'static str,
}

const SIGNATURE: Names = Names { present: "x-shopify-hmac-sha256", events: "shopify-hmac-sha256" };
const TOPIC: Names = Names { present: "x-shopify-topic", events: "shopify-topic" };
pub(super) const WEBHOOK_ID: Names = Names { present: "x-shopify-webhook-id", events: "shopify-webhook-id" };
const EVENT_ID: Names = Names { present: "x-shopify-event-id", events: "shopify-event-id" };
pub(super) const TRIGGERED_AT: Names =
    Names { present: "x-shopify-triggered-at", events: "shopify-triggered-at" };
pub(super) const SHOP_DOMAIN: Names =
    Names { present: "x-shopify-shop-domain", events: "shopify-shop-domain" };

// The event id and the shop are not mapped; Shopify's support asks for them.
const KEPT_HEADERS: &[&str] = &[
    WEBHOOK_ID.present,
    WEBHOOK_ID.events,
    TRIGGERED_AT.present,
    TRIGGERED_AT.events,
    EVENT_ID.present,
    EVENT_ID.events,
    SHOP_DOMAIN.present,
    SHOP_DOMAIN.events,
];

const SIGNATURE_HEADERS: &[&str] = &[SIGNATURE.present, SIGNATURE.events];

const SINGLE_HEADERS: &[&str] = &[
    SIGNATURE.present,
    SIGNATURE.events,
    TOPIC.present,
    TOPIC.events,
    WEBHOOK_ID.present,
    WEBHOOK_ID.events,
    TRIGGERED_AT.present,
    TRIGGERED_AT.events,
    EVENT_ID.present,
    EVENT_ID.events,
    SHOP_DOMAIN.present,
    SHOP_DOMAIN.events,
];

impl Names {
    /// The present value; an empty one counts as missing.
    pub(super) fn of<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
        value(self.present).or_else(|| value(self.events)).filter(|value| !value.is_empty())
    }
}

impl Webhooks for super::Shopify {
    fn signature_headers(&self) -> &'static [&'static str] {
        SIGNATURE_HEADERS
    }

    fn single_headers(&self) -> &'static [&'static str] {
        SINGLE_HEADERS
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        KEPT_HEADERS
    }

    /// HMAC-SHA256 of the raw body with the app's client secret, in base64. Only the body is signed: the signature doesn't
    /// prove the headers.
    fn verify(&self, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified> {
        let signature = SIGNATURE.of(|name| signed.header(name)).ok_or(Unverified::Missing)?;
        // Shopify's own validator refuses an empty body whatever its signature (shopify-app-js, hmac-validator.ts).
        if signed.body.is_empty() {
            return Err(Unverified::Mismatch);
        }
        verify::hmac_sha256_base64(context.secrets, &[signed.body], signature)
    }

    /// The webhook id identifies one delivery of one subscription. The event id doesn't, as all deliveries of one action
    /// of the merchant share it; it is not used to distinguish deliveries.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope> {
        let key = WEBHOOK_ID.of(|name| signed.header(name)).map(ToOwned::to_owned);
        let topic = TOPIC.of(|name| signed.header(name));
        topic.map(|topic| Envelope::whole(topic.to_owned(), key)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;

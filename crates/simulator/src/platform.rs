//! The contract of a simulated platform towards other crates: its name, its signatures, its samples.

use crate::shop::Shop;
use chrono::{DateTime, Utc};
use std::fmt;

/// Names (lower case) and values of headers.
pub type Headers = Vec<(&'static str, String)>;

/// A platform that is simulated. Pure: the same arguments give the same results.
pub trait SimulatedPlatform: fmt::Debug + Send + Sync + 'static {
    /// The name in lower case, that of its folder.
    fn name(&self) -> &'static str;

    /// The headers of a webhook, as the platform sends it: signature, topic, ids, content type. None if it sends no
    /// webhooks.
    fn sign(&self, _webhook: &Unsigned<'_>) -> Headers {
        Vec::new()
    }

    /// The name of the header with the signature, or with what stands for one; empty if it sends no webhooks.
    fn signature_header(&self) -> &'static str {
        ""
    }

    /// The headers of a webhook in a way of signing that the platform has given up; `None` if there is none.
    fn sign_as_formerly(&self, _webhook: &Unsigned<'_>) -> Option<Headers> {
        None
    }

    /// The credential with which a client calls the API of `shop`.
    fn client_token(&self, shop: &Shop) -> String {
        shop.token.clone()
    }

    /// A description that is stored in that form, as the API shows it.
    fn shown(&self, description: &str) -> String {
        description.to_owned()
    }

    /// Values and webhooks for demonstrations and tests.
    fn samples(&self) -> &'static Samples;

    /// A webhook that reports one level; `None` if the platform's levels aren't reported alone.
    fn level_webhook(&self, _level: &SampleLevel<'_>) -> Option<SampleWebhook> {
        None
    }

    /// A webhook that reports a product; `None` if samples of it aren't made.
    fn product_webhook(&self, _product: &SampleProduct<'_>) -> Option<SampleWebhook> {
        None
    }
}

/// A webhook before it is signed.
#[derive(Clone, Copy)]
pub struct Unsigned<'a> {
    /// The account's name on the platform.
    pub account: &'a str,
    /// The key that it is signed with.
    pub secret: &'a str,
    /// The URL that it is sent to, exactly as registered.
    pub url: &'a str,
    /// The topic, as the platform writes it.
    pub topic: &'a str,
    /// The webhook's id, the same in every attempt.
    pub id: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl fmt::Debug for Unsigned<'_> {
    // Secrets and payloads never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsigned").field("topic", &self.topic).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Values and webhooks of a platform for demonstrations and tests.
#[derive(Debug, Clone, Copy)]
pub struct Samples {
    /// The platform's id of the location of a shop with one location.
    pub location: &'static str,
    /// Topic and body of webhooks; the one for a first try comes first.
    pub webhooks: &'static [(&'static str, &'static str)],
    /// The platform's ids of the locations in these webhooks.
    pub webhook_locations: &'static [&'static str],
    /// The field of a webhook's body that names the account, or is an object whose key names it; `None` if headers name
    /// it.
    pub account_field: Option<&'static str>,
}

/// Topic and body of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleWebhook {
    /// The topic, as the platform writes it.
    pub topic: &'static str,
    /// The body.
    pub body: String,
}

/// A level to be reported.
#[derive(Debug, Clone, Copy)]
pub struct SampleLevel<'a> {
    /// The platform's id of the item.
    pub item: u64,
    /// The platform's id of the location.
    pub location: &'a str,
    /// The number of pieces.
    pub available: i64,
    /// Time of the change.
    pub updated_at: DateTime<Utc>,
}

/// A product to be reported.
#[derive(Debug, Clone, Copy)]
pub struct SampleProduct<'a> {
    /// The platform's id.
    pub id: u64,
    /// The title.
    pub title: &'a str,
    /// The variants, all that it has.
    pub variants: &'a [SampleVariant],
    /// Time of the change.
    pub updated_at: DateTime<Utc>,
    /// True if it was just put on sale.
    pub is_new: bool,
}

/// A variant of a product to be reported.
#[derive(Debug, Clone)]
pub struct SampleVariant {
    /// The platform's id.
    pub id: u64,
    /// The platform's id of the item that is counted.
    pub item: u64,
    /// The title.
    pub title: String,
    /// The merchant's SKU of it.
    pub sku: String,
    /// The price as a decimal.
    pub price: &'static str,
}

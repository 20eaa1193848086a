//! Objects that Tillflow reads from a platform.

use crate::{CallContext, CallError, HttpReply, HttpRequest};
use model::{DeliveryId, ExternalId, RawDigest, Timestamp};
use serde_json::Value;
use stage::Reject;

/// The reads of a platform's API.
pub trait Reader: Sync {
    /// The request that fetches the object that a thin notification, or `Fetch`, names. `None` if the delivery names
    /// nothing that can be fetched.
    fn request(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject>;

    /// The objects in the reply to a fetch, and the request for the next page. An object that is read back and doesn't
    /// exist is an object too: one that `map` reads as an unknown level or as a deletion, so that the mirror that waits
    /// for it gets a report.
    fn page(
        &self,
        wanted: &Fetch<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Page, CallError>;

    /// Returns true if a thin notification of this topic states only that something changed: one fetch then serves
    /// several notifications that wait together.
    fn names_no_object(&self, _topic: &str) -> bool {
        false
    }

    /// Returns true if two states of an object never have one body, since a version is part of it. Without it, a body that
    /// was fetched before may be that of a later state.
    fn has_states_apart(&self) -> bool {
        true
    }
}

/// The object to fetch.
#[derive(Debug, Clone, Copy)]
pub enum Fetch<'a> {
    /// The object that a thin notification of this topic names.
    Notified {
        /// The notification's topic.
        topic: &'a str,
        /// The notification's body.
        body: &'a Value,
        /// Only changes after this time, where the platform can filter by it.
        since: Option<Timestamp>,
    },
    /// The level of one item at one location, to read back.
    Level {
        /// The item that is counted.
        item: &'a ExternalId,
        /// The platform's id of the location. `None` on platforms without locations.
        location: Option<&'a ExternalId>,
    },
    /// The text of a product and the price of one of its variants, to read back.
    Product {
        /// The product.
        product: &'a ExternalId,
        /// The variant; `None` if only the text is requested.
        variant: Option<&'a ExternalId>,
    },
}

impl Fetch<'_> {
    /// The bytes that distinguish the delivery of a fetched object from others of its topic. A notified object is the same
    /// delivery however often it is fetched: its body, and the notification where that doesn't distinguish two states. A
    /// read-back is a new delivery each time, as a mirror waits for that very report.
    pub fn delivery_key(
        &self,
        reader: &dyn Reader,
        object: &Object,
        cause: Option<DeliveryId>,
        now: Timestamp,
    ) -> Vec<u8> {
        match self {
            Self::Level { .. } | Self::Product { .. } => now.as_micros().to_le_bytes().to_vec(),
            Self::Notified { .. } => {
                let mut key = RawDigest::of(&object.body).as_bytes().to_vec();
                if let Some(cause) = cause.filter(|_| !reader.has_states_apart()) {
                    key.extend_from_slice(cause.as_bytes());
                }
                key
            }
        }
    }
}

/// The content of a reply to a fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, complete.
    pub objects: Vec<Object>,
    /// The request for the next page; `None` after the last.
    pub next: Option<HttpRequest>,
}

impl Page {
    /// The only page, with one object.
    pub fn of_one(topic: &'static str, body: &Value) -> Self {
        Self { objects: vec![Object { topic, body: body.to_string().into_bytes() }], next: None }
    }
}

/// An object as `map` expects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The topic of its delivery.
    pub topic: &'static str,
    /// Its JSON.
    pub body: Vec<u8>,
}

impl Object {
    /// The digest of its content, topic included: an object of a list that has the digest that it had before hasn't changed.
    pub fn digest(&self) -> RawDigest {
        RawDigest::of(&[self.topic.as_bytes(), &[0], &self.body].concat())
    }
}

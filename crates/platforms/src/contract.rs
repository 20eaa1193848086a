//! The contract that every platform implements.

use bytes::Bytes;
use model::{
    ACCOUNT_HEADER, Action, Currency, Delivery, ExternalId, Health, MirrorKind, MirrorValue, Money, Payload,
    ProductText, Quantity, SourceVersion, Timestamp,
};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Upper limit of one delivery's body, in bytes, for platforms that are not known to send more.
pub const BODY_BYTES_DEFAULT: usize = 1024 * 1024;

/// One platform. Pure: the same arguments give the same results.
pub trait Platform: Send + Sync + 'static {
    /// The name of its folder, of its webhook path and of its metrics label.
    fn name(&self) -> &'static str;

    /// Every topic that the platform sends and Tillflow supports, topics of fetched objects included.
    fn topics(&self) -> &'static [Topic];

    /// The subset of [`Platform::topics`] that no webhook has: objects that Tillflow reads itself. In a delivery from
    /// any other source they are unknown topics.
    fn read_topics(&self) -> &'static [&'static str];

    /// The names (lower case) of the headers that may carry a signature; `verify` needs one of them.
    fn signature_headers(&self) -> &'static [&'static str];

    /// The names (lower case) of the headers that a request may carry only once: those that `verify`, `split` and
    /// `map` read.
    fn single_headers(&self) -> &'static [&'static str] {
        self.signature_headers()
    }

    /// Verifies that the platform sent `signed`: over the raw bytes, in constant time, with any active secret.
    fn verify(&self, signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified>;

    /// Returns the topic of a verified delivery and the key that distinguishes it from others. Reads no more of the
    /// body than that needs. A body that can't be read has no topic and gives `None`: it is kept and becomes a dead
    /// letter later.
    fn split(&self, signed: &Signed<'_>) -> Option<Delivered>;

    /// Upper limit of one delivery's body, in bytes, both as sent and decompressed. Larger than the default only with a
    /// source in the README, and never larger than a RAW message can hold (4 MiB).
    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_DEFAULT
    }

    /// Returns true if a thin notification of this topic states only that something changed: one fetch then serves
    /// several notifications that wait together.
    fn is_bare(&self, _topic: &str) -> bool {
        false
    }

    /// The names (lower case) of the headers that `map` reads.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// The accounts that a delivery names, in its body or its headers; empty if it names none.
    fn accounts<'a>(&self, _delivery: &'a Delivery, _body: &'a Value) -> Vec<&'a str> {
        Vec::new()
    }

    /// Returns true if `named`, an account as deliveries name it, is the `account` of a connection.
    fn is_account(&self, named: &str, account: &str) -> bool {
        named == account
    }

    /// Maps the payload to the model: one row for each event in it, in their order. No rows means that nothing in the
    /// payload is of interest. `body` has passed the topic's schema. Returns a `Reject` rather than a guess: for one
    /// row, which leaves the other rows as they are, or for the whole payload where rows can't be distinguished.
    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject>;

    /// The request that fetches the object that a thin notification, or `Fetch`, names. `None` if the delivery names
    /// nothing that can be fetched.
    fn fetch(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject>;

    /// The objects in the reply to a fetch, and the request for the next page. An object that is read back and doesn't
    /// exist is an object too: one that `map` reads as an unknown level or as a deletion, so that the mirror that waits
    /// for it gets a report.
    fn fetched(&self, wanted: &Fetch<'_>, context: &CallContext<'_>, reply: &HttpReply<'_>) -> Fetched;

    /// Returns true if no two states of a product or a level share a version. If they may, two different reports of one
    /// version don't show which is later, and the object is read back.
    fn versions_are_unique(&self) -> bool {
        true
    }

    /// The limits of writes of that kind; `None` if the platform accepts none, so that no such call is planned.
    fn write_limits(&self, kind: MirrorKind) -> Option<WriteLimits>;

    /// The next request of a call. A call that has to read first (optimistic versions) gets the reply to that read as
    /// `read`, once `outcome` classifies that reply as `Done`.
    fn call(&self, call: &Call, context: &CallContext<'_>, read: Option<&HttpReply<'_>>) -> Step;

    /// Classifies the reply to the write of `call`, or to the read before it.
    fn outcome(&self, call: &Call, reply: &HttpReply<'_>) -> CallOutcome;

    /// Rate limit of one connection: calls per second, and calls at once (burst). From the platform's documents or our
    /// own caution; the README names the source.
    fn rate(&self) -> (f64, u32);
}

/// Rejects a delivery that names another account than its connection's: one URL may get the deliveries of all sellers,
/// and one secret may sign those of all shops. Accepts a delivery that names no account, and any delivery if the
/// connection's account isn't known.
pub fn check_account(platform: &dyn Platform, delivery: &Delivery, body: &Value) -> Result<(), Reject> {
    let Some(account) = delivery.header(ACCOUNT_HEADER) else { return Ok(()) };
    if platform.accounts(delivery, body).into_iter().all(|named| platform.is_account(named, account)) {
        return Ok(());
    }
    Err(Reject::new(RejectClass::Config, "the delivery is of another account than the connection's"))
}

/// A topic of a platform.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    /// The name as the platform writes it.
    pub name: &'static str,
    /// The processing of its deliveries.
    pub kind: TopicKind,
    /// The text of its JSON Schema (2020-12): `schemas/<platform>/<topic with _ for / and .>.schema.json`.
    pub schema: &'static str,
}

/// The processing of a topic's deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKind {
    /// The delivery is mapped.
    Full,
    /// The delivery states that something changed; the object has to be fetched.
    Thin,
    /// The delivery is mapped, and also names objects that have to be fetched.
    Both,
}

/// A request as received.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Name (lower case) and value of each header; values that aren't text are left out.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte as signed.
    pub body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// The value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The secrets and the URL that a connection's signatures are verified with.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// Every active secret: the present one and, during a rotation, the previous one.
    pub active: &'a [String],
    /// The URL as registered with the platform, for platforms that sign it.
    pub notification_url: &'a str,
}

/// The reason why a delivery isn't verified. The sender never learns which of the two applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// There is no signature.
    #[error("the signature is missing")]
    Missing,
    /// No active secret gives this signature.
    #[error("the signature doesn't match")]
    Mismatch,
}

/// The result of `split`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The topic, as the platform writes it; may be an unknown one.
    pub topic: String,
    /// The key that distinguishes this delivery from others and is the same for its retries; `None` if only the
    /// body does.
    pub distinct: Option<String>,
}

/// The input of `map` besides the delivery.
#[derive(Debug, Clone, Copy)]
pub struct MapContext {
    /// The currency of amounts that name none.
    pub currency: Option<Currency>,
}

/// One event of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The change to the object.
    pub action: Action,
    /// Time of the change, as the platform reports it.
    pub occurred_at: Option<Timestamp>,
    /// The platform's version of the object.
    pub version: Option<SourceVersion>,
    /// Identity of the event, the same for every repeat of it: object and version, or the delivery. Never empty.
    pub identity: Vec<String>,
    /// The content that the platform reported.
    pub payload: Payload,
}

/// The events of a delivery, in their order, and the rejections of its rows that can't be mapped.
pub type Rows = Vec<Result<Mapped, Reject>>;

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

/// The content of a reply to a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Full objects: topic and body of each, as `map` expects them; and the request for the next page.
    Objects {
        /// Topic and JSON body.
        objects: Vec<(&'static str, Vec<u8>)>,
        /// The request for the next page.
        next: Option<HttpRequest>,
    },
    /// Nothing was read; the reason is an outcome as of a call, never `Done`.
    Failed(CallOutcome),
}

/// Location of a connection's API and the credentials for it.
#[derive(Clone)]
pub struct Access {
    /// Scheme, host and port, without a slash at the end.
    pub base_url: String,
    /// The access token; the platform defines its kind.
    pub token: String,
    /// The API version to request; empty for the default in the platform's `call`.
    pub api_version: String,
    /// The account's name on the platform (Shopify's shop domain, Treez' dispensary), for APIs that need it.
    pub account: String,
}

/// The input of a call besides the call itself.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// Location and credentials of the API.
    pub access: &'a Access,
    /// Idempotency key, the same for every attempt of one write.
    pub idempotency_key: &'a str,
    /// The current time.
    pub now: Timestamp,
}

/// A change to make on a platform. Ids are the platform's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Set a level from its present quantity to the desired one. A level that isn't known can't be written.
    SetLevel {
        /// The item that is counted.
        item: ExternalId,
        /// The location; `None` on platforms without locations.
        location: Option<ExternalId>,
        /// The desired quantity.
        to: Quantity,
        /// The present quantity as far as known; compare-and-set or delta against this.
        from: Quantity,
    },
    /// Set the price of a variant.
    SetPrice {
        /// The product of the variant.
        product: ExternalId,
        /// The variant.
        variant: ExternalId,
        /// The desired price.
        to: Money,
    },
    /// Set the text of a product.
    SetText {
        /// The product.
        product: ExternalId,
        /// The desired text; `None` fields stay.
        to: ProductText,
    },
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// For reads.
    Get,
    /// For actions.
    Post,
    /// For replacements.
    Put,
}

/// A request for the caller to send.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The complete URL.
    pub url: String,
    /// Name and value of each header, credentials included.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Bytes,
}

impl std::fmt::Debug for HttpRequest {
    // Headers carry credentials and bodies carry personal data: neither reaches a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A reply that the caller received.
#[derive(Debug, Clone, Copy)]
pub struct HttpReply<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After` as a duration; the header may be a number of seconds or a date.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: &'a [u8],
}

/// The limits of a platform's writes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimits {
    /// The number of decimals a quantity may have; zero for whole pieces. Not used for prices and texts.
    pub quantity_decimals: u32,
    /// Time after the first attempt during which a write may be repeated with the same key and still counts once.
    /// `None`: no limit is known.
    pub repeatable_for: Option<Duration>,
}

/// The next request of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read first, then call [`Platform::call`] again with the reply.
    Read(HttpRequest),
    /// Write; pass the reply to [`Platform::outcome`].
    Write(HttpRequest),
    /// The call ends without a write: `Done` if the platform has the value already, else the reason why it can't
    /// be made.
    End(CallOutcome),
}

/// The result of a call, for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// Accepted.
    Done {
        /// The object's version after the write, as `map` reads it from the report of the write; `None` if the reply
        /// doesn't contain it, or is the reply to a read.
        version: Option<SourceVersion>,
        /// The object's text or price after the write as the platform renders it, in the form in which its report is
        /// compared. `None` if the reply doesn't contain it; always `None` for levels, whose count may include
        /// others' changes.
        rendered: Option<MirrorValue>,
    },
    /// Compare-and-set failed: the platform has another value. Read again.
    Conflict,
    /// The platform has no such object, or doesn't count it at that location. Its state is no longer known.
    Gone,
    /// Not now: too many calls.
    Throttled {
        /// Minimum wait.
        after: Option<Duration>,
    },
    /// Not now: the outcome is unknown or the platform has an outage. The same call may safely be repeated.
    Retry {
        /// The observed failure, without payload.
        reason: String,
    },
    /// Every call of this account is refused until its credentials or settings change. Independent of the value.
    AccountRefused(AccountRefusal, Reject),
    /// The write's time or key is too old for the platform, so that repeating the call doesn't show its outcome. Read
    /// the object and start a new call.
    TooOld(Reject),
    /// This value or this object is permanently refused.
    Rejected(Reject),
}

impl CallOutcome {
    /// A success without further details.
    pub const DONE: Self = Self::Done { version: None, rendered: None };
}

impl From<Reject> for CallOutcome {
    /// Credentials and settings concern the account; anything else concerns the value.
    fn from(reject: Reject) -> Self {
        match reject.class {
            RejectClass::Auth => Self::AccountRefused(AccountRefusal::Unauthorized, reject),
            RejectClass::Config => Self::AccountRefused(AccountRefusal::Misconfigured, reject),
            RejectClass::Schema | RejectClass::Data | RejectClass::Platform | RejectClass::Bug => {
                Self::Rejected(reject)
            }
        }
    }
}

/// The reason why an account accepts no calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRefusal {
    /// The credentials are refused or lack a permission.
    Unauthorized,
    /// The account is closed, frozen or moved, or a setting of the connection is wrong or missing.
    Misconfigured,
}

impl From<AccountRefusal> for Health {
    fn from(refusal: AccountRefusal) -> Self {
        match refusal {
            AccountRefusal::Unauthorized => Self::NeedsReauth,
            AccountRefusal::Misconfigured => Self::Misconfigured,
        }
    }
}

/// Normalizes a text as mirrors compare it: trimmed, with runs of white space as one space.
pub(crate) fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

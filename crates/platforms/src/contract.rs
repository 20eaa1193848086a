//! What every platform answers.

use bytes::Bytes;
use model::{
    ACCOUNT_HEADER, Action, Currency, Delivery, ExternalId, MirrorKind, MirrorValue, Money, Payload,
    ProductText, Quantity, SourceVersion, Timestamp,
};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Upper limit of one delivery's body, in bytes, for platforms that are not known to send more.
pub const BODY_BYTES_DEFAULT: usize = 1024 * 1024;

/// One platform. Pure: the same arguments give the same answers.
pub trait Platform: Send + Sync + 'static {
    /// The name of its folder, of its webhook path and of its label.
    fn name(&self) -> &'static str;

    /// Every topic that it sends and that we know. Topics of fetched objects are among them.
    fn topics(&self) -> &'static [Topic];

    /// Those of [`Platform::topics`] that no webhook has: objects that we have read ourselves. From anybody else they
    /// are topics that aren't known.
    fn read_topics(&self) -> &'static [&'static str];

    /// The names (lower case) of the headers of which one has to be there for `verify` to find a signature.
    fn signature_headers(&self) -> &'static [&'static str];

    /// The names (lower case) of the headers that a request may have once: whatever `verify`, `split` and `map` read.
    fn single_headers(&self) -> &'static [&'static str] {
        self.signature_headers()
    }

    /// Whether `signed` was sent by the platform: over the raw bytes, in constant time, with any active secret.
    fn verify(&self, signed: &Signed<'_>, secrets: &Secrets<'_>) -> Result<(), Unverified>;

    /// Which topic a verified delivery has and what tells it from others. Reads no more of the body than that needs;
    /// a body that can't be read has no topic and is `None`: it is kept and becomes a dead letter later.
    fn split(&self, signed: &Signed<'_>) -> Option<Delivered>;

    /// Upper limit of one delivery's body, in bytes: as sent, and again decompressed. Larger than the default only with
    /// a source in the README, and never larger than a RAW message can hold (4 MiB).
    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_DEFAULT
    }

    /// Whether a thin notification of this topic says only that something changed: several that wait together are then
    /// answered by one fetch.
    fn is_bare(&self, _topic: &str) -> bool {
        false
    }

    /// The names (lower case) of the headers that `map` reads.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// The accounts that a delivery says it is of, in its body or its headers; none where it says none.
    fn accounts<'a>(&self, _delivery: &'a Delivery, _body: &'a Value) -> Vec<&'a str> {
        Vec::new()
    }

    /// Returns whether `named`, as deliveries name accounts, is a connection's `account`.
    fn is_account(&self, named: &str, account: &str) -> bool {
        named == account
    }

    /// The payload in our words: one row for each event in it, in their order; none means that nothing in it concerns
    /// us.
    /// `body` has passed the topic's schema. Says `Reject` rather than guess: of a row, which leaves its neighbours as
    /// they are, or of the whole, where the rows can't be distinguished.
    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject>;

    /// The request that fetches what a thin notification speaks of, or what `Fetch` names. `None` if the delivery
    /// speaks of nothing that can be fetched.
    fn fetch(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject>;

    /// The objects in the reply to a fetch, and the request for the next page. What is read back and isn't there is an
    /// object too: one that `map` reads as an unknown level or as a deletion, so that whoever waits for it hears of it.
    fn fetched(&self, wanted: &Fetch<'_>, context: &CallContext<'_>, reply: &HttpReply<'_>) -> Fetched;

    /// Whether no two states of a product or a level have the same version. Where they may, two reports of one version
    /// that differ don't tell which is the later: it is then read back.
    fn versions_are_unique(&self) -> bool {
        true
    }

    /// The limits of writes of that kind; `None` if the platform takes none, so that such a call is never planned.
    fn write_limits(&self, kind: MirrorKind) -> Option<WriteLimits>;

    /// The next request of a call: a call that has to read first (optimistic versions) gets the reply to that read as
    /// `read`, once `outcome` calls that reply `Done`.
    fn call(&self, call: &Call, context: &CallContext<'_>, read: Option<&HttpReply<'_>>) -> Step;

    /// The meaning of the reply to the write of `call`, or to the read before it.
    fn outcome(&self, call: &Call, reply: &HttpReply<'_>) -> CallOutcome;

    /// How many calls per second the platform grants one connection, and how many at once, in documents or by our own
    /// caution; said with its source in the README.
    fn rate(&self) -> (f64, u32);
}

/// Refuses a delivery that says to be of another account than its connection's: one URL may get those of all sellers,
/// and one secret may sign those of all shops. Says nothing where the delivery names none, or the connection's isn't
/// known.
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
    /// As the platform writes it.
    pub name: &'static str,
    /// What becomes of it.
    pub kind: TopicKind,
    /// The text of its JSON Schema (2020-12): `schemas/<platform>/<topic with _ for / and .>.schema.json`.
    pub schema: &'static str,
}

/// What becomes of a delivery of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKind {
    /// It is mapped.
    Full,
    /// It says that something changed; the object has to be fetched.
    Thin,
    /// It is mapped, and names objects that have to be fetched besides.
    Both,
}

/// A request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Name (lower case) and value of each header; a value that isn't text is left out.
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

/// What signatures of a connection are checked with.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// Every active secret: the present one and, during a rotation, the one before.
    pub active: &'a [String],
    /// The URL as it was registered with the platform, for those that sign it.
    pub notification_url: &'a str,
}

/// Why a delivery isn't believed. Which of the two is never reported to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// No signature at all.
    #[error("the signature is missing")]
    Missing,
    /// A signature that no active secret gives.
    #[error("the signature doesn't match")]
    Mismatch,
}

/// What `split` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The topic, as the platform writes it; may be one we don't know.
    pub topic: String,
    /// What tells this delivery from others and is the same for its retries; `None` if only the body does.
    pub distinct: Option<String>,
}

/// What `map` may know besides the delivery.
#[derive(Debug, Clone, Copy)]
pub struct MapContext {
    /// The currency of amounts that come without one.
    pub currency: Option<Currency>,
}

/// One event of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// What was done.
    pub action: Action,
    /// When, as the platform says.
    pub occurred_at: Option<Timestamp>,
    /// The platform's version of the object.
    pub version: Option<SourceVersion>,
    /// What makes the event the same when it comes again: object and version, or the delivery. Never empty.
    pub identity: Vec<String>,
    /// What the platform said.
    pub payload: Payload,
}

/// The events of a delivery, in their order, and the rows of it that can't be events.
pub type Rows = Vec<Result<Mapped, Reject>>;

/// What is to be fetched.
#[derive(Debug, Clone, Copy)]
pub enum Fetch<'a> {
    /// What the thin notification of this topic speaks of.
    Notified {
        /// The notification's topic.
        topic: &'a str,
        /// Its body.
        body: &'a Value,
        /// Only what changed after this, where the platform can say so.
        since: Option<Timestamp>,
    },
    /// The level of one item at one location, to read back.
    Level {
        /// What is counted.
        item: &'a ExternalId,
        /// Where; the platform's id. `None` on platforms without locations.
        location: Option<&'a ExternalId>,
    },
    /// The text of a product and the price of one of its variants, to read back.
    Product {
        /// The product.
        product: &'a ExternalId,
        /// The variant; `None` where only the text is asked for.
        variant: Option<&'a ExternalId>,
    },
}

/// What a reply to a fetch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Full objects: topic and body of each, as `map` takes them; and the request for the next page.
    Objects {
        /// Topic and JSON body.
        objects: Vec<(&'static str, Vec<u8>)>,
        /// The next page.
        next: Option<HttpRequest>,
    },
    /// Nothing was read, for the reason that a call would have; never `Done`.
    Failed(CallOutcome),
}

/// Where a connection's API is and how we may speak to it.
#[derive(Clone)]
pub struct Access {
    /// Scheme, host and port, without a slash at the end.
    pub base_url: String,
    /// The token; its kind is the platform's business.
    pub token: String,
    /// The API version that we ask for; empty for the platform's default in `call`.
    pub api_version: String,
    /// The account's name on the platform (Shopify's shop domain, Treez' dispensary), where its API wants it.
    pub account: String,
}

/// What a call may know besides itself.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// Where and how.
    pub access: &'a Access,
    /// The same for every attempt of one write.
    pub idempotency_key: &'a str,
    /// The present.
    pub now: Timestamp,
}

/// A change that a platform shall make. Ids are the platform's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Bring a level from what it holds to what it should hold. A level that isn't known can't be written.
    SetLevel {
        /// What is counted.
        item: ExternalId,
        /// Where; `None` on platforms without locations.
        location: Option<ExternalId>,
        /// What it should hold.
        to: Quantity,
        /// What it holds as far as we know; compare-and-set or delta against this.
        from: Quantity,
    },
    /// Set the price of a variant.
    SetPrice {
        /// The product it is of.
        product: ExternalId,
        /// The variant.
        variant: ExternalId,
        /// What it should cost.
        to: Money,
    },
    /// Set the text of a product.
    SetText {
        /// The product.
        product: ExternalId,
        /// What it should say; `None` fields stay.
        to: ProductText,
    },
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Does.
    Post,
    /// Replaces.
    Put,
}

/// A request that someone else makes.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// Name and value of each header, credentials among them.
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

/// A reply that someone else got.
#[derive(Debug, Clone, Copy)]
pub struct HttpReply<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After` as a duration, whether it was a number of seconds or a date.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: &'a [u8],
}

/// The limits of a platform's writes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimits {
    /// The number of decimals a quantity may have; zero for whole pieces. Without meaning for prices and texts.
    pub quantity_decimals: u32,
    /// How long after its first attempt a write may be repeated with the same key and still count once. `None`: no end
    /// of that time is known.
    pub repeatable_for: Option<Duration>,
}

/// The next request of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read first, then ask again with the reply.
    Read(HttpRequest),
    /// Write; the reply goes to [`Platform::outcome`].
    Write(HttpRequest),
    /// The call is over without a write: `Done` if the platform holds the value already, else why it can't be made.
    End(CallOutcome),
}

/// The meaning of a reply for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// Taken.
    Done {
        /// The version that the write made of the object, as `map` reads it from its report; `None` if the reply
        /// doesn't tell, or to a read.
        version: Option<SourceVersion>,
        /// The object's text or price after the write as the platform renders it, in the form in which its report will
        /// be compared. `None` if the reply doesn't show it; always for levels, whose count may hold others' changes.
        rendered: Option<MirrorValue>,
    },
    /// Compare-and-set refused: the platform holds something else. Read again.
    Conflict,
    /// The platform has no such object, or doesn't count it there. Nothing is known of it any more.
    Gone,
    /// Not now: too many calls.
    Throttled {
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// Not now: the outcome is unknown or the platform is unwell. The same call again is safe.
    Retry {
        /// How it showed, without payload.
        reason: String,
    },
    /// Every call of this account is refused until its credentials or settings are others. Says nothing of the value.
    AccountRefused(AccountRefusal, Reject),
    /// The write's time or key is too old for the platform, so that its outcome can't be learned by repeating it. Read
    /// the object and begin anew.
    TooOld(Reject),
    /// This value or this object is refused for good.
    Rejected(Reject),
}

impl CallOutcome {
    /// A success of which nothing more is known.
    pub const DONE: Self = Self::Done { version: None, rendered: None };
}

impl From<Reject> for CallOutcome {
    /// Credentials and settings are the account's; anything else is the value's.
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

/// The reason why an account takes no calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRefusal {
    /// The credentials are refused or lack a permission.
    Unauthorized,
    /// The account is closed, frozen or elsewhere, or what the connection was set up with is wrong or missing.
    Misconfigured,
}

/// A text as mirrors compare it: trimmed, with runs of white space as one space.
pub(crate) fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

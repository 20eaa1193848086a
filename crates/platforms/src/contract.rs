//! The contract that every platform implements: what it is, how its payloads are mapped, and what else it can do.

mod call;
mod collections;
mod exchange;
mod handshake;
mod http;
mod public_keys;
mod reader;
mod tokens;
mod webhooks;
mod writer;

pub use call::{Access, AccountRefusal, CallContext, CallError};
pub use collections::{Collection, Collections, Files, ListPage, Listed, NextPage, Range, Reads, Wanted};
pub use exchange::{Awaiting, Exchange, batch_key};
pub use handshake::{Handshake, HandshakeMedia, HandshakeReply, Handshakes};
pub use http::{HttpReply, HttpRequest, Method, REPLY_BYTES_DEFAULT};
pub use public_keys::{KeyId, PublicKeys};
pub use reader::{Fetch, Object, Page, Reader};
pub use tokens::{AccessToken, Tokens};
pub use webhooks::{Envelope, Signed, Unverified, VerifyContext, Webhooks};
pub use writer::{Step, Write, WriteLimits, Writer, Written};

use model::{Action, Currency, Delivery, MirrorKind, Payload, SourceVersion, Timestamp};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// Upper limit of one delivery's body, in bytes, for platforms that are not known to send more.
pub const BODY_BYTES_DEFAULT: usize = 1024 * 1024;

/// One platform. Pure: the same arguments give the same results. What not every platform can do is a capability of its
/// own: `None` if it lacks it.
pub trait Platform: Send + Sync + 'static {
    /// Its name, topics and limits.
    fn spec(&self) -> &'static Spec;

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

    /// The webhooks that it sends.
    fn webhooks(&self) -> Option<&dyn Webhooks> {
        None
    }

    /// The reads of its API.
    fn reader(&self) -> Option<&dyn Reader> {
        None
    }

    /// The lists of its API.
    fn collections(&self) -> Option<&dyn Collections> {
        None
    }

    /// The writes of its API.
    fn writer(&self) -> Option<&dyn Writer> {
        None
    }

    /// The access tokens that it issues, if its credentials make no calls themselves.
    fn tokens(&self) -> Option<&dyn Tokens> {
        None
    }

    /// The name of its folder, of its webhook path and of its metrics label.
    fn name(&self) -> &'static str {
        self.spec().name
    }

    /// The topic of that name.
    fn topic(&self, name: &str) -> Option<&'static Topic> {
        self.spec().topics.iter().find(|topic| topic.name == name)
    }

    /// The limits of writes of that kind; `None` if the platform accepts none.
    fn write_limits(&self, kind: MirrorKind) -> Option<WriteLimits> {
        self.writer()?.limits(kind)
    }
}

/// The constants of a platform.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The name of its folder, of its webhook path and of its metrics label.
    pub name: &'static str,
    /// Every topic that it sends and Tillflow supports, topics of fetched objects included.
    pub topics: &'static [Topic],
    /// Upper limit of one delivery's body, in bytes, both as sent and decompressed. Larger than the default only with a
    /// source in the README, and never larger than a RAW message can hold (4 MiB).
    pub body_bytes_max: usize,
    /// Rate limit of one connection's calls. From the platform's documents or our own caution; the README names the
    /// source.
    pub rate: Rate,
}

/// A limit of calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls per second.
    pub per_second: f64,
    /// Calls at once.
    pub burst: u32,
}

/// Rejects a delivery that names another account than its connection's: one URL may get the deliveries of all sellers,
/// and one secret may sign those of all shops. Accepts a delivery that names no account, and any delivery if the
/// connection's account isn't known.
pub fn check_account(platform: &dyn Platform, delivery: &Delivery, body: &Value) -> Result<(), Reject> {
    let Some(account) = &delivery.account else { return Ok(()) };
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

impl Topic {
    /// Returns true if a delivery that didn't come from Tillflow's own reads may have the topic.
    pub const fn is_sent(&self) -> bool {
        !matches!(self.kind, TopicKind::Read)
    }
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
    /// The delivery is mapped, and only Tillflow's own reads have it: from any other source it is an unknown topic.
    Read,
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
    /// The platform's version of the object. It is coarse if two states may have it: two different reports of it don't
    /// show which is later, and the object is read back.
    pub version: Option<SourceVersion>,
    /// Identity of the event, the same for every repeat of it: object and version, or the delivery. Never empty.
    pub identity: Vec<String>,
    /// The content that the platform reported.
    pub payload: Payload,
}

/// The events of a delivery, in their order, and the rejections of its rows that can't be mapped.
pub type Rows = Vec<Result<Mapped, Reject>>;

/// Normalizes a text as mirrors compare it: trimmed, with runs of white space as one space.
pub(crate) fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

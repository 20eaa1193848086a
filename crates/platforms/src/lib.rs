//! Everything that is specific to a platform, without I/O.
//!
//! A platform is one folder with the same files: `mod` (what it is), `map` (payload to model), and one for each of its
//! capabilities: `webhooks` (signature, topic and key of a delivery), `reader` (thin notification → requests → full
//! objects), `collections` (lists that are read on a schedule), `writer` (a change as requests, their replies as its result), `tokens` (short-lived access tokens); a README with dated facts and `examples/`. It
//! describes HTTP requests; it never sends one. One line in [`all`] registers it, and the conformance suite runs over
//! that list.

mod blaze;
mod clover;
mod contract;
mod details;
mod field;
mod flowhub;
mod json;
mod leaflogix;
mod list;
mod offset_list;
mod packages;
mod promotion;
#[cfg(test)]
mod sample;
mod schema;
mod settlement;
mod shopify;
mod square;
mod text;
mod treez;
mod verify;
mod woocommerce;

pub use contract::{
    Access, AccessToken, AccountRefusal, Awaiting, BODY_BYTES_DEFAULT, CallContext, CallError, Collection,
    Collections, Envelope, Exchange, Fetch, Files, Handshake, HandshakeMedia, HandshakeReply, Handshakes,
    HttpReply, HttpRequest, KeyId, ListPage, Listed, MapContext, Mapped, Method, NextPage, Object, Page,
    Platform, PublicKeys, REPLY_BYTES_DEFAULT, Range, Rate, Reader, Reads, Rows, Signed, Spec, Step, Tokens,
    Topic, TopicKind, Unverified, VerifyContext, Wanted, Webhooks, Write, WriteLimits, Writer, Written,
    batch_key, check_account,
};
pub use json::{MAX_DEPTH, MEMORY_MAX};
pub use schema::{InvalidSchema, Validator};

/// Every platform, in alphabetical order.
pub fn all() -> &'static [&'static dyn Platform] {
    static ALL: [&dyn Platform; 8] = [
        &blaze::PLATFORM,
        &clover::PLATFORM,
        &flowhub::PLATFORM,
        &leaflogix::PLATFORM,
        &shopify::PLATFORM,
        &square::PLATFORM,
        &treez::PLATFORM,
        &woocommerce::PLATFORM,
    ];
    &ALL
}

/// The platform of that name.
pub fn find(name: &str) -> Option<&'static dyn Platform> {
    all().iter().copied().find(|platform| platform.name() == name)
}

//! Everything that is specific to a platform, without I/O.
//!
//! A platform is one folder with the same files: `verify` (signature of a delivery), `split` (topic and delivery key),
//! `map` (payload to model), `fetch` (thin notification → requests → full objects), `call` (a change as a request, its
//! reply as an outcome), a README with dated facts and `examples/`. It describes HTTP requests; it never sends one. One
//! line in [`all`] registers it, and the conformance suite runs over that list.

mod contract;
mod field;
mod json;
mod schema;
mod shopify;
mod square;
mod text;
mod treez;
mod verify;

pub use contract::{
    Access, AccountRefusal, BODY_BYTES_DEFAULT, Call, CallContext, CallOutcome, Delivered, Fetch, Fetched,
    HttpReply, HttpRequest, MapContext, Mapped, Method, Platform, Rows, Secrets, Signed, Step, Topic,
    TopicKind, Unverified, WriteLimits, check_account,
};
pub use json::{MAX_DEPTH, MEMORY_MAX};
pub use schema::{InvalidSchema, Validator};

/// Every platform, in alphabetical order.
pub fn all() -> &'static [&'static dyn Platform] {
    static ALL: [&dyn Platform; 3] = [&shopify::PLATFORM, &square::PLATFORM, &treez::PLATFORM];
    &ALL
}

/// The platform of that name.
pub fn find(name: &str) -> Option<&'static dyn Platform> {
    all().iter().copied().find(|platform| platform.name() == name)
}

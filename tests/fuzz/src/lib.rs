//! The fuzzer's targets: bytes from unauthenticated clients, run through the shipped code, with the properties that
//! must hold for any bytes.
//!
//! A target is a function of bytes that panics if a property doesn't hold. `fuzz/` has a program for each target, which
//! the fuzzer drives; the tests of this package replay the seeds there. No decision is made here: a target's
//! expectation is written independently of the code under test, or is a property of its results.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a target panics where something doesn't hold"
)]

mod batches;
mod bodies;
mod destinations;
mod heads;
mod messages;
mod notation;
mod payloads;
pub mod pipeline;
mod published;
mod replies;
mod signatures;
mod texts;

pub use batches::batches;
pub use bodies::bodies;
pub use destinations::destinations;
pub use heads::heads;
pub use messages::messages;
pub use payloads::payloads;
pub use published::published;
pub use replies::replies;
pub use signatures::signatures;
pub use texts::texts;

/// A target: its name, which is also that of its program and of its folder of seeds, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("batches", batches),
    ("bodies", bodies),
    ("destinations", destinations),
    ("heads", heads),
    ("messages", messages),
    ("payloads", payloads),
    ("published", published),
    ("replies", replies),
    ("signatures", signatures),
    ("texts", texts),
];

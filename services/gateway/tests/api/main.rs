//! The management API on a real database, without a listener.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

mod edits;
mod fixture;
mod idempotency;
mod keys;
mod onboarding;
mod walls;

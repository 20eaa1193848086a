//! Committing to a real database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod held;
mod refused;

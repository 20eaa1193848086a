//! Tests against a real Postgres, each with a database of its own.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

mod access_tokens;
mod accounting;
mod applying;
mod bounds;
mod call_budgets;
mod collections;
mod conflicts;
mod connection_states;
mod desired;
mod details;
mod employees;
mod fixture;
mod links;
mod matches;
mod mirrors;
mod parked;
mod plans;
mod promotions;
mod propagating;
mod rebuilding;
mod schema;
mod sent_together;
mod setup;
mod texts;
mod upgrade;
mod versions;
mod wall;

//! Calls to platforms: one client, time limits, budgets per connection, access tokens; and the handover of fetched objects
//! and of people's decisions to the intake.
//!
//! The `platforms` crate defines the requests and classifies the replies. This crate only sends them, and restricts the
//! addresses that a tenant's URL may lead to.

mod accept;
mod accounts;
mod address;
mod budget;
mod client;
mod decisions;
mod destination;
mod fetch;
mod resolver;

pub use accept::{NotAccepted, accept, instruction_delivery};
pub use accounts::{Accounts, Refusable};
pub use budget::Budgets;
pub use client::{Client, Failed, OwnedReply};
pub use decisions::{ConflictAnswer, Decisions, Instructed, NoSuchAnswer, NotDecided, reject_match};
pub use destination::{AllowedOrigin, CallsConfig, Forbidden, NoOrigin};
pub use fetch::{Fetcher, NotFetched, Target};

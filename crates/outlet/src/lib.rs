//! Calls to platforms: one client, time limits, budgets per connection, and the way of what was fetched into RAW.
//!
//! What to say and what the answer means is the platforms' knowledge; here it is only carried, and held to the addresses
//! that a tenant's URL may lead to.

mod accept;
mod address;
mod budget;
mod client;
mod destination;
mod fetch;
mod resolver;

pub use accept::{NotAccepted, accept};
pub use budget::Budgets;
pub use client::{Client, Failed, OwnedReply};
pub use destination::{AllowedOrigin, CallsConfig, Forbidden, NoOrigin};
pub use fetch::{Fetcher, NotFetched, Target};

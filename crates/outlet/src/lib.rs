//! Calls to platforms: one client, time limits, budgets per connection, and the way of what was fetched into RAW.
//!
//! What to say and what the answer means is the platforms' knowledge; here it is only carried.

mod accept;
mod budget;
mod client;
mod fetch;

pub use accept::{NotAccepted, accept};
pub use budget::Budgets;
pub use client::{Client, Failed, OwnedReply};
pub use fetch::{Fetcher, NotFetched, Target};

//! Tools for tests of the whole system: servers for each test, the real service processes, a merchant's set-up, and
//! signed deliveries.
//!
//! A missing requirement ends the test: everything here panics and names it instead of returning errors.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "what a test can't have ends the test")]

mod account;
mod delivery;
mod eventually;
mod examples;
mod log;
mod mutation;
mod outcomes;
pub mod payloads;
mod process;
mod python;
mod replicas;
mod scrape;
mod sender;
mod users;
mod world;

pub use account::{Account, AccountOptions, Merchant};
pub use delivery::{Missigned, Signed, level_body, product_body};
pub use eventually::eventually;
pub use examples::{Example, examples};
pub use mutation::Mutator;
pub use outcomes::{Ended, Outcomes};
pub use process::{Process, Program};
pub use python::python_with_nats;
pub use replicas::Replica;
pub use scrape::Scrape;
pub use sender::{Response, Sender};
pub use users::{PASSWORD, PASSWORD_USER, Users};
pub use world::{World, WorldOptions};

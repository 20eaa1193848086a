//! Shops' weeks in virtual time: the shipped decisions run against platforms as state machines, with an oracle that has
//! the true shelf. See `README.md`.

mod check;
mod listed;
mod oracle;
mod outbound;
mod pipeline;
pub mod plan;
mod record;
mod shop;
pub mod shrink;
mod story;
mod world;

pub use world::{Run, run};

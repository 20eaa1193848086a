//! Tests of the system as real processes: the services' own binaries on the test's own broker and database.
//!
//! Each test starts everything that it needs and runs independently. `cargo build --workspace` makes the binaries.

#![expect(clippy::expect_used, reason = "a test may panic, and so may what it is made of")]

mod absolute_levels;
mod access_tokens;
mod agreement;
mod bad_headers;
mod bad_weeks;
mod batches;
mod broker_faults;
mod budgets;
mod bulk_reads;
mod cases;
mod clients;
mod cluster;
mod command_line;
mod conservation;
mod crowd;
mod database_faults;
mod dead_letters;
mod decisions;
mod demo;
mod erasure;
mod flow;
mod foreign;
mod full;
mod intake;
mod kill_points;
mod large_bodies;
mod lost_tails;
mod matches;
mod nats_auth;
mod nats_routes;
mod naughty;
mod outgoing;
mod pauses;
mod people_and_prices;
mod platform_faults;
mod poison;
mod polled_tills;
mod programs;
mod promotion_replicas;
mod promotions;
mod public_keys;
mod publishing;
mod rebuild;
mod record_details;
mod refusals;
mod refused;
mod replaced_broker;
mod replay;
mod replicas;
mod restored;
mod rooms;
mod scheduled_reads;
mod shown;
mod stopping;
mod transform;
mod unauthenticated;
mod unsigned;

use std::time::Duration;

/// Time limit for expected events where two cores run everything; mostly they take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

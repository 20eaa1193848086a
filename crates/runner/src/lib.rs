//! The loop that every stage shares, and the process around it.
//!
//! A service consists of its decision and a few lines here: [`main`] reads the configuration, starts telemetry, opens
//! the bus, serves `/metrics`, `/livez` and `/readyz`, and stops cleanly; [`run_stage`] moves a partition's batches
//! from one feed to the next, and [`run_pass`] through several stages at once; [`own_partitions`] runs any other loop
//! once for each partition that this replica owns.

/// The allocator of every service: events are many small texts, allocated on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod admin;
mod alerts;
mod arguments;
mod backoff;
mod config;
mod dead_letters;
mod decided;
mod descriptors;
mod janitor;
mod kill_point;
mod metrics;
mod ours;
mod partitions;
mod pass;
mod problem;
mod process;
mod serve;
mod stage_io;
mod stage_loop;
mod telemetry;
mod token_bucket;
mod version;

pub use admin::{AdminServer, Readiness};
pub use alerts::Alerts;
pub use backoff::Backoff;
pub use config::{AdminConfig, Config, ConfigError, LogConfig, LogFormat};
pub use dead_letters::{dead_letter, delivery_in_raw, publish_dead_letter};
pub use decided::{Settled, settle};
pub use descriptors::need_descriptors;
pub use janitor::{Janitor, Progress, Readers, Retention};
pub use kill_point::kill_point;
pub use metrics::{Metrics, outcome_label};
pub use ours::{Ours, batch_of, change_of, connect};
pub use partitions::{PartitionRun, own_partitions, until_set_up};
pub use pass::{Chained, Decided, Pass, PassContext, Rejected, Single, Tally};
pub use problem::problem;
pub use process::{Failure, Service, chain, main, now, replica_name};
pub use serve::{Client, Listening, NoPermit, Origin, doubled, serve, serve_connection};
pub use stage_io::{Batch, Head, Input, Output, Positioned, StageIo, readable, unreadable};
pub use stage_loop::{run_pass, run_stage};
pub use telemetry::start as start_logging;
pub use token_bucket::TokenBucket;
pub use version::{COMMIT, PROFILE, VERSION, VERSION_TEXT};

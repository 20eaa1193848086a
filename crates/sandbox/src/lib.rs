//! Starts a private nats-server and a private Postgres, on free ports and each in a folder of its own, and stops them.
//!
//! For development and tests: nothing is shared, nothing listens beyond loopback, and each server ends with the process
//! that started it, even if that process is killed.

mod cluster;
mod error;
mod find;
mod nats;
mod postgres;
mod private;
mod process;
mod scram;
mod scratch;
mod session;
mod slow_disk;
mod template;

pub use cluster::NatsCluster;
pub use error::SandboxError;
pub use find::nats_server;
pub use nats::{Nats, NatsOptions};
pub use postgres::{Postgres, PostgresOptions};
pub use private::own_folder;
pub use scratch::Scratch;

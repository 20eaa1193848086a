//! Command-line arguments of a run.

use clap::{Parser, ValueEnum};
use std::{collections::BTreeSet, time::Duration};
use testkit::Program;

/// Sends a seeded stream through real processes while they are killed, paused and disconnected from their servers, then
/// checks in the record that Tillflow's guarantees hold.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "torture",
    after_help = "Exit codes: 0 every check held and everything was seen, 1 not so, 2 the arguments can't be used."
)]
pub(crate) struct Options {
    /// Seed of the stream and of the order of faults; random if omitted, and printed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Minutes for which deliveries are sent; faults happen in the middle two thirds.
    #[arg(long, default_value_t = 3.0, value_parser = minutes)]
    pub(crate) minutes: f64,
    /// Continue until this many processes were killed, however long that takes.
    #[arg(long)]
    pub(crate) kills: Option<u32>,
    /// Probability, from 0 to 0.95, that a fault is followed by another before work has recovered from it. A higher
    /// value means less time per kill; recovery is measured only after faults that happened alone.
    #[arg(long, default_value_t = 0.2, value_parser = likelihood)]
    pub(crate) overlapping: f64,
    /// Kinds of faults to make.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) faults: Vec<Group>,
    /// Number of tenants.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) tenants: u16,
    /// Number of stores of each tenant.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) stores: u16,
    /// Number of products of each store.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) products: u16,
    /// Number of stores that also have a simulated Shopify and a simulated Square, which receive our values.
    #[arg(long, default_value_t = 10)]
    pub(crate) simulated: u16,
    /// Deliveries of the stream that are sent per second, without repetitions.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// Actions per minute of shoppers in all simulated shops together.
    #[arg(long, default_value_t = 300)]
    pub(crate) shopping: u32,
    /// Probability, from 0 to 1, that a simulated platform's webhook is overtaken by the next one.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) overtaking: f64,
    /// Number of replicas of each service.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) replicas: u8,
    /// Run normalize, dedupe and enrich in one pass, as the service transform.
    #[arg(long)]
    pub(crate) one_pass: bool,
    /// Time limit, in minutes, for all work to finish after the faults.
    #[arg(long, default_value_t = 12.0, value_parser = minutes)]
    pub(crate) rest_minutes: f64,
    /// Print one JSON object at the end instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A group of faults that is chosen as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Group {
    /// Every kind of fault.
    All,
    /// No faults: the stream alone.
    None,
    /// A replica of a service is killed.
    StageKills,
    /// A replica is paused for longer than its membership lasts, then resumed.
    Pauses,
    /// The broker is killed and restarted.
    Broker,
    /// The database is killed and restarted, or it ends sessions of services.
    Database,
    /// Platforms are slow, fail, throttle, or end connections after they did what was requested.
    Platforms,
    /// Unauthenticated clients send to the intakes, and a hostile partner publishes to the broker.
    UnauthenticatedClients,
}

impl Options {
    /// The services of the run.
    pub(crate) const fn programs(&self) -> &'static [Program] {
        if self.one_pass { &Program::IN_ONE_PASS } else { &Program::ALL }
    }

    /// The chosen groups, with `all` and `none` resolved.
    pub(crate) fn groups(&self) -> BTreeSet<Group> {
        let every = [
            Group::StageKills,
            Group::Pauses,
            Group::Broker,
            Group::Database,
            Group::Platforms,
            Group::UnauthenticatedClients,
        ];
        if self.faults.contains(&Group::All) {
            return every.into();
        }
        every.into_iter().filter(|group| self.faults.contains(group)).collect()
    }

    /// Time for which deliveries are sent.
    pub(crate) fn sending(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    /// Time limit for all work to finish after the faults.
    pub(crate) fn rest(&self) -> Duration {
        Duration::from_secs_f64(self.rest_minutes * 60.0)
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=10_000.0).contains(&minutes) { Ok(minutes) } else { Err("from 0.05 to 10000".to_owned()) }
}

fn likelihood(text: &str) -> Result<f64, String> {
    let likelihood: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=0.95).contains(&likelihood) { Ok(likelihood) } else { Err("from 0 to 0.95".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_every_group_and_none_means_no_group() {
        let groups = |faults: &str| Options::parse_from(["torture", "--faults", faults]).groups();
        assert_eq!(groups("all").len(), 6);
        assert!(groups("none").is_empty());
        assert_eq!(groups("broker,pauses"), [Group::Pauses, Group::Broker].into());
    }
}

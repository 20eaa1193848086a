//! What a run is made of.

use clap::{Parser, ValueEnum};
use std::{collections::BTreeSet, time::Duration};

/// Sends a seeded stream through real processes while they are killed, paused and cut off from their servers, then
/// checks in the record what Tillflow promises.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "torture",
    after_help = "Exit codes: 0 every check held and everything was seen, 1 not so, 2 the arguments can't be used."
)]
pub(crate) struct Options {
    /// What the stream and the order of faults follow from; drawn and printed if left out.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How long deliveries are sent; faults happen in the middle two thirds.
    #[arg(long, default_value_t = 3.0, value_parser = minutes)]
    pub(crate) minutes: f64,
    /// Goes on until so many processes were killed, however long that takes.
    #[arg(long)]
    pub(crate) kills: Option<u32>,
    /// How likely a fault is followed by another while it still hurts, from 0 to 0.95. The more, the less time a kill
    /// takes; how long work takes to go on is measured only after those that came alone.
    #[arg(long, default_value_t = 0.2, value_parser = likelihood)]
    pub(crate) overlapping: f64,
    /// Which faults happen.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) faults: Vec<Group>,
    /// How many tenants there are.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) tenants: u16,
    /// How many stores each tenant has.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) stores: u16,
    /// How many products each store has.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) products: u16,
    /// How many of the stores have, besides, a simulated Shopify and a simulated Square that take our values.
    #[arg(long, default_value_t = 10)]
    pub(crate) simulated: u16,
    /// How many deliveries of the stream are sent a second, repetitions aside.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// How many things a minute people do in the simulated shops, all together.
    #[arg(long, default_value_t = 300)]
    pub(crate) shopping: u32,
    /// How often a simulated platform's webhook is overtaken by the one behind it, from 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) overtaking: f64,
    /// How many replicas each service has.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) replicas: u8,
    /// How long everything may take to come to rest after the faults.
    #[arg(long, default_value_t = 12.0, value_parser = minutes)]
    pub(crate) rest_minutes: f64,
    /// One JSON object at the end instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Faults that are chosen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Group {
    /// Every kind of fault.
    All,
    /// None: the stream alone.
    None,
    /// A replica of a service is killed.
    StageKills,
    /// A replica is stopped for longer than its membership lasts, and goes on.
    Pauses,
    /// The broker is killed and comes back.
    Broker,
    /// The database is killed and comes back, or ends the sessions of services.
    Database,
    /// Platforms are slow, fail, refuse, or end connections after they did what was asked.
    Platforms,
    /// Unauthenticated clients press against the intakes, and a partner of the broker means harm.
    UnauthenticatedClients,
}

impl Options {
    /// The groups, without the words for all and none.
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

    /// How long deliveries are sent.
    pub(crate) fn sending(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    /// How long everything may take to come to rest.
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

//! The streams, and the assignment of partitions to them.

use crate::BusConfig;
use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};
use model::Partition;
use std::{collections::HashMap, time::Duration};

/// Time within which a message with the id of a stored one is not stored again.
pub(crate) const DUPLICATE_WINDOW: Duration = Duration::from_mins(5);
pub(crate) const PARTITIONS_KEY: &str = "tillflow-partitions";
pub(crate) const STREAMS_KEY: &str = "tillflow-streams";
pub(crate) const APPLIED: &str = "APPLIED";
pub(crate) const DEAD: &str = "DEAD";
pub(crate) const ALERTS: &str = "ALERTS";
pub(crate) const FOREIGN: &str = "FOREIGN";
pub(crate) const MEMBERS: &str = "MEMBERS";
/// Retention of alerts.
const ALERTS_MAX_AGE: Duration = Duration::from_hours(7 * 24);
/// Upper limit of all alerts, in bytes: three alerts of a kilobyte per stage and partition, with 64 partitions, take
/// about one megabyte.
const ALERTS_MAX_BYTES: u64 = 8 << 20;
/// Retention of records of foreign messages.
const FOREIGN_MAX_AGE: Duration = Duration::from_hours(30 * 24);
/// Upper limit of all records of foreign messages, in bytes: about 20,000 of them.
const FOREIGN_MAX_BYTES: u64 = 8 << 20;
/// Upper limit of all heartbeats, in bytes; a member takes about a hundred.
const MEMBERS_MAX_BYTES: i64 = 1 << 20;

/// The data that one stage passes to the next, in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feed {
    /// Accepted deliveries: the source of truth.
    Raw,
    /// Canonical events.
    Normalized,
    /// Canonical events, each once.
    Unique,
    /// Canonical events, each once, with data from the store.
    Enriched,
}

impl Feed {
    /// All feeds, in the order in which an event passes them.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Normalized, Self::Unique, Self::Enriched];

    /// The feed's name in subjects and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Normalized => "normalized",
            Self::Unique => "unique",
            Self::Enriched => "enriched",
        }
    }

    pub(crate) fn subject(self, partition: Partition) -> String {
        format!("pos.{}.{partition}", self.as_str())
    }

    /// The subjects of all partitions, as a wildcard.
    pub(crate) fn subjects(self) -> String {
        format!("pos.{}.*", self.as_str())
    }

    fn stream(self, index: u16) -> String {
        format!("{}-{index}", self.as_str().to_uppercase())
    }
}

/// The streams of one installation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    partitions: model::PartitionCount,
    streams_per_feed: u16,
    replicas: u8,
    feed_max_bytes: u64,
    applied_max_bytes: u64,
    dead_max_bytes: u64,
}

impl Layout {
    /// Validates the configuration; the error is the reason of a refusal.
    pub(crate) fn new(config: &BusConfig) -> Result<Self, &'static str> {
        if !(1..=config.partitions.get()).contains(&config.streams_per_feed) {
            return Err("streams_per_feed must be from 1 to the number of partitions");
        }
        if !matches!(config.replicas, 1 | 3) {
            return Err("replicas must be 1 or 3");
        }
        Ok(Self {
            partitions: config.partitions,
            streams_per_feed: config.streams_per_feed,
            replicas: config.replicas,
            feed_max_bytes: config.feed_max_bytes,
            applied_max_bytes: config.applied_max_bytes,
            dead_max_bytes: config.dead_max_bytes,
        })
    }

    pub(crate) fn partitions(&self) -> model::PartitionCount {
        self.partitions
    }

    /// Returns true if several servers hold each message.
    pub(crate) fn is_replicated(&self) -> bool {
        self.replicas > 1
    }

    pub(crate) fn dead_max_bytes(&self) -> u64 {
        self.dead_max_bytes
    }

    /// The stream that holds the partition.
    pub(crate) fn stream_of(&self, feed: Feed, partition: Partition) -> String {
        feed.stream(self.index_of(partition))
    }

    fn index_of(&self, partition: Partition) -> u16 {
        partition.0 % self.streams_per_feed
    }

    /// The index of the stream that holds the partition among those of a feed.
    pub(crate) fn room_of(&self, partition: Partition) -> usize {
        self.index_of(partition).into()
    }

    /// All streams of a feed.
    pub(crate) fn streams_of(&self, feed: Feed) -> impl Iterator<Item = String> {
        (0..self.streams_per_feed).map(move |index| feed.stream(index))
    }

    /// The configurations of all declared streams.
    pub(crate) fn streams(&self) -> Vec<Config> {
        let mut streams: Vec<Config> = Feed::ALL
            .into_iter()
            .flat_map(|feed| (0..self.streams_per_feed).map(move |index| (feed, index)))
            .map(|(feed, index)| self.feed_stream(feed, index))
            .collect();
        let applied =
            self.stream(APPLIED.to_owned(), vec!["pos.applied.>".to_owned()], self.applied_max_bytes);
        streams.push(Config { persist_mode: self.derived(), duplicate_window: DUPLICATE_WINDOW, ..applied });
        let dead = self.stream(DEAD.to_owned(), vec!["pos.dead.>".to_owned()], self.dead_max_bytes);
        streams.push(Config { duplicate_window: DUPLICATE_WINDOW, ..dead });
        streams.push(self.alerts());
        streams.push(self.foreign());
        streams.push(self.members());
        streams
    }

    /// The stream of alerts about errors that need a person: it keeps the last one of each stage, partition and kind.
    fn alerts(&self) -> Config {
        let alerts = self.stream(ALERTS.to_owned(), vec!["pos.alerts.>".to_owned()], ALERTS_MAX_BYTES);
        Config {
            discard: DiscardPolicy::Old,
            persist_mode: self.derived(),
            max_messages_per_subject: 1,
            max_age: ALERTS_MAX_AGE,
            ..alerts
        }
    }

    /// The stream of records of foreign messages: each once; the oldest are discarded first.
    fn foreign(&self) -> Config {
        let foreign = self.stream(FOREIGN.to_owned(), vec!["pos.foreign.>".to_owned()], FOREIGN_MAX_BYTES);
        Config {
            discard: DiscardPolicy::Old,
            persist_mode: self.derived(),
            max_messages_per_subject: 1,
            max_age: FOREIGN_MAX_AGE,
            ..foreign
        }
    }

    /// The stream of members: one message per member, which ends with its time to live. It is in memory, since nothing
    /// in it must persist.
    pub(crate) fn members(&self) -> Config {
        Config {
            name: MEMBERS.to_owned(),
            subjects: vec!["pos.members.>".to_owned()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::Memory,
            num_replicas: self.replicas.into(),
            max_bytes: MEMBERS_MAX_BYTES,
            max_messages: -1,
            max_messages_per_subject: 1,
            allow_direct: true,
            allow_message_ttl: true,
            ..Config::default()
        }
    }

    fn feed_stream(&self, feed: Feed, index: u16) -> Config {
        let mine = self.partitions.all().filter(|partition| self.index_of(*partition) == index);
        let subjects = mine.map(|partition| feed.subject(partition)).collect();
        let max_bytes = self.feed_max_bytes / u64::from(self.streams_per_feed);
        let stream = self.stream(feed.stream(index), subjects, max_bytes);
        match feed {
            Feed::Raw => Config { duplicate_window: DUPLICATE_WINDOW, ..stream },
            Feed::Normalized | Feed::Unique | Feed::Enriched => {
                Config { persist_mode: self.derived(), ..stream }
            }
        }
    }

    /// Persistence of a derived stream: data that can be computed again need not be on disk when it is acknowledged.
    /// Replicated streams don't support this mode.
    fn derived(&self) -> Option<PersistenceMode> {
        (self.replicas == 1).then_some(PersistenceMode::Async)
    }

    fn stream(&self, name: String, subjects: Vec<String>, max_bytes: u64) -> Config {
        Config {
            name,
            subjects,
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: self.replicas.into(),
            max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
            max_messages: -1,
            max_messages_per_subject: -1,
            allow_direct: true,
            metadata: HashMap::from([
                (PARTITIONS_KEY.to_owned(), self.partitions.get().to_string()),
                (STREAMS_KEY.to_owned(), self.streams_per_feed.to_string()),
            ]),
            ..Config::default()
        }
    }
}

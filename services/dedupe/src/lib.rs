//! Passes each event on once within its window.
//!
//! The window is rebuilt from what was passed on when a partition is taken over, so that it never drops an event that
//! was not. Events older than the window, evicted for lack of room, or not read back by a new
//! owner are checked by the unique key in Postgres.

use bus::{Bus, Feed, Message};
use model::{EventId, Partition, Position, Timestamp};
use runner::{Alerts, Batch, Failure, Head, Input, Positioned, Service, StageIo, batch_of, readable};
use serde::Deserialize;
use stage::{Fault, Skip, Stage, Verdict, Window};
use std::{marker::PhantomData, time::Duration};
use wire::EventRecord;

/// The name of the only stage between UNIQUE and ENRICHED.
const LATER_STAGE: &str = "enrich";

/// The configuration of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Time for which an event is remembered, in seconds of the intake's time; a day unless set.
    pub window_seconds: u64,
    /// Upper limit of remembered events per partition; the oldest are evicted first. About 60 bytes each.
    pub remembered_max: usize,
    /// Number of a partition's events that a new owner reads back before it begins, while the partition waits. Most
    /// repeats arrive soon; those of older events go on to the record.
    pub read_back_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { window_seconds: 24 * 60 * 60, remembered_max: 200_000, read_back_max: 4000 }
    }
}

/// The stage: the first event of its identity is passed on, every other is a duplicate. The service works on records as
/// received; a replay on events.
pub struct Dedupe<T>(PhantomData<T>);

impl<T> Default for Dedupe<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Input> Stage for Dedupe<T> {
    const NAME: &'static str = "dedupe";
    type In = T;
    type Out = T;
    /// An event's id is derived from its connection too, so the id alone is enough to distinguish tenants.
    type PartitionState = Window<EventId>;

    fn decide(&self, _at: Position, event: T, window: &mut Window<EventId>) -> Verdict<T> {
        let Head { event: id, received_at, attempt, .. } = event.head();
        // A re-ingested dead letter has passed before; the record decides about it.
        if id.is_none_or(|id| window.first_seen(id, received_at)) || attempt > 0 {
            Verdict::Emit(vec![event])
        } else {
            Verdict::Skip(Skip::Duplicate)
        }
    }
}

impl Config {
    /// An empty window of this size.
    pub fn window(&self) -> Window<EventId> {
        Window::new(Duration::from_secs(self.window_seconds), self.remembered_max)
    }
}

/// The stage's input beyond its records: the events that it has passed on.
pub struct Memory {
    config: Config,
    alerts: Alerts,
}

impl Memory {
    /// Memory for a stage that runs in `service` under the name `stage`.
    pub fn new(service: &Service, stage: &'static str, config: Config) -> Self {
        Self { config, alerts: Alerts::new(stage, &service.metrics, Some(&service.bus)) }
    }

    /// Reads the last events of a feed up to the position `covered`.
    async fn read_back(
        &self,
        bus: &Bus,
        feed: Feed,
        partition: Partition,
        covered: Position,
    ) -> Result<PassedOn, Fault> {
        let mut passed_on = PassedOn::default();
        let Some(tail) = bus.tail(feed, partition).await? else { return Ok(passed_on) };
        let read_back = self.config.remembered_max.min(self.config.read_back_max);
        let read_back = u64::try_from(read_back).unwrap_or(u64::MAX);
        let start = bus.seek_last_records(feed, partition, read_back).await?;
        let mut reader = bus.read(feed, partition, start).await?;
        loop {
            for message in readable(&self.alerts, partition, reader.waiting(64).await).await? {
                if message.sequence > tail.sequence {
                    // From another owner, published after the tail was read: its events are decided here again, as new.
                    return Ok(passed_on);
                }
                match batch_of::<EventRecord>(bus, feed, partition, &message) {
                    Ok(batch) => passed_on.add(&message, &batch, covered),
                    Err(foreign) => self.alerts.foreign(Some(partition), &foreign).await,
                }
                if message.sequence >= tail.sequence {
                    return Ok(passed_on);
                }
            }
        }
    }
}

/// The last events that were passed on, as a feed has them.
#[derive(Default)]
struct PassedOn {
    events: Vec<(Position, EventId, Timestamp)>,
    reaches: Option<Position>,
    has_gap: bool,
}

impl PassedOn {
    /// Adds the events of a batch: those that it contains, and those that ended in a later stage.
    fn add(&mut self, message: &Message, batch: &Batch<EventRecord>, covered: Position) {
        self.has_gap |= self.reaches.is_some() && message.from > self.reaches;
        self.reaches = message.covers;
        let events = batch.records.iter();
        let contained = events.map(|event| (event.position, event.value.id, event.value.received_at));
        let dropped_inputs = batch.dropped_inputs.iter().filter(|dropped| &*dropped.stage == LATER_STAGE);
        let ended = dropped_inputs
            .filter_map(|dropped| Some((dropped.position, dropped.event?, dropped.received_at)));
        self.events.extend(contained.chain(ended).filter(|(position, ..)| *position <= covered));
    }

    /// Returns false if the feed lacks events up to `covered` that were passed on without it.
    fn is_whole(&self, covered: Position) -> bool {
        !self.has_gap && self.reaches.unwrap_or_default() >= covered
    }
}

impl<T: Input> StageIo<Dedupe<T>> for Memory {
    /// The events are in UNIQUE, unless dedupe ran in one pass with the stages behind it: then ENRICHED has them.
    async fn open(
        &self,
        bus: &Bus,
        partition: Partition,
        covered: Position,
    ) -> Result<Window<EventId>, Fault> {
        let mut passed_on = self.read_back(bus, Feed::Unique, partition, covered).await?;
        if !passed_on.is_whole(covered) {
            let in_one_pass = self.read_back(bus, Feed::Enriched, partition, covered).await?;
            passed_on.events.extend(in_one_pass.events);
        }
        passed_on.events.sort_by_key(|(position, ..)| *position);
        passed_on.events.dedup_by_key(|(position, ..)| *position);
        let mut window = self.config.window();
        for (_, event, received_at) in passed_on.events {
            window.remember(event, (), received_at);
        }
        Ok(window)
    }

    async fn load(&self, _: &[Positioned<T>], _: &mut Window<EventId>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Runs the service until it is stopped.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let memory = Memory::new(&service, Dedupe::<EventRecord>::NAME, config);
    runner::run_stage(&service, Dedupe::<EventRecord>::default(), memory, Feed::Normalized, Feed::Unique)
        .await
}

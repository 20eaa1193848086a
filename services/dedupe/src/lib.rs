//! Passes each event on once within its window.
//!
//! The window is rebuilt from the stage's own output when a partition is taken over, so that it never drops an event
//! that it did not pass on itself. Events older than the window, evicted for lack of room, or not read back by a new
//! owner are checked by the unique key in Postgres.

use bus::{Bus, Feed, Message};
use model::{EventId, Partition, Position};
use runner::{Alerts, Failure, Head, Input, Positioned, Service, StageIo, batch_of, readable};
use serde::Deserialize;
use stage::{Fault, Skip, Stage, Verdict, Window};
use std::{marker::PhantomData, time::Duration};
use wire::EventRecord;

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

struct OwnOutput {
    config: Config,
    alerts: Alerts,
}

impl StageIo<Dedupe<EventRecord>> for OwnOutput {
    async fn open(
        &self,
        bus: &Bus,
        partition: Partition,
        tail: Option<&Message>,
    ) -> Result<Window<EventId>, Fault> {
        let mut window = self.config.window();
        let Some(tail) = tail else { return Ok(window) };
        let read_back = self.config.remembered_max.min(self.config.read_back_max);
        let read_back = u64::try_from(read_back).unwrap_or(u64::MAX);
        let start = bus.seek_last_records(Feed::Unique, partition, read_back).await?;
        let mut reader = bus.read(Feed::Unique, partition, start).await?;
        loop {
            for message in readable(&self.alerts, partition, reader.waiting(64).await).await? {
                if message.sequence > tail.sequence {
                    // From another owner, published after the tail was read: its events are decided here again, as new.
                    return Ok(window);
                }
                match batch_of::<EventRecord>(bus, Feed::Unique, partition, &message) {
                    Ok(batch) => batch.records.iter().for_each(|event| {
                        window.remember(event.value.id, (), event.value.received_at);
                    }),
                    Err(foreign) => self.alerts.foreign(Some(partition), &foreign).await,
                }
                if message.sequence >= tail.sequence {
                    return Ok(window);
                }
            }
        }
    }

    async fn load(&self, _: &[Positioned<EventRecord>], _: &mut Window<EventId>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Runs the service until it is stopped.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let alerts = Alerts::new(Dedupe::<EventRecord>::NAME, &service.metrics, Some(&service.bus));
    let io = OwnOutput { config, alerts };
    runner::run_stage(&service, Dedupe::default(), io, Feed::Normalized, Feed::Unique).await
}

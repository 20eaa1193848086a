//! RAW: one append in flight per partition; what waits meanwhile goes into the next batch.

use crate::{pace::Pace, quota::Quotas};
use bus::{AppendError, Bus, Feed, FeedRoom};
use model::{Delivery, Partition, PartitionCount, StoreId};
use runner::{Alerts, Metrics, Service};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use wire::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

/// Upper limit of what a message holds besides the body of its only delivery, in bytes: the delivery's other fields, of
/// which headers are the most, the frame of a compression that gains nothing, and the message's own headers.
const ENVELOPE_BYTES_MAX: usize = 64 * 1024;
const _: () = assert!(
    wire::DELIVERY_BYTES_MAX + ENVELOPE_BYTES_MAX <= bus::PAYLOAD_BYTES_MIN,
    "every server that is taken takes a message with one delivery of the largest size"
);

/// From which share of its room on the fullest feed slows the intake down.
const BRAKE_FROM: f64 = 0.8;
/// By how much each batch is held back when a feed is all but full.
const BRAKE_LONGEST: Duration = Duration::from_secs(1);
/// How often the feeds are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The number of looks from one to the next that tells who holds most of its share of RAW.
const LOOKS_PER_TELLING: u32 = 5;
/// The kind of the alert about those who do.
const RAW_SHARE: &str = "raw_share";
/// How long after an append the next one begins at the earliest, whichever partitions they are of. Under load each
/// batch then takes what came meanwhile, and every stage behind the intake has as many fewer messages to handle; one
/// that finds the intake idle never waits.
const PACE: Duration = Duration::from_millis(16);
/// From how many waiting deliveries on, of all partitions, none of them waits for the pace: so many senders that send
/// on only after an answer aren't held up by it.
const ENOUGH: usize = 32;
/// How many deliveries may wait for their partition; beyond it the sender is reported to come back.
const WAITING_MAX: usize = 2048;
const STAGE: &str = "ingest";

/// Why a delivery wasn't kept. The sender tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unkept {
    /// Too many deliveries wait.
    #[error("too many deliveries wait for this partition")]
    Busy,
    /// The broker is away, or it isn't known whether it kept the batch.
    #[error("the broker can't take it now")]
    Unavailable,
    /// The stream is full.
    #[error("the stream is full")]
    Full,
}

struct Waiting {
    delivery: Delivery,
    kept: oneshot::Sender<Result<u64, Unkept>>,
}

/// Has RAW keep deliveries; cheap to clone.
#[derive(Clone)]
pub struct RawWriter {
    bus: Bus,
    partitions: PartitionCount,
    queues: Arc<[mpsc::Sender<Waiting>]>,
    pace: Arc<Pace>,
}

impl RawWriter {
    /// One queue and one task for each partition; they end with the last clone.
    pub(crate) fn new(service: &Service, quotas: &Arc<Quotas>, alerts: Alerts) -> Self {
        let Service { bus, replica, metrics, .. } = service;
        let partitions = bus.partitions();
        let (brake, slowed) = watch::channel(Duration::ZERO);
        let pace = Arc::new(Pace::new(PACE, ENOUGH));
        tokio::spawn(look_at_feeds(bus.clone(), brake, Arc::clone(quotas), alerts));
        let queue = |partition| {
            let (sender, waiting) = mpsc::channel(WAITING_MAX);
            let writer = Writer {
                bus: bus.clone(),
                partition,
                batch_prefix: format!("{replica}-{partition}"),
                metrics: metrics.clone(),
                quotas: Arc::clone(quotas),
                slowed: slowed.clone(),
                pace: Arc::clone(&pace),
            };
            tokio::spawn(writer.run(waiting));
            sender
        };
        Self { bus: bus.clone(), partitions, queues: partitions.all().map(queue).collect(), pace }
    }

    /// The room of RAW that keeps the deliveries of that store.
    pub(crate) fn room_of(&self, store: &StoreId) -> usize {
        self.bus.room_of(self.partitions.of(store))
    }

    /// Waits until RAW has the delivery on disk; gives the sequence number of its batch.
    pub async fn keep(&self, delivery: Delivery) -> Result<u64, Unkept> {
        let partition = self.partitions.of(&delivery.origin.store);
        let queue = self.queues.get(usize::from(partition.0)).ok_or(Unkept::Unavailable)?;
        let (kept, answer) = oneshot::channel();
        self.pace.arrived();
        if queue.try_send(Waiting { delivery, kept }).is_err() {
            self.pace.taken(1);
            return Err(Unkept::Busy);
        }
        answer.await.unwrap_or(Err(Unkept::Unavailable))
    }
}

/// Slows the intake down the more the fuller the fullest feed is beyond 80 %; a full one refuses by itself. A broker
/// that doesn't answer slows nothing down: appends will tell. Then tells who holds most of its share of RAW.
async fn look_at_feeds(bus: Bus, brake: watch::Sender<Duration>, quotas: Arc<Quotas>, alerts: Alerts) {
    for look in 0_u32.. {
        if brake.is_closed() {
            return;
        }
        let mut fullest = 0.0_f64;
        if let Ok(rooms) = bus.rooms(Feed::Raw).await {
            fullest = rooms.iter().map(FeedRoom::usage).fold(0.0, f64::max);
            quotas.note_rooms(rooms, runner::now());
        }
        for feed in [Feed::Normalized, Feed::Unique, Feed::Enriched] {
            fullest = fullest.max(bus.usage(feed).await.unwrap_or(0.0));
        }
        brake.send_replace(held_back(fullest));
        if look % LOOKS_PER_TELLING == 0 {
            alerts.holds(None, RAW_SHARE, quotas.reported(runner::now()).as_deref());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// By how much each batch is held back while the fullest feed has this share of its room taken.
fn held_back(fullest: f64) -> Duration {
    let beyond = (fullest - BRAKE_FROM).max(0.0) / (1.0 - BRAKE_FROM);
    BRAKE_LONGEST.mul_f64(beyond.min(1.0))
}

struct Writer {
    bus: Bus,
    partition: Partition,
    batch_prefix: String,
    metrics: Metrics,
    quotas: Arc<Quotas>,
    slowed: watch::Receiver<Duration>,
    pace: Arc<Pace>,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut batch_number = 0_u64;
        let mut left_over = None;
        loop {
            let first = match left_over.take() {
                Some(first) => first,
                None => match waiting.recv().await {
                    Some(first) => first,
                    None => return,
                },
            };
            self.pace.turn().await;
            let batch;
            (batch, left_over) = gather(first, &mut waiting);
            self.pace.taken(batch.len());
            batch_number += 1;
            let held_back = *self.slowed.borrow();
            if !held_back.is_zero() {
                tokio::time::sleep(held_back).await;
            }
            self.append(batch, batch_number).await;
        }
    }

    async fn append(&self, batch: Vec<Waiting>, batch_number: u64) {
        let began = Instant::now();
        let payload = wire::encode_deliveries(batch.iter().map(|waiting| &waiting.delivery));
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let records = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let batch_id = format!("{}-{batch_number}", self.batch_prefix);
        let kept = self.bus.append_raw(self.partition, payload, &batch_id, records).await.map_err(|error| {
            tracing::warn!(stage = STAGE, partition = self.partition.0, records, %error, "not kept; the senders retry");
            match error {
                AppendError::Full => Unkept::Full,
                _ => Unkept::Unavailable,
            }
        });
        self.metrics.batch(STAGE, batch.len(), began.elapsed());
        if kept.is_ok() {
            runner::kill_point(STAGE, "appended");
            // Counted here, since a sender may have gone away while its delivery was kept.
            self.metrics.passed_on(STAGE, batch.len());
            let deliveries = batch.iter().map(|waiting| &waiting.delivery);
            self.quotas.kept(self.bus.room_of(self.partition), deliveries, bytes, runner::now());
        }
        for waiting in batch {
            // A sender that went away in the meantime will try again; its delivery is the same then.
            waiting.kept.send(kept).ok();
        }
    }
}

/// What waits, within the limits of a batch; and the one that didn't fit any more.
fn gather(first: Waiting, waiting: &mut mpsc::Receiver<Waiting>) -> (Vec<Waiting>, Option<Waiting>) {
    let mut bytes = first.delivery.body.len();
    let mut batch = vec![first];
    while batch.len() < BATCH_RECORDS_MAX {
        let Ok(next) = waiting.try_recv() else { break };
        bytes += next.delivery.body.len();
        if bytes > BATCH_BYTES_MAX {
            return (batch, Some(next));
        }
        batch.push(next);
    }
    (batch, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intake_slows_down_only_as_a_feed_fills_and_never_beyond_a_second() {
        assert_eq!([0.0, 0.5, BRAKE_FROM].map(held_back), [Duration::ZERO; 3]);
        let half = held_back(0.9);
        assert!(half > Duration::from_millis(490) && half < Duration::from_millis(510), "{half:?}");
        assert_eq!([1.0, 1.5].map(held_back), [BRAKE_LONGEST; 2]);
    }
}

//! Appends to RAW: one append in flight per partition; deliveries that wait meanwhile go into the next batch.

use crate::{flush_schedule::FlushSchedule, quota::Quotas};
use bus::{AppendError, Bus, Feed, FeedRoom};
use model::{Delivery, Partition, PartitionCount, StoreId};
use runner::{Alerts, Metrics, Service, TokenBucket};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use wire::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};

/// Upper limit of a message's bytes besides the body of its only delivery: the delivery's other fields, mostly headers,
/// the frame of a compression without gain, and the message's own headers.
const ENVELOPE_BYTES_MAX: usize = 64 * 1024;
const _: () = assert!(
    wire::DELIVERY_BYTES_MAX + ENVELOPE_BYTES_MAX <= bus::PAYLOAD_BYTES_MIN,
    "every server that is taken takes a message with one delivery of the largest size"
);

/// Usage of the fullest feed from which the intake is slowed down.
const BACKPRESSURE_FROM: f64 = 0.8;
/// Delay of each batch when a feed is all but full.
const BACKPRESSURE_DELAY_MAX: Duration = Duration::from_secs(1);
/// Interval at which the usage of the feeds is read.
const USAGE_READ_EVERY: Duration = Duration::from_secs(1);
/// Number of those intervals between two reports of the holders of most of their share of RAW.
const READS_PER_REPORT: u32 = 5;
/// Kind of the alert that reports them.
const RAW_SHARE: &str = "raw_share";
/// Number of appends after a quiet time that wait for nothing.
const APPENDS_SAVED_MAX: u32 = 16;
/// Interval of appends under load: each batch then takes the deliveries that arrived meanwhile, and every stage behind
/// the intake has correspondingly fewer messages to handle.
const APPEND_INTERVAL: Duration = Duration::from_millis(8);
/// Upper limit of the interval of a partition's appends, with several partitions.
const FLUSH_INTERVAL_MAX: Duration = Duration::from_millis(16);
/// Number of waiting deliveries, of all partitions, from which none of them waits for the flush interval: that many
/// senders that continue only after a response aren't delayed by it.
const FLUSH_AT_DELIVERIES: usize = 64;
/// Upper limit of deliveries that wait for their partition; beyond it the sender is asked to retry.
pub const WAITING_MAX: usize = 2048;
const STAGE: &str = "ingest";

/// The reason why a delivery wasn't kept. The sender retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// Too many deliveries wait.
    #[error("too many deliveries wait for this partition")]
    Busy,
    /// The broker is unreachable, or it isn't known whether it kept the batch.
    #[error("the broker can't take it now")]
    Unavailable,
    /// The stream is full.
    #[error("the stream is full")]
    Full,
}

struct Waiting {
    delivery: Delivery,
    kept: oneshot::Sender<Result<u64, NotKept>>,
}

/// Appends deliveries to RAW; cheap to clone.
#[derive(Clone)]
pub struct RawWriter {
    bus: Bus,
    partitions: PartitionCount,
    queues: Arc<[mpsc::Sender<Waiting>]>,
    schedule: Arc<FlushSchedule>,
}

impl RawWriter {
    /// Starts one queue and one task for each partition; they end with the last clone.
    pub(crate) fn new(service: &Service, quotas: &Arc<Quotas>, alerts: Alerts) -> Self {
        let Service { bus, replica, metrics, .. } = service;
        let partitions = bus.partitions();
        let (backpressure, delay) = watch::channel(Duration::ZERO);
        let bucket = TokenBucket::new(APPENDS_SAVED_MAX, APPEND_INTERVAL);
        let schedule = Arc::new(FlushSchedule::new(bucket, FLUSH_INTERVAL_MAX, FLUSH_AT_DELIVERIES));
        tokio::spawn(watch_usage(bus.clone(), backpressure, Arc::clone(quotas), alerts));
        let queue = |partition| {
            let (sender, waiting) = mpsc::channel(WAITING_MAX);
            let writer = Writer {
                bus: bus.clone(),
                partition,
                batch_prefix: format!("{replica}-{partition}"),
                metrics: metrics.clone(),
                quotas: Arc::clone(quotas),
                delay: delay.clone(),
                schedule: Arc::clone(&schedule),
            };
            tokio::spawn(writer.run(waiting));
            sender
        };
        Self { bus: bus.clone(), partitions, queues: partitions.all().map(queue).collect(), schedule }
    }

    /// The room of RAW that keeps the deliveries of that store.
    pub(crate) fn room_of(&self, store: &StoreId) -> usize {
        self.bus.room_of(self.partitions.of(store))
    }

    /// Waits until RAW has the delivery on disk; returns the sequence number of its batch.
    pub async fn keep(&self, delivery: Delivery) -> Result<u64, NotKept> {
        let partition = self.partitions.of(&delivery.origin.store);
        let queue = self.queues.get(usize::from(partition.0)).ok_or(NotKept::Unavailable)?;
        let (kept, answer) = oneshot::channel();
        self.schedule.arrived();
        if queue.try_send(Waiting { delivery, kept }).is_err() {
            self.schedule.taken(1);
            return Err(NotKept::Busy);
        }
        answer.await.unwrap_or(Err(NotKept::Unavailable))
    }
}

/// Slows the intake down in proportion to the usage of the fullest feed beyond 80 %; a full feed refuses by itself. A
/// broker that doesn't respond slows nothing down: appends fail then. Also reports the holders of most of their share
/// of RAW.
async fn watch_usage(bus: Bus, backpressure: watch::Sender<Duration>, quotas: Arc<Quotas>, alerts: Alerts) {
    for read in 0_u32.. {
        if backpressure.is_closed() {
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
        backpressure.send_replace(backpressure_delay(fullest));
        if read % READS_PER_REPORT == 0 {
            alerts.holds(None, RAW_SHARE, quotas.reported(runner::now()).as_deref());
        }
        tokio::time::sleep(USAGE_READ_EVERY).await;
    }
}

/// Delay of each batch at that usage of the fullest feed.
fn backpressure_delay(fullest: f64) -> Duration {
    let beyond = (fullest - BACKPRESSURE_FROM).max(0.0) / (1.0 - BACKPRESSURE_FROM);
    BACKPRESSURE_DELAY_MAX.mul_f64(beyond.min(1.0))
}

struct Writer {
    bus: Bus,
    partition: Partition,
    batch_prefix: String,
    metrics: Metrics,
    quotas: Arc<Quotas>,
    delay: watch::Receiver<Duration>,
    schedule: Arc<FlushSchedule>,
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
            self.schedule.tick().await;
            let batch;
            (batch, left_over) = gather(first, &mut waiting);
            self.schedule.taken(batch.len());
            batch_number += 1;
            let delay = *self.delay.borrow();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
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
                AppendError::Full => NotKept::Full,
                _ => NotKept::Unavailable,
            }
        });
        self.metrics.batch(STAGE, batch.len(), began.elapsed());
        if kept.is_ok() {
            runner::kill_point(STAGE, "appended");
            // Counted here, since a sender may have disconnected while its delivery was kept.
            self.metrics.passed_on(STAGE, batch.len());
            let deliveries = batch.iter().map(|waiting| &waiting.delivery);
            self.quotas.kept(self.bus.room_of(self.partition), deliveries, bytes, runner::now());
        }
        for waiting in batch {
            // A sender that disconnected meanwhile retries; its delivery is then the same.
            waiting.kept.send(kept).ok();
        }
    }
}

/// The deliveries that wait, within the limits of a batch; and the first one that didn't fit.
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
        assert_eq!([0.0, 0.5, BACKPRESSURE_FROM].map(backpressure_delay), [Duration::ZERO; 3]);
        let half = backpressure_delay(0.9);
        assert!(half > Duration::from_millis(490) && half < Duration::from_millis(510), "{half:?}");
        assert_eq!([1.0, 1.5].map(backpressure_delay), [BACKPRESSURE_DELAY_MAX; 2]);
    }
}

//! Publishes single messages.

use crate::{AppendError, Bus};
use async_nats::jetstream::{context::PublishAckFuture, message::PublishMessage, publish::PublishAck};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Time limit for sending a message again while its outcome is unknown.
const RETRY_LIMIT: Duration = Duration::from_secs(10);
/// The first pause between two attempts; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// A publish in progress. If it is dropped, its failure goes unnoticed.
#[must_use = "only the acknowledgement shows that the message is stored"]
pub struct PendingAck {
    future: PublishAckFuture,
    bytes: usize,
}

impl PendingAck {
    /// Waits until the message is stored; at most two seconds.
    pub async fn wait(self) -> Result<(), AppendError> {
        self.acknowledged().await.map(|_| ())
    }

    pub(crate) async fn acknowledged(self) -> Result<PublishAck, AppendError> {
        self.future.await.map_err(|error| AppendError::from_publish(error, self.bytes))
    }
}

/// Sends a message with a payload of `bytes` bytes.
pub(crate) async fn publish(
    bus: &Bus,
    subject: String,
    message: PublishMessage,
    bytes: usize,
) -> Result<PendingAck, AppendError> {
    let sent = bus.jetstream().send_publish(subject, message).await;
    sent.map(|future| PendingAck { future, bytes }).map_err(|error| AppendError::from_publish(error, bytes))
}

/// Publishes a message that carries an id; repeats the attempt while its outcome is unknown, for [`RETRY_LIMIT`]
/// at most.
pub(crate) async fn publish_until_known(
    bus: &Bus,
    subject: &str,
    message: &PublishMessage,
    bytes: usize,
) -> Result<PublishAck, AppendError> {
    let deadline = Instant::now() + RETRY_LIMIT;
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = match publish(bus, subject.to_owned(), message.clone(), bytes).await {
            Ok(pending) => pending.acknowledged().await,
            Err(error) => Err(error),
        };
        match outcome {
            Err(error) if error.is_transient() && Instant::now() + pause < deadline => {
                tracing::debug!(subject, %error, "published again");
                sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

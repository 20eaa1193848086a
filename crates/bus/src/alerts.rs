//! ALERTS: the last permanent error of each stage, partition and kind, for people.

use crate::{
    AppendError, Bus, BusError, Start,
    follow::{Follow, PULL_BATCHES},
    layout::ALERTS,
    message::{Stored, is_token, printable},
    publish,
};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use model::{Partition, Timestamp};

/// Upper limit of an alert's text, in bytes; the rest is cut off.
const TEXT_MAX_BYTES: usize = 2048;
/// The partition's token in the subject of an alert without a partition.
const NO_PARTITION: &str = "all";
/// The number of alerts that are read at once.
const READ_MESSAGES: usize = 64;

/// The kind of an alert about messages that aren't ours.
pub const FOREIGN_KIND: &str = "foreign";

/// A permanent error, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The stage that reported it: a token.
    pub stage: String,
    /// The partition; `None` if the error concerns the whole process.
    pub partition: Option<Partition>,
    /// The kind of the error, by the change that would resolve it: a token.
    pub kind: String,
    /// The cause, as text for people.
    pub text: String,
    /// Time at which it was last seen; set by the broker.
    pub at: Timestamp,
}

impl Alert {
    /// Reads an alert; a message that is no valid alert is returned as an alert about itself.
    pub(crate) fn read_any(stored: &Stored) -> Self {
        Self::read(stored).unwrap_or_else(|error| Self {
            stage: "alerts".to_owned(),
            partition: None,
            kind: FOREIGN_KIND.to_owned(),
            text: error.to_string(),
            at: stored.published_at(),
        })
    }

    fn read(stored: &Stored) -> Result<Self, BusError> {
        let parts: Vec<&str> = stored.subject.split('.').collect();
        let ["pos", "alerts", stage, partition, kind] = parts[..] else {
            return Err(stored.malformed("subject"));
        };
        let partition = match partition {
            NO_PARTITION => None,
            number => Some(Partition(number.parse().map_err(|_| stored.malformed("partition"))?)),
        };
        if !is_token(stage) || !is_token(kind) {
            return Err(stored.malformed("subject"));
        }
        Ok(Self {
            stage: stage.to_owned(),
            partition,
            kind: kind.to_owned(),
            text: printable(&String::from_utf8_lossy(&stored.payload), TEXT_MAX_BYTES),
            at: stored.published_at(),
        })
    }
}

impl Bus {
    /// Stores an alert for seven days; it replaces the one before of the same stage, partition and kind.
    pub async fn raise_alert(
        &self,
        stage: &str,
        partition: Option<Partition>,
        kind: &str,
        text: &str,
    ) -> Result<(), AppendError> {
        let subject =
            subject(stage, partition, kind).ok_or(AppendError::Token { what: "a stage or kind" })?;
        let text = Bytes::copy_from_slice(&text.as_bytes()[..text.floor_char_boundary(TEXT_MAX_BYTES)]);
        let bytes = text.len();
        let message = PublishMessage::build().payload(text);
        publish::publish_until_known(self, &subject, &message, bytes).await.map(drop)
    }

    /// Clears an alert whose cause is resolved. An empty message replaces it, so that no user needs permission
    /// to purge.
    pub async fn clear_alert(
        &self,
        stage: &str,
        partition: Option<Partition>,
        kind: &str,
    ) -> Result<(), AppendError> {
        let subject =
            subject(stage, partition, kind).ok_or(AppendError::Token { what: "a stage or kind" })?;
        publish::publish_until_known(self, &subject, &PublishMessage::build(), 0).await.map(drop)
    }

    /// The alerts of the last seven days, oldest first; none on a broker whose streams aren't declared yet.
    pub async fn alerts(&self) -> Result<Vec<Alert>, BusError> {
        const ALL: &str = "pos.alerts.>";
        if self.stream_info(ALERTS).await?.is_none() {
            return Ok(Vec::new());
        }
        let Some(last) = self.last(ALERTS, ALL).await? else { return Ok(Vec::new()) };
        let mut follow =
            Follow::open(self.clone(), ALERTS.to_owned(), ALL.to_owned(), Start::First, PULL_BATCHES).await?;
        let mut alerts = Vec::new();
        loop {
            follow.fill(READ_MESSAGES).await?;
            let read = |stored: &Stored| Ok((stored.sequence, Alert::read_any(stored)));
            for (sequence, alert) in follow.take(READ_MESSAGES, read)? {
                alerts.extend(Some(alert).filter(|alert| !alert.text.is_empty()));
                if sequence >= last.sequence {
                    return Ok(alerts);
                }
            }
        }
    }
}

fn subject(stage: &str, partition: Option<Partition>, kind: &str) -> Option<String> {
    let partition = partition.map_or_else(|| NO_PARTITION.to_owned(), |partition| partition.to_string());
    (is_token(stage) && is_token(kind)).then(|| format!("pos.alerts.{stage}.{partition}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::stored;

    #[test]
    fn an_alert_on_a_subject_of_none_is_one_about_itself_and_nothing_of_it_acts_on_a_terminal() {
        let read = |subject: &str| Alert::read_any(&stored(subject, &[], b"\x1b[31mred"));
        for (subject, partition) in
            [("pos.alerts.apply.3.input", Some(Partition(3))), ("pos.alerts.apply.all.setup", None)]
        {
            let alert = read(subject);
            assert_eq!((alert.stage.as_str(), alert.partition), ("apply", partition));
            assert!(!alert.text.contains('\x1b'), "{alert:?}");
        }
        for subject in [
            "pos.alerts.apply.all",
            "pos.alerts.apply.all.setup.x",
            "pos.alerts.apply.99999.input",
            "pos.alerts.apply.x.input",
            "pos.alerts.\x1b[31m.all.input",
            "pos.alerts.apply.all.\x1b[31m",
        ] {
            let alert = read(subject);
            assert_eq!((alert.stage.as_str(), alert.kind.as_str()), ("alerts", FOREIGN_KIND), "{subject:?}");
            assert!(!alert.text.contains("red") && !alert.text.contains('\x1b'), "{alert:?}");
        }
    }
}

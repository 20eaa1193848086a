//! Alerts about permanent errors: counted, logged, and stored in the broker for people to see.

use crate::{Metrics, chain};
use bus::{Bus, FOREIGN_KIND, Foreign};
use model::Partition;
use stage::Blame;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Interval between log lines about foreign messages of the same stage.
const FOREIGN_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// The kind of a loop that panicked: a bug in this repository.
pub(crate) const PANIC: &str = "panic";

type Subject = (Option<Partition>, &'static str);

/// Reports the permanent errors of a stage; cheap to clone.
#[derive(Clone)]
pub struct Alerts {
    stage: &'static str,
    metrics: Metrics,
    bus: Option<Bus>,
    /// Reports on their way to the broker: one at a time for each partition and kind, so that a flood of errors doesn't
    /// become a flood of messages.
    reporting: Arc<Mutex<BTreeSet<Subject>>>,
    foreign: Arc<Mutex<ForeignLog>>,
    /// The lasting states that were reported and not withdrawn.
    states: Arc<Mutex<BTreeMap<Subject, String>>>,
}

/// Log state of foreign messages.
#[derive(Default)]
struct ForeignLog {
    logged_at: Option<Instant>,
    suppressed: u64,
}

impl ForeignLog {
    /// Returns the number of messages to log now, this one included; `None` if some were logged within the interval.
    fn due(&mut self, now: Instant) -> Option<u64> {
        self.suppressed += 1;
        if self.logged_at.is_some_and(|at| now.saturating_duration_since(at) < FOREIGN_LOGGED_EVERY) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl Alerts {
    /// Creates the alerts of `stage`; without a broker they are only counted and logged.
    pub fn new(stage: &'static str, metrics: &Metrics, bus: Option<&Bus>) -> Self {
        Self {
            stage,
            metrics: metrics.clone(),
            bus: bus.cloned(),
            reporting: Arc::default(),
            foreign: Arc::default(),
            states: Arc::default(),
        }
    }

    /// Reports that an input was set aside for good, and the reason. `text` must not quote a payload.
    pub fn set_aside(&self, partition: Partition, text: &str) {
        let kind = Blame::Input.as_str();
        self.metrics.permanent(self.stage, kind);
        tracing::error!(stage = self.stage, partition = partition.0, error = text, "set aside for good");
        self.send((Some(partition), kind), text);
    }

    /// Sets a foreign message aside: records and counts it, and raises an alert at the first time that any reader meets
    /// it. Never fails: the message stays in its stream, and the reader continues after it.
    pub async fn foreign(&self, partition: Option<Partition>, message: &Foreign) {
        let is_new = match &self.bus {
            Some(bus) => bus.record_foreign(self.stage, message).await.unwrap_or_else(|error| {
                tracing::warn!(stage = self.stage, error = chain(&error), "a foreign message isn't recorded");
                true
            }),
            None => true,
        };
        self.metrics.foreign(self.stage, &message.stream);
        let due = self.foreign.lock().unwrap_or_else(PoisonError::into_inner).due(Instant::now());
        if let Some(messages) = due {
            let Foreign { stream, subject, sequence, bytes, digest, reason, .. } = message;
            tracing::error!(
                stage = self.stage,
                partition = partition.map(|partition| partition.0),
                stream,
                subject,
                sequence,
                bytes,
                digest,
                reason,
                messages,
                "foreign message set aside"
            );
        }
        if is_new {
            self.send((partition, FOREIGN_KIND), &message.to_string());
        }
    }

    /// Reports a lasting state, described by `text`; withdraws the report if `text` is `None`.
    pub fn holds(&self, partition: Option<Partition>, kind: &'static str, text: Option<&str>) {
        let subject = (partition, kind);
        let was = {
            let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            match text {
                Some(text) => states.insert(subject, text.to_owned()),
                None => states.remove(&subject),
            }
        };
        match text {
            Some(text) => {
                if was.as_deref() != Some(text) {
                    tracing::error!(stage = self.stage, partition = partition.map(|it| it.0), kind, "{text}");
                }
                self.send(subject, text);
            }
            None if was.is_some() => self.clear(partition, kind),
            None => {}
        }
    }

    /// Reports names among the members that are ignored.
    pub(crate) fn report_ignored(&self, names: &BTreeSet<String>) {
        self.metrics.ignores(self.stage, names.len());
        if names.is_empty() {
            return;
        }
        let text = format!("these send heartbeats and get no partitions: {names:?}");
        tracing::error!(stage = self.stage, error = text, "members ignored");
        self.send((None, FOREIGN_KIND), &text);
    }

    /// Reports that a partition, or the process, waits for a person's action.
    pub(crate) fn raise(&self, partition: Option<Partition>, kind: &'static str, text: &str) {
        self.metrics.permanent(self.stage, kind);
        self.send((partition, kind), text);
    }

    /// Withdraws the report of waiting.
    pub(crate) fn clear(&self, partition: Option<Partition>, kind: &'static str) {
        let (Some(bus), stage) = (self.bus.clone(), self.stage) else { return };
        tokio::spawn(async move {
            if let Err(error) = bus.clear_alert(stage, partition, kind).await {
                tracing::debug!(stage, %error, "an alert that is over stays");
            }
        });
    }

    fn send(&self, subject: Subject, text: &str) {
        let Some(bus) = self.bus.clone() else { return };
        if !self.reporting().insert(subject) {
            return;
        }
        let (alerts, text) = (self.clone(), text.to_owned());
        tokio::spawn(async move {
            if let Err(error) = bus.raise_alert(alerts.stage, subject.0, subject.1, &text).await {
                tracing::debug!(stage = alerts.stage, %error, "an alert isn't kept");
            }
            alerts.reporting().remove(&subject);
        });
    }

    fn reporting(&self) -> MutexGuard<'_, BTreeSet<Subject>> {
        self.reporting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_foreign_messages_is_one_log_line_in_ten_seconds_that_says_how_many() {
        let (mut log, began) = (ForeignLog::default(), Instant::now());
        assert_eq!(log.due(began), Some(1));
        for millisecond in 1..1000 {
            assert_eq!(log.due(began + Duration::from_millis(millisecond)), None);
        }
        assert_eq!(log.due(began + FOREIGN_LOGGED_EVERY), Some(1000));
    }
}

//! Permanent errors are loud: counted, logged, and kept where people look.

use crate::{Metrics, chain};
use bus::{Bus, FOREIGN_KIND, Foreign};
use model::Partition;
use stage::Blame;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Time from one log line about foreign messages to the next of the same stage.
const FOREIGN_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// The kind of a loop that broke: a mistake in this repository.
pub(crate) const PANIC: &str = "panic";

type Subject = (Option<Partition>, &'static str);

/// Tells of the permanent errors of a stage; cheap to clone.
#[derive(Clone)]
pub struct Alerts {
    stage: &'static str,
    metrics: Metrics,
    bus: Option<Bus>,
    /// What is being reported to the broker: one at a time of each partition and kind, so that a flood of errors is no
    /// flood of messages.
    reporting: Arc<Mutex<BTreeSet<Subject>>>,
    foreign: Arc<Mutex<ForeignLog>>,
    /// The states that hold.
    holding: Arc<Mutex<BTreeMap<Subject, String>>>,
}

/// The account of foreign messages.
#[derive(Default)]
struct ForeignLog {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl ForeignLog {
    /// The number of messages that are due to be said now, this one included; none if some were said lately.
    fn due(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if self.said_at.is_some_and(|at| now.saturating_duration_since(at) < FOREIGN_LOGGED_EVERY) {
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Alerts {
    /// Alerts of `stage`; without a broker they are only counted and logged.
    pub fn new(stage: &'static str, metrics: &Metrics, bus: Option<&Bus>) -> Self {
        Self {
            stage,
            metrics: metrics.clone(),
            bus: bus.cloned(),
            reporting: Arc::default(),
            foreign: Arc::default(),
            holding: Arc::default(),
        }
    }

    /// Tells that an input was set aside for good, and why. `text` quotes no payload.
    pub fn set_aside(&self, partition: Partition, text: &str) {
        let kind = Blame::Input.as_str();
        self.metrics.permanent(self.stage, kind);
        tracing::error!(stage = self.stage, partition = partition.0, error = text, "set aside for good");
        self.tell((Some(partition), kind), text);
    }

    /// Sets a foreign message aside: records and counts it, and alerts the first time that anyone meets it. Never
    /// fails: the message stays in its stream, and what is behind it goes on.
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
            self.tell((partition, FOREIGN_KIND), &message.to_string());
        }
    }

    /// Tells of a state that holds, or takes it back where it is over: `text` is what holds.
    pub fn holds(&self, partition: Option<Partition>, kind: &'static str, text: Option<&str>) {
        let subject = (partition, kind);
        let was = {
            let mut holding = self.holding.lock().unwrap_or_else(PoisonError::into_inner);
            match text {
                Some(text) => holding.insert(subject, text.to_owned()),
                None => holding.remove(&subject),
            }
        };
        match text {
            Some(text) => {
                if was.as_deref() != Some(text) {
                    tracing::error!(stage = self.stage, partition = partition.map(|it| it.0), kind, "{text}");
                }
                self.tell(subject, text);
            }
            None if was.is_some() => self.goes_on(partition, kind),
            None => {}
        }
    }

    /// Tells of names among the members that don't count.
    pub(crate) fn ignores(&self, names: &BTreeSet<String>) {
        self.metrics.ignores(self.stage, names.len());
        if names.is_empty() {
            return;
        }
        let text = format!("these show signs of life and get no partitions: {names:?}");
        tracing::error!(stage = self.stage, error = text, "members ignored");
        self.tell((None, FOREIGN_KIND), &text);
    }

    /// Tells that a partition, or the process, waits for someone to act.
    pub(crate) fn waits(&self, partition: Option<Partition>, kind: &'static str, text: &str) {
        self.metrics.permanent(self.stage, kind);
        self.tell((partition, kind), text);
    }

    /// Takes back that it waits.
    pub(crate) fn goes_on(&self, partition: Option<Partition>, kind: &'static str) {
        let (Some(bus), stage) = (self.bus.clone(), self.stage) else { return };
        tokio::spawn(async move {
            if let Err(error) = bus.clear_alert(stage, partition, kind).await {
                tracing::debug!(stage, %error, "an alert that is over stays");
            }
        });
    }

    fn tell(&self, subject: Subject, text: &str) {
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

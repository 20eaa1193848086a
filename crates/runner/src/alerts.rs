//! Permanent errors are loud: counted, logged, and kept where people look.

use crate::Metrics;
use bus::Bus;
use model::Partition;
use stage::Blame;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The kind of a loop that broke: a mistake in this repository.
pub(crate) const PANIC: &str = "panic";

type Subject = (Option<Partition>, &'static str);

/// Tells of the permanent errors of a stage; cheap to clone.
#[derive(Clone)]
pub struct Alerts {
    stage: &'static str,
    metrics: Metrics,
    bus: Option<Bus>,
    /// What is being told to the broker: one at a time of each partition and kind, so that a flood of errors is no flood
    /// of messages.
    telling: Arc<Mutex<BTreeSet<Subject>>>,
}

impl Alerts {
    /// Alerts of `stage`; without a broker they are only counted and logged.
    pub fn new(stage: &'static str, metrics: &Metrics, bus: Option<&Bus>) -> Self {
        Self { stage, metrics: metrics.clone(), bus: bus.cloned(), telling: Arc::default() }
    }

    /// Tells that an input was set aside for good, and why. `text` quotes no payload.
    pub fn set_aside(&self, partition: Partition, text: &str) {
        let kind = Blame::Input.as_str();
        self.metrics.permanent(self.stage, kind);
        tracing::error!(stage = self.stage, partition = partition.0, error = text, "set aside for good");
        self.tell((Some(partition), kind), text);
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
        if !self.telling().insert(subject) {
            return;
        }
        let (alerts, text) = (self.clone(), text.to_owned());
        tokio::spawn(async move {
            if let Err(error) = bus.raise_alert(alerts.stage, subject.0, subject.1, &text).await {
                tracing::debug!(stage = alerts.stage, %error, "an alert isn't kept");
            }
            alerts.telling().remove(&subject);
        });
    }

    fn telling(&self) -> MutexGuard<'_, BTreeSet<Subject>> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Finds partitions that are stalled while input waits, and lists recent permanent errors.

use crate::failure::Failed;
use bus::{Alert, Bus, FOREIGN_KIND, Feed, Foreign, ForeignRecord};
use model::{Partition, Position, Timestamp};
use serde_json::{Value, json};
use stage::Blame;
use std::{collections::BTreeMap, time::Duration};
use store::{Consumer, CursorMoved, Store};

/// Time for which input must wait, and a partition not move, until the partition counts as stalled.
const STALLED_AFTER: Duration = Duration::from_mins(10);
/// Time for which an alert about a problem that needs a person counts as current: such a partition tries again at least
/// once a minute, and repeats the alert each time.
const CURRENT_FOR: Duration = Duration::from_mins(2);
/// The stages between RAW and the record, each with its input and output feed.
const STAGES: [(&str, Feed, Feed); 3] = [
    ("normalize", Feed::Raw, Feed::Normalized),
    ("dedupe", Feed::Normalized, Feed::Unique),
    ("enrich", Feed::Unique, Feed::Enriched),
];

/// A partition that is stalled while input waits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stalled {
    stage: &'static str,
    partition: Partition,
    waiting: Duration,
    /// None if it has never moved.
    unmoved: Option<Duration>,
}

impl Stalled {
    /// Returns the partition as stalled if its oldest input waits, and it hasn't moved, for too long. Waiting input of
    /// a partition that moves is a backlog; a partition that stands still without input is done.
    fn check(
        stage: &'static str,
        partition: Partition,
        waiting_since: Timestamp,
        moved_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Self> {
        let since = |at: Timestamp| Duration::from_micros(now.micros_since(at));
        let (waiting, unmoved) = (since(waiting_since), moved_at.map(since));
        let too_long = |time: Duration| time > STALLED_AFTER;
        (too_long(waiting) && unmoved.is_none_or(too_long)).then_some(Self {
            stage,
            partition,
            waiting,
            unmoved,
        })
    }

    fn text(&self) -> String {
        let unmoved = self.unmoved.map_or_else(
            || "it has never moved".to_owned(),
            |unmoved| format!("it last moved {} min ago", unmoved.as_secs() / 60),
        );
        let (stage, partition, waiting) = (self.stage, self.partition, self.waiting.as_secs() / 60);
        format!("{stage}, partition {partition}: input waits for {waiting} min, {unmoved}")
    }
}

/// The stalled partitions, and the alerts.
pub(super) struct PipelineState {
    stalled: Vec<Stalled>,
    /// Oldest first.
    pub(super) alerts: Vec<Alert>,
    /// The newest records of foreign messages, oldest first.
    foreign: Vec<ForeignRecord>,
    now: Timestamp,
}

impl PipelineState {
    /// Checks every partition of every stage.
    pub(super) async fn look(bus: &Bus, store: &Store) -> Result<Self, Failed> {
        let now = runner::now();
        let moved = store.cursors_moved().await?;
        let cursors: BTreeMap<(Consumer, Partition), CursorMoved> =
            moved.into_iter().map(|moved| ((moved.consumer, moved.partition), moved)).collect();
        let mut stalled = Vec::new();
        for partition in bus.partitions().all() {
            let enriched = bus.tail(Feed::Enriched, partition).await?;
            for (stage, from, to) in STAGES {
                // Stages that are chained append to ENRICHED alone.
                let tails = [bus.tail(to, partition).await?, enriched.clone()];
                let tail = tails.into_iter().flatten().max_by_key(|tail| tail.covers);
                let covered = tail.as_ref().and_then(|tail| tail.covers).unwrap_or_default();
                let moved_at = tail.map(|tail| tail.published_at);
                stalled.extend(stalled_by_feed(bus, stage, from, partition, covered, moved_at, now).await?);
            }
            for (stage, consumer, from) in
                [("apply", Consumer::Apply, Feed::Enriched), ("fetch", Consumer::Fetch, Feed::Raw)]
            {
                let moved = cursors.get(&(consumer, partition));
                let covered = moved.map(|moved| moved.cursor.position).unwrap_or_default();
                let moved_at = moved.map(|moved| moved.moved_at);
                stalled.extend(stalled_by_feed(bus, stage, from, partition, covered, moved_at, now).await?);
            }
            let moved = cursors.get(&(Consumer::Propagate, partition));
            let number = moved.map_or(0, |moved| moved.cursor.number);
            if let Some(next) = store.applied_after(partition, number, 1).await?.first() {
                let moved_at = moved.map(|moved| moved.moved_at);
                stalled.extend(Stalled::check("propagate", partition, next.recorded_at, moved_at, now));
            }
        }
        Ok(Self { stalled, alerts: bus.alerts().await?, foreign: bus.foreign_records().await?, now })
    }

    /// The findings for people, each with its kind.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines: Vec<_> = self.stalled.iter().map(|stalled| ("stalled", stalled.text())).collect();
        lines.extend(self.alerts.iter().map(|alert| ("alert", alert_line(alert))));
        lines.extend(foreign_lines(&self.foreign).into_iter().map(|text| ("foreign", text)));
        if lines.is_empty() {
            let well = "nothing is stalled, no permanent errors in the last seven days";
            lines.push(("pipeline", well.to_owned()));
        }
        lines
    }

    pub(super) fn stalled_json(&self) -> Vec<Value> {
        let line = |stalled: &Stalled| {
            json!({
                "stage": stalled.stage, "partition": stalled.partition.0,
                "waiting_seconds": stalled.waiting.as_secs(),
                "unmoved_seconds": stalled.unmoved.map(|unmoved| unmoved.as_secs()),
            })
        };
        self.stalled.iter().map(line).collect()
    }

    pub(super) fn foreign_json(&self) -> Vec<Value> {
        self.foreign.iter().map(foreign_value).collect()
    }

    /// The number of findings that need a person now. An input that was set aside alone is a dead letter, and a foreign
    /// message is recorded: neither is a finding.
    pub(super) fn findings(&self) -> usize {
        let goes_on = |alert: &&Alert| {
            let age = Duration::from_micros(self.now.micros_since(alert.at));
            ![Blame::Input.as_str(), FOREIGN_KIND].contains(&alert.kind.as_str()) && age < CURRENT_FOR
        };
        self.stalled.len() + self.alerts.iter().filter(goes_on).count()
    }
}

async fn stalled_by_feed(
    bus: &Bus,
    stage: &'static str,
    from: Feed,
    partition: Partition,
    covered: Position,
    moved_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Stalled>, Failed> {
    let waiting = bus.first_waiting(from, partition, covered).await?;
    Ok(waiting.and_then(|first| Stalled::check(stage, partition, first.published_at, moved_at, now)))
}

/// Foreign messages, for people: the number for each stream and reason, and the latest of them.
fn foreign_lines(records: &[ForeignRecord]) -> Vec<String> {
    let mut kinds: BTreeMap<(&str, &str), (usize, &Foreign)> = BTreeMap::new();
    for ForeignRecord { message, .. } in records {
        let kind = kinds.entry((&message.stream, &message.reason)).or_insert((0, message));
        *kind = (kind.0 + 1, message);
    }
    let line = |((stream, reason), (count, latest)): (&(&str, &str), &(usize, &Foreign))| {
        let Foreign { subject, sequence, digest, .. } = latest;
        let digest = digest.get(..16).unwrap_or(digest);
        format!(
            "{count} in {stream}: {reason}; the latest is {sequence} on {subject}, of {}, digest {digest}",
            latest.stored_at()
        )
    };
    kinds.iter().map(line).collect()
}

/// A foreign message, for programs.
fn foreign_value(record: &ForeignRecord) -> Value {
    let ForeignRecord { stage, message } = record;
    let Foreign { stream, subject, sequence, bytes, digest, reason, .. } = message;
    json!({
        "stream": stream, "sequence": sequence, "subject": subject, "bytes": bytes, "digest": digest,
        "reason": reason, "met_by": stage, "stored_at": message.stored_at().to_string(),
    })
}

/// An alert, for people.
pub(crate) fn alert_line(alert: &Alert) -> String {
    let Alert { stage, partition, kind, text, at } = alert;
    let partition = partition.map(|partition| format!(", partition {partition}")).unwrap_or_default();
    format!("{stage}{partition} ({kind}, last at {at}): {text}")
}

/// Alerts, for programs.
pub(crate) fn alerts_json(alerts: &[Alert]) -> Vec<Value> {
    let line = |alert: &Alert| {
        json!({
            "stage": alert.stage, "partition": alert.partition.map(|partition| partition.0),
            "error": alert.kind, "what": alert.text, "last_at": alert.at.to_string(),
        })
    };
    alerts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_micros((1_000 + minutes) * 60_000_000)
    }

    #[test]
    fn a_partition_stands_still_if_input_waits_and_it_has_not_moved_for_ten_minutes() {
        let is_stalled = |waiting, moved: Option<i64>| {
            Stalled::check("apply", Partition(3), at(waiting), moved.map(at), at(0)).is_some()
        };
        assert!(is_stalled(-11, Some(-12)));
        assert!(is_stalled(-11, None), "it has never moved");
        assert!(!is_stalled(-60, Some(-1)), "a backlog that is worked off");
        assert!(!is_stalled(-1, Some(-60)), "it had nothing to do until now");
        let stalled = Stalled::check("apply", Partition(3), at(-12), Some(at(-14)), at(0)).unwrap();
        let text = "apply, partition 3: input waits for 12 min, it last moved 14 min ago";
        assert_eq!(stalled.text(), text);
    }

    #[test]
    fn what_someone_has_to_put_right_is_a_finding_while_it_goes_on() {
        let alert = |kind: &str, minutes| Alert {
            stage: "apply".to_owned(),
            partition: Some(Partition(3)),
            kind: kind.to_owned(),
            text: "x".to_owned(),
            at: at(minutes),
        };
        let findings = |alert| {
            PipelineState { stalled: Vec::new(), alerts: vec![alert], foreign: Vec::new(), now: at(0) }
                .findings()
        };
        assert_eq!(findings(alert("setup", -1)), 1);
        assert_eq!(findings(alert("setup", -3)), 0, "it is over");
        assert_eq!(findings(alert("input", -1)), 0, "it was set aside; the next goes on");
        assert_eq!(findings(alert("foreign", -1)), 0, "it was set aside; the next goes on");
    }

    #[test]
    fn foreign_messages_are_reported_by_stream_and_reason_with_the_latest_of_each() {
        let record = |stream: &str, sequence, reason: &str| ForeignRecord {
            stage: "fetch".to_owned(),
            message: Foreign {
                stream: stream.to_owned(),
                subject: "pos.raw.3".to_owned(),
                sequence,
                stored_at_micros: 0,
                bytes: 9,
                digest: "ab".repeat(32),
                reason: reason.to_owned(),
            },
        };
        let records = [record("RAW-0", 7, "x"), record("DEAD", 2, "x"), record("RAW-0", 9, "x")];
        let lines = foreign_lines(&records);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].starts_with("2 in RAW-0: x; the latest is 9 on pos.raw.3"), "{lines:?}");
        assert!(foreign_lines(&[]).is_empty());
    }
}

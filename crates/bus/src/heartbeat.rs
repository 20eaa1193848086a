//! Heartbeats: their validation, and the partitions that follow from them. Decisions without a clock or I/O.

use crate::{assign, message::Stored};
use bytes::Bytes;
use model::{Partition, PartitionCount};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Time for which a replica counts as live after its last heartbeat; the server supports whole seconds only.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(3);
/// Time by which a heartbeat's age may exceed its time to live: our own heartbeat, which it is compared with, may be
/// the older one.
const AGE_TOLERANCE: Duration = Duration::from_secs(2);
/// Time for which a replica may fail to run a partition of its share before it no longer counts.
const CLAIM_LIMIT: Duration = Duration::from_secs(15);
/// Upper limit of replicas that are remembered for not running their partitions.
const REMEMBERED_MAX: usize = 1024;

/// A replica's report about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heartbeat {
    pub(crate) stage: String,
    pub(crate) replica: String,
    /// The partitions that it runs.
    pub(crate) partitions: BTreeSet<Partition>,
    /// True if it is the replica's last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) leaves: bool,
}

impl Heartbeat {
    pub(crate) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// A stored heartbeat, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) replica: String,
    partitions: BTreeSet<Partition>,
    /// True if it is the replica's last one: the replica no longer counts.
    leaves: bool,
    nanos: i128,
}

impl Seen {
    /// Reads a heartbeat of `stage`; an error is the reason why the message is no such heartbeat.
    pub(crate) fn read(stage: &str, stored: &Stored) -> Result<Self, &'static str> {
        let prefix = format!("pos.members.{stage}.");
        let replica = stored.subject.strip_prefix(&prefix).ok_or("it is of another stage")?;
        let lives: Option<u64> = stored.header("Nats-TTL").and_then(|text| text.parse().ok());
        if lives.is_none_or(|seconds| seconds > TIME_TO_LIVE.as_secs()) {
            return Err("it doesn't end by itself in time");
        }
        // The version before wrote heartbeats without content.
        if stored.payload.is_empty() {
            return Ok(Self {
                replica: replica.to_owned(),
                partitions: BTreeSet::new(),
                leaves: false,
                nanos: stored.nanos,
            });
        }
        let heartbeat: Heartbeat =
            serde_json::from_slice(&stored.payload).map_err(|_| "it is no heartbeat")?;
        if heartbeat.stage != stage || heartbeat.replica != replica {
            return Err("it says another stage or name than its subject");
        }
        let Heartbeat { replica, partitions, leaves, .. } = heartbeat;
        Ok(Self { replica, partitions, leaves, nanos: stored.nanos })
    }
}

/// One replica's state about the other replicas.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// Replicas that don't run all partitions of their share, with the time at which that began.
    leaving: BTreeMap<String, Instant>,
}

impl Others {
    /// Returns our partitions among the replicas in `seen`, and the names of those that don't count: their heartbeat
    /// is too old compared with ours, or they have not run partitions of their share for 15 seconds.
    pub(crate) fn share(
        &mut self,
        partitions: PartitionCount,
        me: &str,
        seen: &[Seen],
        now: Instant,
    ) -> (BTreeSet<Partition>, BTreeSet<String>) {
        let ours = seen.iter().find(|heartbeat| heartbeat.replica == me).map(|heartbeat| heartbeat.nanos);
        let oldest = ours.map(|nanos| nanos - nanos_of(TIME_TO_LIVE + AGE_TOLERANCE));
        let there = seen.iter().filter(|heartbeat| !heartbeat.leaves || heartbeat.replica == me);
        let (recent, mut ignored): (Vec<&Seen>, BTreeSet<String>) =
            there.fold((Vec::new(), BTreeSet::new()), |(mut recent, mut old), heartbeat| {
                if oldest.is_some_and(|oldest| heartbeat.nanos < oldest) {
                    old.insert(heartbeat.replica.clone());
                } else {
                    recent.push(heartbeat);
                }
                (recent, old)
            });
        let idle = |name: &str| {
            self.leaving.get(name).is_some_and(|since| now.saturating_duration_since(*since) >= CLAIM_LIMIT)
        };
        let counted = recent.iter().filter(|heartbeat| heartbeat.replica == me || !idle(&heartbeat.replica));
        let mut members: BTreeSet<String> = counted.map(|heartbeat| heartbeat.replica.clone()).collect();
        members.insert(me.to_owned());
        let others = recent.iter().filter(|heartbeat| heartbeat.replica != me);
        ignored.extend(others.clone().map(|it| it.replica.clone()).filter(|name| !members.contains(name)));
        // A replica that doesn't count is validated against the share that it would have if it did.
        let mut leaving = BTreeMap::new();
        for heartbeat in others {
            let mut with = members.clone();
            with.insert(heartbeat.replica.clone());
            let should = assign(partitions, &with, &heartbeat.replica);
            if !should.is_subset(&heartbeat.partitions) && leaving.len() < REMEMBERED_MAX {
                let since = self.leaving.get(&heartbeat.replica).copied().unwrap_or(now);
                leaving.insert(heartbeat.replica.clone(), since);
            }
        }
        self.leaving = leaving;
        (assign(partitions, &members, me), ignored)
    }
}

fn nanos_of(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests;

    const SECOND: i128 = 1_000_000_000;

    fn stored(subject: &str, payload: &[u8], ttl: Option<&str>) -> Stored {
        let ttl = ttl.map(|ttl| [("Nats-TTL", ttl)]);
        tests::stored(subject, ttl.as_ref().map_or(&[], |ttl| ttl), payload)
    }

    fn heartbeat(replica: &str, partitions: impl IntoIterator<Item = u16>, second: i128) -> Seen {
        let partitions = partitions.into_iter().map(Partition).collect();
        Seen { replica: replica.to_owned(), partitions, leaves: false, nanos: second * SECOND }
    }

    fn four() -> PartitionCount {
        PartitionCount::new(4).unwrap()
    }

    #[test]
    fn a_heartbeat_is_one_that_ends_in_time_and_says_the_name_of_its_subject() {
        let said = |stage: &str, replica: &str| {
            let (stage, replica) = (stage.to_owned(), replica.to_owned());
            Heartbeat { stage, replica, partitions: BTreeSet::from([Partition(2)]), leaves: false }.encode()
        };
        let read =
            |payload: &[u8], ttl| Seen::read("apply", &stored("pos.members.apply.pod-1", payload, ttl));
        let good = read(&said("apply", "pod-1"), Some("3")).unwrap();
        assert_eq!((good.replica.as_str(), good.partitions.len()), ("pod-1", 1));
        assert!(read(b"", Some("3")).is_ok(), "the version before");
        for (payload, ttl) in [
            (said("apply", "pod-1"), None),
            (said("apply", "pod-1"), Some("3600")),
            (said("apply", "pod-1"), Some("never")),
            (said("apply", "pod-2"), Some("3")),
            (said("dedupe", "pod-1"), Some("3")),
            (Bytes::from_static(br#"{"stream":"RAW","seq":1,"duplicate":false}"#), Some("3")),
            (Bytes::from_static(b"\xff"), Some("3")),
            (Bytes::new(), None),
        ] {
            assert!(read(&payload, ttl).is_err(), "{payload:?} {ttl:?}");
        }
    }

    #[test]
    fn a_heartbeat_that_is_older_than_its_time_to_live_beside_ours_counts_for_nobody() {
        let mut others = Others::default();
        let seen = [heartbeat("a", 0..4, 100), heartbeat("old", 0..4, 94), heartbeat("b", 0..4, 98)];
        let (mine, ignored) = others.share(four(), "a", &seen, Instant::now());
        assert_eq!((mine.len(), ignored), (2, BTreeSet::from(["old".to_owned()])));
    }

    #[test]
    fn who_says_that_it_leaves_counts_for_nobody_and_is_not_ignored() {
        let mut others = Others::default();
        let mut seen = [heartbeat("a", 0..4, 0), heartbeat("b", 0..4, 0)];
        assert_eq!(others.share(four(), "a", &seen, Instant::now()).0.len(), 2);
        seen[1].leaves = true;
        let (mine, ignored) = others.share(four(), "a", &seen, Instant::now());
        assert_eq!((mine.len(), ignored), (4, BTreeSet::new()));
        let leaving = Heartbeat {
            stage: "apply".to_owned(),
            replica: "b".to_owned(),
            partitions: BTreeSet::new(),
            leaves: true,
        };
        let read = Seen::read("apply", &stored("pos.members.apply.b", &leaving.encode(), Some("3"))).unwrap();
        assert!(read.leaves);
    }

    #[test]
    fn who_leaves_its_partitions_counts_no_longer_until_it_takes_them() {
        let (mut others, began) = (Others::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let ghost = || [heartbeat("a", 0..4, 0), heartbeat("ghost", [], 0)];
        for (second, owned) in [(0, 2), (14, 2), (15, 4), (60, 4)] {
            assert_eq!(others.share(four(), "a", &ghost(), at(second)).0.len(), owned, "second {second}");
        }
        let mine =
            others.share(four(), "a", &[heartbeat("a", 0..4, 0), heartbeat("ghost", 0..4, 0)], at(61)).0;
        assert_eq!(mine.len(), 4, "it is seen to have taken them only now");
        let mine =
            others.share(four(), "a", &[heartbeat("a", 0..4, 0), heartbeat("ghost", 0..4, 0)], at(62)).0;
        assert_eq!(mine.len(), 2);
    }

    #[test]
    fn a_replica_that_takes_its_partitions_within_the_time_counts_throughout() {
        let (mut others, began) = (Others::default(), Instant::now());
        for second in 0..60 {
            let theirs: Vec<u16> = if second % 10 < 8 { Vec::new() } else { vec![0, 1, 2, 3] };
            let seen = [heartbeat("a", 0..4, 0), heartbeat("b", theirs, 0)];
            let mine = others.share(four(), "a", &seen, began + Duration::from_secs(second)).0;
            assert_eq!(mine.len(), 2, "second {second}");
        }
    }
}

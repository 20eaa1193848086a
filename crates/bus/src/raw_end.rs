//! The end of RAW as far as it is known: a batch that covers more is not ours.

use crate::{Bus, BusError, Feed};
use model::Partition;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Time in which a new leader of a cluster applies what a majority had stored before its election. Until then it shows
/// an earlier end.
const LEADER_LIMIT: Duration = Duration::from_secs(5);
/// The pause between two questions to such a leader.
const LEADER_PAUSE: Duration = Duration::from_millis(50);
/// Interruption after which a wait for the leader begins anew.
const ASKED_LIMIT: Duration = Duration::from_secs(1);
/// Number of messages by which no leader lags: a batch that covers more is foreign at once.
const LAG_MAX: u64 = 1_000_000;

/// The ends of RAW's streams.
#[derive(Default)]
pub(crate) struct RawEnds {
    /// The highest known sequence of each stream.
    known: Mutex<HashMap<String, u64>>,
    /// For each reader, the sequence that RAW's leader doesn't show yet.
    doubted: Mutex<HashMap<(Feed, Partition), Doubt>>,
}

/// The wait for a leader to show a sequence.
#[derive(Clone, Copy)]
struct Doubt {
    sequence: u64,
    since: Instant,
    asked: Instant,
}

impl RawEnds {
    fn reaches(&self, stream: &str, sequence: u64) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(stream).is_some_and(|end| *end >= sequence)
    }

    fn note(&self, stream: &str, end: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(stream.to_owned()).or_default();
        *known = end.max(*known);
    }

    /// Notes that the leader doesn't show `sequence` at `now`; returns the time since which it doesn't.
    fn doubt(&self, of: (Feed, Partition), sequence: u64, now: Instant) -> Duration {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = doubted.get(&of).filter(|doubt| doubt.sequence == sequence);
        let known = known.filter(|doubt| now.saturating_duration_since(doubt.asked) < ASKED_LIMIT);
        let since = known.map_or(now, |doubt| doubt.since);
        doubted.insert(of, Doubt { sequence, since, asked: now });
        now.saturating_duration_since(since)
    }
}

impl Bus {
    /// Returns true if the partition's RAW has ever stored a message with that sequence; queries the server only if the
    /// known end is lower. A batch of `feed` claims it. In a cluster, the answer that it has not takes
    /// [`LEADER_LIMIT`]; a call that was dropped meanwhile continues the wait of the one before.
    pub(crate) async fn raw_reaches(
        &self,
        feed: Feed,
        partition: Partition,
        sequence: u64,
    ) -> Result<bool, BusError> {
        let (stream, ends) = (self.layout().stream_of(Feed::Raw, partition), self.raw_ends());
        let limit = if self.layout().is_replicated() { LEADER_LIMIT } else { Duration::ZERO };
        while !ends.reaches(&stream, sequence) {
            let end = self.stream_info(&stream).await?.map_or(0, |info| info.state.last_sequence);
            ends.note(&stream, end);
            if end >= sequence {
                break;
            }
            if sequence - end > LAG_MAX || ends.doubt((feed, partition), sequence, Instant::now()) >= limit {
                return Ok(false);
            }
            sleep(LEADER_PAUSE).await;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: (Feed, Partition) = (Feed::Unique, Partition(3));

    #[test]
    fn an_end_that_was_known_is_not_forgotten_when_a_leader_shows_less() {
        let ends = RawEnds::default();
        ends.note("RAW-0", 7);
        ends.note("RAW-0", 5);
        assert!(ends.reaches("RAW-0", 7) && !ends.reaches("RAW-0", 8) && !ends.reaches("RAW-1", 1));
    }

    #[test]
    fn a_doubt_grows_while_the_same_is_asked_again_and_again() {
        let (ends, begin) = (RawEnds::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        assert_eq!(ends.doubt(READER, 9, at(0)), Duration::ZERO);
        assert_eq!(ends.doubt(READER, 9, at(900)), Duration::from_millis(900));
        assert_eq!(ends.doubt(READER, 9, at(1800)), Duration::from_millis(1800));
        assert_eq!(
            ends.doubt((Feed::Enriched, Partition(3)), 9, at(1900)),
            Duration::ZERO,
            "another reader's"
        );
        assert_eq!(ends.doubt(READER, 10, at(2000)), Duration::ZERO, "another sequence");
        assert_eq!(ends.doubt(READER, 10, at(3000)), Duration::ZERO, "after an interruption");
    }
}

//! Messages of streams, checked as their readers check them, and the positions in their headers.

use crate::notation::Parts;
use bus::{BusError, Feed, Foreign, Message, MessageValidator as _, UnreadMessage};
use model::{Partition, PartitionCount};
use runner::Ours;

/// Upper limits of the texts that describe a message, in characters.
const SUBJECT_CHARS_MAX: usize = 256;
const TEXT_CHARS_MAX: usize = 2048;

/// Checks that a message is either ours, with headers that state a range of positions and agree with its contents, or
/// is described without quoting it. Input: a line `<subject> <sequence> <nanoseconds>`, header lines, an empty line and
/// the payload.
pub fn messages(data: &[u8]) {
    let parts = Parts::of(data);
    let message = UnreadMessage {
        stream: "STREAM".to_owned(),
        subject: parts.word(0).to_owned(),
        sequence: parts.word(1).parse().unwrap_or(1),
        headers: names_as_written(&parts.headers),
        payload: parts.body.to_vec().into(),
        stored_at_nanos: parts.word(2).parse().unwrap_or(0),
    };
    let partitions = PartitionCount::new(16).expect("a power of two");
    let tokens: Vec<&str> = message.subject.split('.').collect();
    match tokens[..] {
        ["pos", "raw", partition] => batch(&message, Feed::Raw, partition, partitions),
        ["pos", "normalized", partition] => batch(&message, Feed::Normalized, partition, partitions),
        ["pos", "unique", partition] => batch(&message, Feed::Unique, partition, partitions),
        ["pos", "enriched", partition] => batch(&message, Feed::Enriched, partition, partitions),
        ["pos", "applied", ..] => applied(&message, partitions),
        ["pos", "dead", ..] => dead(&message),
        ["pos", "alerts", ..] => {
            let alert = message.alert();
            assert!(is_shown(&alert.text, TEXT_CHARS_MAX) && is_shown(&alert.stage, SUBJECT_CHARS_MAX));
        }
        ["pos", "members", stage, ..] => {
            if let Ok(replica) = message.replica(stage) {
                assert_eq!(message.subject, format!("pos.members.{stage}.{replica}"));
            }
        }
        _ => {
            let record = message.foreign_record();
            assert!(is_shown(&record.stage, SUBJECT_CHARS_MAX));
            described(&record.message);
        }
    }
}

/// Restores the case of our header names: NATS distinguishes upper from lower case.
fn names_as_written(headers: &[(String, String)]) -> Vec<(String, String)> {
    const WRITTEN: [&str; 3] = ["Nats-Msg-Id", "Nats-Expected-Last-Subject-Sequence", "Nats-TTL"];
    let written = |name: &String| {
        let known = WRITTEN.iter().find(|known| known.eq_ignore_ascii_case(name));
        known.map_or_else(|| name.clone(), |known| (*known).to_owned())
    };
    headers.iter().map(|(name, value)| (written(name), value.clone())).collect()
}

fn batch(message: &UnreadMessage, feed: Feed, partition: &str, partitions: PartitionCount) {
    let Ok(partition) = partition.parse() else { return };
    let Some(read) = taken(message.batch(feed)) else { return };
    reads_back(&read);
    if feed == Feed::Raw {
        assert!(read.covers.is_none() && read.from.is_none());
    } else {
        assert!(read.from <= read.covers && read.covers.is_some(), "a range of positions");
        assert!(read.records_total >= Some(read.records.into()));
    }
    if let Err(reason) = Ours.batch(feed, Partition(partition), partitions, &read) {
        return assert!(!reason.is_empty());
    }
    let records = match feed {
        Feed::Raw => wire::decode_deliveries(read.payload.clone()).map(|deliveries| deliveries.len()),
        Feed::Normalized | Feed::Unique | Feed::Enriched => {
            wire::decode_events(read.payload.clone()).map(|batch| batch.events.len())
        }
    };
    assert_eq!(records.ok(), usize::try_from(read.records).ok(), "ours holds what its header says");
}

/// Checks that a position is the same after it is written and parsed.
fn reads_back(read: &Message) {
    for position in [read.from, read.covers].into_iter().flatten() {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
}

fn applied(message: &UnreadMessage, partitions: PartitionCount) {
    let Some(read) = taken(message.applied()) else { return };
    if Ours.applied(partitions, &read).is_err() {
        return;
    }
    let change = wire::decode_applied(read.payload.clone()).expect("ours can be decoded");
    assert_eq!((change.number, &change.event.origin.store), (read.number, &read.store));
    assert_eq!(partitions.of(&read.store), read.partition);
}

fn dead(message: &UnreadMessage) {
    let Some(read) = taken(message.dead()) else { return };
    if Ours.dead(&read).is_err() {
        return;
    }
    let dead_letter = wire::decode_dead(read.payload.clone()).expect("ours can be decoded");
    assert_eq!((dead_letter.stage, &dead_letter.original.origin().store), (read.stage, &read.store));
}

/// Returns a message that could be read; checks the description of one that is foreign.
fn taken<T>(read: Result<T, BusError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(BusError::Foreign(foreign)) => {
            described(&foreign);
            None
        }
        Err(other) => panic!("reading has no other error: {other}"),
    }
}

fn described(foreign: &Foreign) {
    assert!(is_shown(&foreign.subject, SUBJECT_CHARS_MAX) && is_shown(&foreign.reason, TEXT_CHARS_MAX));
    assert!(is_shown(&foreign.stream, SUBJECT_CHARS_MAX) && is_shown(&foreign.digest, SUBJECT_CHARS_MAX));
}

fn is_shown(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}

//! Tests against a real nats-server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, and so may what it is made of"
)]

mod checks;
mod foreign;
mod ownership;
mod quiet;

use bus::{
    AppendError, AppliedMessage, Bus, BusConfig, BusError, CloudEvent, DeadMessage, Feed, PAYLOAD_BYTES_MIN,
    ReplyRule, Start,
};
use bytes::Bytes;
use model::{Partition, PartitionCount, Position, StoreId, Timestamp};
use sandbox::{Nats, NatsOptions, Scratch};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const HERE: Partition = Partition(3);

struct Broker {
    nats: Nats,
    scratch: Scratch,
}

impl Broker {
    async fn start() -> Self {
        Self::start_as(|options| options).await
    }

    async fn start_as(change: impl FnOnce(NatsOptions) -> NatsOptions) -> Self {
        let scratch = Scratch::new().unwrap();
        let nats = Nats::start(change(NatsOptions::new(scratch.path()))).await.unwrap();
        Self { nats, scratch }
    }

    fn config(&self) -> BusConfig {
        BusConfig {
            servers: vec![self.nats.url()],
            monitoring_url: Some(self.nats.monitoring_url()),
            partitions: PartitionCount::new(4).unwrap(),
            streams_per_feed: 2,
            feed_max_bytes: 64 << 20,
            applied_max_bytes: 64 << 20,
            dead_max_bytes: 1 << 20,
            ..BusConfig::default()
        }
    }

    async fn connect(&self) -> Bus {
        Bus::connect(&self.config()).await.unwrap()
    }

    async fn declared(&self) -> Bus {
        let bus = self.connect().await;
        bus.declare().await.unwrap();
        bus
    }
}

fn store() -> StoreId {
    StoreId::new("shop-1").unwrap()
}

fn position(raw_sequence: u64) -> Position {
    Position { raw_sequence, delivery: 0, event: 0 }
}

fn applied(number: i64) -> AppliedMessage {
    AppliedMessage {
        partition: HERE,
        number,
        store: store(),
        entity: "inventory".to_owned(),
        change: "updated".to_owned(),
        message_id: format!("event-{number}"),
        event: CloudEvent {
            id: format!("event-{number}"),
            kind: "tillflow.inventory.updated".to_owned(),
            source: "/shopify/con-1".to_owned(),
            time: Timestamp::from_micros(1_700_000_000_123_456),
            trace: None,
        },
        payload: Bytes::from(number.to_string()),
        sequence: 0,
        stored_at: Timestamp::from_micros(0),
    }
}

async fn numbers(reader: &mut bus::AppliedReader, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let messages = timeout(PATIENCE, reader.waiting(1000)).await.unwrap().unwrap();
        numbers.extend(messages.iter().map(|message| message.number));
    }
    numbers
}

#[tokio::test]
async fn the_first_connection_is_counted_before_anybody_reads_the_number() {
    let broker = Broker::start().await;
    let connections = broker.connect().await.connections();
    assert_eq!(*connections.borrow(), 1, "a later count would pass for a reconnect");
}

#[tokio::test]
async fn declaring_twice_is_the_same_as_once_and_a_limit_may_change() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    bus.append_raw(HERE, Bytes::from(vec![0; 1024]), "a", 1).await.unwrap();
    bus.declare().await.unwrap();
    let narrow = bus.usage(Feed::Raw).await.unwrap();

    let wider = BusConfig { feed_max_bytes: 128 << 20, ..broker.config() };
    let bus = Bus::connect(&wider).await.unwrap();
    bus.declare().await.unwrap();
    let wide = bus.usage(Feed::Raw).await.unwrap();
    assert!(narrow > 0.0 && (narrow / wide - 2.0).abs() < 0.01, "{narrow} and {wide}");
    assert!(bus.tail(Feed::Raw, HERE).await.unwrap().is_some(), "nothing was lost by it");
}

#[tokio::test]
async fn another_number_of_partitions_or_streams_is_refused() {
    let broker = Broker::start().await;
    broker.declared().await;
    let eight = BusConfig { partitions: PartitionCount::new(8).unwrap(), ..broker.config() };
    let refused = Bus::connect(&eight).await.unwrap().declare().await.unwrap_err().to_string();
    assert!(refused.contains("partitions 4") && refused.contains("says 8"), "{refused}");
    let one = BusConfig { streams_per_feed: 1, ..broker.config() };
    let refused = Bus::connect(&one).await.unwrap().declare().await.unwrap_err();
    assert!(matches!(refused, BusError::Different { what: "streams per feed", .. }), "{refused}");
    let five = BusConfig { streams_per_feed: 5, ..broker.config() };
    assert!(matches!(Bus::connect(&five).await, Err(BusError::Config(_))));
}

#[tokio::test]
async fn what_is_appended_is_the_tail_and_is_read_in_order() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    assert_eq!(bus.tail(Feed::Unique, HERE).await.unwrap(), None);

    let mut appender = bus.appender(Feed::Unique, HERE, None);
    let mut neighbour = bus.appender(Feed::Unique, Partition(1), None);
    for raw in 1..=50_u64 {
        appender.append(Bytes::from(raw.to_string()), position(raw), raw + 7, 3).await.unwrap();
        neighbour.append(Bytes::new(), position(raw), raw, 0).await.unwrap();
    }
    let tail = bus.tail(Feed::Unique, HERE).await.unwrap().unwrap();
    assert_eq!((tail.covers, tail.input_sequence, tail.records), (Some(position(50)), Some(57), 3));
    assert_eq!(tail.sequence, appender.tail_sequence());
    assert_eq!(bus.message_at(Feed::Unique, HERE, tail.sequence).await.unwrap(), Some(tail.clone()));
    assert_eq!(
        bus.message_at(Feed::Unique, Partition(1), tail.sequence).await.unwrap(),
        None,
        "not of that partition"
    );

    // Batches of three records, with those of the neighbouring partition between them: the last seven records begin in
    // the third batch from the end.
    assert_eq!(tail.records_total, Some(150));
    let start = bus.seek_last_records(Feed::Unique, HERE, 7).await.unwrap();
    let mut last = bus.read(Feed::Unique, HERE, start).await.unwrap();
    let first_of_them = timeout(PATIENCE, last.waiting(1)).await.unwrap().unwrap().remove(0);
    assert_eq!(first_of_them.covers, Some(position(48)));
    for more_than_all in [150, 151, u64::MAX / 2] {
        let start = bus.seek_last_records(Feed::Unique, HERE, more_than_all).await.unwrap();
        let mut all = bus.read(Feed::Unique, HERE, start).await.unwrap();
        let first = timeout(PATIENCE, all.waiting(1)).await.unwrap().unwrap().remove(0);
        assert_eq!(first.covers, Some(position(1)));
    }

    let mut reader = bus.read(Feed::Unique, HERE, Start::First).await.unwrap();
    let mut read = Vec::new();
    while read.len() < 50 {
        let messages = timeout(PATIENCE, reader.waiting(8)).await.unwrap().unwrap();
        assert!((1..=8).contains(&messages.len()));
        read.extend(messages);
    }
    let covered: Vec<u64> = read.iter().map(|message| message.covers.unwrap().raw_sequence).collect();
    assert_eq!(covered, (1..=50).collect::<Vec<_>>());
    assert_eq!(read[49], tail);

    let mut after = bus.read(Feed::Unique, HERE, Start::After(read[47].sequence)).await.unwrap();
    assert_eq!(timeout(PATIENCE, after.waiting(1)).await.unwrap().unwrap(), read[48..49]);
    let mut at = bus.read(Feed::Unique, HERE, Start::At(read[48].sequence)).await.unwrap();
    assert_eq!(timeout(PATIENCE, at.waiting(1)).await.unwrap().unwrap(), read[48..49]);
}

#[tokio::test]
async fn a_start_behind_the_end_is_a_lost_tail() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    bus.appender(Feed::Unique, HERE, None).append(Bytes::new(), position(1), 1, 0).await.unwrap();
    assert!(bus.read(Feed::Unique, HERE, Start::After(1)).await.is_ok());
    assert!(matches!(bus.read(Feed::Unique, HERE, Start::After(2)).await, Err(BusError::TailLost { .. })));
}

#[tokio::test]
async fn a_broker_that_begins_anew_is_refused_by_what_was_decided_until_it_goes_on_behind_it() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    bus.verify_reached(HERE, Position::default()).await.unwrap();
    let sequence = bus.append_raw(HERE, Bytes::new(), "a", 1).await.unwrap();
    bus.verify_reached(HERE, position(sequence)).await.unwrap();
    let refused = bus.verify_reached(HERE, position(40)).await.unwrap_err();
    assert!(matches!(refused, BusError::Behind { sequence: 40, .. }), "{refused}");

    // The purge that the runbook describes.
    let client = async_nats::connect(broker.nats.url()).await.unwrap();
    let raw = async_nats::jetstream::new(client).get_stream("RAW-1").await.unwrap();
    raw.purge().sequence(41).await.unwrap();
    bus.verify_reached(HERE, position(40)).await.unwrap();
    assert_eq!(bus.append_raw(HERE, Bytes::new(), "b", 1).await.unwrap(), 41);
}

#[tokio::test]
async fn a_reader_notices_that_what_it_read_was_lost_and_replaced() {
    for replaced in [1_u64, 5] {
        let mut broker = Broker::start().await;
        let bus = broker.declared().await;
        let mut appender = bus.appender(Feed::Unique, HERE, None);
        for raw in 1..=3 {
            appender.append(Bytes::new(), position(raw), raw, 0).await.unwrap();
        }
        let mut reader = bus.read(Feed::Unique, HERE, Start::First).await.unwrap();
        let mut read = 0;
        while read < 3 {
            read += timeout(PATIENCE, reader.waiting(3)).await.unwrap().unwrap().len();
        }
        broker.nats.kill().await.unwrap();
        std::fs::remove_dir_all(broker.scratch.path().join("jetstream")).unwrap();
        broker.nats.restart().await.unwrap();
        let other = broker.declared().await;
        let mut appender = other.appender(Feed::Unique, HERE, None);
        for raw in 1..=replaced {
            appender.append(Bytes::new(), position(raw), raw, 0).await.unwrap();
        }
        let lost = timeout(PATIENCE, reader.waiting(3)).await.unwrap();
        assert!(matches!(lost, Err(BusError::TailLost { sequence: 3, .. })), "{replaced}: {lost:?}");
    }
}

#[tokio::test]
async fn a_second_owner_cannot_append_and_a_failed_appender_is_spent() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let other = broker.connect().await;
    let mut first = bus.appender(Feed::Enriched, HERE, None);
    first.append(Bytes::new(), position(1), 1, 0).await.unwrap();

    let mut late = other.appender(Feed::Enriched, HERE, None);
    assert!(matches!(late.append(Bytes::new(), position(1), 1, 0).await, Err(AppendError::Fenced)));
    assert!(matches!(late.append(Bytes::new(), position(1), 1, 0).await, Err(AppendError::Spent)));

    let tail = other.tail(Feed::Enriched, HERE).await.unwrap().unwrap();
    let mut second = other.appender(Feed::Enriched, HERE, Some(&tail));
    second.append(Bytes::new(), position(2), 2, 0).await.unwrap();
    assert!(matches!(first.append(Bytes::new(), position(2), 2, 0).await, Err(AppendError::Fenced)));
    assert_eq!(other.tail(Feed::Enriched, HERE).await.unwrap().unwrap().covers, Some(position(2)));
}

#[tokio::test]
async fn a_batch_sent_again_with_its_id_is_stored_once() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let first = bus.append_raw(HERE, Bytes::from_static(b"a"), "batch-1", 1).await.unwrap();
    let again =
        broker.connect().await.append_raw(HERE, Bytes::from_static(b"a"), "batch-1", 1).await.unwrap();
    assert_eq!(first, again);
    let second = bus.append_raw(HERE, Bytes::from_static(b"b"), "batch-2", 1).await.unwrap();
    assert_eq!(second, first + 1);
}

#[tokio::test]
async fn a_batch_that_meets_a_killed_server_is_stored_once_when_it_is_back() {
    let mut broker = Broker::start().await;
    let bus = broker.declared().await;
    bus.append_raw(HERE, Bytes::new(), "before", 1).await.unwrap();
    broker.nats.kill().await.unwrap();
    let meanwhile = tokio::spawn({
        let bus = bus.clone();
        async move { bus.append_raw(HERE, Bytes::new(), "meanwhile", 1).await }
    });
    broker.nats.restart().await.unwrap();
    assert_eq!(meanwhile.await.unwrap().unwrap(), 2);
    assert_eq!(bus.append_raw(HERE, Bytes::new(), "meanwhile", 1).await.unwrap(), 2);
    assert_eq!(bus.append_raw(HERE, Bytes::new(), "after", 1).await.unwrap(), 3);
}

#[tokio::test]
async fn a_reader_goes_on_over_kills_of_the_server_without_loss_or_repetition() {
    let mut broker = Broker::start().await;
    let bus = broker.declared().await;
    let mut reader = bus.read(Feed::Raw, HERE, Start::First).await.unwrap();
    let mut read = Vec::new();
    for round in 0..3 {
        for batch in 0..40 {
            bus.append_raw(HERE, Bytes::new(), &format!("{round}-{batch}"), 1).await.unwrap();
        }
        // Some batches are read before the kill, the rest after it.
        read.extend(timeout(PATIENCE, reader.waiting(10)).await.unwrap().unwrap());
        broker.nats.kill().await.unwrap();
        broker.nats.restart().await.unwrap();
    }
    while read.len() < 120 {
        read.extend(timeout(PATIENCE, reader.waiting(10)).await.unwrap().unwrap());
    }
    let sequences: Vec<u64> = read.iter().map(|message| message.sequence).collect();
    assert_eq!(sequences, (1..=120).collect::<Vec<_>>());
    assert!(timeout(Duration::from_millis(200), reader.waiting(10)).await.is_err(), "and nothing more");
}

#[tokio::test]
async fn a_full_feed_says_so_and_takes_again_once_room_was_made() {
    let broker = Broker::start().await;
    let bus = Bus::connect(&BusConfig { feed_max_bytes: 256 << 10, ..broker.config() }).await.unwrap();
    bus.declare().await.unwrap();
    let batch = Bytes::from(vec![0; 16 << 10]);
    let mut stored = 0;
    let refused = loop {
        match bus.append_raw(HERE, batch.clone(), &stored.to_string(), 1).await {
            Ok(sequence) => stored = sequence,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Full), "{refused}");
    assert!(stored > 2 && bus.usage(Feed::Raw).await.unwrap() > 0.8);

    bus.purge_below(Feed::Raw, HERE, u64::MAX).await.unwrap();
    assert_eq!(bus.tail(Feed::Raw, HERE).await.unwrap().unwrap().sequence, stored, "the last one stays");
    assert!(bus.usage(Feed::Raw).await.unwrap() < 0.3);
    bus.append_raw(HERE, batch, "more", 1).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_no_server_takes_is_too_large() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let bytes = PAYLOAD_BYTES_MIN + 1;
    let refused = bus.append_raw(HERE, Bytes::from(vec![0; bytes]), "large", 1).await.unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { bytes: said } if said == bytes), "{refused}");
}

#[tokio::test]
async fn a_message_of_the_largest_delivery_passes_every_way_there_is() {
    // The largest body, and the rest of its message.
    const BYTES: usize = (4 << 20) + (64 << 10);
    let broker = Broker::start().await;
    let config = BusConfig { dead_max_bytes: 64 << 20, ..broker.config() };
    let bus = Bus::connect(&config).await.unwrap();
    bus.declare().await.unwrap();
    let payload = Bytes::from(vec![7; BYTES]);

    for number in 1..=3 {
        bus.append_raw(HERE, payload.clone(), &format!("large-{number}"), 1).await.unwrap();
    }
    let mut reader = bus.read(Feed::Raw, HERE, Start::First).await.unwrap();
    let mut read = 0;
    while read < 3 {
        let messages = timeout(PATIENCE, reader.waiting(8)).await.expect("in time").unwrap();
        assert!(messages.iter().all(|message| message.payload == payload));
        read += messages.len();
    }
    let mut appender = bus.appender(Feed::Normalized, HERE, None);
    appender.append(payload.clone(), position(1), 1, 1).await.unwrap();

    let dead = DeadMessage::new("normalize", "schema", store(), "large".to_owned(), payload.clone());
    bus.publish_dead(&dead).await.unwrap();
    let mut dead_letters = bus.read_dead(None).await.unwrap();
    let dead_letter =
        timeout(PATIENCE, dead_letters.next()).await.expect("in time").unwrap().expect("a dead letter");
    assert_eq!(dead_letter.payload, payload);
    let shown = bus.dead_at(dead_letter.sequence).await.unwrap().expect("a dead letter");
    assert_eq!(shown.payload, payload);

    let mut requests = bus.serve("pos.accept", "ingest").await.unwrap();
    let asked = bus.request("pos.accept", payload.clone(), PATIENCE);
    let outcome = async {
        let request = requests.next().await.expect("a request");
        assert_eq!(request.payload, payload);
        request.respond(Bytes::from_static(b"kept"), &ReplyRule::default(), None).await.unwrap();
    };
    let (reply, ()) = tokio::join!(asked, outcome);
    assert_eq!(reply.unwrap(), Bytes::from_static(b"kept"));
}

#[tokio::test]
async fn a_change_is_stored_once_and_read_back_as_it_was() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    assert_eq!(bus.last_applied(HERE).await.unwrap(), None);
    bus.publish_applied(&applied(1)).await.unwrap().wait().await.unwrap();
    bus.publish_applied(&applied(1)).await.unwrap().wait().await.unwrap();
    bus.publish_applied_all(&[applied(1), applied(2)]).await.unwrap();
    let last = bus.last_applied(HERE).await.unwrap().unwrap();
    assert_eq!(last, AppliedMessage { sequence: 2, stored_at: last.stored_at, ..applied(2) });

    let mut reader = bus.read_applied(HERE, 0).await.unwrap();
    assert_eq!(numbers(&mut reader, 2).await, [1, 2]);
    let mut of_store = bus.read_applied_all(Some(&store()), Start::First).await.unwrap();
    assert_eq!(numbers(&mut of_store, 2).await, [1, 2]);
    let other = StoreId::new("shop-2").unwrap();
    let mut of_other = bus.read_applied_all(Some(&other), Start::First).await.unwrap();
    assert!(timeout(Duration::from_millis(200), of_other.waiting(1)).await.is_err());
}

#[tokio::test]
async fn changes_that_were_stored_out_of_order_are_read_in_order() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let mut early = bus.read_applied(HERE, 0).await.unwrap();
    for number in [1, 3, 4, 2, 3, 5] {
        bus.publish_applied(&applied(number)).await.unwrap().wait().await.unwrap();
    }
    assert_eq!(numbers(&mut early, 5).await, [1, 2, 3, 4, 5]);
    for after in 0..5 {
        let mut reader = bus.read_applied(HERE, after).await.unwrap();
        let expected: Vec<i64> = (after + 1..=5).collect();
        assert_eq!(numbers(&mut reader, expected.len()).await, expected);
    }
}

#[tokio::test]
async fn reading_changes_begins_behind_any_number_and_reports_of_purged_ones() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let elsewhere = |number| AppliedMessage {
        partition: Partition(1),
        message_id: format!("e-{number}"),
        ..applied(number)
    };
    for start in (1..=2000).step_by(500) {
        bus.publish_applied_all(&(start..start + 500).map(applied).collect::<Vec<_>>()).await.unwrap();
        bus.publish_applied_all(&(start..start + 500).map(elsewhere).collect::<Vec<_>>()).await.unwrap();
    }
    for after in [0, 1, 255, 256, 257, 999, 1500, 1999] {
        let mut reader = bus.read_applied(HERE, after).await.unwrap();
        assert_eq!(numbers(&mut reader, 1).await[0], after + 1);
    }
    assert_eq!(bus.applied_resume(HERE).await.unwrap(), 2000 - bus::APPLIED_WINDOW);
    bus.purge_applied_to(HERE, 2000 + bus::APPLIED_WINDOW).await.unwrap();
    let purged = bus.read_applied(HERE, 3).await.err().expect("nothing is left there");
    assert!(matches!(purged, BusError::Gap { expected: 4, .. }), "{purged}");
    let mut reader = bus.read_applied(Partition(1), 3).await.unwrap();
    assert_eq!(numbers(&mut reader, 1).await[0], 4, "another partition has all of its own");
}

#[tokio::test]
async fn a_dead_letter_is_stored_once_and_found_by_its_stage() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    assert!(bus.read_dead(None).await.unwrap().next().await.unwrap().is_none());
    let dead_letter = |id: &str, stage| {
        DeadMessage::new(stage, "schema", store(), id.to_owned(), Bytes::from_static(b"why"))
    };
    for message in [
        dead_letter("1", "normalize"),
        dead_letter("1", "normalize"),
        dead_letter("2", "apply"),
        dead_letter("3", "normalize"),
    ] {
        bus.publish_dead(&message).await.unwrap();
    }
    let mut found = Vec::new();
    let mut reader = bus.read_dead(Some("normalize")).await.unwrap();
    while let Some(message) = reader.next().await.unwrap() {
        found.push(message.message_id);
    }
    assert_eq!(found, ["1", "3"]);
    assert_eq!(bus.dead_at(2).await.unwrap().unwrap().stage, "apply");
    let wrong = bus.publish_dead(&dead_letter("4", "a.b")).await;
    assert!(matches!(wrong, Err(AppendError::Token { what: "a stage" })));
}

#[tokio::test]
async fn a_message_that_is_not_ours_is_reported_once_and_what_is_behind_it_is_read() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    bus.append_raw(HERE, Bytes::from_static(b"1"), "a", 1).await.unwrap();
    let foreign_client = async_nats::connect(broker.nats.url()).await.unwrap();
    foreign_client.request(format!("pos.raw.{HERE}"), Bytes::from_static(b"no header")).await.unwrap();
    bus.append_raw(HERE, Bytes::from_static(b"3"), "b", 1).await.unwrap();
    let mut reader = bus.read(Feed::Raw, HERE, Start::First).await.unwrap();
    let (mut read, mut reported) = (Vec::new(), 0);
    while read.len() < 2 {
        match timeout(PATIENCE, reader.waiting(8)).await.unwrap() {
            Ok(messages) => read.extend(messages.into_iter().map(|message| message.payload)),
            Err(BusError::Foreign(foreign)) => {
                assert_eq!(foreign.sequence, 2);
                reported += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((read, reported), (vec![Bytes::from_static(b"1"), Bytes::from_static(b"3")], 1));
}

#[tokio::test]
async fn the_last_alert_of_each_stage_partition_and_kind_is_kept_until_it_is_over() {
    let broker = Broker::start().await;
    assert!(broker.connect().await.alerts().await.unwrap().is_empty(), "nothing is declared yet");
    let bus = broker.declared().await;
    assert!(bus.alerts().await.unwrap().is_empty());
    let long = "é".repeat(2000);
    bus.raise_alert("apply", Some(HERE), "input", "first").await.unwrap();
    bus.raise_alert("apply", None, "setup", &long).await.unwrap();
    bus.raise_alert("apply", Some(HERE), "input", "second").await.unwrap();
    let alerts = bus.alerts().await.unwrap();
    let said: Vec<_> = alerts.iter().map(|alert| (alert.partition, &*alert.kind, alert.text.len())).collect();
    assert_eq!(said, [(None, "setup", 2048), (Some(HERE), "input", "second".len())]);
    bus.clear_alert("apply", None, "setup").await.unwrap();
    assert_eq!(bus.alerts().await.unwrap().len(), 1);
    assert!(bus.raise_alert("a.b", None, "setup", "x").await.is_err(), "a stage is a token");
}

#[tokio::test]
async fn what_waits_is_the_first_batch_that_reaches_behind_what_is_covered() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let mut appender = bus.appender(Feed::Unique, HERE, None);
    for number in [10, 20, 30] {
        appender.append(Bytes::from(vec![b'x'; 8]), position(number), 0, 1).await.unwrap();
        bus.append_raw(HERE, Bytes::from_static(b"x"), &number.to_string(), 1).await.unwrap();
    }
    let waiting = async |feed, covered| bus.first_waiting(feed, HERE, position(covered)).await.unwrap();
    let covers = async |covered| waiting(Feed::Unique, covered).await.and_then(|message| message.covers);
    assert_eq!(covers(0).await, Some(position(10)));
    assert_eq!(covers(10).await, Some(position(20)));
    assert_eq!(covers(15).await, Some(position(20)));
    assert_eq!(covers(30).await, None);
    let sequence = async |covered| waiting(Feed::Raw, covered).await.map(|message| message.sequence);
    assert_eq!((sequence(0).await, sequence(1).await, sequence(3).await), (Some(1), Some(2), None));
}

#[tokio::test]
async fn a_request_is_served_by_one_of_a_queue_and_gets_a_reply() {
    let broker = Broker::start().await;
    let (server, client) = (broker.connect().await, broker.connect().await);
    let nobody = client.request("pos.in.s.c.t", Bytes::new(), PATIENCE).await;
    assert!(matches!(nobody, Err(BusError::NoResponders { .. })));

    let mut first = server.serve("pos.in.*.*.>", "ingest").await.unwrap();
    let mut second = server.serve("pos.in.*.*.>", "ingest").await.unwrap();
    let asked =
        tokio::spawn(
            async move { client.request("pos.in.s.c.t.u", Bytes::from_static(b"?"), PATIENCE).await },
        );
    let either = async {
        tokio::select! { request = first.next() => request, request = second.next() => request }
    };
    let request = timeout(PATIENCE, either).await.unwrap().unwrap();
    assert_eq!((request.subject.as_str(), &request.payload[..]), ("pos.in.s.c.t.u", &b"?"[..]));
    assert!(request.wants_reply());
    request.respond(Bytes::from_static(b"!"), &ReplyRule::default(), None).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), Bytes::from_static(b"!"));
    server.drain().await.unwrap();
    assert!(timeout(PATIENCE, first.next()).await.unwrap().is_none());
}

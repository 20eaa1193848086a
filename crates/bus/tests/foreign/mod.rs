//! Foreign messages in our streams.

use super::*;
use async_nats::{Client, HeaderMap};
use bus::{DeadReader, InboxPrefix, Message, MessageValidator, Replied, ReplyRule};

/// Accepts every payload but `not ours`.
struct Picky;

impl Picky {
    fn takes(payload: &[u8]) -> Result<(), String> {
        if payload == b"not ours" { Err("it says so".to_owned()) } else { Ok(()) }
    }
}

impl MessageValidator for Picky {
    fn batch(&self, _: Feed, _: Partition, _: PartitionCount, message: &Message) -> Result<(), String> {
        Self::takes(&message.payload)
    }
    fn applied(&self, _: PartitionCount, message: &AppliedMessage) -> Result<(), String> {
        Self::takes(&message.payload)
    }
    fn dead(&self, message: &DeadMessage) -> Result<(), String> {
        Self::takes(&message.payload)
    }
}

async fn foreign_client(broker: &Broker) -> Client {
    async_nats::connect(broker.nats.url()).await.unwrap()
}

/// Publishes a message `times` times, and waits each time until the broker has stored it.
async fn put(foreign_client: &Client, subject: &str, payload: &'static [u8], times: usize) {
    for _ in 0..times {
        let kept = foreign_client.request(subject.to_owned(), Bytes::from_static(payload)).await.unwrap();
        assert!(!String::from_utf8_lossy(&kept.payload).contains("error"), "{kept:?}");
    }
}

#[tokio::test]
async fn an_owner_appends_behind_foreign_messages_and_another_owner_still_cannot() {
    let broker = Broker::start().await;
    let (bus, foreign_client) = (broker.declared().await, foreign_client(&broker).await);
    let mut appender = bus.appender(Feed::Unique, HERE, None);
    put(&foreign_client, "pos.unique.3", b"first of all", 2).await;
    appender.append(Bytes::new(), position(1), 1, 0).await.unwrap();
    put(&foreign_client, "pos.unique.3", b"", 3).await;
    appender.append(Bytes::new(), position(2), 2, 0).await.unwrap();
    put(&foreign_client, "pos.unique.3", b"last of all", 1).await;

    let tail = bus.tail(Feed::Unique, HERE).await.unwrap().unwrap();
    assert_eq!((tail.covers, tail.sequence), (Some(position(2)), 7));
    let mut late = bus.appender(Feed::Unique, HERE, None);
    assert!(matches!(late.append(Bytes::new(), position(1), 1, 0).await, Err(AppendError::Fenced)));
    let mut next = bus.appender(Feed::Unique, HERE, Some(&tail));
    next.append(Bytes::new(), position(3), 3, 0).await.unwrap();
    assert!(matches!(appender.append(Bytes::new(), position(3), 3, 0).await, Err(AppendError::Fenced)));

    let mut reader = bus.read(Feed::Unique, HERE, Start::First).await.unwrap();
    let (mut covered, mut foreign) = (Vec::new(), Vec::new());
    while covered.len() < 3 {
        match timeout(PATIENCE, reader.waiting(8)).await.unwrap() {
            Ok(messages) => covered.extend(messages.into_iter().filter_map(|message| message.covers)),
            Err(BusError::Foreign(message)) => foreign.push(message.sequence),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((covered, foreign), (vec![position(1), position(2), position(3)], vec![1, 2, 4, 5, 6, 8]));
}

#[tokio::test]
async fn the_tail_and_every_place_are_found_among_many_foreign_messages() {
    const MANY: usize = 700;
    let broker = Broker::start().await;
    let (bus, foreign_client) = (broker.declared().await, foreign_client(&broker).await);
    put(&foreign_client, "pos.enriched.3", b"?", 1).await;
    assert_eq!(bus.tail(Feed::Enriched, HERE).await.unwrap(), None, "nothing of ours");
    let mut appender = bus.appender(Feed::Enriched, HERE, None);
    for raw in [10, 20, 30] {
        appender.append(Bytes::new(), position(raw), raw, 5).await.unwrap();
        put(&foreign_client, "pos.enriched.3", b"?", MANY).await;
    }
    let tail = bus.tail(Feed::Enriched, HERE).await.unwrap().unwrap();
    assert_eq!(tail.covers, Some(position(30)));
    assert!(bus.last_sequence(Feed::Enriched, HERE).await.unwrap() > tail.sequence);
    let waiting = async |covered| {
        let first = bus.first_waiting(Feed::Enriched, HERE, position(covered)).await.unwrap();
        first.and_then(|message| message.covers)
    };
    assert_eq!(waiting(10).await, Some(position(20)));
    assert_eq!(waiting(25).await, Some(position(30)));
    assert_eq!(waiting(30).await, None);
    assert!(bus.continues_at(Feed::Enriched, HERE, position(15)).await.unwrap());
    assert!(!bus.continues_at(Feed::Enriched, HERE, position(30)).await.unwrap());
    let start = bus.seek(Feed::Enriched, HERE, position(30)).await.unwrap();
    assert_eq!(start, Start::After(tail.sequence));
    let since = bus.first_since(Feed::Enriched, HERE, tail.published_at).await.unwrap();
    assert!(since.is_some_and(|since| since <= tail.sequence));
    bus.seek_last_records(Feed::Enriched, HERE, 5).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_claims_more_than_raw_has_taken_is_no_progress() {
    let broker = Broker::start().await;
    let bus = broker.declared().await.validated_by(Picky);
    bus.append_raw(HERE, Bytes::new(), "a", 1).await.unwrap();
    let mut appender = bus.appender(Feed::Normalized, HERE, None);
    appender.append(Bytes::new(), position(1), 1, 0).await.unwrap();
    // Appended as by an owner: only the position that it covers and the payload are wrong.
    let unvalidated = broker.connect().await;
    let tail = unvalidated.tail(Feed::Normalized, HERE).await.unwrap();
    let mut hostile = unvalidated.appender(Feed::Normalized, HERE, tail.as_ref());
    hostile.append(Bytes::new(), position(1 << 40), 1, 0).await.unwrap();
    hostile.append(Bytes::from_static(b"not ours"), position(1 << 41), 1, 0).await.unwrap();

    let tail = bus.tail(Feed::Normalized, HERE).await.unwrap().unwrap();
    assert_eq!(tail.covers, Some(position(1)));
    bus.append_raw(HERE, Bytes::new(), "b", 1).await.unwrap();
    appender.append(Bytes::new(), position(2), 2, 0).await.unwrap();
    let mut reader = bus.read(Feed::Normalized, HERE, Start::First).await.unwrap();
    let mut reported = Vec::new();
    let mut covered = Vec::new();
    while covered.len() < 2 {
        match timeout(PATIENCE, reader.waiting(8)).await.unwrap() {
            Ok(messages) => covered.extend(messages.into_iter().filter_map(|message| message.covers)),
            Err(BusError::Foreign(message)) => reported.push(message.reason),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(covered, [position(1), position(2)]);
    assert_eq!(reported, ["it covers what RAW has not taken"; 2]);
}

#[tokio::test]
async fn a_batch_ahead_of_the_end_that_a_cluster_shows_is_ours_once_the_cluster_shows_more() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    bus.appender(Feed::Normalized, HERE, None).append(Bytes::new(), position(1), 1, 0).await.unwrap();
    let replicated = BusConfig { replicas: 3, ..broker.config() };
    let replicated = Bus::connect(&replicated).await.unwrap().validated_by(Picky);
    let mut reader = replicated.read(Feed::Normalized, HERE, Start::First).await.unwrap();
    // A caller that drops its call now and then, as one with a timer does.
    for _ in 0..5 {
        assert!(timeout(Duration::from_millis(100), reader.waiting(8)).await.is_err());
    }
    bus.append_raw(HERE, Bytes::new(), "a", 1).await.unwrap();
    let messages = timeout(PATIENCE, reader.waiting(8)).await.unwrap().unwrap();
    assert_eq!(messages.len(), 1);

    let mut appender =
        bus.appender(Feed::Normalized, HERE, bus.tail(Feed::Normalized, HERE).await.unwrap().as_ref());
    appender.append(Bytes::new(), position(2), 2, 0).await.unwrap();
    for _ in 0..100 {
        if let Ok(read) = timeout(Duration::from_millis(100), reader.waiting(8)).await {
            assert!(matches!(read, Err(BusError::Foreign(_))), "RAW never takes it");
            return;
        }
    }
    panic!("the wait for the leader has an end");
}

#[tokio::test]
async fn a_batch_that_holds_what_is_not_ours_is_no_tail_whatever_its_headers_say() {
    let broker = Broker::start().await;
    let bus = broker.declared().await.validated_by(Picky);
    bus.append_raw(HERE, Bytes::new(), "a", 1).await.unwrap();
    let mut appender = bus.appender(Feed::Normalized, HERE, None);
    appender.append(Bytes::new(), position(1), 1, 0).await.unwrap();
    let unvalidated = broker.connect().await;
    let tail = unvalidated.tail(Feed::Normalized, HERE).await.unwrap();
    let mut hostile = unvalidated.appender(Feed::Normalized, HERE, tail.as_ref());
    hostile.append(Bytes::from_static(b"not ours"), position(1), 1, 0).await.unwrap();
    let tail = bus.tail(Feed::Normalized, HERE).await.unwrap().unwrap();
    assert_eq!(tail.sequence, 1);
    let behind = bus.first_waiting(Feed::Normalized, HERE, position(0)).await.unwrap().unwrap();
    assert_eq!(behind.sequence, 1);
    appender.append(Bytes::new(), position(1), 1, 0).await.unwrap();
    assert_eq!(appender.tail_sequence(), 3);
}

#[tokio::test]
async fn what_lacks_the_headers_of_ours_is_foreign_whatever_else_it_has() {
    let broker = Broker::start().await;
    let (bus, foreign_client) = (broker.declared().await, foreign_client(&broker).await);
    bus.appender(Feed::Unique, HERE, None).append(Bytes::new(), position(5), 5, 1).await.unwrap();
    let ours = [
        ("tf-from-pos", "5.0.0"),
        ("tf-raw-pos", "6.0.0"),
        ("tf-input-seq", "6"),
        ("tf-records", "1"),
        ("tf-records-total", "2"),
    ];
    let mut last = 1_u64;
    let mut publish = async |name: &str, value: Option<&str>| {
        let mut headers = HeaderMap::new();
        for (ours, good) in ours {
            if let Some(value) = if ours == name { value } else { Some(good) } {
                headers.insert(ours, value);
            }
        }
        let expected = last.to_string();
        if let Some(value) = if name == "expected" { value } else { Some(expected.as_str()) } {
            headers.insert("Nats-Expected-Last-Subject-Sequence", value);
        }
        let kept = foreign_client.request_with_headers("pos.unique.3", headers, Bytes::new()).await.unwrap();
        let refused = String::from_utf8_lossy(&kept.payload).contains("error");
        last += u64::from(!refused);
        !refused
    };
    let covers = async || bus.tail(Feed::Unique, HERE).await.unwrap().unwrap().covers;
    for name in ["tf-from-pos", "tf-raw-pos", "tf-input-seq", "tf-records", "tf-records-total", "expected"] {
        assert!(publish(name, None).await, "{name}");
        assert_eq!(covers().await, Some(position(5)), "without {name}");
    }
    for (name, value) in [
        ("tf-from-pos", "x"),
        ("tf-from-pos", "7.0.0"),
        ("tf-raw-pos", "1.2"),
        ("tf-input-seq", "-1"),
        ("tf-records", "one"),
        ("tf-records-total", "0"),
    ] {
        assert!(publish(name, Some(value)).await, "{name}");
        assert_eq!(covers().await, Some(position(5)), "{name}: {value}");
    }
    assert!(!publish("expected", Some("1")).await, "the broker compares what a copy expects");
    assert!(publish("none", None).await);
    assert_eq!(covers().await, Some(position(6)), "with all of them it is ours");
}

#[tokio::test]
async fn a_change_is_published_and_read_among_foreign_messages() {
    let broker = Broker::start().await;
    let bus = broker.declared().await.validated_by(Picky);
    let foreign_client = foreign_client(&broker).await;
    put(&foreign_client, "pos.applied.3.shop-1.inventory.updated", b"?", 2).await;
    assert_eq!(bus.last_applied(HERE).await.unwrap(), None);
    bus.publish_applied_all(&[applied(1)]).await.unwrap();
    put(&foreign_client, "pos.applied.3.x", b"?", 2).await;
    // It has the number of the next change, but is foreign.
    let hostile = AppliedMessage {
        payload: Bytes::from_static(b"not ours"),
        message_id: "hostile".to_owned(),
        ..applied(2)
    };
    bus.publish_applied(&hostile).await.unwrap().wait().await.unwrap();
    assert_eq!(bus.last_applied(HERE).await.unwrap().unwrap().number, 1);
    assert_eq!(bus.applied_resume(HERE).await.unwrap(), 0);
    bus.publish_applied_all(&[applied(2), applied(3)]).await.unwrap();
    let mut reader = bus.read_applied(HERE, 0).await.unwrap();
    let (mut read, mut foreign) = (Vec::new(), 0);
    while read.len() < 3 || foreign < 5 {
        match timeout(PATIENCE, reader.waiting(8)).await.unwrap() {
            Ok(messages) => read.extend(messages),
            Err(BusError::Foreign(_)) => foreign += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(read.iter().map(|change| change.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(read.iter().all(|change| change.payload != b"not ours"[..]), "{read:?}");
    assert_eq!(foreign, 5);
    bus.purge_applied_to(HERE, 3).await.unwrap();
}

#[tokio::test]
async fn changes_that_nobody_committed_are_reported_as_foreign_when_the_record_lacks_them() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    bus.publish_applied_all(&[applied(1), applied(900)]).await.unwrap();
    let mut reader = bus.read_applied(HERE, 0).await.unwrap();
    let gap = timeout(PATIENCE, reader.waiting(8)).await.unwrap();
    assert!(matches!(gap, Err(BusError::Gap { expected: 2, found: 900, .. })), "{gap:?}");
    reader.refuse_buffered();
    assert_eq!(numbers(&mut reader, 1).await, [1]);
    let reported = timeout(PATIENCE, reader.waiting(8)).await.unwrap();
    assert!(matches!(reported, Err(BusError::Foreign(message)) if message.sequence == 2));
    bus.publish_applied_all(&[applied(2)]).await.unwrap();
    assert_eq!(numbers(&mut reader, 1).await, [2]);
}

async fn dead_letters(reader: &mut DeadReader) -> (Vec<u64>, Vec<u64>) {
    let (mut dead_letters, mut foreign) = (Vec::new(), Vec::new());
    loop {
        match timeout(PATIENCE, reader.next()).await.unwrap() {
            Ok(Some(dead_letter)) => dead_letters.push(dead_letter.sequence),
            Ok(None) => return (dead_letters, foreign),
            Err(BusError::Foreign(message)) => foreign.push(message.sequence),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn dead_letters_and_alerts_are_read_among_foreign_messages() {
    let broker = Broker::start().await;
    let bus = broker.declared().await.validated_by(Picky);
    let foreign_client = foreign_client(&broker).await;
    let dead_letter = |id: &str, payload: &'static [u8]| {
        DeadMessage::new("normalize", "data", store(), id.to_owned(), Bytes::from_static(payload))
    };
    put(&foreign_client, "pos.dead.x", b"?", 1).await;
    bus.publish_dead(&dead_letter("1", b"a")).await.unwrap();
    put(&foreign_client, "pos.dead.normalize.data.shop-1", b"?", 1).await;
    bus.publish_dead(&dead_letter("2", b"not ours")).await.unwrap();
    bus.publish_dead(&dead_letter("3", b"b")).await.unwrap();
    put(&foreign_client, "pos.dead.normalize.data.shop-1", b"?", 1).await;
    let mut all = bus.read_dead(None).await.unwrap();
    assert_eq!(dead_letters(&mut all).await, (vec![2, 5], vec![1, 3, 4, 6]));
    let mut behind = bus.read_dead_behind(Some("normalize"), 3).await.unwrap();
    assert_eq!(dead_letters(&mut behind).await, (vec![5], vec![4, 6]));
    assert!(matches!(bus.dead_at(4).await, Err(BusError::Foreign(_))));

    put(&foreign_client, "pos.alerts.x", b"\x1b[31mred", 1).await;
    bus.raise_alert("apply", Some(HERE), "input", "first").await.unwrap();
    put(&foreign_client, "pos.alerts.apply.9999999.input", b"?", 1).await;
    let alerts = bus.alerts().await.unwrap();
    let kinds: Vec<&str> = alerts.iter().map(|alert| alert.kind.as_str()).collect();
    assert_eq!(kinds, ["foreign", "input", "foreign"]);
    assert!(!alerts.iter().any(|alert| alert.text.contains('\x1b')), "{alerts:?}");
}

#[tokio::test]
async fn a_foreign_message_is_recorded_once_whoever_meets_it() {
    let broker = Broker::start().await;
    assert!(broker.connect().await.foreign_records().await.unwrap().is_empty(), "nothing is declared yet");
    let (bus, foreign_client) = (broker.declared().await, foreign_client(&broker).await);
    assert!(bus.foreign_records().await.unwrap().is_empty());
    put(&foreign_client, "pos.raw.3", b"secret", 1).await;
    let mut reader = bus.read(Feed::Raw, HERE, Start::First).await.unwrap();
    let Err(BusError::Foreign(met)) = timeout(PATIENCE, reader.waiting(8)).await.unwrap() else {
        panic!("it isn't ours");
    };
    assert!(bus.record_foreign("normalize", &met).await.unwrap());
    assert!(!bus.record_foreign("normalize", &met).await.unwrap());
    assert!(!broker.connect().await.record_foreign("fetch", &met).await.unwrap());
    put(&foreign_client, "pos.foreign.x", b"\x1b[31mred", 1).await;
    let records = bus.foreign_records().await.unwrap();
    let said: Vec<_> = records.iter().map(|it| (it.stage.as_str(), it.message.stream.as_str())).collect();
    assert_eq!(said, [("normalize", "RAW-1"), ("records", "FOREIGN")]);
    let said = format!("{records:?}");
    assert!(!said.contains("secret") && !said.contains("[31m"), "no payload: {said}");
    assert_eq!((met.sequence, met.bytes, met.digest.len()), (1, 6, 64));
}

#[tokio::test]
async fn what_is_no_heartbeat_takes_no_partition() {
    let broker = Broker::start().await;
    let (bus, foreign_client) = (broker.declared().await, foreign_client(&broker).await);
    put(&foreign_client, "pos.members.apply.ghost", b"{\"stream\":\"RAW\"}", 1).await;
    put(&foreign_client, "pos.members.apply.other", b"", 1).await;
    let first = bus.join("apply", "pod-1").await.unwrap();
    assert_eq!(first.owned().borrow().len(), 4);
    assert_eq!(*first.ignored().borrow(), BTreeSet::from(["ghost".to_owned(), "other".to_owned()]));
    put(&foreign_client, "pos.members.apply.later", b"?", 1).await;
    let mut ignored = first.ignored();
    timeout(PATIENCE, ignored.wait_for(|names| names.len() == 3)).await.expect("in time").unwrap();
    assert_eq!(first.owned().borrow().len(), 4);
    let recorded = bus.foreign_records().await.unwrap();
    assert_eq!(recorded.len(), 3, "{recorded:?}");
    let second = broker.connect().await.join("apply", "pod-2").await.unwrap();
    let mut owned = first.owned();
    timeout(PATIENCE, owned.wait_for(|owned| owned.len() == 2)).await.expect("in time").unwrap();
    assert_eq!(second.owned().borrow().len(), 2, "replicas still share");
}

#[tokio::test]
async fn a_reply_never_goes_onto_a_subject_that_is_no_inbox() {
    let broker = Broker::start().await;
    let (bus, foreign_client) = (broker.declared().await, foreign_client(&broker).await);
    let mut requests = bus.serve("pos.in.*.*.>", "ingest").await.unwrap();
    let rule =
        ReplyRule::new(vec![InboxPrefix::of_clients(), InboxPrefix::new("_INBOX_{connection}.").unwrap()]);
    for (reply, connection, expected) in [
        ("pos.raw.3", None, Replied::Refused),
        ("pos.dead.a.b.c", None, Replied::Refused),
        ("$JS.API.STREAM.DELETE.RAW-0", None, Replied::Refused),
        ("_INBOX_other.x", Some("mine"), Replied::Refused),
        ("_INBOX_mine.x", Some("mine"), Replied::Sent),
        ("_INBOX.x", Some("mine"), Replied::Sent),
    ] {
        foreign_client.publish_with_reply("pos.in.s.c.t", reply, Bytes::new()).await.unwrap();
        let request = timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
        let outcome = request.respond(Bytes::from_static(b"!"), &rule, connection).await.unwrap();
        assert_eq!(outcome, expected, "{reply}");
    }
    foreign_client.publish("pos.in.s.c.t", Bytes::new()).await.unwrap();
    let request = timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
    assert_eq!(request.respond(Bytes::new(), &rule, None).await.unwrap(), Replied::NotWanted);
    bus.append_raw(HERE, Bytes::new(), "a", 1).await.expect("RAW is there");
    assert_eq!(bus.last_sequence(Feed::Raw, HERE).await.unwrap(), 1, "and holds no reply");
    assert!(bus.read_dead(None).await.unwrap().next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_batch_that_ends_before_a_gap_begins_where_the_one_before_it_ended() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let mut appender = bus.appender(Feed::Unique, HERE, None);
    appender.append(Bytes::new(), position(1), 1, 0).await.unwrap();
    appender.begin_behind(position(100));
    appender.append(Bytes::new(), position(50), 2, 0).await.unwrap();
    appender.append(Bytes::new(), position(110), 3, 0).await.unwrap();
    let mut reader = bus.read(Feed::Unique, HERE, Start::First).await.unwrap();
    let mut from = Vec::new();
    while from.len() < 3 {
        let messages = timeout(PATIENCE, reader.waiting(8)).await.unwrap().unwrap();
        from.extend(messages.into_iter().filter_map(|message| message.from));
    }
    assert_eq!(from, [Position::default(), position(1), position(100)], "all of them are ours");
}

//! Messages of others where only our services should publish: replies directed into our streams, and foreign messages
//! in the streams.

use crate::{
    PATIENCE,
    clients::{administrator, partner},
    command_line::tillflow,
};
use async_nats::{Client, HeaderMap, jetstream};
use bus::Feed;
use model::{DeliveryId, Outcome, Partition, Quantity, StoreId};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World, eventually, level_body};

const TOPIC: &str = "inventory_levels/update";
const ITEM: u64 = 1101;
const SKU: &str = "sku-1000-1";
/// Time in which partitions may have no owner while the replica assigned to them may still claim them.
const CLAIMED_WITHIN: Duration = Duration::from_secs(15);

struct Shop {
    merchant: Merchant,
    account: Account,
}

impl Shop {
    async fn open(world: &World, name: &str) -> Self {
        let merchant = world.merchant(name).await;
        let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
        let product = account.product(&format!("made-{name}"), 1000, "Tea", 1, 0);
        Sender::default().send_until_kept(&product, PATIENCE).await;
        Self { merchant, account }
    }

    /// Reports a level by webhook, and waits until the store has it.
    async fn sells(&self, world: &World, id: &str, level: i32, second: i64) {
        let reported = self.account.level(id, ITEM, level.into(), second);
        let (delivery, _) = Sender::default().send_until_kept(&reported, PATIENCE).await;
        let event_outcome = world.event_outcome(PATIENCE, &self.merchant, &delivery).await;
        assert_eq!(event_outcome.outcome, Outcome::Applied, "{event_outcome:?}");
        assert_eq!(world.level(&self.merchant, SKU).await, Some(Quantity::pieces(level)));
    }
}

/// Two stores of one partition, the first with a hostile partner, and one of another partition.
async fn street(world: &World) -> [Shop; 3] {
    let partitions = world.bus.partitions();
    let of = |name: &str| partitions.of(&StoreId::new(name).expect("a name"));
    let named = |fits: &dyn Fn(Partition) -> bool| {
        let mut names = (1..10_000).map(|index| format!("shop-{index}"));
        names.find(|name| fits(of(name))).expect("partitions are few")
    };
    let here = of("shop-0");
    let (same, other) = (named(&|partition| partition == here), named(&|partition| partition != here));
    [Shop::open(world, "shop-0").await, Shop::open(world, &same).await, Shop::open(world, &other).await]
}

/// Asserts that all stores can still sell, before and after a restart of everything, and that readers get responses.
async fn goes_on(world: &mut World, shops: &[Shop]) {
    for shop in shops {
        shop.sells(world, "goes-on", 70, 100).await;
    }
    for program in Program::ALL {
        assert!(world.terminate(program).await.success());
    }
    world.launch(&Program::ALL).await;
    for shop in shops {
        shop.sells(world, "after-a-restart", 60, 200).await;
    }
    let merchants: Vec<&Merchant> = shops.iter().map(|shop| &shop.merchant).collect();
    world.quiet(PATIENCE, &merchants, &[]).await;
    for merchant in merchants {
        world.assert_sound(merchant).await;
    }
    assert_eq!(tillflow(world, &["dlq", "ls"]).await.well(), Vec::<Value>::new());
    tillflow(world, &["doctor"]).await.well();
    tillflow(world, &["replay"]).await.well();
    let audit = tillflow(world, &["audit"]).await.well();
    let summary = audit.last().expect("a summary");
    assert_eq!((&summary["missing"], &summary["in_flight"]), (&json!(0), &json!(0)), "{summary}");
    for account in audit.iter().filter(|line| line["kind"] == "account") {
        assert_eq!(account["in_flight"], 0, "{account}");
    }
    for shop in shops {
        let store = shop.merchant.store.as_str();
        assert!(!tillflow(world, &["events", "--store", store]).await.well().is_empty());
        tillflow(world, &["show", "store", store]).await.well();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_is_answered_at_an_inbox_alone_and_kept_whatever_reply_subject_it_names() {
    let mut world = World::start(&Program::ALL).await;
    let shops = street(&world).await;
    let client = partner(&world, &shops[0].merchant, &shops[0].account).await;
    let [shop, neighbour, other] = &shops;
    let partition = world.bus.partitions().of(&shop.merchant.store);
    let (store, theirs) = (&shop.merchant.store, &other.merchant.store);
    let hostile = [
        format!("pos.raw.{partition}"),
        format!("pos.normalized.{partition}"),
        format!("pos.unique.{partition}"),
        format!("pos.enriched.{partition}"),
        format!("pos.applied.{partition}.{}.inventory.updated", neighbour.merchant.store),
        format!("pos.dead.normalize.data.{theirs}"),
        "pos.members.apply.ghost".to_owned(),
        "pos.members.normalize.ghost".to_owned(),
        "pos.alerts.apply.ghost".to_owned(),
        "pos.accept".to_owned(),
        format!("pos.in.{theirs}.{}.{TOPIC}", other.account.connection),
        "$JS.API.STREAM.PURGE.RAW-0".to_owned(),
        "$JS.API.STREAM.DELETE.DEAD".to_owned(),
    ];
    for (index, reply) in hostile.iter().enumerate() {
        let level = 10 + i64::try_from(index).expect("few");
        let id = format!("hostile-{index}");
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id.as_str());
        let subject = format!("pos.in.{store}.{}.{TOPIC}", shop.account.connection);
        let body = level_body("shopify", ITEM, Account::LOCATION, level, level).into();
        let sent = client.publish_with_reply_and_headers(subject, reply.clone(), headers, body).await;
        sent.expect("it is sent");
        let delivery = DeliveryId::derive(&shop.account.connection, TOPIC, id.as_bytes()).to_string();
        let event_outcome = world.event_outcome(PATIENCE, &shop.merchant, &delivery).await;
        assert_eq!(event_outcome.outcome, Outcome::Applied, "{reply}: it is kept without a response");
    }
    eventually(PATIENCE, "each refused reply is counted", async || {
        let refused = world.scrape().await.count("tillflow_replies_refused_total", &[("by", "platforms")]);
        if refused == hostile.len() as u64 { Ok(()) } else { Err(refused) }
    })
    .await;
    let log = world.process(Program::Ingest).log();
    assert_eq!(log.matches("no reply: the reply subject is no inbox").count(), 1, "once a minute:\n{log}");
    let foreign = world.bus.foreign_records().await.expect("the broker answers");
    assert!(foreign.is_empty(), "nothing of it came into a stream: {foreign:?}");
    goes_on(&mut world, &shops).await;
}

/// Publishes into a stream, and waits until it is stored there.
async fn write(client: &Client, subject: &str, headers: HeaderMap, payload: &[u8]) {
    let request = async_nats::Request::new().headers(headers).payload(payload.to_vec().into());
    let stored = client.send_request(subject.to_owned(), request).await.expect("a stream has the subject");
    let stored: Value = serde_json::from_slice(&stored.payload).expect("an acknowledgement");
    assert!(stored["error"].is_null(), "{subject}: {stored}");
}

/// The headers of the last message of a subject, and its sequence.
async fn last_of(client: &Client, stream: &str, subject: &str) -> (HeaderMap, u64) {
    let stream = jetstream::new(client.clone()).get_stream(stream).await.expect("it was declared");
    let last = stream.direct_get_last_for_subject(subject).await.expect("there is one");
    let kept = last.headers.iter().filter(|(name, _)| {
        let name = name.to_string();
        name.starts_with("tf-") || name.starts_with("ce-")
    });
    let mut headers = HeaderMap::new();
    for (name, values) in kept {
        for value in values {
            headers.insert(name.clone(), value.clone());
        }
    }
    (headers, last.sequence)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_into_our_streams_is_set_aside_and_everything_goes_on() {
    let mut world = World::start(&Program::ALL).await;
    let shops = street(&world).await;
    for (index, shop) in shops.iter().enumerate() {
        shop.sells(&world, &format!("before-{index}"), 80, 1).await;
    }
    let client = administrator(&world).await;
    let [shop, ..] = &shops;
    let here = world.bus.partitions().of(&shop.merchant.store);
    let store = &shop.merchant.store;
    let mut subjects: Vec<String> =
        Feed::ALL.iter().map(|feed| format!("pos.{}.{here}", feed.as_str())).collect();
    subjects.extend([
        format!("pos.applied.{here}.{store}.inventory.updated"),
        format!("pos.applied.{here}.x"),
        "pos.applied.x.y".to_owned(),
        format!("pos.dead.normalize.data.{store}"),
        "pos.dead.x".to_owned(),
        "pos.alerts.x".to_owned(),
    ]);
    client.publish("pos.foreign.x", "x".into()).await.expect("it is sent");
    for payload in [&b"{\"stream\":\"RAW\",\"seq\":1}"[..], b"", b"\xff\xfe\x00\x1b[31m"] {
        for subject in &subjects {
            write(&client, subject, HeaderMap::new(), payload).await;
        }
    }
    // With headers like ours, and impossible contents: payloads that can't be decoded, and progress beyond the input.
    for (feed, covers) in [
        (Feed::Normalized, "999999999.0.0"),
        (Feed::Unique, "999999999.0.0"),
        (Feed::Enriched, "999999999.0.0"),
        (Feed::Normalized, "1.0.0"),
    ] {
        let subject = format!("pos.{}.{here}", feed.as_str());
        let (mut headers, sequence) =
            last_of(&client, &format!("{}-0", feed.as_str().to_uppercase()), &subject).await;
        for (name, value) in [
            ("tf-from-pos", "0.0.0"),
            ("tf-raw-pos", covers),
            ("tf-input-seq", "1"),
            ("tf-records", "0"),
            ("tf-records-total", "0"),
            ("Nats-Expected-Last-Subject-Sequence", &sequence.to_string()),
        ] {
            headers.insert(name, value);
        }
        let payload = if covers == "1.0.0" { &b"\xff"[..] } else { b"" };
        write(&client, &subject, headers, payload).await;
    }
    // A change with valid headers of APPLIED, but a foreign payload.
    let number = world.sql(&format!("SELECT max(number) FROM events WHERE partition = {here}")).await;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("tf-position", number.parse::<i64>().expect("a number").saturating_add(1).to_string()),
        ("Nats-Msg-Id", "hostile".to_owned()),
        ("ce-id", "hostile".to_owned()),
        ("ce-type", "x".to_owned()),
        ("ce-source", "x".to_owned()),
        ("ce-time", "2026-01-01T00:00:00Z".to_owned()),
    ] {
        headers.insert(name, value.as_str());
    }
    write(&client, &format!("pos.applied.{here}.{store}.inventory.updated"), headers, b"x").await;

    goes_on(&mut world, &shops).await;

    // The first reader of RAW to reach a message raises its alert.
    let (streams, readers_of_raw) =
        (["RAW-0", "NORMALIZED-0", "UNIQUE-0", "ENRICHED-0", "APPLIED", "DEAD"], ["normalize", "fetch"]);
    let reported = eventually(PATIENCE + PATIENCE, "the doctor reports each stream, and RAW", async || {
        let doctor = tillflow(&world, &["doctor"]).await.well().remove(0);
        let list = |name: &str| doctor[name].as_array().cloned().unwrap_or_default();
        let reported: BTreeSet<String> = list("foreign")
            .iter()
            .filter_map(|message| message["stream"].as_str().map(str::to_owned))
            .collect();
        let is_alerted = list("alerts").iter().any(|alert| {
            alert["error"] == "foreign" && readers_of_raw.iter().any(|stage| alert["stage"] == *stage)
        });
        if is_alerted && streams.iter().all(|stream| reported.contains(*stream)) {
            Ok(doctor)
        } else {
            Err(doctor.to_string())
        }
    })
    .await;
    let said = reported.to_string();
    assert!(!said.contains('\u{1b}'), "nothing that a terminal obeys");
    assert!(said.contains("it covers what RAW has not taken"), "{said}");
    let audit = tillflow(&world, &["audit"]).await.well();
    let foreign = audit.iter().filter(|line| line["kind"] == "foreign").count();
    assert_eq!(foreign, 3, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ghost_among_the_members_takes_no_partition_away_for_good() {
    let world = World::start(&Program::ALL).await;
    let client = administrator(&world).await;
    // An invalid heartbeat, without an expiry: it would never end.
    for stage in ["normalize", "dedupe", "enrich", "apply", "propagate", "fetch"] {
        let subject = format!("pos.members.{stage}.ghost");
        client.publish(subject, "{\"stream\":\"RAW\"}".into()).await.expect("it is sent");
    }
    // A member with valid heartbeats that never takes over its partitions.
    let shows_life = tokio::spawn({
        let client = client.clone();
        async move {
            let sign = json!({"stage": "apply", "replica": "impostor", "partitions": []}).to_string();
            let mut headers = HeaderMap::new();
            headers.insert("Nats-TTL", "3");
            loop {
                let sign = sign.clone().into();
                let to = "pos.members.apply.impostor";
                client.publish_with_headers(to, headers.clone(), sign).await.expect("it is sent");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    });
    client.flush().await.expect("it is sent");
    // A new process sees both from its start.
    let mut world = world;
    for program in [Program::Apply, Program::Normalize] {
        assert!(world.terminate(program).await.success());
        world.launch(&[program]).await;
    }
    let all = u64::from(world.bus.partitions().get());
    for (stage, limit) in [("normalize", PATIENCE), ("apply", CLAIMED_WITHIN + PATIENCE)] {
        eventually(limit, &format!("{stage} owns every partition"), async || {
            let owned = world.scrape().await.count("tillflow_partitions_owned", &[("stage", stage)]);
            if owned == all { Ok(()) } else { Err(owned) }
        })
        .await;
    }
    let shops = street(&world).await;
    for shop in &shops {
        shop.sells(&world, "sold", 7, 1).await;
    }
    let ignored = world.scrape().await.count("tillflow_members_ignored", &[("stage", "apply")]);
    assert_eq!(ignored, 2, "the ghost and the impostor");
    let doctor = tillflow(&world, &["doctor"]).await.well().remove(0);
    let said = doctor.to_string();
    assert!(said.contains("MEMBERS") && said.contains("impostor"), "{said}");
    shows_life.abort();
}

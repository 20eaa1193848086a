//! HTTP responses of the intake.

use crate::PATIENCE;
use bus::Feed;
use flate2::{Compression, write::GzEncoder};
use model::{ConflictKind, Delivery, DeliveryKind};
use std::{io::Write as _, time::Duration};
use store::ConflictFilter;
use testkit::{
    Account, AccountOptions, Merchant, Program, Response, Sender, Signed, World, WorldOptions, eventually,
};

const MEBIBYTE: usize = 1024 * 1024;
/// Maximum body size for Shopify, in bytes.
const LARGEST: usize = 4 * MEBIBYTE;
const TOPIC: &str = "inventory_levels/update";

async fn intake() -> (World, Merchant, Account) {
    let world = World::start(&[Program::Ingest]).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    (world, merchant, account)
}

async fn response_to(delivery: &Signed) -> Response {
    Sender::default().send(delivery).await.expect("the intake answers")
}

/// Asserts that the response is a problem (RFC 9457) with that status.
fn assert_problem(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{response:?}");
    assert_eq!(response.body["status"], status, "{response:?}");
    assert!(response.body["title"].is_string() && response.body["detail"].is_string(), "{response:?}");
}

/// The deliveries of the store in RAW, in order.
pub(crate) async fn kept(world: &World, merchant: &Merchant) -> Vec<Delivery> {
    let partition = world.bus.partitions().of(&merchant.store);
    let last = world
        .bus
        .tail(Feed::Raw, partition)
        .await
        .expect("the broker answers")
        .map_or(0, |tail| tail.sequence);
    let mut kept = Vec::new();
    for sequence in 1..=last {
        let message = world.bus.message_at(Feed::Raw, partition, sequence).await.expect("the broker answers");
        if let Some(message) = message {
            kept.extend(wire::decode_deliveries(message.payload).expect("a batch"));
        }
    }
    kept
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_signed_known_and_small_enough_gets_in() {
    let (world, merchant, account) = intake().await;
    let signed = || account.level("reported", 1, 10, 1);

    assert_problem(&response_to(&signed().without("x-shopify-hmac-sha256")).await, 401);
    let forged = Account {
        secret: "another".to_owned(),
        simulator: None,
        connection: account.connection.clone(),
        name: account.name.clone(),
        webhook_url: account.webhook_url.clone(),
        ..account
    };
    assert_problem(&response_to(&forged.level("reported", 1, 10, 1)).await, 401);
    let mut changed = signed();
    changed.body.push(b' ');
    assert_problem(&response_to(&changed).await, 401);

    for url in [format!("{}-no", signed().url), signed().url.replace("/shopify/", "/square/")] {
        assert_problem(&response_to(&Signed { url, ..signed() }).await, 404);
    }
    for path in ["/", "/webhook", "/webhook/shopify", "/metrics"] {
        let url = format!("{}{path}", world.ingest_url());
        assert_problem(&response_to(&Signed { url, ..signed() }).await, 404);
    }
    let client = https::client().no_proxy().build().expect("an HTTP client");
    let read = client.get(signed().url).send().await.expect("the intake answers");
    assert_eq!((read.status().as_u16(), read.headers()["allow"].to_str().ok()), (405, Some("POST")));

    let blank = |bytes: usize| vec![b' '; bytes];
    assert_problem(&response_to(&account.sign(TOPIC, "large", blank(LARGEST + 1))).await, 413);
    let bomb = gzip(&blank(64 * MEBIBYTE));
    assert!(bomb.len() < MEBIBYTE / 4);
    assert_problem(
        &response_to(&account.sign(TOPIC, "bomb", bomb).with("content-encoding", "gzip")).await,
        413,
    );

    // Topics of our own readings, and of messages between our services, aren't the platform's.
    let (reentry, instruction) = (DeliveryKind::Reentry, DeliveryKind::Instruction);
    let ours = ["inventory_level/read", "product/read", reentry.topic(), instruction.topic()];
    for topic in ["carts/update"].into_iter().chain(ours) {
        let unknown = response_to(&account.sign(topic, "unknown", b"{}".to_vec())).await;
        assert_eq!((unknown.status, &unknown.body["kept"]), (200, &false.into()), "{topic}");
    }
    assert_eq!(kept(&world, &merchant).await, [], "nothing of all that was kept");

    let small = account.sign(TOPIC, "small", gzip(b"{\"a\":1}")).with("content-encoding", "gzip");
    let largest = account.sign(TOPIC, "largest", blank(LARGEST));
    let mut ids = Vec::new();
    for delivery in [signed(), small, largest] {
        let response = response_to(&delivery).await;
        assert_eq!(response.status, 200, "{response:?}");
        ids.extend(response.delivery());
    }
    let kept = kept(&world, &merchant).await;
    let found: Vec<String> = kept.iter().map(|delivery| delivery.id.to_string()).collect();
    assert_eq!(found, ids, "each 200 is in RAW, in order");
    assert_eq!(
        (&*kept[0].body, &*kept[1].body, kept[2].body.len()),
        (&*signed().body, &b"{\"a\":1}"[..], LARGEST)
    );
    assert_eq!(kept[0].origin.store, merchant.store);

    let scrape = world.scrape().await;
    let counted =
        |outcome| scrape.count("tillflow_events_total", &[("stage", "ingest"), ("outcome", outcome)]);
    let outcomes = ["unverified", "unknown_connection", "filtered", "body_refused", "emitted"].map(counted);
    assert_eq!(outcomes, [3, 2, 5, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_taken_in_any_spelling_of_its_coding_and_kept_byte_for_byte() {
    let (world, merchant, account) = intake().await;
    let plain = b"\xef\xbb\xbf{\"a\":1}";
    let spelled = ["GZIP", " gzip ", "x-gzip", "identity, gzip"];
    for (index, coding) in spelled.into_iter().enumerate() {
        let delivery = account.sign(TOPIC, &index.to_string(), gzip(plain)).with("content-encoding", coding);
        assert_eq!(response_to(&delivery).await.status, 200, "{coding:?}");
    }
    let marked = account.sign(TOPIC, "marked", plain.to_vec()).with("content-encoding", "Identity");
    assert_eq!(response_to(&marked).await.status, 200);
    let kept = kept(&world, &merchant).await;
    assert_eq!(kept.len(), spelled.len() + 1);
    assert!(kept.iter().all(|delivery| *delivery.body == plain[..]), "a byte order mark stays: {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_is_counted_each_time_and_is_one_open_conflict_of_its_connection() {
    let (world, merchant, shopify) = intake().await;
    let treez = world.account(&merchant, "treez", AccountOptions::silent()).await;
    let blank = |bytes: usize| vec![b' '; bytes];
    let refused = response_to(&treez.sign("", "", blank(MEBIBYTE + 1))).await;
    assert_problem(&refused, 413);
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains("1048576")), "{refused:?}");
    let unknown =
        response_to(&shopify.sign(TOPIC, "br", b"{}".to_vec()).with("content-encoding", "br")).await;
    assert_problem(&unknown, 415);
    assert_eq!(unknown.header("accept-encoding"), Some("gzip, x-gzip, deflate, identity"));
    let broken = shopify.sign(TOPIC, "broken", b"{}".to_vec()).with("content-encoding", "gzip");
    for _ in 0..3 {
        assert_problem(&response_to(&broken).await, 400);
    }
    // An unauthenticated client's body isn't decompressed, and doesn't count for the connection.
    assert_problem(&response_to(&broken.clone().without("x-shopify-hmac-sha256")).await, 401);
    let nobody = Signed { url: format!("{}-no", broken.url), ..broken };
    assert_problem(&response_to(&nobody).await, 404);

    let scrape = world.scrape().await;
    let counts = ["too_large", "unknown_coding", "malformed"]
        .map(|reason| scrape.count("tillflow_bodies_refused_total", &[("reason", reason)]));
    assert_eq!(counts, [1, 1, 3]);
    let conflicts = eventually(PATIENCE, "both connections have a conflict", async || {
        let filter = ConflictFilter { store: Some(merchant.store.clone()), ..ConflictFilter::default() };
        let rows = world.store.conflicts(&filter, 10).await.expect("the database answers");
        if rows.len() < 2 { Err(format!("{rows:?}")) } else { Ok(rows) }
    })
    .await;
    assert_eq!(conflicts.len(), 2, "one a minute and connection: {conflicts:?}");
    let found: Vec<_> = conflicts.iter().rev().map(|row| &row.conflict).collect();
    assert!(found.iter().all(|conflict| conflict.kind == ConflictKind::BodyRefused), "{found:?}");
    assert!(found[0].detail.contains("1048576") && found[1].detail.contains("415"), "{found:?}");
    assert_eq!(kept(&world, &merchant).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_sends_too_often_learns_when_to_come_back_and_no_other_is() {
    let options = WorldOptions { requests_burst: Some(3), ..WorldOptions::default() };
    let world = World::start_with(options, &[Program::Ingest]).await;
    let merchant = world.merchant("shop").await;
    let other = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let limited = AccountOptions { requests_per_minute: 3, ..AccountOptions::silent() };
    let limited = world.account(&merchant, "treez", limited).await;
    let ticket = |number: u32| {
        limited.sign("", "", format!("{{\"event_type\":\"TICKET\",\"n\":{number}}}").into_bytes())
    };
    // Requests of an unauthenticated client don't count against the merchant's limit.
    for _ in 0..5 {
        assert_problem(&response_to(&ticket(0).without("authorization")).await, 401);
    }
    // Nor do repeats of kept deliveries.
    for number in [0, 1, 0, 1, 0, 2, 2] {
        assert_eq!(response_to(&ticket(number)).await.status, 200);
    }
    let refused = response_to(&ticket(3)).await;
    assert_problem(&refused, 429);
    let seconds: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(response_to(&other.level("reported", 1, 10, 1)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_edit_of_three_hundred_passes_at_once_within_a_hundred_a_minute() {
    let world = World::start(&[Program::Ingest]).await;
    let merchant = world.merchant("shop").await;
    let options = AccountOptions { requests_per_minute: 100, ..AccountOptions::silent() };
    let account = world.account(&merchant, "shopify", options).await;
    let sender = Sender::default();
    let edits: Vec<Signed> =
        (0..300).map(|edit| account.level(&format!("edit-{edit}"), 1, edit, edit)).collect();
    let responses = futures::future::join_all(edits.iter().map(|edit| sender.send(edit))).await;
    let statuses: Vec<Option<u16>> =
        responses.into_iter().map(|response| response.map(|response| response.status)).collect();
    assert!(statuses.iter().all(|status| *status == Some(200)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_broker_the_intake_says_503_and_the_retry_is_the_same_delivery() {
    let (mut world, merchant, account) = intake().await;
    let sender = Sender::default();
    sender.send_until_kept(&account.level("before", 1, 10, 1), PATIENCE).await;
    world.nats.kill().await.expect("the broker can be killed");
    let delivery = account.level("meanwhile", 1, 9, 2);
    let refused = response_to(&delivery).await;
    assert_problem(&refused, 503);
    assert!(refused.header("retry-after").is_some());
    world.nats.restart().await.expect("the broker comes back");
    let (id, _) = sender.send_until_kept(&delivery, PATIENCE).await;
    let (again, _) = sender.send_until_kept(&delivery, PATIENCE).await;
    assert_eq!(id, again);
    let found = kept(&world, &merchant).await;
    assert!(found.iter().any(|delivery| delivery.id.to_string() == id), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_goes_away_before_the_answer_is_counted_and_so_is_what_was_kept_for_it() {
    let (mut world, merchant, account) = intake().await;
    Sender::default().send_until_kept(&account.level("before", 1, 10, 1), PATIENCE).await;
    world.nats.kill().await.expect("the broker can be killed");
    let hasty = Sender::patient_for(Duration::from_secs(1));
    assert!(hasty.send(&account.level("meanwhile", 1, 9, 2)).await.is_none(), "there is no response in time");
    world.nats.restart().await.expect("the broker comes back");
    eventually(PATIENCE, "both deliveries are in RAW", async || {
        let kept = kept(&world, &merchant).await.len();
        if kept == 2 { Ok(()) } else { Err(format!("{kept} are")) }
    })
    .await;
    let ingest = [("stage", "ingest")];
    eventually(PATIENCE, "both are counted", async || {
        let scrape = world.scrape().await;
        let counts = ["tillflow_inputs_total", "tillflow_events_total", "tillflow_outputs_total"]
            .map(|name| scrape.count(name, &ingest));
        if counts == [2, 2, 2] { Ok(()) } else { Err(format!("inputs, ends and outputs are {counts:?}")) }
    })
    .await;
}

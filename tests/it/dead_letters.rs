//! Dead letters, handled by a person.

use crate::{
    PATIENCE,
    command_line::tillflow,
    refused::{ACCEPT, REFUSE},
};
use bus::Feed;
use model::{Currency, Outcome, TenantId};
use serde_json::json;
use store::StoreSetup;
use testkit::{Account, AccountOptions, Merchant, Program, Sender, Signed, World, eventually};

const PRODUCT: u64 = 1000;

/// A shop whose currency isn't set.
async fn shop() -> (World, Merchant, Account) {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    set_currency(&world, &merchant, None).await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    (world, merchant, account)
}

async fn set_currency(world: &World, merchant: &Merchant, currency: Option<Currency>) {
    let store = StoreSetup {
        tenant: TenantId::new("tests").expect("a token"),
        id: merchant.store.clone(),
        name: "Shop".to_owned(),
        currency,
        timezone: "UTC".to_owned(),
    };
    world.store.upsert_store(&store).await.expect("it is kept");
}

/// Sets the currency of the shop's amounts, and restarts the intake so that it reads it.
async fn say_currency(world: &mut World, merchant: &Merchant) {
    set_currency(world, merchant, Currency::new("USD").ok()).await;
    assert!(world.terminate(Program::Ingest).await.success());
    world.launch(&[Program::Ingest]).await;
}

/// An order whose amounts carry no currency, at the given second.
fn order(account: &Account, delivery: &str, id: u64, second: u32) -> Signed {
    let body = json!({
        "id": id, "name": format!("#{id}"), "total_price": "10.00", "financial_status": "paid",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": format!("2026-01-01T00:00:{second:02}Z"),
        "note": delivery,
        "line_items": [{ "id": id * 10, "quantity": 1, "price": "10.00", "variant_id": null, "title": delivery }],
    });
    account.sign("orders/updated", delivery, body.to_string().into_bytes())
}

async fn dead_letters(world: &World) -> usize {
    let listed = tillflow(world, &["dlq", "ls", "--dead-letters"]).await.well();
    listed.len()
}

async fn wait_for_dead_letters(world: &World, count: usize) {
    eventually(PATIENCE, &format!("there are {count} dead letters"), async || {
        let there = dead_letters(world).await;
        if there == count { Ok(()) } else { Err(format!("there are {there}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_by_cause_re_ingested_as_the_same_events_and_discarded() {
    let (mut world, merchant, account) = shop().await;
    let sender = Sender::default();
    let send = async |delivery| sender.send_until_kept(&delivery, PATIENCE).await.0;

    // Two states of an order whose currency isn't set yet, and one body that no platform ever sends.
    let first = send(order(&account, "first", 1, 1)).await;
    let second = send(order(&account, "second", 1, 2)).await;
    let poison =
        send(account.sign("inventory_levels/update", "poison", b"{\"available\": \"no\"}".to_vec())).await;
    wait_for_dead_letters(&world, 3).await;

    let causes = tillflow(&world, &["dlq", "ls"]).await.well();
    assert_eq!(causes.len(), 2, "{causes:?}");
    assert_eq!((causes[0]["count"].as_u64(), causes[0]["class"].as_str()), (Some(2), Some("config")));
    assert_eq!(
        (causes[0]["stage"].as_str(), causes[1]["class"].as_str()),
        (Some("normalize"), Some("schema"))
    );
    let fingerprint = causes[0]["fingerprint"].as_str().expect("a cause has one").to_owned();

    // The currency is set, and a newer report arrives before the dead letters are re-ingested.
    say_currency(&mut world, &merchant).await;
    let third = send(order(&account, "third", 1, 3)).await;
    assert_eq!(world.event_outcome(PATIENCE, &merchant, &third).await.outcome, Outcome::Applied);
    let before = world.event_outcomes(&merchant).await.len();
    let preview = tillflow(&world, &["dlq", "replay", "--fingerprint", &fingerprint, "--dry-run"]).await;
    assert_eq!(preview.well()[0]["count"].as_u64(), Some(2));
    let nothing = tillflow(&world, &["dlq", "replay"]).await;
    assert_eq!(nothing.code, 2, "all dead letters are meant only if one says so: {nothing:?}");
    assert_eq!((dead_letters(&world).await, world.event_outcomes(&merchant).await.len()), (3, before));

    let replayed = tillflow(&world, &["dlq", "replay", "--fingerprint", &fingerprint]).await.well();
    assert_eq!(replayed[0]["done"].as_u64(), Some(2));
    for delivery in [&first, &second] {
        assert_eq!(
            world.event_outcome(PATIENCE, &merchant, delivery).await.outcome,
            Outcome::Stale,
            "newer ones stand"
        );
    }

    // A delivery that is still invalid becomes a dead letter again, with its history.
    let dead_letter =
        tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well()[0]["dead_letter"].to_string();
    let again = tillflow(&world, &["dlq", "replay", &dead_letter]).await.well();
    assert_eq!(again[0]["done"].as_u64(), Some(1));
    eventually(PATIENCE, "it has died again", async || {
        let listed = tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well();
        let attempts: Vec<_> = listed.iter().map(|dead_letter| dead_letter["attempts"].as_u64()).collect();
        if attempts == [Some(2)] { Ok(()) } else { Err(format!("{attempts:?}")) }
    })
    .await;
    let dead_letter =
        tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well()[0]["dead_letter"].to_string();
    let shown = tillflow(&world, &["dlq", "show", &dead_letter, "--bytes"]).await.well().remove(0);
    assert_eq!(shown["delivery_id"].as_str(), Some(&*poison));
    assert_eq!(shown["original"].as_str(), Some("{\"available\": \"no\"}"));
    assert_eq!(shown["history"].as_array().map(Vec::len), Some(1), "{shown}");
    let discarded =
        tillflow(&world, &["dlq", "discard", &dead_letter, "--note", "no such platform"]).await.well();
    assert_eq!(discarded[0]["done"].as_u64(), Some(1));
    assert_eq!(dead_letters(&world).await, 0);

    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_audited(&world, 2 + 1).await;
    world.assert_sound(&merchant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_whose_delivery_has_left_raw_comes_in_again_as_the_same_event() {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    world.sql(REFUSE).await;
    let sender = Sender::default();
    let send = async |delivery| sender.send_until_kept(&delivery, PATIENCE).await.0;
    let dead = send(account.product("dead", 2000, "Tea", 1, 1)).await;
    wait_for_dead_letters(&world, 1).await;
    let dead_letter = tillflow(&world, &["dlq", "ls", "--dead-letters"]).await.well().remove(0);

    world.sql(ACCEPT).await;
    let other = send(account.product("other", 3000, "Tea", 1, 2)).await;
    assert_eq!(world.event_outcome(PATIENCE, &merchant, &other).await.outcome, Outcome::Applied);
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    let partition = world.bus.partitions().of(&merchant.store);
    let last = world.bus.tail(Feed::Raw, partition).await.expect("the broker answers").expect("a message");
    world.bus.purge_below(Feed::Raw, partition, last.sequence).await.expect("purged");

    let replayed = tillflow(&world, &["dlq", "replay", &dead_letter["dead_letter"].to_string()]).await.well();
    assert_eq!(replayed[0]["done"].as_u64(), Some(1));
    eventually(PATIENCE, "it is applied", async || {
        let event_outcomes = world.event_outcomes(&merchant).await;
        let again = event_outcomes.iter().find(|event_outcome| event_outcome.delivery.to_string() == *dead);
        let again = again.map(|event_outcome| (event_outcome.outcome, event_outcome.event.to_string()));
        let event = dead_letter["event_id"].as_str().expect("an event died").to_owned();
        if again == Some((Outcome::Applied, event)) { Ok(()) } else { Err(format!("{again:?}")) }
    })
    .await;
    assert_eq!(dead_letters(&world).await, 0);
    world.assert_sound(&merchant).await;
}

/// Asserts that all accepted deliveries are accounted for, including the dead ones.
async fn assert_audited(world: &World, dead_at_least: u64) {
    eventually(PATIENCE, "what was accepted is counted", async || {
        let audit = tillflow(world, &["audit"]).await.well();
        let account = audit.iter().find(|line| line["kind"] == "account").expect("there is a store");
        if account["in_flight"].as_i64() != Some(0) {
            return Err(account.to_string());
        }
        let outcomes = account["outcomes"].as_object().expect("outcomes");
        let sum: u64 = outcomes.values().filter_map(serde_json::Value::as_u64).sum();
        let accepted = ["accepted", "further"].iter().filter_map(|name| account[*name].as_u64()).sum::<u64>();
        assert_eq!(sum, accepted, "{account}");
        assert!(outcomes["dead"].as_u64() >= Some(dead_at_least), "{account}");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_names_what_the_record_lost() {
    let mut world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account: Account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let sender = Sender::default();
    let (delivery, _) =
        sender.send_until_kept(&account.product("made", PRODUCT, "Tea", 1, 0), PATIENCE).await;
    world.event_outcome(PATIENCE, &merchant, &delivery).await;
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    assert_eq!(tillflow(&world, &["audit"]).await.code, 0);
    for program in Program::ALL {
        assert!(world.terminate(program).await.success());
    }
    world.sql("DELETE FROM event_outcomes").await;
    let audit = tillflow(&world, &["audit"]).await;
    assert_eq!(audit.code, 1, "{audit:?}");
    let missing: Vec<_> = audit.lines.iter().filter(|line| line["kind"] == "missing").collect();
    assert_eq!(missing.len(), 1, "{audit:?}");
    assert_eq!(missing[0]["delivery_id"].as_str(), Some(&*delivery));
    assert!(audit.lines.iter().any(|line| line["kind"] == "contradiction"), "{audit:?}");
}

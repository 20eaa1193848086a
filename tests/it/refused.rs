//! Rows that the database refuses permanently stop no other store, and a database that isn't set up costs only time.

use crate::{PATIENCE, clients::administrator, command_line::tillflow};
use model::{Outcome, StoreId};
use std::time::Duration;
use testkit::{AccountOptions, Program, Sender, World, eventually};

/// Refuses the variants of product 2000, as a check constraint would.
pub(crate) const REFUSE: &str = "
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sku LIKE 'sku-2000-%' THEN
        RAISE EXCEPTION 'refused by a test' USING ERRCODE = '23514', CONSTRAINT = 'of_the_test';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON variants FOR EACH ROW EXECUTE FUNCTION refuse();";
pub(crate) const ACCEPT: &str = "DROP TRIGGER refuse ON variants; DROP FUNCTION refuse()";
/// The number of products that each store reports.
const PRODUCTS: u64 = 6;

/// Names of two stores in one partition.
fn neighbours(world: &World) -> [String; 2] {
    let partitions = world.bus.partitions();
    let of = |name: &str| partitions.of(&StoreId::new(name).expect("a name"));
    let first = "shop-0".to_owned();
    let second = (1..10_000).map(|index| format!("shop-{index}")).find(|name| of(name) == of(&first));
    [first, second.expect("partitions are few")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_an_event_that_the_database_refuses_goes_on_and_so_does_its_partition() {
    let mut world = World::start(&Program::ALL).await;
    let sender = Sender::default();
    let mut shops = Vec::new();
    for name in neighbours(&world) {
        let merchant = world.merchant(&name).await;
        let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
        shops.push((merchant, account));
    }
    world.sql(REFUSE).await;
    // They arrive while apply is stopped, so that the refused event shares its batch with valid ones.
    assert!(world.terminate(Program::Apply).await.success());
    for number in 1..=PRODUCTS {
        for (index, (_, account)) in shops.iter().enumerate() {
            // Only the first store sells the refused product.
            let product = number * 1000 + if index == 0 { 0 } else { 500 };
            let delivery = account.product(&format!("made-{product}"), product, "Tea", 1, 0);
            sender.send_until_kept(&delivery, PATIENCE).await;
        }
    }
    world.launch(&[Program::Apply]).await;
    let merchants: Vec<_> = shops.iter().map(|(merchant, _)| merchant).collect();
    world.quiet(PATIENCE, &merchants, &[]).await;

    let dead_letters = tillflow(&world, &["dlq", "ls"]).await.well();
    assert_eq!(dead_letters.len(), 1, "{dead_letters:?}");
    let said = ["stage", "class"].map(|field| dead_letters[0][field].as_str());
    assert_eq!((said, dead_letters[0]["count"].as_u64()), ([Some("apply"), Some("bug")], Some(1)));
    for (merchant, dead) in merchants.iter().zip([1, 0]) {
        let event_outcomes = world.event_outcomes(merchant).await;
        let outcomes: Vec<_> = event_outcomes.iter().map(|event_outcome| event_outcome.outcome).collect();
        let is_dead = |outcome: &&Outcome| **outcome == Outcome::Dead;
        assert_eq!(outcomes.len(), usize::try_from(PRODUCTS).expect("few"), "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(is_dead).count(), dead, "{outcomes:?}");
        world.assert_sound(merchant).await;
    }
    tillflow(&world, &["audit"]).await.well();
    let labels = [("stage", "apply"), ("kind", "input")];
    assert_eq!(world.scrape().await.count("tillflow_permanent_errors_total", &labels), 1);
    eventually(PATIENCE, "the doctor reports it, and finds everything moving", async || {
        let doctor = tillflow(&world, &["doctor"]).await.well().remove(0);
        let alert = doctor["alerts"][0].clone();
        if alert["stage"] == "apply" && alert["error"] == "input" { Ok(()) } else { Err(doctor) }
    })
    .await;

    world.sql(ACCEPT).await;
    let replayed = tillflow(&world, &["dlq", "replay", "--all"]).await.well();
    assert_eq!(replayed[0]["done"].as_u64(), Some(1));
    world.quiet(PATIENCE, &merchants, &[]).await;
    for merchant in &merchants {
        assert_eq!(world.count(merchant, Outcome::Dead).await, 0);
        world.assert_sound(merchant).await;
    }
    assert!(tillflow(&world, &["dlq", "ls"]).await.well().is_empty());
    tillflow(&world, &["audit"]).await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_missing_makes_apply_wait_unready_with_the_remedy_and_costs_no_event() {
    let world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let admin = world.process(Program::Apply).admin().expect("it reports its address");
    let client = https::client().no_proxy().build().expect("an HTTP client");
    let readyz = async || {
        let response = client.get(format!("http://{admin}/readyz")).send().await.expect("it responses");
        (response.status().as_u16(), response.text().await.expect("a text"))
    };
    world.sql("REVOKE INSERT ON events FROM tillflow_pipeline").await;
    let made = account.product("made", 1000, "Tea", 1, 0);
    let (delivery, _) = Sender::default().send_until_kept(&made, PATIENCE).await;
    eventually(PATIENCE, "apply is unready and says why", async || {
        let (status, text) = readyz().await;
        let says = text.contains("42501") && text.contains("member of tillflow_pipeline");
        if status == 503 && says { Ok(()) } else { Err(format!("{status} {text}")) }
    })
    .await;
    eventually(PATIENCE, "the doctor finds it", async || {
        let doctor = tillflow(&world, &["doctor"]).await;
        let alert = doctor.lines.first().map(|line| line["alerts"][0].clone()).unwrap_or_default();
        if doctor.code == 1 && alert["error"] == "setup" { Ok(()) } else { Err(format!("{doctor:?}")) }
    })
    .await;

    world.sql("GRANT INSERT ON events TO tillflow_pipeline").await;
    assert_eq!(world.event_outcome(PATIENCE, &merchant, &delivery).await.outcome, Outcome::Applied);
    eventually(PATIENCE, "apply is ready again", async || {
        let (status, text) = readyz().await;
        if status == 200 { Ok(()) } else { Err(text) }
    })
    .await;
    assert!(tillflow(&world, &["dlq", "ls"]).await.well().is_empty());
    let log = world.process(Program::Apply).log();
    let said = log.matches("can't go on until this is corrected").count();
    assert_eq!(said, 1, "once:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_can_decode_stops_neither_its_publisher_nor_propagate() {
    /// Time that a missing change is waited for before it is read from the record.
    const GAP: Duration = Duration::from_secs(30);
    let mut world = World::start(&Program::ALL).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    let sender = Sender::default();
    sender.send_until_kept(&account.product("first", 1000, "Tea", 1, 0), PATIENCE).await;
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    for program in [Program::Apply, Program::Propagate] {
        assert!(world.terminate(program).await.success());
    }
    // APPLIED has lost it, and the record has a payload that can't be decoded.
    world
        .sql(
            "UPDATE events SET payload = '\\xffffff'; UPDATE cursors SET number = 0 WHERE name = 'propagate'",
        )
        .await;
    let client = administrator(&world).await;
    let applied = async_nats::jetstream::new(client).get_stream("APPLIED").await.expect("it was declared");
    applied.purge().await.expect("it can be emptied");
    world.launch(&[Program::Apply, Program::Propagate]).await;
    sender.send_until_kept(&account.product("second", 2000, "Tea", 1, 0), PATIENCE).await;
    eventually(GAP + PATIENCE, "propagate goes on behind it", async || {
        let number = world.sql("SELECT max(number) FROM cursors WHERE name = 'propagate'").await;
        if number == "2" { Ok(()) } else { Err(number) }
    })
    .await;
    for stage in ["apply", "propagate"] {
        let labels = [("stage", stage), ("kind", "input")];
        let count = world.scrape().await.count("tillflow_permanent_errors_total", &labels);
        assert!(count > 0, "{stage} reports it");
    }
}

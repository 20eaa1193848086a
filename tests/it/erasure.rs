//! The erasure of a whole shop: data cleared at once, data cleared at the end of its retention, and data that stays.

use crate::{PATIENCE, command_line::tillflow};
use bus::Feed;
use model::{ConflictKind, Outcome};
use serde_json::{Value, json};
use store::ConflictFilter;
use testkit::{Account, AccountOptions, Merchant, Program, Sender, Signed, World, WorldOptions, eventually};

/// Sends a delivery and waits until it has that outcome.
async fn ends(world: &World, merchant: &Merchant, delivery: &Signed, wanted: Outcome) {
    let (id, _) = Sender::default().send_until_kept(delivery, PATIENCE).await;
    eventually(PATIENCE, &format!("delivery {id} ends {wanted:?}"), async || {
        let listed =
            tillflow(world, &["events", "--delivery", &id, "--store", merchant.store.as_str()]).await;
        let outcome = listed.lines.last().map(|line| line["outcome"].clone());
        if outcome == Some(json!(wanted.as_str())) {
            Ok(())
        } else {
            Err(format!("{outcome:?} {}", listed.error))
        }
    })
    .await;
}

fn customer(account: &Account, topic: &str, id: u64, updated_at: &str) -> Signed {
    let name = account.connection.as_str();
    let body = json!({"id": id, "email": format!("ada{id}@{name}.example"), "first_name": "Ada", "updated_at": updated_at});
    account.sign(topic, &format!("{topic} {id} {updated_at}"), body.to_string().into_bytes())
}

/// The tables with rows that contain a text, as text or as bytes, and the number of these rows.
async fn rows_with(world: &World, text: &str) -> Vec<(String, String)> {
    let tables = world
        .sql(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
        )
        .await;
    let mut found = Vec::new();
    for table in tables.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let count = world
            .sql(&format!(
                "SELECT count(*) FROM \"{table}\" t WHERE t::text LIKE '%{text}%'
                   OR t::text LIKE '%' || encode('{text}'::bytea, 'hex') || '%'"
            ))
            .await;
        if count != "0" {
            found.push((table.to_owned(), count));
        }
    }
    found
}

/// Number of dead letters that contain a text.
async fn dead_letters_with(world: &World, text: &str) -> usize {
    let mut dead_letters = world.bus.read_dead(None).await.expect("the broker answers");
    let mut count = 0;
    while let Some(dead_letter) = dead_letters.next().await.expect("the broker answers") {
        count += usize::from(dead_letter.payload.windows(text.len()).any(|part| part == text.as_bytes()));
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_s_erasure_clears_record_and_dead_letters_of_it_alone_and_raw_at_the_end_of_its_window() {
    let options = WorldOptions { replay_window_seconds: Some(1), ..WorldOptions::default() };
    let world = World::start_with(options, &Program::ALL).await;
    let mut accounts = Vec::new();
    for name in ["erased", "kept"] {
        let merchant = world.merchant(name).await;
        let options = AccountOptions { name: name.to_owned(), ..AccountOptions::silent() };
        let account = world.account(&merchant, "shopify", options).await;
        for id in [1, 2] {
            let made = customer(&account, "customers/create", id, "2026-01-01T00:00:00Z");
            ends(&world, &merchant, &made, Outcome::Applied).await;
        }
        // Its time can't be parsed: a dead letter with personal data.
        ends(&world, &merchant, &customer(&account, "customers/update", 3, "today"), Outcome::Dead).await;
        accounts.push((merchant, account));
    }
    let [(merchant, erased), (_, kept)] = &accounts[..] else { panic!("there are two") };
    let [mine, others] = [erased, kept].map(|account| format!("@{}.example", account.connection));
    assert!(!rows_with(&world, &mine).await.is_empty(), "the record has them");
    assert_eq!((dead_letters_with(&world, &mine).await, dead_letters_with(&world, &others).await), (1, 1));
    let before = rows_with(&world, &others).await;

    let notice = json!({"shop_id": 1, "shop_domain": "erased.myshopify.com"});
    let notice = erased.sign("shop/redact", "the notice", notice.to_string().into_bytes());
    ends(&world, merchant, &notice, Outcome::Applied).await;
    assert_eq!(rows_with(&world, &mine).await, [], "no table has them");
    assert_eq!(rows_with(&world, &others).await, before, "nobody else's are touched");
    eventually(PATIENCE, "its dead letters are erased", async || {
        let left = dead_letters_with(&world, &mine).await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(dead_letters_with(&world, &others).await, 1, "and nobody else's");

    // A late report from before the erasure brings nothing back; a dead letter from after it is kept: the shop may have
    // been set up again.
    let late = customer(erased, "customers/update", 1, "2026-01-01T00:00:01Z");
    ends(&world, merchant, &late, Outcome::Stale).await;
    assert_eq!(rows_with(&world, &mine).await, []);
    ends(&world, merchant, &customer(erased, "customers/update", 4, "tomorrow"), Outcome::Dead).await;
    // Longer than the interval of the janitor.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(dead_letters_with(&world, &mine).await, 1);

    // A person confirms the duty; the erasure of existing data doesn't wait for it.
    let filter = ConflictFilter { kind: Some(ConflictKind::EraseAccount), ..ConflictFilter::default() };
    let open = world.store.conflicts(&filter, 10).await.expect("the database answers");
    let [conflict] = &open[..] else { panic!("{open:?}") };
    assert_eq!(conflict.conflict.connection, erased.connection);
    let shown = tillflow(&world, &["conflicts", "show", &conflict.id.to_string()]).await.well();
    assert!(
        shown.iter().map(Value::to_string).any(|line| line.contains("end of its retention")),
        "{shown:?}"
    );
    let arguments = ["conflicts", "resolve", &conflict.id.to_string(), "--note", "RAW is empty"];
    tillflow(&world, &arguments).await.well();
    // The newest message of a partition stays until there is a newer one.
    let last = erased.product("the last", 1000, "Tea", 1, 0);
    let (last, _) = Sender::default().send_until_kept(&last, PATIENCE).await;
    let last = world.event_outcome(PATIENCE, merchant, &last).await.position.raw_sequence;
    let partition = world.bus.partitions().of(&merchant.store);
    eventually(PATIENCE * 3, "RAW has dropped the bytes", async || {
        let first = world.bus.first(Feed::Raw, partition).await.map_err(|error| error.to_string())?;
        let first = first.map(|message| message.sequence);
        if first == Some(last) {
            Ok(())
        } else {
            Err(format!("it begins with {first:?}, the last is {last}"))
        }
    })
    .await;
}

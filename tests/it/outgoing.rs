//! Destinations of calls: URLs set by a tenant that lead into the internal network.

use crate::{PATIENCE, command_line::tillflow};
use model::{Attention, Quantity};
use simulator::NewVariant;
use std::time::Duration;
use store::{Connection, Health};
use testkit::{Account, Merchant, Program, World, eventually};

/// Time for which the absence of an event is checked.
const STILL: Duration = Duration::from_secs(1);

async fn connection(world: &World, account: &Account) -> Connection {
    let found = world.store.connection(&account.connection).await.expect("the database answers");
    found.expect("the connection is there")
}

async fn move_to(world: &World, account: &Account, base_url: &str) {
    let moved = Connection { base_url: base_url.to_owned(), ..connection(world, account).await };
    world.store.upsert_connection(&moved).await.expect("a connection can be changed");
}

async fn until_misconfigured(world: &World, account: &Account) {
    eventually(PATIENCE, "the connection is misconfigured", async || {
        let found = connection(world, account).await;
        if found.health == Health::Misconfigured { Ok(()) } else { Err(format!("{:?}", found.health)) }
    })
    .await;
}

/// The details of the open conflicts of an account.
async fn conflicts(world: &World, account: &Account) -> Vec<String> {
    let listed =
        tillflow(world, &["conflicts", "ls", "--connection", account.connection.as_str()]).await.well();
    let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    listed.iter().map(|line| format!("{}: {}", text(line, "kind"), text(line, "detail"))).collect()
}

/// Number of writes due at the account.
async fn due(world: &World, merchant: &Merchant, account: &Account) -> usize {
    let view = world.store.show_store(&merchant.store).await.expect("the database answers");
    let is_due = |line: &&store::MirrorLine| {
        line.mirror.key().connection() == &account.connection
            && line.mirror.attention() == Some(Attention::Write)
    };
    view.mirrors.iter().filter(is_due).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_leads_inside_is_never_called_and_its_connection_says_so_until_it_is_changed() {
    let world = World::start(&Program::ALL).await;
    let (merchant, [shopify, square]) = world.tea_shop(["shopify", "square"], PATIENCE).await;
    let right = connection(&world, &square).await.base_url;
    let port = right.rsplit(':').next().expect("a port");
    let wrong = [
        // The tests' only exception is http://127.0.0.1.
        (format!("http://localhost:{port}"), "isn't https"),
        (format!("https://127.0.0.1:{port}"), "another port than 443"),
        ("https://[::ffff:127.0.0.1]".to_owned(), "isn't a public one"),
        (format!("http://user@127.0.0.1:{port}"), "holds a user's name"),
    ];
    for (number, (url, reason)) in (1..).zip(wrong) {
        let calls = square.shop().calls().len();
        move_to(&world, &square, &url).await;
        // A write is due there, and a notification names an object to be fetched there.
        let tea = shopify.shop().find("tea").expect("tea is on sale");
        shopify.shop().sell(&tea.item, &shopify.location_id(), 1).expect("there is some");
        let other = NewVariant::stocked(&format!("other-{number}"), 950, 10, &square.shop().locations());
        square.shop().add_product("Other tea", &[other]).expect("the shop takes it");
        until_misconfigured(&world, &square).await;
        tokio::time::sleep(STILL).await;
        assert_eq!(square.shop().calls().len(), calls, "{url} was called");
        let found = conflicts(&world, &square).await;
        assert!(
            matches!(&found[..], [one] if one.starts_with("misconfigured:") && one.contains(reason)),
            "{found:?}"
        );
        assert_eq!(due(&world, &merchant, &square).await, 1, "the write waits");

        move_to(&world, &square, &right).await;
        world.quiet(PATIENCE, &[&merchant], &[&shopify, &square]).await;
        assert_eq!(connection(&world, &square).await.health, Health::Ok);
        assert_eq!(conflicts(&world, &square).await, Vec::<String>::new());
        let held =
            square.shop().find("tea").and_then(|tea| square.shop().level(&tea.item, &square.location_id()));
        assert_eq!(held, Some((10 - number).to_string()));
        assert_eq!(world.level(&merchant, "tea").await, Some(Quantity::pieces(10 - number)));
        let fetched = world.level(&merchant, &format!("other-{number}")).await;
        assert_eq!(fetched, Some(Quantity::pieces(10)), "what was parked is fetched");
    }
    assert!(tillflow(&world, &["dlq", "ls"]).await.well().is_empty());
}

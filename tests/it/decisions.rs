//! Conflicts, connections and links, handled by a person.

use crate::{
    PATIENCE,
    command_line::{Said, tillflow},
};
use model::{BaselineRule, Conflict, ConflictKind, ExternalId};
use serde_json::Value;
use testkit::{Account, AccountOptions, Merchant, Program, Sender, World};

const PRODUCT: u64 = 1000;

async fn shop(programs: &[Program]) -> (World, Merchant, Account) {
    // Ingest's address is part of a connection.
    let mut world = World::start(&[Program::Ingest]).await;
    let merchant = world.merchant("shop").await;
    let options = AccountOptions { baseline: BaselineRule::Ask, ..AccountOptions::silent() };
    let account = world.account(&merchant, "shopify", options).await;
    let others = programs.iter().copied().filter(|program| *program != Program::Ingest).collect::<Vec<_>>();
    if others.is_empty() {
        world.kill(Program::Ingest).await;
    } else {
        world.launch(&others).await;
    }
    (world, merchant, account)
}

async fn note(world: &World, account: &Account, kind: ConflictKind, subject: String) {
    let state =
        world.store.connection_state(&account.connection).await.expect("it answers").expect("it is there");
    let conflict = Conflict {
        tenant: state.origin.tenant,
        store: state.origin.store,
        connection: account.connection.clone(),
        event: None,
        kind,
        subject,
        detail: "7 here, 9 there".to_owned(),
    };
    world.store.note_conflict(&conflict).await.expect("it is kept");
}

/// Asserts that a command failed with this exit code and reason.
fn refused(said: &Said, code: i32, why: &str) {
    assert_eq!(said.code, code, "{said:?}");
    assert!(said.error.contains(why), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lists_conflicts_and_ends_them_once() {
    let (world, merchant, account) = shop(&[Program::Ingest]).await;
    let item = Conflict::about_item(&ExternalId::new("77").expect("an id"), &merchant.location);
    note(&world, &account, ConflictKind::Oversold, "item 1".to_owned()).await;
    note(&world, &account, ConflictKind::Oversold, "item 1".to_owned()).await;
    note(&world, &account, ConflictKind::FirstContact, item).await;
    let store = merchant.store.as_str();

    let listed = tillflow(&world, &["conflicts", "ls", "--store", store]).await.well();
    let reported: Vec<_> = listed.iter().map(|line| (line["kind"].as_str(), line["seen"].as_u64())).collect();
    assert_eq!(reported, [(Some("first_contact"), Some(1)), (Some("oversold"), Some(2))]);
    let (contact, oversold) = (listed[0]["conflict"].to_string(), listed[1]["conflict"].to_string());
    let of_kind = tillflow(&world, &["conflicts", "ls", "--kind", "oversold"]).await.well();
    assert_eq!(of_kind.len(), 1);
    let shown = tillflow(&world, &["show", "store", store]).await.well();
    assert_eq!(shown[0]["open_conflicts"].as_u64(), Some(2));

    refused(
        &tillflow(&world, &["conflicts", "ls", "--kind", "oversell"]).await,
        2,
        "there are first_contact",
    );
    refused(&tillflow(&world, &["conflicts", "show", "4711"]).await, 1, "there is no conflict 4711");
    refused(&tillflow(&world, &["conflicts", "resolve", "4711"]).await, 1, "there is no conflict 4711");
    refused(&tillflow(&world, &["conflicts", "resolve", &contact]).await, 2, "--take");
    refused(&tillflow(&world, &["conflicts", "resolve", &oversold, "--take", "store"]).await, 2, "--note");
    // No service consumes the decision, so nothing changes.
    refused(&tillflow(&world, &["conflicts", "resolve", &contact, "--take", "store"]).await, 1, "tillflow:");

    let by = ["conflicts", "resolve", &oversold, "--note", "counted again", "--by", "ada"];
    assert_eq!(tillflow(&world, &by).await.well()[0]["resolution"].as_str(), Some("counted again"));
    refused(&tillflow(&world, &by).await, 1, "by ada: counted again");
    let left = tillflow(&world, &["conflicts", "ls"]).await.well();
    let left: Vec<_> = left.iter().map(|line| line["conflict"].to_string()).collect();
    assert_eq!(left, std::slice::from_ref(&contact));
    let all = tillflow(&world, &["conflicts", "ls", "--all"]).await.well();
    assert_eq!(all.iter().filter(|line| line["resolved_by"] == "ada").count(), 1, "{all:?}");
    let shown = tillflow(&world, &["conflicts", "show", &contact]).await.well();
    assert!(shown[0]["to_end_it"].as_str().is_some_and(|way| way.contains("--take")), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_a_connection_s_state_and_pauses_and_resumes_it() {
    let (world, merchant, account) = shop(&[Program::Ingest]).await;
    let id = account.connection.as_str();
    let state = async || tillflow(&world, &["connection", "show", id]).await.well().remove(0);
    let before = state().await;
    assert_eq!(
        (&before["enabled"], &before["health"], &before["baseline"]),
        (&true.into(), &"ok".into(), &"ask".into())
    );

    let paused = tillflow(&world, &["connection", "pause", id]).await.well();
    assert_eq!((&paused[0]["was_enabled"], &state().await["enabled"]), (&true.into(), &false.into()));
    tillflow(&world, &["connection", "resume", id]).await.well();
    assert_eq!(state().await["enabled"], true);

    let healthy = tillflow(&world, &["doctor"]).await.well();
    assert_eq!(healthy[0]["connections_not_ok"].as_array().map(Vec::len), Some(0));
    world
        .sql("UPDATE connections SET health = 'needs_reauth', health_reason = 'token expired', health_since = now()")
        .await;
    let doctor = tillflow(&world, &["doctor"]).await.well();
    let trouble = &doctor[0]["connections_not_ok"][0];
    assert_eq!((&trouble["connection"], &trouble["reason"]), (&id.into(), &"token expired".into()));

    let listed = tillflow(&world, &["connection", "ls", "--store", merchant.store.as_str()]).await.well();
    assert_eq!((listed.len(), &listed[0]["health"]), (1, &"needs_reauth".into()));
    let ignore = ["ignore-location", "--connection", id, "--location", "L9"];
    tillflow(&world, &ignore).await.well();
    assert_eq!(state().await["ignored_locations"], Value::from(vec!["L9"]));
    tillflow(&world, &[&ignore[..], &["--undo"]].concat()).await.well();
    assert_eq!(state().await["ignored_locations"], Value::Array(vec![]));

    let subject = Conflict::about_item(&ExternalId::new("77").expect("an id"), &merchant.location);
    note(&world, &account, ConflictKind::FirstContact, subject).await;
    let preview = ["connection", "set", id, "--baseline", "platform", "--dry-run"];
    let preview = tillflow(&world, &preview).await.well();
    assert_eq!(preview[0]["first_contacts_answered"].as_u64(), Some(1));
    assert_eq!(state().await["baseline"], "ask", "it was a preview");
    for unknown in [
        &["connection", "show", "nobody"][..],
        &["connection", "pause", "nobody"],
        &["conflicts", "ls", "--connection", "nobody"],
        &["connection", "set", "nobody", "--baseline", "store"],
        &["ignore-location", "--connection", "nobody", "--location", "L9"],
        &["link", "--connection", "nobody", "--variant", "7", "--to", "var_7"],
        &["unlink", "--connection", "nobody", "--variant", "7"],
        &["link-location", "--connection", "nobody", "--location", "L9", "--to", "shop-main"],
    ] {
        refused(&tillflow(&world, unknown).await, 1, "there is no connection nobody");
    }
    for unknown in [
        &["show", "store", "nowhere"][..],
        &["events", "--store", "nowhere"],
        &["events", "--store", "nowhere", "--delivery", "00000000000000000000000000000000"],
        &["connection", "ls", "--store", "nowhere"],
        &["conflicts", "ls", "--store", "nowhere"],
        &["audit", "--store", "nowhere"],
        &["rebuild", "--store", "nowhere", "--dry-run"],
    ] {
        refused(&tillflow(&world, unknown).await, 1, "there is no store nowhere");
    }
    refused(
        &tillflow(&world, &["link", "--connection", id, "--variant", "7", "--to", "var_7"]).await,
        1,
        "has no variant var_7",
    );
    refused(
        &tillflow(&world, &["unlink", "--connection", id, "--variant", "7"]).await,
        1,
        "has no link of variant 7",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_goes_the_way_of_every_delivery_and_its_outcome_is_reported() {
    let (world, merchant, account) = shop(&Program::ALL).await;
    let sender = Sender::default();
    let (made, _) = sender.send_until_kept(&account.product("made", PRODUCT, "Tea", 1, 0), PATIENCE).await;
    world.event_outcome(PATIENCE, &merchant, &made).await;
    let id = account.connection.as_str();

    let set = tillflow(&world, &["connection", "set", id, "--baseline", "store"]).await.well().remove(0);
    let delivery = set["delivery_id"].as_str().expect("it names its delivery");
    assert!(set["outcome"].is_string(), "{set}");
    let outcomes = tillflow(&world, &["events", "--delivery", delivery]).await.well();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!((&outcomes[0]["stage"], &outcomes[0]["outcome"]), (&"apply".into(), &set["outcome"]));
    assert_eq!(outcomes[0]["position"], set["position"]);
    let accepted = ["connection", "set", id, "--baseline", "store", "--wait", "0"];
    let accepted = tillflow(&world, &accepted).await.well().remove(0);
    assert!(accepted["outcome"].is_null(), "{accepted}");
    assert_ne!(accepted["delivery_id"].as_str(), Some(delivery), "each word of a person is one of its own");

    // A delivery that normalize has dead-lettered is reported as well, with its dead letter.
    let poison = account.sign("inventory_levels/update", "poison", b"{\"available\": \"no\"}".to_vec());
    let (poison, _) = sender.send_until_kept(&poison, PATIENCE).await;
    testkit::eventually(PATIENCE, "its outcome is reported", async || {
        let said = tillflow(&world, &["events", "--delivery", &poison]).await;
        let reported = said.lines.first().map(|line| {
            (
                line["stage"] == "normalize",
                line["outcome"] == "dead",
                line["dead_letter"].is_u64(),
                line["recorded_at"].is_string(),
            )
        });
        if reported == Some((true, true, true, true)) { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    let nothing = "00000000000000000000000000000000";
    refused(&tillflow(&world, &["events", "--delivery", nothing]).await, 1, "nothing is known of delivery");
    refused(&tillflow(&world, &["events", "--delivery", "seven"]).await, 2, "hexadecimal");
    refused(&tillflow(&world, &["events"]).await, 2, "--store");
    world.quiet(PATIENCE, &[&merchant], &[]).await;
    world.assert_sound(&merchant).await;
}

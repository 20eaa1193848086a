//! Changes of keys while clients are connected.

use super::{Broker, PATIENCE, layout, till, web};
use async_nats::connection::State;
use bus::{BusConfig, BusError, Keyring, Replied, ReplyRule, User, authorization_file, seed_file};
use bytes::Bytes;
use sandbox::Scratch;
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};
use tokio::time::{sleep, timeout};

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn a_revoked_partner_is_disconnected_and_stays_out_and_nobody_else_notices() {
    let broker = Broker::start().await;
    let (revoked, kept) = (broker.client(&till()).await, broker.client(&web()).await);
    let seed = broker.seed(&till());
    let mut serving = broker.bus_of(&User::Intake).await.serve("pos.in.*.*.>", "ingest").await.unwrap();
    let connections = *broker.bus.connections().borrow();

    broker.change(|keyring| keyring.revoke("partner-till").unwrap()).await;
    until("the partner is put out", || revoked.client.connection_state() != State::Connected).await;
    assert!(broker.client_with(seed.clone(), &till()).await.is_err(), "it can't come back");
    assert!(!seed_file(&broker.users, "partner-till").exists(), "its seed is gone");

    // The other users were never disconnected.
    assert_eq!(*broker.bus.connections().borrow(), connections);
    assert_eq!(kept.client.connection_state(), State::Connected);
    let asked = kept.client.request("pos.in.shop.web.sales", Bytes::from_static(b"one"));
    let outcome = async {
        let request = serving.next().await.unwrap();
        assert_eq!(request.subject, "pos.in.shop.web.sales");
        request.respond(Bytes::from_static(b"kept"), &ReplyRule::of_partners(), Some("web")).await
    };
    let (reply, outcome) = timeout(PATIENCE, async { tokio::join!(asked, outcome) }).await.unwrap();
    assert_eq!((&reply.unwrap().payload[..], outcome.unwrap()), (&b"kept"[..], Replied::Sent));

    // A partner that is added again has another key, and the old one stays invalid.
    broker.change(|keyring| assert!(keyring.add_partner(till(), None).unwrap())).await;
    assert!(broker.client_with(seed, &till()).await.is_err());
    let mut back = broker.client(&till()).await;
    assert!(back.may_publish("pos.in.shop.till.sales").await);
}

#[tokio::test]
async fn a_rotated_key_works_at_once_and_the_older_one_until_it_is_retired() {
    let broker = Broker::start().await;
    let before = broker.client(&User::Dedupe).await;
    let old = broker.seed(&User::Dedupe);
    broker.change(|keyring| keyring.rotate("dedupe", None).unwrap()).await;
    let mut with_new = broker.client(&User::Dedupe).await;
    assert_ne!(broker.seed(&User::Dedupe), old);
    assert!(with_new.may_publish("pos.unique.3").await);
    let mut with_old = broker.client_with(old.clone(), &User::Dedupe).await.unwrap();
    assert!(with_old.may_publish("pos.unique.3").await, "a replica that wasn't restarted yet");
    assert!(!with_old.may_publish("pos.raw.3").await, "and no more than before");
    assert_eq!(before.client.connection_state(), State::Connected);

    broker.change(|keyring| keyring.retire("dedupe").unwrap()).await;
    for client in [&before, &with_old] {
        until("who has the older key is put out", || client.client.connection_state() != State::Connected)
            .await;
    }
    assert!(broker.client_with(old, &User::Dedupe).await.is_err());
    assert!(with_new.may_publish("pos.unique.3").await);
}

#[tokio::test]
async fn a_partner_cannot_have_its_reply_put_into_the_inbox_of_another() {
    let broker = Broker::start().await;
    let (hostile, victim) = (broker.client(&till()).await, broker.client(&web()).await);
    let mut heard = victim.client.subscribe("_INBOX.partner.web.>").await.unwrap();
    victim.client.flush().await.unwrap();
    let mut serving = broker.bus_of(&User::Intake).await.serve("pos.in.*.*.>", "ingest").await.unwrap();
    for (reply, expected) in [
        ("_INBOX.partner.web.x", Replied::Refused),
        ("_INBOX.apply.x", Replied::Refused),
        ("pos.raw.3", Replied::Refused),
        ("_INBOX.partner.till.x", Replied::Sent),
    ] {
        hostile.client.publish_with_reply("pos.in.shop.till.sales", reply, Bytes::new()).await.unwrap();
        let request = timeout(PATIENCE, serving.next()).await.unwrap().unwrap();
        let outcome =
            request.respond(Bytes::from_static(b"!"), &ReplyRule::of_partners(), Some("till")).await;
        assert_eq!(outcome.unwrap(), expected, "{reply}");
    }
    assert!(
        timeout(Duration::from_millis(100), futures::StreamExt::next(&mut heard)).await.is_err(),
        "the victim hears nothing"
    );
}

#[tokio::test]
async fn seeds_are_for_their_owner_alone_and_a_second_save_changes_nothing() {
    let scratch = Scratch::new().unwrap();
    let folder = scratch.path().join("keys");
    let mut keyring = Keyring::open(&folder).unwrap();
    keyring.add_ours().unwrap();
    keyring.save(&folder, &layout()).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("seeds"))), (0o700, 0o700));
    let mut files: Vec<_> =
        fs::read_dir(folder.join("seeds")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), User::OURS.len());
    files.extend([folder.join("users.json"), authorization_file(&folder)]);
    let read = || files.iter().map(|file| fs::read_to_string(file).unwrap()).collect::<Vec<_>>();
    let before = read();
    assert!(files.iter().all(|file| mode(file) == 0o600));
    let mut again = Keyring::open(&folder).unwrap();
    assert!(again.add_ours().unwrap().is_empty());
    again.save(&folder, &layout()).unwrap();
    assert_eq!(read(), before);
    // A folder that was opened to others is restricted again.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    again.save(&folder, &layout()).unwrap();
    assert_eq!(mode(&folder), 0o700);
}

#[tokio::test]
async fn users_of_a_former_version_are_left_out_and_those_in_their_place_are_added() {
    let scratch = Scratch::new().unwrap();
    let folder = scratch.path().join("keys");
    let mut keyring = Keyring::open(&folder).unwrap();
    keyring.add_ours().unwrap();
    keyring.save(&folder, &layout()).unwrap();
    let file = folder.join("users.json");
    let former =
        fs::read_to_string(&file).unwrap().replace("\"intake\"", "\"door\"").replace("\"fetch\"", "\"poll\"");
    assert!(former.contains("\"door\"") && former.contains("\"poll\""));
    fs::write(&file, former).unwrap();
    let mut keyring = Keyring::open(&folder).unwrap();
    assert_eq!(keyring.users().count(), User::OURS.len() - 2);
    let mut added = keyring.add_ours().unwrap();
    added.sort_unstable();
    assert_eq!(added, ["fetch", "intake"]);
}

#[tokio::test]
async fn a_file_that_holds_no_seed_is_named_and_not_shown() {
    let broker = Broker::start().await;
    let file = broker.scratch.path().join("wrong.nk");
    let credentials = || Some(bus::Credentials::Seed { seed_file: file.clone() });
    let config = || BusConfig { servers: vec![broker.nats.url()], credentials: credentials(), ..layout() };
    assert!(matches!(bus::Bus::connect(&config()).await, Err(BusError::Keyring { .. })), "it isn't there");
    fs::write(&file, "hunter2").unwrap();
    let error = bus::Bus::connect(&config()).await.unwrap_err();
    let said = format!("{error} {:?}", config());
    assert!(said.contains("wrong.nk") && !said.contains("hunter2"), "{said}");
}

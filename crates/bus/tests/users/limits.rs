//! Tests of the subjects that each user may and may not use.

use super::{Broker, Watched, till};
use bus::{Feed, User};
use model::Partition;

/// Subjects that no user but the administrator may publish on.
const NOBODY: &[&str] = &[
    "anything",
    "pos.other",
    "pos.raw",
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.CREATE.OTHER",
    "$JS.API.STREAM.DELETE.RAW-0",
    "$JS.API.STREAM.DELETE.DEAD",
    "$JS.API.STREAM.DELETE.MEMBERS",
    "$JS.API.STREAM.PURGE.DEAD",
    "$JS.API.STREAM.PURGE.ALERTS",
    "$JS.API.STREAM.PURGE.FOREIGN",
    "$JS.API.STREAM.PURGE.MEMBERS",
    "$JS.API.STREAM.MSG.DELETE.RAW-0",
    "$JS.API.STREAM.MSG.DELETE.APPLIED",
    "$JS.API.STREAM.MSG.GET.RAW-0",
    "$JS.API.STREAM.SNAPSHOT.RAW-0",
    "$JS.API.STREAM.RESTORE.RAW-0",
    "$JS.API.STREAM.LEADER.STEPDOWN.RAW-0",
    "$JS.API.STREAM.PEER.REMOVE.RAW-0",
    "$JS.API.ACCOUNT.PURGE.$G",
    "$JS.API.SERVER.REMOVE",
    "$JS.API.CONSUMER.CREATE.RAW-0",
    "$JS.API.CONSUMER.CREATE.RAW-0.name",
    "$JS.API.CONSUMER.CREATE.RAW-0.name.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.RAW-0.name",
    "$JS.API.CONSUMER.DELETE.RAW-0.name",
    "$JS.API.CONSUMER.LIST.RAW-0",
    "$JS.API.CONSUMER.NAMES.RAW-0",
    "$JS.API.CONSUMER.PAUSE.RAW-0.name",
    "$JS.ACK.RAW-0.name.1.1.1.1.1",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.VARZ",
];

/// Subjects that no user but the administrator may subscribe to.
const NOBODY_HEARS: &[&str] = &[
    ">",
    "*",
    "pos.>",
    "pos.raw.*",
    "pos.raw.3",
    "pos.normalized.*",
    "pos.unique.*",
    "pos.enriched.*",
    "pos.applied.>",
    "pos.dead.>",
    "pos.alerts.>",
    "pos.foreign.>",
    "pos.members.>",
    "pos.in.>",
    "_INBOX.>",
    "_INBOX.*.>",
    "_INBOX.partner.>",
    "_INBOX.partner.*.>",
    "_INBOX.other.>",
    "$JS.>",
    "$JS.API.>",
    "$JS.EVENT.>",
    "$SYS.>",
];

/// Subjects of streams and services, each with the users that may publish there; no others may.
const PUBLISHERS: &[(&str, &[&str])] = &[
    ("pos.raw.3", &["ingest"]),
    ("pos.normalized.3", &["normalize"]),
    ("pos.unique.3", &["dedupe"]),
    ("pos.enriched.3", &["enrich", "transform"]),
    ("pos.applied.3.shop.inventory.updated", &["apply"]),
    ("pos.dead.normalize.data.shop", &["normalize", "transform", "apply"]),
    ("pos.dead.apply.bug.shop", &["apply"]),
    ("pos.alerts.ingest.all.setup", &["ingest"]),
    ("pos.alerts.apply.3.setup", &["apply"]),
    ("pos.members.apply.ghost", &["apply"]),
    ("pos.members.normalize.ghost", &["normalize"]),
    ("pos.membership.apply", &["apply"]),
    ("pos.foreign.RAW-1.17.abc", &["normalize", "transform", "apply", "fetch"]),
    ("pos.members.enrich.ghost", &["enrich", "transform"]),
    ("pos.foreign.APPLIED.17.abc", &["apply", "propagate"]),
    ("pos.accept", &["propagate", "fetch", "gateway", "operator"]),
    ("pos.in.shop.till.sales", &["partner-till"]),
    ("pos.in.shop.till.a.b.c", &["partner-till"]),
    ("pos.in.shop.web.sales", &["partner-web"]),
    ("pos.in.other.till.sales", &[]),
    ("pos.in.shop.till", &[]),
    ("_INBOX.partner.till.x", &["intake"]),
    ("_INBOX.partner.web.x", &["intake"]),
    ("_INBOX.fetch.x", &["ingest"]),
    ("_INBOX.apply.x", &[]),
    ("_INBOX.x", &[]),
    ("$JS.API.STREAM.PURGE.RAW-1", &["apply"]),
    ("$JS.API.STREAM.PURGE.APPLIED", &["apply"]),
    ("$JS.API.STREAM.UPDATE.RAW-0", &["apply"]),
    ("$JS.API.STREAM.CREATE.RAW-0", &["apply"]),
    ("$JS.API.STREAM.MSG.DELETE.DEAD", &["apply", "operator"]),
    ("$JS.API.DIRECT.GET.RAW-0", &["normalize", "transform", "apply", "fetch", "operator"]),
    ("$JS.API.DIRECT.GET.DEAD", &["apply", "operator"]),
    ("$JS.API.DIRECT.GET.ALERTS", &["operator"]),
    ("$JS.API.CONSUMER.CREATE.APPLIED.name.pos.applied.3.>", &["apply", "propagate", "operator"]),
    ("$JS.API.CONSUMER.MSG.NEXT.ENRICHED-0.name", &["dedupe", "enrich", "transform", "apply", "operator"]),
    ("$JS.API.CONSUMER.INFO.ENRICHED-0.name", &["dedupe", "enrich", "transform", "apply", "operator"]),
];

/// All users but the administrator.
fn everyone() -> Vec<User> {
    let ours = User::OURS.into_iter().filter(|user| *user != User::Administrator);
    ours.chain([till(), super::web()]).collect()
}

#[tokio::test]
async fn each_user_is_let_publish_on_its_own_subjects_and_refused_all_others() {
    let broker = Broker::start().await;
    for user in everyone() {
        let mut client: Watched = broker.client(&user).await;
        for subject in NOBODY {
            assert!(!client.may_publish(subject).await, "{user} publishes on {subject}");
        }
        for (subject, publishers) in PUBLISHERS {
            let expected = publishers.contains(&user.name().as_str());
            assert_eq!(client.may_publish(subject).await, expected, "{user} on {subject}");
        }
    }
    // Refused publishes left no trace.
    let bus = broker.bus_of(&User::Operator).await;
    bus.await_declared(&User::Operator).await.expect("all streams are there, as they were declared");
    for (feed, publishers) in [(Feed::Normalized, 1), (Feed::Unique, 1), (Feed::Enriched, 2)] {
        let last = bus.last_sequence(feed, Partition(3)).await.unwrap();
        assert_eq!(last, publishers, "{feed:?} has the messages of its publishers alone");
    }
}

#[tokio::test]
async fn each_user_hears_its_own_inbox_and_what_it_serves_and_nothing_else() {
    let broker = Broker::start().await;
    for user in everyone() {
        let mut client = broker.client(&user).await;
        for subject in NOBODY_HEARS {
            assert!(!client.may_subscribe(subject).await, "{user} hears {subject}");
        }
        for other in everyone() {
            let inbox = format!("{}.>", other.inbox_prefix());
            assert_eq!(client.may_subscribe(&inbox).await, user == other, "{user} hears {inbox}");
        }
        for (subject, hearers) in [
            ("pos.accept", &["ingest"][..]),
            ("pos.in.*.*.>", &["intake"]),
            ("pos.in.shop.till.>", &["intake"]),
            ("pos.membership.apply", &["apply"]),
            ("pos.membership.fetch", &["fetch"]),
        ] {
            let expected = hearers.contains(&user.name().as_str());
            assert_eq!(client.may_subscribe(subject).await, expected, "{user} hears {subject}");
        }
    }
}

#[tokio::test]
async fn who_comes_without_a_key_or_with_an_unknown_one_is_refused() {
    let broker = Broker::start().await;
    assert!(async_nats::connect(broker.nats.url()).await.is_err(), "nobody in particular");
    let (_, unknown) = bus::new_key().unwrap();
    assert!(
        broker.client_with(unknown.expose().to_owned(), &till()).await.is_err(),
        "an unauthenticated client"
    );
    for url in
        [format!("nats://apply:apply@{}", address(&broker)), format!("nats://apply@{}", address(&broker))]
    {
        assert!(async_nats::connect(url).await.is_err(), "a name is no key");
    }
}

fn address(broker: &Broker) -> String {
    broker.nats.url().trim_start_matches("nats://").to_owned()
}

#[tokio::test]
async fn the_broker_puts_replies_and_copies_wherever_a_stage_that_may_call_it_says() {
    // The attack by a stage that was taken over, as in docs/security.md; partners can't do this, since they may make
    // no call.
    let broker = Broker::start().await;
    let stage = broker.client(&User::Normalize).await;
    let administrator = broker.bus_of(&User::Administrator).await;
    let end = async || administrator.last_sequence(Feed::Raw, Partition(3)).await.unwrap();
    let call = |subject: &'static str, payload: String| {
        stage.client.publish_with_reply(subject, "pos.raw.3", payload.into())
    };
    call("$JS.API.STREAM.INFO.RAW-1", String::new()).await.unwrap();
    arrives("a reply", async || end().await >= 1).await;
    administrator.append_raw(Partition(1), "kept".into(), "id", 1).await.unwrap();
    let push = serde_json::json!({"stream_name": "RAW-1", "config": {
        "name": "push", "filter_subject": "pos.raw.1", "deliver_subject": "pos.raw.3", "ack_policy": "none",
    }});
    call("$JS.API.CONSUMER.CREATE.RAW-1.push.pos.raw.1", push.to_string()).await.unwrap();
    arrives("a reply and a copy", async || end().await >= 3).await;
    let copy = administrator.message_at(Feed::Raw, Partition(3), end().await).await;
    assert!(copy.is_ok() || matches!(copy, Err(bus::BusError::Foreign(_))), "{copy:?}");

    let mut partner = broker.client(&till()).await;
    for subject in
        ["$JS.API.INFO", "$JS.API.STREAM.INFO.RAW-1", "$JS.API.CONSUMER.CREATE.RAW-1.push.pos.raw.1"]
    {
        assert!(!partner.may_publish(subject).await, "{subject}");
    }
}

async fn arrives(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

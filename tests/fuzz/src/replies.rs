//! Replies of platforms to reads and writes.

use crate::{
    notation::{Parts, several},
    payloads::{decide, delivery_of},
};
use model::{ExternalId, MirrorKind, Money, ProductText, Quantity, Source, Timestamp};
use platforms::{
    Access, Call, CallContext, CallOutcome, Fetch, Fetched, HttpReply, HttpRequest, Platform, Step,
};
use serde_json::Value;
use std::time::Duration;

const BASE_URL: &str = "https://api.example.com";

/// Checks that the stages can decide about the objects that are read from a reply, and that the next request goes to
/// the connection's own API. Input: a line `<platform> <status> <topic>` and a reply, then optionally a notification.
pub fn replies(data: &[u8]) {
    let inputs = several(data);
    let reply = Parts::of(inputs[0]);
    let Some(platform) = platforms::find(reply.word(0)) else { return };
    let status = reply.word(1).parse().unwrap_or(200);
    let retry_after = reply.headers.iter().find(|(name, _)| name == "retry-after");
    let retry_after = retry_after.and_then(|(_, value)| value.parse().ok()).map(Duration::from_secs);
    let answer = HttpReply { status, retry_after, body: reply.body };
    let notification = inputs.get(1).copied().unwrap_or(b"{}");
    let notification: Value = serde_json::from_slice(notification).unwrap_or_default();
    readings(platform, reply.word(2), &notification, &answer);
    calls(platform, &answer);
}

fn access() -> Access {
    Access {
        base_url: BASE_URL.to_owned(),
        token: "client:token".to_owned(),
        api_version: String::new(),
        account: "tests".to_owned(),
    }
}

fn readings(platform: &'static dyn Platform, topic: &str, notification: &Value, reply: &HttpReply<'_>) {
    let access = access();
    let now = Timestamp::parse("2026-11-26T00:00:00Z").expect("a time");
    let context = CallContext { access: &access, idempotency_key: "key", now };
    let (item, location) = (external("808950810"), external("655441491"));
    for wanted in [
        Fetch::Notified { topic, body: notification, since: None },
        Fetch::Notified { topic, body: notification, since: Some(now) },
        Fetch::Level { item: &item, location: Some(&location) },
        Fetch::Level { item: &item, location: None },
        Fetch::Product { product: &item, variant: Some(&location) },
        Fetch::Product { product: &item, variant: None },
    ] {
        if let Ok(Some(request)) = platform.fetch(&wanted, &context) {
            is_ours(&request);
        }
        match platform.fetched(&wanted, &context, reply) {
            Fetched::Failed(outcome) => {
                assert!(!matches!(outcome, CallOutcome::Done { .. }), "nothing was read, and it is done");
            }
            Fetched::Objects { objects, next } => {
                next.iter().for_each(is_ours);
                let known = |name: &str| platform.topics().iter().any(|topic| topic.name == name);
                assert!(
                    objects.iter().all(|(topic, _)| known(topic)),
                    "an object of a topic that isn't known"
                );
                let of =
                    |(topic, body): &(&str, Vec<u8>)| delivery_of(platform, topic, Source::Fetch, &[], body);
                decide(objects.iter().map(of).collect());
            }
        }
    }
}

fn calls(platform: &dyn Platform, reply: &HttpReply<'_>) {
    let access = access();
    let now = Timestamp::parse("2026-11-26T00:00:00Z").expect("a time");
    let context = CallContext { access: &access, idempotency_key: "key", now };
    for (kind, call) in planned() {
        if platform.write_limits(kind).is_none() {
            continue;
        }
        for read in [None, Some(reply)] {
            match platform.call(&call, &context, read) {
                Step::Read(request) | Step::Write(request) => is_ours(&request),
                Step::End(_) => {}
            }
        }
        let _ = platform.outcome(&call, reply);
    }
}

fn planned() -> [(MirrorKind, Call); 3] {
    let (product, variant) = (external("632910392"), external("808950810"));
    let currency = model::Currency::new("USD").expect("a currency");
    let text = ProductText { title: Some("Tea".to_owned()), description: Some("<p>Green</p>".to_owned()) };
    [
        (
            MirrorKind::Inventory,
            Call::SetLevel {
                item: variant.clone(),
                location: Some(external("655441491")),
                to: Quantity::pieces(9),
                from: Quantity::pieces(10),
            },
        ),
        (
            MirrorKind::Price,
            Call::SetPrice { product: product.clone(), variant, to: Money { minor: 950, currency } },
        ),
        (MirrorKind::Product, Call::SetText { product, to: text }),
    ]
}

fn external(text: &str) -> ExternalId {
    ExternalId::new(text).expect("an id")
}

/// Checks that a request goes to the connection's API, and that no input can add a line to its head.
fn is_ours(request: &HttpRequest) {
    let path = request.url.strip_prefix(BASE_URL);
    assert!(path.is_some_and(|path| path.starts_with('/')), "a request goes to {}", request.url);
    assert!(!request.url.contains(|letter: char| letter.is_control() || letter == ' '), "{:?}", request.url);
    assert!(request.headers.iter().all(|(_, value)| !value.contains(char::is_control)));
}

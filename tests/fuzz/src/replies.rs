//! Replies of platforms to reads and writes.

use crate::{
    notation::{Parts, several},
    payloads::{decide, delivery_of},
};
use model::{DeliveryKind, ExternalId, Money, ProductText, Quantity, Source, Timestamp};
use platforms::{
    Access, CallContext, Fetch, HttpReply, HttpRequest, Listed, Object, Page, Platform, Range, Step, Wanted,
    Write,
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
    let response = HttpReply { status, retry_after, headers: &reply.headers, body: reply.body };
    let notification = inputs.get(1).copied().unwrap_or(b"{}");
    let notification: Value = serde_json::from_slice(notification).unwrap_or_default();
    readings(platform, reply.word(2), &notification, &response);
    lists(platform, &response);
    calls(platform, &response);
}

fn access() -> Access {
    Access {
        base_url: BASE_URL.to_owned(),
        token: "client:token".to_owned(),
        access_token: Some("issued".to_owned()),
        api_version: String::new(),
        account: "tests".to_owned(),
    }
}

fn readings(platform: &'static dyn Platform, topic: &str, notification: &Value, reply: &HttpReply<'_>) {
    let Some(reader) = platform.reader() else { return };
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
        if let Ok(Some(request)) = reader.request(&wanted, &context) {
            is_ours(&request);
        }
        let Ok(Page { objects, next }) = reader.page(&wanted, &context, reply) else { continue };
        next.iter().for_each(is_ours);
        decided(platform, &objects);
    }
}

/// Checks that the stages can decide about objects that were read.
fn decided(platform: &'static dyn Platform, objects: &[Object]) {
    let is_known = |object: &Object| platform.topic(object.topic).is_some();
    assert!(objects.iter().all(is_known), "an object of a topic that isn't known");
    let of = |object: &Object| {
        let kind = DeliveryKind::Platform(object.topic.into());
        delivery_of(platform, kind, Source::Fetch, &[], &object.body)
    };
    decide(objects.iter().map(of).collect());
}

/// Checks the same of the pages of lists, and that the cursor of the next page is one.
fn lists(platform: &'static dyn Platform, reply: &HttpReply<'_>) {
    let Some(lists) = platform.collections() else { return };
    let access = access();
    let now = Timestamp::parse("2026-11-26T00:00:00Z").expect("a time");
    let context = CallContext { access: &access, idempotency_key: "key", now };
    let since = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    let ranges =
        [Range::Whole, Range::Changed { since, until: None }, Range::Changed { since, until: Some(now) }];
    for (collection, range) in lists.all().iter().flat_map(|list| ranges.map(|range| (list.name, range))) {
        let first = Wanted { collection, range, cursor: None };
        let Ok(request) = lists.request(&first, &context) else { continue };
        is_ours(&request);
        let Ok(page) = lists.page(&first, &context, reply) else { continue };
        assert!(page.objects.iter().all(|listed| !listed.key.is_empty()), "an object without a key");
        let objects: Vec<Object> = page.objects.into_iter().map(|Listed { object, .. }| object).collect();
        decided(platform, &objects);
        let Some(next) = page.next else { continue };
        let next = Wanted { cursor: Some(&next.cursor), ..first };
        is_ours(&lists.request(&next, &context).expect("the cursor of a page is one"));
    }
}

fn calls(platform: &dyn Platform, reply: &HttpReply<'_>) {
    let Some(writer) = platform.writer() else { return };
    let access = access();
    let now = Timestamp::parse("2026-11-26T00:00:00Z").expect("a time");
    let context = CallContext { access: &access, idempotency_key: "key", now };
    for write in planned() {
        for read in [None, Some(reply)] {
            if let Ok(Step::Read(request) | Step::Write(request)) = writer.step(&write, &context, read) {
                is_ours(&request);
            }
        }
        let _ = writer.outcome(&write, reply);
        let batch = [write.clone(), write];
        assert_eq!(writer.outcomes(&batch, reply).len(), batch.len(), "a write of a batch has no result");
    }
}

fn planned() -> [Write; 3] {
    let (product, variant) = (external("632910392"), external("808950810"));
    let currency = model::Currency::new("USD").expect("a currency");
    let text = ProductText { title: Some("Tea".to_owned()), description: Some("<p>Green</p>".to_owned()) };
    [
        Write::Level {
            item: variant.clone(),
            location: Some(external("655441491")),
            to: Quantity::pieces(9),
            from: Quantity::pieces(10),
        },
        Write::Price { product: product.clone(), variant, to: Money { minor: 950, currency } },
        Write::Text { product, to: text },
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

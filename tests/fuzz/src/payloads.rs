//! Payloads of every platform and topic, run through the decisions of all stages.

use crate::{
    notation::{Parts, several},
    pipeline::{Pipeline, origin_of},
};
use model::{Currency, Delivery, DeliveryId, DeliveryKind, RawDigest, Source, Timestamp, TraceParent};
use platforms::{Platform, Signed};
use std::sync::{Arc, LazyLock};

static PIPELINE: LazyLock<Pipeline> = LazyLock::new(|| Pipeline::new(&testkit::examples()));

/// Checks that each delivery has one verdict, and that each of its events is within the limits and the same after it is
/// encoded and decoded. Input: deliveries, each as a line `<platform> <topic> <webhook|publish|fetch>`, header lines
/// (`tillflow-currency` and `tillflow-account` stand for what the intake notes), an empty line and the body.
pub fn payloads(data: &[u8]) {
    let deliveries = several(data).into_iter().filter_map(|input| delivery(&Parts::of(input))).collect();
    decide(deliveries);
}

/// Runs deliveries through all stages.
pub(crate) fn decide(deliveries: Vec<Delivery>) {
    let failures = PIPELINE.decide(deliveries);
    assert!(failures.is_empty(), "{failures:#?}");
}

fn delivery(parts: &Parts<'_>) -> Option<Delivery> {
    let platform = platforms::find(parts.word(0))?;
    let signed = Signed { headers: &parts.headers, body: parts.body };
    // A body that doesn't state this topic itself is one that a forger would send.
    let _ = platform.webhooks().map(|webhooks| webhooks.split(&signed));
    let topic = platform.topic(parts.word(1))?;
    let source = match parts.word(2) {
        "publish" => Source::Publish,
        "fetch" | "poll" => Source::Fetch,
        _ => Source::Webhook,
    };
    let kind = DeliveryKind::Platform(topic.name.into());
    Some(delivery_of(platform, kind, source, &parts.headers, parts.body))
}

/// Makes a delivery as the intake does: of a request's headers it keeps those that the platform reads.
pub(crate) fn delivery_of(
    platform: &dyn Platform,
    kind: DeliveryKind,
    source: Source,
    headers: &[(String, String)],
    body: &[u8],
) -> Delivery {
    let origin = origin_of(platform.name());
    let id = DeliveryId::derive(&origin.connection, kind.topic(), RawDigest::of(body).as_bytes());
    let read = platform.webhooks().map_or(&[][..], |webhooks| webhooks.kept_headers());
    let named = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let kept = headers.iter().filter(|(name, _)| read.contains(&name.as_str()));
    let kept = kept.map(|(name, value)| (Arc::from(name.as_str()), Arc::from(value.as_str())));
    let trace = named("traceparent").and_then(TraceParent::parse);
    Delivery {
        id,
        origin,
        kind,
        received_at: Timestamp::parse("2026-11-26T00:00:00Z").expect("a time"),
        source,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: named("tillflow-currency").and_then(|code| Currency::new(code).ok()),
        account: named("tillflow-account").map(Arc::from),
        headers: kept.collect(),
        trace: trace.unwrap_or_else(|| TraceParent::from_delivery(id)),
        body: body.to_vec().into(),
    }
}

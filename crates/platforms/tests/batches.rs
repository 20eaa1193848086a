//! Requirements on every platform that accepts several writes in one request.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

use model::{Currency, ExternalId, MirrorKind, Money, ProductText, Quantity, Timestamp};
use platforms::{Access, CallContext, CallError, HttpReply, Platform, Write, Writer};
use std::time::Duration;

/// The kinds that a platform accepts in batches, each with a batch of the largest size.
fn batches() -> Vec<(&'static dyn Platform, &'static dyn Writer, Vec<Write>)> {
    let mut batches = Vec::new();
    for platform in platforms::all() {
        let Some(writer) = platform.writer() else { continue };
        for kind in MirrorKind::ALL {
            let batch_max = writer.limits(kind).map_or(1, |limits| limits.batch_max);
            if batch_max > 1 {
                batches.push((
                    *platform,
                    writer,
                    (1..=batch_max).map(|number| write(kind, number)).collect(),
                ));
            }
        }
    }
    assert!(!batches.is_empty(), "there is nothing to check");
    batches
}

fn write(kind: MirrorKind, number: usize) -> Write {
    let id = |first: usize| ExternalId::new(&(first + number).to_string()).unwrap();
    match kind {
        MirrorKind::Inventory => Write::Level {
            item: id(1_000),
            location: Some(id(2_000)),
            to: Quantity::pieces(9),
            from: Quantity::pieces(10),
        },
        MirrorKind::Price => {
            let to = Money { minor: 950, currency: Currency::new("USD").unwrap() };
            Write::Price { product: id(1_000), variant: id(2_000), to }
        }
        MirrorKind::Product => {
            let to = ProductText { title: Some("Tea".to_owned()), description: None };
            Write::Text { product: id(1_000), to }
        }
    }
}

#[test]
fn the_largest_batch_is_one_request_that_names_each_of_its_objects() {
    let access = Access {
        base_url: "https://api.example.com".to_owned(),
        token: "client:token".to_owned(),
        access_token: Some("issued".to_owned()),
        api_version: String::new(),
        account: "tests".to_owned(),
    };
    let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
    for (platform, writer, writes) in batches() {
        let request = writer.batch(&writes, &context).unwrap();
        assert_eq!(writer.batch(&writes, &context).unwrap(), request, "{}", platform.name());
        let body = String::from_utf8_lossy(&request.body).into_owned();
        for number in 1..=writes.len() {
            assert!(body.contains(&(1_000 + number).to_string()), "{} {number}: {body}", platform.name());
        }
    }
}

#[test]
fn the_reply_to_a_batch_gives_each_write_a_result_and_a_refusal_concerns_all() {
    let bodies: [&[u8]; 6] = [b"", b"{}", b"[]", b"\xff\xfe", b"<html>", b"{\"errors\":7,\"data\":[]}"];
    let retry_after = Some(Duration::from_secs(7));
    for (platform, writer, writes) in batches() {
        for (status, body) in [200, 401, 403, 404, 429, 500, 503]
            .into_iter()
            .flat_map(|status| bodies.iter().map(move |body| (status, *body)))
        {
            let reply = HttpReply { status, retry_after, headers: &[], body };
            let outcomes = writer.outcomes(&writes, &reply);
            let label = format!("{} {status} {}", platform.name(), String::from_utf8_lossy(body));
            assert_eq!(outcomes.len(), writes.len(), "{label}");
            for outcome in outcomes {
                let error = outcome.unwrap_err();
                let is_expected = match status {
                    // Only then are the writes made once more with another access token.
                    401 | 403 => error.is_unauthorized(),
                    429 => error == CallError::RateLimited { after: retry_after },
                    500.. => matches!(error, CallError::Transient { .. }),
                    _ => !matches!(error, CallError::Conflict | CallError::Gone),
                };
                assert!(is_expected, "{label}: {error:?}");
            }
        }
    }
}

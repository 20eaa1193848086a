//! Published signatures, and the ids of retries.

use super::{super::PLATFORM, *};
use model::Timestamp;

// square/square-nodejs-sdk @c58c6e09, tests/integration/webhooks.test.ts: key, URL, body, signature.
const VECTORS: [[&str; 4]; 3] = [
    [
        "Ibxx_5AKakO-3qeNVR61Dw",
        "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
        r#"{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}"#,
        "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=",
    ],
    [
        "signature-key",
        "https://webhook.site/webhooks",
        r#"{"data":{"type":"webhooks","id":"fake_id"}}"#,
        "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA=",
    ],
    [
        "signature-key",
        "https://webhook.site/webhooks",
        r#"{"data":{"type":"webhooks","id":">id<"}}"#,
        "Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U=",
    ],
];

fn check(key: &str, url: &str, body: &str, signature: Option<&str>) -> Result<(), Unverified> {
    let headers: Vec<_> =
        signature.iter().map(|text| (SIGNATURE_HEADER.to_owned(), (*text).to_owned())).collect();
    let active = ["retired".to_owned(), key.to_owned()];
    let context = VerifyContext::new(&active, url, Timestamp::default());
    PLATFORM.verify(&Signed { headers: &headers, body: body.as_bytes() }, &context)
}

#[test]
fn the_published_signatures_are_verified() {
    for [key, url, body, signature] in VECTORS {
        assert_eq!(check(key, url, body, Some(signature)), Ok(()), "{url}");
    }
}

#[test]
fn another_url_body_or_key_is_not_verified() {
    for [key, url, body, signature] in VECTORS {
        let slash = format!("{url}/");
        let space = format!("{body} ");
        for (key, url, body) in [("other", url, body), (key, &slash, body), (key, url, &space)] {
            assert_eq!(check(key, url, body, Some(signature)), Err(Unverified::Mismatch));
        }
        assert_eq!(check(key, url, body, None), Err(Unverified::Missing));
    }
}

#[test]
fn retries_of_an_event_are_the_same_delivery() {
    let read = |body: &str| PLATFORM.split(&Signed { headers: &[], body: body.as_bytes() }).pop();
    let first =
        read(r#"{"type":"order.created","event_id":"e-1","created_at":"2020-04-16T23:14:26Z"}"#).unwrap();
    assert_eq!((first.topic.as_str(), first.key.as_deref()), ("order.created", Some("e-1")));
    assert_eq!(read(r#"{"event_id":"e-1","type":"order.created","retry":2}"#), Some(first));
    assert_eq!(read(r#"{"type":"order.created","event_id":""}"#).unwrap().key, None);
    assert_eq!(read(r#"{"type":"order.created"}"#).unwrap().key, None);
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"["order.created","e-1"]"#,
        r#"{"type":1}"#,
        r#"{"type":"order.created","event_id":{}}"#,
    ] {
        assert_eq!(read(body), None, "{body}");
    }
}

//! Requirements on the lists of every platform that has any.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

use model::Timestamp;
use platforms::{
    Access, AccountRefusal, CallContext, CallError, Collection, Collections, HttpReply, Platform, Range,
    Reads, Validator, Wanted,
};
use stage::RejectClass;
use std::{collections::BTreeSet, time::Duration};

const BASE_URL: &str = "https://api.example.com";
const TOKEN: &str = "the-secret-token";
/// Replies with status 200 that are no page.
const GARBAGE: [&str; 7] = ["", "<html>", "{\"", "7", "\"text\"", "null", "\u{feff}"];
/// Empty pages in the shapes of the platforms' APIs.
const EMPTY: [&str; 11] = [
    "{}",
    "[]",
    r#"{"data":[]}"#,
    r#"{"elements":[]}"#,
    r#"{"resultCode":"SUCCESS","data":{"page_count":0,"total_count":0,"product_list":[]}}"#,
    r#"{"resultCode":"SUCCESS","ticketList":[]}"#,
    r#"{"values":[],"total":0}"#,
    r#"{"resultCode":"SUCCESS","data":{"total_count":0}}"#,
    r#"{"status":200,"data":[],"total":0}"#,
    r#"{"orders":[],"total":0}"#,
    r#"{"data":{"products":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}},"locations":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}},"customers":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}},"orders":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}"#,
];

fn access() -> Access {
    Access {
        base_url: BASE_URL.to_owned(),
        token: format!("client:{TOKEN}"),
        access_token: Some("the-access-token".to_owned()),
        api_version: String::new(),
        account: "account".to_owned(),
    }
}

fn at() -> Timestamp {
    Timestamp::parse("2026-11-28T10:00:00Z").unwrap()
}

fn context(access: &Access) -> CallContext<'_> {
    CallContext { access, idempotency_key: "", now: at() }
}

/// The ranges that a collection offers.
fn ranges(collection: &Collection) -> Vec<Range> {
    let changed = Range::Changed { since: at(), until: None };
    let between = Range::Changed { since: at(), until: Some(at().after(Duration::from_hours(1))) };
    match collection.reads {
        Reads::Whole => vec![Range::Whole],
        Reads::ChangesAndWhole { .. } => vec![Range::Whole, changed, between],
        Reads::Changes { .. } => vec![changed, between],
    }
}

/// The first page of every list in every range.
fn each(mut check: impl FnMut(&'static dyn Platform, &'static dyn Collections, &Wanted<'_>, &str)) {
    let mut checked = 0;
    for platform in platforms::all() {
        let Some(collections) = platform.collections() else { continue };
        for collection in collections.all() {
            for range in ranges(collection) {
                let wanted = Wanted { collection: collection.name, range, cursor: None };
                let label = format!("{} {} {range:?}", platform.name(), collection.name);
                check(*platform, collections, &wanted, &label);
                checked += 1;
            }
        }
    }
    assert!(checked > 0, "no platform has lists");
}

fn replied(
    collections: &dyn Collections,
    wanted: &Wanted<'_>,
    status: u16,
    body: &str,
) -> Result<usize, CallError> {
    let access = access();
    let retry_after = Some(Duration::from_secs(7));
    let reply = HttpReply { status, retry_after, headers: &[], body: body.as_bytes() };
    collections.page(wanted, &context(&access), &reply).map(|page| page.objects.len())
}

#[test]
fn the_collections_of_a_platform_have_names_of_their_own_and_an_interval() {
    for platform in platforms::all() {
        let Some(collections) = platform.collections() else { continue };
        let names: BTreeSet<_> = collections.all().iter().map(|collection| collection.name).collect();
        assert_eq!(names.len(), collections.all().len(), "{}", platform.name());
        for collection in collections.all() {
            assert!(collection.every >= Duration::from_mins(1), "{} {}", platform.name(), collection.name);
        }
    }
}

#[test]
fn a_page_is_requested_from_the_connections_api_and_always_in_the_same_way() {
    each(|_, collections, wanted, label| {
        let access = access();
        let request =
            collections.request(wanted, &context(&access)).unwrap_or_else(|no| panic!("{label}: {no}"));
        assert!(request.url.starts_with(&format!("{BASE_URL}/")), "{label}: {}", request.url);
        assert!(!request.url.contains(TOKEN), "{label}: a credential in a URL");
        assert_eq!(collections.request(wanted, &context(&access)), Ok(request), "{label}");
    });
}

#[test]
fn a_collection_that_a_platform_lacks_is_an_error_of_configuration() {
    for platform in platforms::all() {
        let Some(collections) = platform.collections() else { continue };
        let access = access();
        let wanted = Wanted { collection: "no such list", range: Range::Whole, cursor: None };
        let refused = collections.request(&wanted, &context(&access)).unwrap_err();
        assert_eq!(refused.class, RejectClass::Config, "{}", platform.name());
    }
}

#[test]
fn no_cursor_leads_away_from_the_connections_api() {
    let cursors =
        ["", "0", "2", "next", "a b", "x\r\ny: z", "&limit=1#", "../..", "@evil.example/", "{\"a\":[1]}"];
    each(|_, collections, wanted, label| {
        for cursor in cursors {
            let access = access();
            let wanted = Wanted { cursor: Some(cursor), ..*wanted };
            let Ok(request) = collections.request(&wanted, &context(&access)) else { continue };
            assert!(request.url.starts_with(&format!("{BASE_URL}/")), "{label} {cursor:?}: {}", request.url);
            let is_clean = request.url.chars().all(|each| each.is_ascii_graphic());
            assert!(is_clean, "{label} {cursor:?}: {}", request.url);
        }
    });
}

#[test]
fn a_reply_that_is_no_page_is_an_error_and_no_empty_list() {
    each(|_, collections, wanted, label| {
        for body in GARBAGE {
            let read = replied(collections, wanted, 200, body);
            assert!(
                matches!(read, Err(CallError::Transient { .. } | CallError::Rejected(_))),
                "{label} {body:?}: {read:?}"
            );
        }
    });
}

#[test]
fn a_limit_of_calls_and_an_outage_are_waited_for_and_refused_credentials_are_the_accounts() {
    each(|_, collections, wanted, label| {
        let limited = replied(collections, wanted, 429, "");
        let after = Some(Duration::from_secs(7));
        assert_eq!(limited, Err(CallError::RateLimited { after }), "{label}");
        for status in [500, 502, 503] {
            let outage = replied(collections, wanted, status, "<html>");
            assert!(matches!(outage, Err(CallError::Transient { .. })), "{label} {status}: {outage:?}");
        }
        let refused = replied(collections, wanted, 401, "");
        assert!(
            matches!(refused, Err(CallError::AccountRefused(AccountRefusal::Unauthorized, _))),
            "{label}: {refused:?}"
        );
    });
}

#[test]
fn an_empty_page_ends_a_list() {
    each(|_, collections, wanted, label| {
        let access = access();
        let ends = |body: &&str| {
            let reply = HttpReply::new(200, body.as_bytes());
            let page = collections.page(wanted, &context(&access), &reply);
            page.is_ok_and(|page| page.objects.is_empty() && page.next.is_none())
        };
        assert!(EMPTY.iter().any(ends), "{label}: add its empty page to the list");
    });
}

#[test]
fn what_is_missing_is_an_object_of_the_platform() {
    each(|platform, collections, wanted, label| {
        for key in ["1", "1/2", "item/location", ""] {
            let Some(missing) = collections.missing(wanted.collection, key, at()) else { continue };
            assert!(platform.topic(missing.topic).is_some(), "{label} {key}: {}", missing.topic);
            let read = Validator::of(platform).unwrap().read(missing.topic, &missing.body);
            assert!(read.is_ok() || key.is_empty(), "{label} {key}: {read:?}");
            assert_eq!(collections.missing(wanted.collection, key, at()), Some(missing), "{label} {key}");
        }
    });
    for platform in platforms::all() {
        if let Some(collections) = platform.collections() {
            assert_eq!(collections.missing("no such list", "1", at()), None, "{}", platform.name());
        }
    }
}

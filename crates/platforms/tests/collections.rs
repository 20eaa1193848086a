//! Requirements on the requests and replies of every platform's lists.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

use model::Timestamp;
use platforms::{
    Access, AccountRefusal, CallContext, CallError, Collection, Collections, HttpReply, Platform, Range,
    Reads, Wanted,
};
use stage::RejectClass;
use std::{collections::BTreeSet, time::Duration};

const NAMES: [&str; 6] = ["products", "levels", "orders", "customers", "promotions", "employees"];
const NOW: &str = "2026-07-02T10:00:00Z";
/// Pages of a list of empty ones after which it is taken to be endless.
const PAGES_MAX: usize = 10;
/// Empty pages in the shapes of the platforms' APIs.
const EMPTY: [&str; 10] = [
    "{}",
    "[]",
    r#"{"data":[]}"#,
    r#"{"elements":[]}"#,
    r#"{"values":[],"total":0}"#,
    r#"{"data":{"product_list":[],"total_count":0}}"#,
    r#"{"ticketList":[]}"#,
    r#"{"status":200,"data":[],"total":0}"#,
    r#"{"orders":[],"total":0}"#,
    r#"{"data":{"products":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}},"locations":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}},"customers":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}},"orders":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}},"discountNodes":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}"#,
];

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The platforms that have lists.
fn listing() -> impl Iterator<Item = (&'static dyn Platform, &'static dyn Collections)> {
    platforms::all().iter().filter_map(|platform| Some((*platform, platform.collections()?)))
}

fn access() -> Access {
    Access {
        base_url: "https://api.example.com".to_owned(),
        token: "client-of-the-suite:token-of-the-suite".to_owned(),
        access_token: Some("issued-to-the-suite".to_owned()),
        api_version: String::new(),
        account: "suite".to_owned(),
    }
}

fn context(access: &Access) -> CallContext<'_> {
    CallContext { access, idempotency_key: "", now: at(NOW) }
}

/// The ranges that a collection may be read in.
fn ranges(collection: &Collection) -> Vec<Range> {
    let until = Some(at("2026-07-02T09:00:00Z"));
    let changed = [
        Range::Changed { since: at("2026-07-01T10:00:00Z"), until: None },
        Range::Changed { since: at("2026-07-01T10:00:00Z"), until },
    ];
    match collection.reads {
        Reads::Whole => vec![Range::Whole],
        Reads::ChangesAndWhole { .. } => changed.into_iter().chain([Range::Whole]).collect(),
        Reads::Changes { .. } => changed.to_vec(),
    }
}

/// Every first page of every collection.
fn first_pages() -> Vec<(&'static dyn Platform, &'static dyn Collections, Wanted<'static>)> {
    let mut pages = Vec::new();
    for (platform, lists) in listing() {
        for collection in lists.all() {
            let wanted = |range| Wanted { collection: collection.name, range, cursor: None };
            pages.extend(ranges(collection).into_iter().map(|range| (platform, lists, wanted(range))));
        }
    }
    assert!(!pages.is_empty(), "there is nothing to check");
    pages
}

#[test]
fn collections_are_named_alike_and_read_at_intervals() {
    for (platform, lists) in listing() {
        let names: BTreeSet<_> = lists.all().iter().map(|collection| collection.name).collect();
        assert_eq!(names.len(), lists.all().len(), "{}: a name twice", platform.name());
        assert!(names.iter().all(|name| NAMES.contains(name)), "{}: {names:?}", platform.name());
        for collection in lists.all() {
            assert!(collection.every >= Duration::from_mins(1), "{} {collection:?}", platform.name());
        }
        let position = |name| lists.all().iter().position(|collection| collection.name == name);
        let (products, orders) = (position("products"), position("orders"));
        assert!(products < orders.or(Some(usize::MAX)), "{}: orders refer to products", platform.name());
    }
}

#[test]
fn a_page_is_the_same_request_each_time_and_keeps_secrets_in_headers() {
    let access = access();
    for (platform, lists, wanted) in first_pages() {
        let request = lists.request(&wanted, &context(&access)).unwrap();
        assert_eq!(lists.request(&wanted, &context(&access)).unwrap(), request);
        let label = format!("{} {wanted:?}: {request:?}", platform.name());
        assert!(request.url.starts_with("https://api.example.com/"), "{label}");
        let body = String::from_utf8_lossy(&request.body).into_owned();
        for secret in ["token-of-the-suite", "issued-to-the-suite"] {
            assert!(!request.url.contains(secret) && !body.contains(secret), "{label}");
            assert!(!format!("{request:?}").contains(secret), "{label}");
        }
    }
}

#[test]
fn a_list_that_does_not_exist_is_refused() {
    let access = access();
    for (platform, lists) in listing() {
        let wanted = Wanted { collection: "nothing", range: Range::Whole, cursor: None };
        assert!(lists.request(&wanted, &context(&access)).is_err(), "{}", platform.name());
    }
}

#[test]
fn a_failed_page_means_what_a_failed_call_means_and_never_an_empty_list() {
    let access = access();
    let retry_after = Some(Duration::from_secs(7));
    for (platform, lists, wanted) in first_pages() {
        let label = format!("{} {wanted:?}", platform.name());
        for body in [&b""[..], b"<html>", b"{}", b"null", b"[]", b"{\"errors\":[{\"code\":\"X\"}]}", b"\xff"]
        {
            let page = |status| {
                let reply = HttpReply { status, retry_after, headers: &[], body };
                lists.page(&wanted, &context(&access), &reply)
            };
            assert!(page(401).unwrap_err().is_unauthorized(), "{label}");
            // A key may have a role for some lists only.
            let forbidden = page(403).unwrap_err();
            let is_of_the_list =
                matches!(&forbidden, CallError::Rejected(reject) if reject.class == RejectClass::Auth);
            assert!(forbidden.is_unauthorized() || is_of_the_list, "{label}: {forbidden:?}");
            assert_eq!(page(429), Err(CallError::RateLimited { after: retry_after }), "{label}");
            for status in [500, 502, 503] {
                assert!(matches!(page(status), Err(CallError::Transient { .. })), "{label} {status}");
            }
            assert!(page(400).is_err(), "{label}");
            let closed = page(404);
            let is_setting =
                matches!(closed, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _)));
            assert!(is_setting, "{label}: {closed:?}");
            // These are empty pages of some platforms.
            if ![&b"[]"[..], b"{}"].contains(&body) {
                assert!(page(200).is_err(), "{label} {:?}: {:?}", String::from_utf8_lossy(body), page(200));
            }
        }
    }
}

#[test]
fn no_cursor_leads_away_from_the_connections_api() {
    let cursors =
        ["", "0", "2", "next", "a b", "x\r\ny: z", "&limit=1#", "../..", "@evil.example/", "{\"a\":[1]}"];
    let access = access();
    for (platform, lists, wanted) in first_pages() {
        for cursor in cursors {
            let wanted = Wanted { cursor: Some(cursor), ..wanted };
            let Ok(request) = lists.request(&wanted, &context(&access)) else { continue };
            let (name, url) = (platform.name(), &request.url);
            assert!(url.starts_with("https://api.example.com/"), "{name} {wanted:?}: {url}");
            assert!(url.chars().all(|each| each.is_ascii_graphic()), "{name} {wanted:?}: {url}");
        }
    }
}

#[test]
fn a_list_of_empty_pages_has_an_end() {
    let access = access();
    for (platform, lists, wanted) in first_pages() {
        // Some platforms list by days.
        let ends = |body: &&str| {
            let mut cursor = None::<String>;
            for _ in 0..PAGES_MAX {
                let wanted = Wanted { cursor: cursor.as_deref(), ..wanted };
                let page = lists.page(&wanted, &context(&access), &HttpReply::new(200, body.as_bytes()));
                match page {
                    Ok(page) if page.objects.is_empty() => match page.next {
                        Some(next) => cursor = Some(next.cursor),
                        None => return true,
                    },
                    _ => return false,
                }
            }
            false
        };
        let found = EMPTY.iter().any(ends);
        assert!(found, "{} {wanted:?}: add its empty page to the list", platform.name());
    }
}

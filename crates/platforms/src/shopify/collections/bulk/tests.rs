use super::*;
use crate::{Access, Collections as _, shopify::PLATFORM};
use model::Timestamp;

const URL: &str =
    "https://storage.googleapis.com/shopify-tiers-assets-prod-us-east1/bulk-operation-outputs/x-final";

fn access() -> Access {
    Access {
        base_url: "https://suite.myshopify.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: String::new(),
    }
}

fn wanted(cursor: Option<&str>) -> Wanted<'_> {
    Wanted { collection: "products", range: Range::Whole, cursor }
}

fn context(access: &Access) -> CallContext<'_> {
    CallContext { access, idempotency_key: "", now: Timestamp::from_micros(1_800_000_000_000_000) }
}

/// The query and the variables of a request.
fn sent(wanted: &Wanted<'_>) -> (String, Value) {
    let request = PLATFORM.request(wanted, &context(&access())).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    (body["query"].as_str().unwrap().to_owned(), body["variables"].clone())
}

fn data(data: &Value) -> String {
    json!({ "data": data }).to_string()
}

fn replied(wanted: &Wanted<'_>, reply: &Value) -> Result<ListPage, CallError> {
    let access = access();
    crate::Collections::page(
        &PLATFORM,
        wanted,
        &context(&access),
        &HttpReply::new(200, data(reply).as_bytes()),
    )
}

/// The cursor of the next page, and the wait before it.
fn following(page: &ListPage) -> (String, Duration) {
    let next = page.next.clone().unwrap();
    (next.cursor, next.wait)
}

/// The cursor of an operation that was begun.
fn begun_at(read: u64, part: u64) -> String {
    let bulk = Step::Begun { operation: 7, looks: 0, read, part };
    serde_json::to_string(&Place { bulk }).unwrap()
}

fn state(status: &str, url: Option<&str>) -> Value {
    json!({ "node": { "status": status, "errorCode": null, "objectCount": "3", "rootObjectCount": "2", "url": url } })
}

fn asked(cursor: &str, reply: &Value) -> Result<Option<HttpRequest>, CallError> {
    let access = access();
    PLATFORM.part(&wanted(Some(cursor)), &context(&access), &HttpReply::new(200, data(reply).as_bytes()))
}

/// Lines of two products, of which the first has two variants.
fn lines() -> Vec<String> {
    let product = |id: u64| {
        json!({ "id": format!("gid://shopify/Product/{id}"), "legacyResourceId": id.to_string(), "title": "Tea",
            "descriptionHtml": "<p>Ä</p>", "vendor": "Acme", "productType": "", "status": "ACTIVE", "tags": [],
            "updatedAt": "2026-07-01T10:00:00Z" })
    };
    let variant = |id: u64, of: u64| {
        json!({ "id": format!("gid://shopify/ProductVariant/{id}"), "legacyResourceId": id.to_string(), "title": "Large",
            "sku": "T", "barcode": null, "price": "1.00", "compareAtPrice": null, "inventoryItem": null,
            "__parentId": format!("gid://shopify/Product/{of}") })
    };
    let lines = [product(5), variant(51, 5), variant(52, 5), product(9), variant(91, 9)];
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The page that a part of a file makes.
fn part_of(file: &str, cursor: &str) -> Result<ListPage, CallError> {
    let request = asked(cursor, &state("COMPLETED", Some(URL))).unwrap().unwrap();
    let range = request.headers.iter().find(|(name, _)| *name == "range").unwrap().1.clone();
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let bytes = &file.as_bytes()[first..(last + 1).min(file.len())];
    assert!(bytes.len() <= request.reply_bytes_max);
    let headers =
        [("content-range".to_owned(), format!("bytes {first}-{}/{}", first + bytes.len() - 1, file.len()))];
    let body = data(&state("COMPLETED", Some(URL)));
    let reply = HttpReply::new(200, body.as_bytes());
    Files::page(
        &PLATFORM,
        &wanted(Some(cursor)),
        &reply,
        &HttpReply { headers: &headers, ..HttpReply::new(206, bytes) },
    )
}

#[test]
fn only_a_large_shop_is_read_from_a_file() {
    let count = |count: u64| json!({ "products": { "nodes": [], "pageInfo": { "hasNextPage": false } }, "productsCount": { "count": count } });
    let (query, _) = sent(&wanted(None));
    assert!(query.contains("productsCount { count }"), "{query}");
    assert_eq!(replied(&wanted(None), &count(PRODUCTS_MIN - 1)).unwrap().next, None, "its only page");
    let page = replied(&wanted(None), &count(PRODUCTS_MIN)).unwrap();
    let (cursor, _) = following(&page);
    let (query, variables) = sent(&wanted(Some(&cursor)));
    assert!(query.contains("bulkOperationRunQuery(query: $query, groupObjects: true)"), "{query}");
    let export = variables["query"].as_str().unwrap();
    assert!(export.contains("products { edges { node { id ") && !export.contains("first"), "{export}");
    let changed = Range::Changed { since: Timestamp::default(), until: None };
    for other in [
        Wanted { range: changed, ..wanted(None) },
        Wanted { collection: "orders", ..wanted(None) },
        wanted(Some("{\"after\":1,\"alone\":false}")),
    ] {
        assert!(!sent(&other).0.contains("productsCount"), "{other:?}");
    }
}

#[test]
fn an_operation_is_looked_at_until_it_is_complete() {
    let begin = serde_json::to_string(&Place { bulk: Step::Begin { tries: 0 } }).unwrap();
    let result = |id: &Value, errors: &Value| json!({ "bulkOperationRunQuery": { "bulkOperation": id, "userErrors": errors } });
    let begun = result(&json!({ "id": "gid://shopify/BulkOperation/7" }), &json!([]));
    let (mut cursor, mut wait) = following(&replied(&wanted(Some(&begin)), &begun).unwrap());
    assert_eq!(wait, LOOK_FIRST);
    assert_eq!(sent(&wanted(Some(&cursor))).1["id"], "gid://shopify/BulkOperation/7");
    for status in ["CREATED", "RUNNING", "RUNNING", "RUNNING", "RUNNING", "RUNNING", "RUNNING"] {
        assert_eq!(asked(&cursor, &state(status, None)).unwrap(), None, "there is no file");
        let before = wait;
        (cursor, wait) = following(&replied(&wanted(Some(&cursor)), &state(status, None)).unwrap());
        assert!(wait >= before && wait <= LOOK_LONGEST, "{wait:?}");
    }
    assert_eq!(wait, LOOK_LONGEST);
    let request = asked(&cursor, &state("COMPLETED", Some(URL))).unwrap().unwrap();
    assert_eq!((request.method, request.url.as_str()), (Method::Get, URL));
    assert_eq!(request.headers, [("range", "bytes=0-1048575".to_owned())], "no token goes to another host");
    assert!(!cursor.contains("googleapis"), "{cursor}");
}

#[test]
fn operations_that_cannot_be_begun_are_waited_for_and_then_pages_are_read() {
    let refused = |code: &str| json!({ "bulkOperationRunQuery": { "bulkOperation": null, "userErrors": [{ "code": code }] } });
    for code in ["OPERATION_IN_PROGRESS", "LIMIT_REACHED"] {
        let mut cursor = serde_json::to_string(&Place { bulk: Step::Begin { tries: 0 } }).unwrap();
        for _ in 1..BEGIN_MAX {
            let (next, wait) = following(&replied(&wanted(Some(&cursor)), &refused(code)).unwrap());
            assert_eq!(wait, BEGIN_AGAIN);
            cursor = next;
        }
        let (next, _) = following(&replied(&wanted(Some(&cursor)), &refused(code)).unwrap());
        assert!(sent(&wanted(Some(&next))).0.contains("products(first: 10"), "{next}");
    }
    let cursor = serde_json::to_string(&Place { bulk: Step::Begin { tries: 0 } }).unwrap();
    let (next, _) = following(&replied(&wanted(Some(&cursor)), &refused("INVALID")).unwrap());
    assert!(sent(&wanted(Some(&next))).0.contains("products(first: 10"), "{next}");
}

#[test]
fn an_operation_without_a_complete_result_is_replaced_by_pages_and_one_that_found_nothing_is_empty() {
    let cursor = begun_at(0, PART_BYTES);
    for reply in ["FAILED", "CANCELED", "EXPIRED", "SOMETHING"].map(|status| state(status, None)) {
        let (next, _) = following(&replied(&wanted(Some(&cursor)), &reply).unwrap());
        assert!(sent(&wanted(Some(&next))).0.contains("products(first: 10"), "{reply}");
    }
    let (next, _) = following(&replied(&wanted(Some(&cursor)), &json!({ "node": null })).unwrap());
    assert!(sent(&wanted(Some(&next))).0.contains("products(first: 10"));
    let partial = json!({ "node": { "status": "FAILED", "errorCode": "TIMEOUT", "objectCount": "3", "rootObjectCount": "2",
        "url": null, "partialDataUrl": URL } });
    assert_eq!(asked(&cursor, &partial).unwrap(), None, "a part of a list isn't read");
    let empty = replied(&wanted(Some(&cursor)), &state("COMPLETED", None)).unwrap();
    assert_eq!((empty.objects.len(), empty.next, empty.total), (0, None, Some(2)));
    for status in ["EXPIRED", "COMPLETED"] {
        let within = replied(&wanted(Some(&begun_at(100, PART_BYTES))), &state(status, None));
        assert!(matches!(within, Err(CallError::Rejected(_))), "the read begins anew: {status} {within:?}");
    }
    assert_eq!(asked(&cursor, &state("FAILED", Some(URL))).unwrap(), None, "nor one that has a URL");
}

#[test]
fn a_file_elsewhere_is_not_read() {
    for url in [
        "https://evil.example/x",
        "http://storage.googleapis.com/x",
        "https://storage.googleapis.com@evil.example/x",
        "https://storage.googleapis.com:444/x",
        "https://storage.googleapis.com.evil.example/x",
        "https://suite.myshopify.com.evil.example/x",
        "https://suite.myshopify.com@evil.example/x",
        "http://169.254.169.254/x",
    ] {
        let asked = asked(&begun_at(0, PART_BYTES), &state("COMPLETED", Some(url)));
        assert!(matches!(asked, Err(CallError::Rejected(_))), "{url}: {asked:?}");
    }
    let own = asked(&begun_at(0, PART_BYTES), &state("COMPLETED", Some("https://suite.myshopify.com/x")));
    assert!(own.unwrap().is_some());
}

#[test]
fn groups_are_read_whole_wherever_parts_end() {
    let file = lines().concat();
    let whole = part_of(&file, &begun_at(0, PART_BYTES)).unwrap();
    assert_eq!((whole.next.clone(), whole.total), (None, Some(2)));
    let ids = |page: &ListPage| page.objects.iter().map(|listed| listed.key.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&whole), ["5", "9"]);
    let body: Value = serde_json::from_slice(&whole.objects[0].object.body).unwrap();
    assert_eq!((body["variants"].as_array().unwrap().len(), &body["body_html"]), (2, &json!("<p>Ä</p>")));
    for part in 1..=(file.len() as u64) {
        let (mut cursor, mut objects, mut pages) = (begun_at(0, part), Vec::new(), 0);
        loop {
            let page = part_of(&file, &cursor).unwrap();
            objects.extend(page.objects);
            pages += 1;
            assert!(pages < 20, "parts of {part} bytes never end");
            match page.next {
                Some(next) => cursor = next.cursor,
                None => break,
            }
        }
        assert_eq!(objects, whole.objects, "parts of {part} bytes");
    }
    let spaced = format!("\n{}\n", lines().join("\n"));
    assert_eq!(part_of(&spaced, &begun_at(0, PART_BYTES)).unwrap().objects, whole.objects, "empty lines");
    let short = asked(&begun_at(0, 100), &state("COMPLETED", Some(URL))).unwrap().unwrap();
    assert_eq!(short.reply_bytes_max, 100, "no more than the part is received");
    let without_end = file.trim_end().to_owned();
    assert_eq!(part_of(&without_end, &begun_at(0, PART_BYTES)).unwrap().objects, whole.objects);
}

#[test]
fn a_file_that_is_not_grouped_or_not_the_part_asked_for_is_no_list() {
    let mut apart = lines();
    apart.swap(2, 3);
    let fails = |file: &str| part_of(file, &begun_at(0, PART_BYTES)).unwrap_err();
    assert!(matches!(fails(&apart.concat()), CallError::Transient { .. }));
    assert!(
        matches!(fails(&lines()[1..].concat()), CallError::Transient { .. }),
        "a child before any parent"
    );
    assert!(matches!(fails("{\"id\":\n"), CallError::Transient { .. }));
    let body = data(&state("COMPLETED", Some(URL)));
    let reply = HttpReply::new(200, body.as_bytes());
    let (file, cursor) = (lines().concat(), begun_at(10, PART_BYTES));
    let read = |status, range: &str, bytes: &[u8]| {
        let headers = [("content-range".to_owned(), range.to_owned())];
        let part = HttpReply { headers: &headers, ..HttpReply::new(status, bytes) };
        Files::page(&PLATFORM, &wanted(Some(&cursor)), &reply, &part)
    };
    for (status, range) in [
        (206, "bytes 0-9/100"),
        (206, "bytes */100"),
        (206, ""),
        (200, ""),
        (416, ""),
        (403, ""),
        (429, ""),
        (503, ""),
    ] {
        let found = read(status, range, file.as_bytes());
        assert!(matches!(found, Err(CallError::Transient { .. })), "{status} {range}: {found:?}");
    }
    assert!(read(206, "bytes 10-99/100", b"").is_err(), "an empty part would be asked for again for ever");
}

#[test]
fn an_object_that_no_part_can_hold_is_refused() {
    let file = format!("{{\"id\":\"{}\"}}\n{}", "x".repeat(100), lines().concat());
    let page = part_of(&file, &begun_at(0, 50)).unwrap();
    let place: Place = serde_json::from_str(&following(&page).0).unwrap();
    assert_eq!(place.bulk, Step::Begun { operation: 7, looks: 0, read: 0, part: 100 }, "twice as much");
    let huge = "x".repeat(usize::try_from(PART_BYTES_MAX).unwrap() + 10);
    assert!(matches!(part_of(&huge, &begun_at(0, PART_BYTES_MAX)), Err(CallError::Rejected(_))));
}

#[test]
fn levels_are_those_within_an_item() {
    let item = json!({ "id": "gid://shopify/InventoryItem/5", "legacyResourceId": "5", "tracked": true });
    let level = |location: u64, quantity: i64| {
        json!({ "id": format!("gid://shopify/InventoryLevel/{location}?inventory_item_id=5"),
            "updatedAt": "2026-07-01T10:00:00Z", "quantities": [{ "name": "available", "quantity": quantity }],
            "location": { "legacyResourceId": location.to_string() }, "__parentId": "gid://shopify/InventoryItem/5" })
    };
    let file = [item, level(7, 3), level(8, 4)].map(|line| format!("{line}\n")).concat();
    let export = export("levels").unwrap();
    let found = groups(&export, file.as_bytes(), true).unwrap();
    let keys: Vec<_> = found.objects.iter().map(|listed| listed.key.as_str()).collect();
    assert_eq!((keys, (export.total)(1, 3)), (vec!["5/7", "5/8"], 2));
    let body: Value = serde_json::from_slice(&found.objects[1].object.body).unwrap();
    assert_eq!((&body["available"], &body["location_id"]), (&json!(4), &json!(8)));
    let locations = Wanted { collection: "levels", ..wanted(None) };
    assert!(sent(&locations).0.contains("productsCount { count }"));
}

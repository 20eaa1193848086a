use super::super::PLATFORM;
use super::*;
use crate::{Access, AccountRefusal};

const NOW: &str = "2026-07-02T10:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn access() -> Access {
    Access {
        base_url: "https://blaze.example".to_owned(),
        token: "partner:shop".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "shop".to_owned(),
    }
}

fn wanted<'a>(collection: &'a str, range: Range, cursor: Option<&'a str>) -> Wanted<'a> {
    Wanted { collection, range, cursor }
}

fn changed(since: &str, until: Option<&str>) -> Range {
    Range::Changed { since: at(since), until: until.map(at) }
}

/// The path and query of a request, without what all of them begin with.
fn path(wanted: &Wanted<'_>) -> String {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(NOW) };
    let request = Collections::request(&PLATFORM, wanted, &context).unwrap();
    request.url.strip_prefix("https://blaze.example/api/v1/partner/").unwrap().to_owned()
}

fn page(wanted: &Wanted<'_>, status: u16, body: &Value) -> Result<ListPage, CallError> {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(NOW) };
    let body = body.to_string();
    Collections::page(&PLATFORM, wanted, &context, &HttpReply::new(status, body.as_bytes()))
}

fn objects(count: usize) -> Vec<Value> {
    (0..count).map(|number| json!({ "id": format!("x-{number}") })).collect()
}

/// Cursors of every page of a list whose pages have `counts` objects, and their requests.
fn walk(collection: &str, range: Range, replies: &[(usize, Option<u64>)]) -> Vec<String> {
    let (mut paths, mut cursor) = (Vec::new(), None::<String>);
    for (count, total) in replies {
        let wanted = wanted(collection, range, cursor.as_deref());
        paths.push(path(&wanted));
        let reply = json!({"values": objects(*count), "total": total});
        cursor = page(&wanted, 200, &reply).unwrap().next.map(|next| next.cursor);
        if cursor.is_none() {
            return paths;
        }
    }
    panic!("the list has no end: {paths:?}")
}

#[test]
fn a_whole_list_is_read_page_by_page() {
    let paths = walk("products", Range::Whole, &[(100, Some(150)), (50, Some(150))]);
    let expected =
        ["products?skip=0&limit=100&omitTaxTables=true", "products?skip=100&limit=100&omitTaxTables=true"];
    assert_eq!(paths, expected);
    assert_eq!(walk("levels", Range::Whole, &[(7, Some(7))]), expected[..1]);
    assert_eq!(walk("customers", Range::Whole, &[(1, None)]), ["members?skip=0&limit=100"]);
}

#[test]
fn the_next_page_begins_where_this_one_ended_whatever_its_size() {
    let paths = walk("products", Range::Whole, &[(30, Some(50)), (20, Some(50))]);
    assert!(paths[1].starts_with("products?skip=30&"), "{paths:?}");
    let paths = walk("products", Range::Whole, &[(100, None), (99, None)]);
    assert!(paths[1].starts_with("products?skip=100&"), "{paths:?}");
    assert_eq!(walk("products", Range::Whole, &[(0, Some(50))]).len(), 1, "an empty page is the last");
}

#[test]
fn changes_are_listed_up_to_a_time_that_stays() {
    let range = changed("2026-07-02T09:00:00Z", None);
    let paths = walk("products", range, &[(100, Some(101)), (1, Some(101))]);
    let dates = "store/inventory/products/dates?startDate=1782982800000&endDate=1782986400000";
    assert_eq!(
        paths,
        [format!("{dates}&start=0&skip=0&limit=100"), format!("{dates}&start=100&skip=100&limit=100")]
    );
    let cursor = "2026-07-02T09:30:00Z/100";
    assert!(path(&wanted("products", range, Some(cursor))).contains("endDate=1782984600000&"));
    let until = changed("2026-07-02T09:00:00Z", Some("2026-07-02T09:30:00Z"));
    assert!(path(&wanted("products", until, None)).contains("endDate=1782984600000&"));
    let paths = walk("customers", range, &[(1, Some(1))]);
    assert_eq!(paths, ["members?startDate=1782982800000&endDate=1782986400000&skip=0&limit=100"]);
}

#[test]
fn transactions_are_listed_by_days_and_a_week_at_a_time() {
    let paths = walk("orders", changed("2026-07-02T09:00:00Z", None), &[(100, Some(101)), (1, Some(101))]);
    let days = "transactions?startDate=07/01/2026&endDate=07/03/2026";
    assert_eq!(paths, [format!("{days}&skip=0&limit=100"), format!("{days}&skip=100&limit=100")]);
    let paths = walk(
        "orders",
        changed("2026-01-30T00:00:00Z", Some("2026-02-09T00:00:00Z")),
        &[(0, Some(0)), (2, Some(2)), (0, Some(0))],
    );
    assert_eq!(
        paths,
        [
            "transactions?startDate=01/29/2026&endDate=02/04/2026&skip=0&limit=100",
            "transactions?startDate=02/04/2026&endDate=02/10/2026&skip=0&limit=100",
        ]
    );
}

#[test]
fn every_window_of_transactions_moves_forward() {
    let range = changed("2020-01-01T12:00:00Z", None);
    let (mut cursor, mut windows) = (None::<String>, 0);
    loop {
        let wanted = wanted("orders", range, cursor.as_deref());
        let next = page(&wanted, 200, &json!({"values": []})).unwrap().next;
        windows += 1;
        let Some(next) = next else { break };
        assert!(cursor.as_ref().is_none_or(|before| *before < next.cursor), "{cursor:?} {next:?}");
        cursor = Some(next.cursor);
        assert!(windows < 1_000);
    }
    assert!(windows > 390, "{windows} windows of six days from 2020 to 2026");
}

#[test]
fn objects_have_their_keys_and_topics_and_only_the_kept_fields() {
    let one = json!({"values": [{"id": "x-1", "taxTables": [], "deleted": false, "seller": {}, "identifications": []}], "total": 1});
    for (collection, topic) in [
        ("products", "product"),
        ("levels", "product.stock"),
        ("customers", "member"),
        ("orders", "transaction"),
    ] {
        let range = changed("2026-07-02T09:00:00Z", None);
        let page = page(&wanted(collection, range, None), 200, &one).unwrap();
        let [Listed { key, object }] = page.objects.as_slice() else { panic!("one object expected") };
        assert_eq!((key.as_str(), object.topic), ("x-1", topic));
        let body: Value = serde_json::from_slice(&object.body).unwrap();
        assert_eq!(body, json!({"id": "x-1", "deleted": false}), "{collection}");
        assert_eq!(page.total, Some(1).filter(|_| collection != "orders"), "{collection}");
    }
}

#[test]
fn another_page_than_the_requested_one_is_not_believed() {
    let second = wanted("products", Range::Whole, Some("2026-07-02T10:00:00Z/100"));
    let reply = |skip: u64| json!({"values": objects(1), "skip": skip, "total": 101});
    assert!(page(&second, 200, &reply(100)).is_ok());
    assert!(matches!(page(&second, 200, &reply(0)), Err(CallError::Rejected(_))));
}

#[test]
fn what_is_no_list_is_not_an_empty_one() {
    let list = wanted("products", Range::Whole, None);
    for body in [json!({}), json!([]), json!({"values": null}), json!(7)] {
        assert!(matches!(page(&list, 200, &body), Err(CallError::Transient { .. })), "{body}");
    }
    let gone = page(&list, 404, &json!({"message": "x"}));
    assert!(matches!(gone, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _))), "{gone:?}");
}

#[test]
fn an_object_without_an_id_is_reported_without_a_key() {
    let long = "x".repeat(1_001);
    for id in [json!(null), json!(7), json!(" "), json!(long)] {
        let reply = json!({"values": [{"id": id, "name": "Tea"}], "total": 1});
        let page = page(&wanted("products", Range::Whole, None), 200, &reply).unwrap();
        assert_eq!(page.objects[0].key, "");
    }
}

#[test]
fn a_place_that_is_none_is_refused() {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(NOW) };
    for cursor in ["", "7", "2026-07-02T10:00:00Z", "2026-07-02T10:00:00Z/-1", "yesterday/0"] {
        let wanted = wanted("products", Range::Whole, Some(cursor));
        assert!(Collections::request(&PLATFORM, &wanted, &context).is_err(), "{cursor}");
    }
    assert!(Collections::request(&PLATFORM, &wanted("suppliers", Range::Whole, None), &context).is_err());
}

#[test]
fn only_a_missing_product_is_a_deletion() {
    let at = at(NOW);
    let object = PLATFORM.missing("products", "p-1", at).unwrap();
    assert_eq!(object.topic, "product.absent");
    let body: Value = serde_json::from_slice(&object.body).unwrap();
    assert_eq!(body, json!({"id": "p-1", "observed_at": NOW}));
    for collection in ["levels", "customers", "orders"] {
        assert_eq!(PLATFORM.missing(collection, "x", at), None, "{collection}");
    }
}

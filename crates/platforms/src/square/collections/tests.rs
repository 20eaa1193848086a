use super::{super::PLATFORM, *};
use crate::{MapContext, Validator};

fn access() -> Access {
    Access {
        base_url: "https://square.example".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: String::new(),
    }
}

fn context(access: &Access) -> CallContext<'_> {
    CallContext { access, idempotency_key: "", now: at() }
}

fn at() -> Timestamp {
    Timestamp::parse("2026-07-02T00:00:00.5Z").unwrap()
}

fn since() -> Range {
    Range::Changed { since: Timestamp::parse("2026-07-01T10:00:00Z").unwrap(), until: None }
}

fn wanted<'a>(collection: &'a str, range: Range, cursor: Option<&'a str>) -> Wanted<'a> {
    Wanted { collection, range, cursor }
}

fn sent(wanted: &Wanted<'_>) -> (String, Value) {
    let request = Collections::request(&PLATFORM, wanted, &context(&access())).unwrap();
    (request.url, serde_json::from_slice(&request.body).unwrap_or(Value::Null))
}

fn received(wanted: &Wanted<'_>, body: &Value) -> ListPage {
    let body = body.to_string();
    let access = access();
    Collections::page(&PLATFORM, wanted, &context(&access), &HttpReply::new(200, body.as_bytes())).unwrap()
}

fn keys(page: &ListPage) -> Vec<&str> {
    page.objects.iter().map(|listed| listed.key.as_str()).collect()
}

fn cursor(page: &ListPage) -> Option<&str> {
    page.next.as_ref().map(|next| next.cursor.as_str())
}

fn mapped(object: &Object) -> crate::Mapped {
    let body = Validator::of(&PLATFORM).unwrap().read(object.topic, &object.body).unwrap();
    super::super::map::map(object.topic, &body, MapContext { currency: None }).unwrap().remove(0).unwrap()
}

#[test]
fn the_whole_catalog_is_items_that_exist_and_changes_include_deletions_and_variations() {
    let (url, body) = sent(&wanted("products", Range::Whole, Some("more")));
    assert_eq!(url, "https://square.example/v2/catalog/search");
    let whole = json!({"object_types": ["ITEM"], "include_deleted_objects": false,
        "include_related_objects": true, "limit": 100, "cursor": "more"});
    assert_eq!(body, whole);
    let (_, body) = sent(&wanted("products", since(), None));
    assert_eq!(body["begin_time"], "2026-07-01T10:00:00Z");
    assert_eq!(body["include_deleted_objects"], true);
    assert_eq!(body["object_types"], json!(["ITEM", "ITEM_VARIATION"]));
}

#[test]
fn an_item_that_only_a_variation_names_is_not_accounted_for() {
    let item = |id: &str| json!({"type": "ITEM", "id": id, "version": 1});
    let page = received(
        &wanted("products", since(), None),
        &json!({
            "objects": [item("I"), {"type": "ITEM_VARIATION", "id": "V", "version": 2}],
            "related_objects": [item("I"), item("J"), {"type": "TAX", "id": "T"}],
            "cursor": "more",
        }),
    );
    assert_eq!((keys(&page), cursor(&page)), (vec!["I", ""], Some("more")));
    assert_eq!(mapped(&page.objects[1].object).identity, ["product", "J", "1"]);
}

#[test]
fn counts_are_listed_by_item_and_location_and_are_the_event_of_the_webhook() {
    let (url, body) = sent(&wanted("levels", since(), None));
    assert_eq!(url, "https://square.example/v2/inventory/counts/batch-retrieve");
    assert_eq!(body, json!({"states": ["IN_STOCK"], "limit": 500, "updated_after": "2026-07-01T10:00:00Z"}));
    let count = json!({"catalog_object_id": "V", "catalog_object_type": "ITEM_VARIATION", "state": "IN_STOCK",
        "location_id": "L", "quantity": "79", "calculated_at": "2016-11-16T22:28:01.223Z"});
    let page = received(&wanted("levels", Range::Whole, None), &json!({"counts": [count]}));
    assert_eq!((keys(&page), cursor(&page)), (vec!["V/L"], None));
    let webhook = json!({"type": "inventory.count.updated", "event_id": "e", "data": {"object": {"inventory_counts": [count]}}});
    let webhook = Object { topic: "inventory.count.updated", body: webhook.to_string().into_bytes() };
    assert_eq!(mapped(&page.objects[0].object), mapped(&webhook));
}

#[test]
fn a_customer_is_the_event_of_the_webhook() {
    let (url, body) = sent(&wanted("customers", since(), None));
    assert_eq!(url, "https://square.example/v2/customers/search");
    assert_eq!(body["query"]["filter"]["updated_at"], json!({"start_at": "2026-07-01T10:00:00Z"}));
    let customer =
        json!({"id": "C", "given_name": "Ada", "version": 3, "updated_at": "2022-11-09T21:38:30Z"});
    let page =
        received(&wanted("customers", Range::Whole, None), &json!({"customers": [customer], "cursor": "x"}));
    assert_eq!((keys(&page), cursor(&page)), (vec!["C"], Some("x")));
    assert_eq!(mapped(&page.objects[0].object).identity, ["customer", "C", "3"]);
}

#[test]
fn orders_are_searched_at_ten_locations_at_a_time() {
    let (url, _) = sent(&wanted("orders", since(), None));
    assert_eq!(url, "https://square.example/v2/locations");
    let locations: Vec<Value> = (0..12).map(|number| json!({"id": format!("L{number}")})).collect();
    let first = received(&wanted("orders", since(), None), &json!({"locations": locations}));
    assert!(first.objects.is_empty());
    let (url, body) = sent(&wanted("orders", since(), cursor(&first)));
    assert_eq!(url, "https://square.example/v2/orders/search");
    assert_eq!(body["location_ids"].as_array().unwrap().len(), 10);
    assert_eq!(body["query"]["sort"]["sort_field"], "UPDATED_AT", "as the filter requires");
    assert_eq!(body["query"]["filter"]["date_time_filter"]["updated_at"]["start_at"], "2026-07-01T10:00:00Z");

    let order = json!({"id": "O", "state": "COMPLETED", "version": 2});
    let more =
        received(&wanted("orders", since(), cursor(&first)), &json!({"orders": [order], "cursor": "c"}));
    assert_eq!(keys(&more), ["O"]);
    let (_, body) = sent(&wanted("orders", since(), cursor(&more)));
    assert_eq!((body["location_ids"].as_array().unwrap().len(), &body["cursor"]), (10, &json!("c")));
    let rest = received(&wanted("orders", since(), cursor(&more)), &json!({}));
    let (_, body) = sent(&wanted("orders", since(), cursor(&rest)));
    assert_eq!((&body["location_ids"], body.get("cursor")), (&json!(["L10", "L11"]), None));
    assert_eq!(received(&wanted("orders", since(), cursor(&rest)), &json!({})).next, None);
    assert_eq!(received(&wanted("orders", since(), None), &json!({})).next, None, "no location, no order");
}

#[test]
fn a_backfill_names_the_end_of_its_range() {
    let range = Range::Changed { since: at(), until: Some(at().after(Duration::from_hours(1))) };
    let (_, body) = sent(&wanted("customers", range, None));
    assert_eq!(body["query"]["filter"]["updated_at"]["end_at"], "2026-07-02T01:00:00.500Z");
}

#[test]
fn what_is_gone_is_a_deletion_or_an_absent_count_of_the_time_of_the_list() {
    let deleted = mapped(&PLATFORM.missing("products", "I", at()).unwrap());
    assert!(matches!(deleted.payload, model::Payload::Deleted { .. }));
    assert_eq!(deleted.version, Some(model::SourceVersion::exact(1_782_950_400_500_i64)));
    let absent = mapped(&PLATFORM.missing("levels", "V/L", at()).unwrap());
    let model::Payload::Inventory(report) = absent.payload else { panic!("a level expected") };
    assert_eq!((report.item.as_str(), report.available), ("V", None));
    assert_eq!(PLATFORM.missing("customers", "C", at()), None);
    assert_eq!(PLATFORM.missing("orders", "O", at()), None);
}

#[test]
fn a_page_that_is_none_is_tried_again() {
    let access = access();
    for body in ["", "[]", "{\"objects\": 7}", "{\"objects\":["] {
        let reply = HttpReply::new(200, body.as_bytes());
        let page =
            Collections::page(&PLATFORM, &wanted("products", Range::Whole, None), &context(&access), &reply);
        assert!(matches!(page, Err(CallError::Transient { .. })), "{body}: {page:?}");
    }
}

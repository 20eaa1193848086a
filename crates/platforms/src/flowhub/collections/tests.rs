use super::{super::PLATFORM, *};
use crate::{Access, MapContext, Platform, Validator};
use model::Payload;
use serde_json::Value;

const NOW: &str = "2026-07-02T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn with<T>(act: impl FnOnce(&CallContext<'_>) -> T) -> T {
    let access = Access {
        base_url: "https://flowhub.example".to_owned(),
        token: "client:key".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "client".to_owned(),
    };
    act(&CallContext { access: &access, idempotency_key: "key", now: at(NOW) })
}

fn wanted<'a>(collection: &'a str, range: Range, cursor: Option<&'a str>) -> Wanted<'a> {
    Wanted { collection, range, cursor }
}

fn since(text: &str) -> Range {
    Range::Changed { since: at(text), until: None }
}

fn url(wanted: &Wanted<'_>) -> String {
    let url = with(|context| PLATFORM.request(wanted, context)).unwrap().url;
    url.strip_prefix("https://flowhub.example").unwrap().to_owned()
}

fn received(wanted: &Wanted<'_>, body: &Value) -> Result<ListPage, CallError> {
    with(|context| PLATFORM.page(wanted, context, &HttpReply::new(200, body.to_string().as_bytes())))
}

fn listed(wanted: &Wanted<'_>, body: &Value) -> ListPage {
    received(wanted, body).unwrap()
}

fn next(page: &ListPage) -> Option<&str> {
    page.next.as_ref().map(|next| next.cursor.as_str())
}

fn body(listed: &Listed) -> Value {
    serde_json::from_slice(&listed.object.body).unwrap()
}

/// The events of an object that a list yields.
fn mapped(object: &Object) -> Vec<Payload> {
    let body = Validator::of(&PLATFORM).unwrap().read(object.topic, &object.body).unwrap();
    let delivery = super::super::map::tests_delivery(object.topic, &body);
    let rows = PLATFORM.map(&delivery, &body, &MapContext { currency: None }).unwrap();
    rows.into_iter().map(|row| row.unwrap().payload).collect()
}

#[test]
fn the_packages_of_a_product_are_one_object_whatever_their_order() {
    assert_eq!(url(&wanted("levels", Range::Whole, None)), "/v0/inventoryNonZero");
    let row = |product: &str, location: &str, quantity: u32| {
        json!({"productId": product, "locationId": location, "quantity": quantity, "regulatoryId": "1A4",
            "inventoryUnitOfMeasure": "each", "productName": "Tea", "productUpdatedAt": NOW})
    };
    let rows = [row("p", "a", 2), row("q", "a", 1), row("p", "b", 3)];
    let page =
        |rows: &[Value]| listed(&wanted("levels", Range::Whole, None), &json!({"status": 200, "data": rows}));
    let [first, second, third] = rows.clone();
    assert_eq!(page(&rows), page(&[third, second, first]));
    let page = page(&rows);
    let keys: Vec<_> = page.objects.iter().map(|listed| listed.key.as_str()).collect();
    assert_eq!((keys.as_slice(), next(&page)), (&["p", "q"][..], None));
    assert_eq!(body(&page.objects[0])["rows"][0].as_object().unwrap().len(), 5);
    assert_eq!(mapped(&page.objects[0].object).len(), 3, "two levels and the list of their locations");
}

#[test]
fn a_part_of_the_stock_is_never_taken_for_all_of_it() {
    let row = json!({"productId": "p", "locationId": "a", "quantity": 1});
    for collection in ["levels", "products"] {
        let read = |pages: Value| {
            received(&wanted(collection, Range::Whole, None), &json!({"data": [row], "total_pages": pages}))
        };
        assert!(matches!(read(json!(2)), Err(CallError::Rejected(_))), "{collection}");
        assert!(read(json!(1)).is_ok() && read(json!(null)).is_ok(), "{collection}");
    }
}

#[test]
fn a_product_has_the_rows_of_its_variants_each_once() {
    assert_eq!(url(&wanted("products", Range::Whole, None)), "/v0/inventory");
    let row = |parent: Value, product: &str, package: &str, quantity: u32| {
        json!({"parentProductId": parent, "productId": product, "productName": "Tea", "regulatoryId": package,
            "quantity": quantity, "sku": "A", "priceInMinorUnits": 100, "currencyCode": "USD"})
    };
    let rows = json!({"status": 200, "data": [row(json!("e2"), "p", "1A1", 3), row(json!("e2"), "p", "1A2", 9),
        row(json!("e2"), "q", "1A3", 1), row(json!(null), "r", "1A4", 1)]});
    let page = listed(&wanted("products", Range::Whole, None), &rows);
    let found: Vec<_> = page
        .objects
        .iter()
        .map(|listed| (listed.key.as_str(), body(listed)["rows"].as_array().unwrap().len()))
        .collect();
    assert_eq!(found, [("e2", 2), ("r", 1)], "packages that say the same are one row");
    let Payload::Product(product) = mapped(&page.objects[0].object).remove(0) else {
        panic!("a product expected")
    };
    assert_eq!(product.variants.len(), 2);
}

#[test]
fn stock_that_is_not_listed_is_nowhere_and_a_product_that_is_not_listed_may_have_no_packages() {
    let missing = PLATFORM.missing("levels", "p", at(NOW)).unwrap();
    let [Payload::Stocked(stocked)] = &mapped(&missing)[..] else { panic!("a list of locations expected") };
    assert_eq!((stocked.item.as_str(), stocked.locations.len()), ("p", 0));
    for (collection, key) in [
        ("products", "p"),
        ("customers", "p"),
        ("orders", "p"),
        ("levels", "without an id: x"),
        ("levels", ""),
    ] {
        assert_eq!(PLATFORM.missing(collection, key, at(NOW)), None, "{collection} {key}");
    }
}

#[test]
fn orders_are_read_location_by_location_and_page_by_page() {
    let range = Range::Changed { since: at("2026-06-30T06:00:00Z"), until: Some(at(NOW)) };
    let first = wanted("orders", range, None);
    assert_eq!(url(&first), "/v0/clientsLocations");
    let locations = json!({"status": 200, "data": [{"locationId": "l-1", "importId": "i/1"},
        {"locationId": "l-2", "importId": "i-2"}, {"locationId": "l-3", "importId": null}]});
    let page = listed(&first, &locations);
    assert_eq!((page.objects.len(), next(&page)), (0, Some("1/0/i%2F1,i-2")));
    let path = |cursor| url(&wanted("orders", range, Some(cursor)));
    let dates = "created_after=2026-06-29&created_before=2026-07-03";
    let expected = format!("/v1/orders/findByLocationId/i%2F1?page_size=500&page=1&order_by=asc&{dates}");
    assert_eq!(path("1/0/i%2F1,i-2"), expected);
    let orders = |total: u64, ids: &[&str]| {
        let orders: Vec<_> =
            ids.iter().map(|id| json!({"id": id, "orderStatus": "sold", "fullName": "Ada"})).collect();
        json!({"total": total, "orders": orders})
    };
    let page = |cursor, body: &Value| listed(&wanted("orders", range, Some(cursor)), body);
    let second = page("1/0/i%2F1,i-2", &orders(3, &["a", "b"]));
    assert_eq!(body(&second.objects[0]), json!({"id": "a", "orderStatus": "sold"}), "no names");
    assert_eq!(next(&second), Some("2/2/i%2F1,i-2"));
    assert_eq!(next(&page("2/2/i%2F1,i-2", &orders(3, &["c"]))), Some("1/0/i-2"));
    assert_eq!(next(&page("1/0/i-2", &orders(0, &[]))), None);
    assert_eq!(listed(&first, &json!({"data": []})), ListPage::default(), "a client without locations");
}

#[test]
fn more_locations_than_a_cursor_holds_are_refused() {
    let locations =
        |count: usize| json!({"data": (0..count).map(|id| json!({ "importId": id })).collect::<Vec<_>>()});
    let first = wanted("orders", since(NOW), None);
    assert!(received(&first, &locations(LOCATIONS_MAX)).is_ok());
    let refused = received(&first, &locations(LOCATIONS_MAX + 1));
    assert!(matches!(&refused, Err(CallError::Rejected(_))), "{refused:?}");
}

#[test]
fn customers_are_found_in_every_form_of_the_reply() {
    let first = wanted("customers", since("2026-07-01T12:00:00Z"), None);
    assert_eq!(url(&first), "/v1/customers/?page_size=500&page=1&order_by=asc&updated_after=2026-06-30");
    let one = json!({"id": "c", "updatedAt": NOW, "name": "Ada", "birthDate": "1990-05-15"});
    for (reply, cursor) in [
        (json!([one]), Some("2/1")),
        (json!({"data": [one]}), Some("2/1")),
        (json!({"customers": [one], "total": 1}), None),
        (one.clone(), Some("2/1")),
    ] {
        let page = listed(&first, &reply);
        assert_eq!(next(&page), cursor, "{reply}");
        let [customer] = page.objects.as_slice() else { panic!("{reply}: {page:?}") };
        assert_eq!(body(customer), json!({"id": "c", "updatedAt": NOW, "name": "Ada"}));
    }
    assert!(url(&wanted("customers", Range::Whole, Some("2/1"))).ends_with("page=2&order_by=asc"));
    assert_eq!(listed(&wanted("customers", Range::Whole, Some("2/1")), &json!([])), ListPage::default());
    let all = vec![one; PAGE_SIZE + 1];
    assert_eq!(next(&listed(&first, &json!(all))), None, "a server that knows no pages");
}

#[test]
fn a_row_without_an_id_becomes_a_dead_letter_and_the_others_go_on() {
    let validator = Validator::of(&PLATFORM).unwrap();
    let are_readable = |collection, rows: Value| {
        let page = listed(&wanted(collection, Range::Whole, None), &json!({ "data": rows }));
        let is = |listed: &Listed| validator.read(listed.object.topic, &listed.object.body).is_ok();
        page.objects.iter().map(is).collect::<Vec<_>>()
    };
    let rows =
        json!([{"productId": null, "quantity": 1}, {"productId": "p", "locationId": "a", "quantity": 1}, 7]);
    assert_eq!(are_readable("levels", rows.clone()), [false, false, true]);
    assert_eq!(are_readable("products", rows), [false, false, true]);
    assert_eq!(are_readable("customers", json!([{"id": "c", "updatedAt": NOW}, {"id": ""}])), [true, false]);
}

#[test]
fn no_other_collection_and_no_other_cursor_is_accepted() {
    let refused = |wanted: &Wanted<'_>| with(|context| PLATFORM.request(wanted, context)).unwrap_err().class;
    assert_eq!(refused(&wanted("promotions", Range::Whole, None)), RejectClass::Config);
    for wanted in [
        wanted("orders", Range::Whole, None),
        wanted("orders", since(NOW), Some("1/0")),
        wanted("customers", Range::Whole, Some("x")),
    ] {
        assert_eq!(refused(&wanted), RejectClass::Bug, "{wanted:?}");
    }
}

#[test]
fn nothing_of_a_card_is_kept_of_an_order() {
    let order = json!({"id": "o", "cardName": "x", "payments": [
        {"_id": "p", "paymentType": "debit", "amount": 4_025, "lastFour": "1111", "authCode": "x"}, 5]});
    let found = super::order(list::only(&order.to_string()).unwrap());
    let body: Value = serde_json::from_slice(&found.object.body).unwrap();
    let payments = json!([{"_id": "p", "paymentType": "debit", "amount": 4_025}, {}]);
    assert_eq!(body, json!({"id": "o", "payments": payments}));
    let without_fields = super::order(list::only("{\"payments\": []}").unwrap());
    assert_eq!(without_fields.object.body, b"{\"payments\":[]}");
}

use super::*;
use crate::{MapContext, Platform as _, clover::PLATFORM, sample};
use model::{Currency, InventoryReport, Order, Payload};

fn access() -> Access {
    Access {
        base_url: "https://api.example.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "M".to_owned(),
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

const SINCE: &str = "2026-07-01T00:00:00Z";

fn wanted<'a>(collection: &'a str, cursor: Option<&'a str>) -> Wanted<'a> {
    let range = match collection {
        "orders" => Range::Changed { since: at(SINCE), until: None },
        _ => Range::Whole,
    };
    Wanted { collection, range, cursor }
}

fn url(wanted: &Wanted<'_>) -> String {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(SINCE) };
    PLATFORM.request(wanted, &context).unwrap().url
}

fn page(wanted: &Wanted<'_>, status: u16, body: &Value) -> Result<ListPage, CallError> {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(SINCE) };
    PLATFORM.page(wanted, &context, &HttpReply::new(status, body.to_string().as_bytes()))
}

fn payloads(object: &Object) -> Vec<Payload> {
    let body = serde_json::from_slice(&object.body).unwrap();
    let delivery = sample::delivery("clover", object.topic, &body);
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    PLATFORM.map(&delivery, &body, &context).unwrap().into_iter().map(|row| row.unwrap().payload).collect()
}

fn order(listed: &Listed) -> Order {
    let Some(Payload::Order(order)) = payloads(&listed.object).pop() else { panic!("an order expected") };
    order
}

fn lines(count: usize) -> Value {
    let line = |number| json!({"id": format!("L{number}"), "item": {"id": "I"}, "name": "Tea", "price": 950});
    json!({"elements": (0..count).map(line).collect::<Vec<_>>()})
}

fn sale(id: &str, count: usize) -> Value {
    json!({"id": id, "paymentState": "PAID", "modifiedTime": 1_546_559_370_000_i64, "lineItems": lines(count)})
}

#[test]
fn a_list_of_changes_begins_with_the_oldest_change_and_names_its_range() {
    let url = url(&Wanted {
        collection: "products",
        range: Range::Changed { since: at(SINCE), until: Some(at("2026-07-02T00:00:00Z")) },
        cursor: None,
    });
    assert_eq!(
        url,
        "https://api.example.com/v3/merchants/M/items?expand=itemStock%2Ccategories%2Coptions&limit=100\
         &orderBy=modifiedTime%20ASC&filter=modifiedTime%3E%3D1782864000000&filter=modifiedTime%3C%3D1782950400000&offset=0"
    );
}

#[test]
fn an_order_with_more_lines_than_a_list_shows_is_read_with_all_of_them() {
    let listed = json!({"elements": [sale("A", 1), sale("B", 100), sale("C", 2)]});
    let first = page(&wanted("orders", None), 200, &listed).unwrap();
    assert_eq!(first.objects.iter().map(|listed| listed.key.as_str()).collect::<Vec<_>>(), ["A"]);

    let cursor = first.next.unwrap().cursor;
    let of_lines = wanted("orders", Some(&cursor));
    assert_eq!(
        url(&of_lines),
        "https://api.example.com/v3/merchants/M/orders/B/line_items?limit=1000&offset=0"
    );
    let second = page(&of_lines, 200, &lines(150)).unwrap();
    let [whole] = second.objects.as_slice() else { panic!("{:?}", second.objects) };
    assert_eq!((whole.key.as_str(), order(whole).lines.len()), ("B", 150));

    let cursor = second.next.unwrap().cursor;
    let third = page(&wanted("orders", Some(&cursor)), 200, &listed).unwrap();
    assert_eq!(third.objects.iter().map(|listed| listed.key.as_str()).collect::<Vec<_>>(), ["C"]);
    assert_eq!(third.next, None);
}

#[test]
fn an_order_with_more_lines_than_a_page_of_them_is_rejected_rather_than_cut_off() {
    let cursor = page(&wanted("orders", None), 200, &json!({"elements": [sale("B", 100)]}));
    let cursor = cursor.unwrap().next.unwrap().cursor;
    let whole = page(&wanted("orders", Some(&cursor)), 200, &lines(1_000)).unwrap().objects.remove(0);
    let body = serde_json::from_slice(&whole.object.body).unwrap();
    let delivery = sample::delivery("clover", whole.object.topic, &body);
    let rows = PLATFORM.map(&delivery, &body, &MapContext { currency: None }).unwrap();
    assert!(rows[0].as_ref().unwrap_err().reason.contains("some may be missing"), "{:?}", rows[0]);
}

#[test]
fn an_order_that_is_deleted_before_its_lines_are_read_is_passed_over() {
    let listed = json!({"elements": [sale("B", 100), sale("C", 2)]});
    let cursor = page(&wanted("orders", None), 200, &listed).unwrap().next.unwrap().cursor;
    let gone = page(&wanted("orders", Some(&cursor)), 404, &json!({"message": "Not Found"})).unwrap();
    assert!(gone.objects.is_empty() && gone.next.is_some());
}

#[test]
fn what_may_name_a_person_and_is_not_mapped_stays_behind() {
    let mut sold = sale("A", 1);
    sold["note"] = json!("for Ada");
    sold["title"] = json!("Ada's table");
    sold["customers"] = json!({"elements": [{"id": "C", "firstName": "Ada"}]});
    let listed = page(&wanted("orders", None), 200, &json!({ "elements": [sold] })).unwrap().objects;
    assert!(!String::from_utf8_lossy(&listed[0].object.body).contains("Ada"));
    assert_eq!(order(&listed[0]).customer.unwrap().as_str(), "C");
    let customer =
        json!({"id": "C", "firstName": "Ada", "metadata": {"dobYear": 1815}, "cards": {"elements": []}});
    let listed = page(&wanted("customers", None), 200, &json!({ "elements": [customer] })).unwrap().objects;
    assert_eq!(listed[0].object.body, br#"{"firstName":"Ada","id":"C"}"#);
}

#[test]
fn a_listed_stock_is_a_level_and_one_that_is_missing_is_unknown() {
    let stock = json!({"item": {"id": "I"}, "stockCount": 161, "quantity": 160.5, "modifiedTime": 1});
    let listed = page(&wanted("levels", None), 200, &json!({ "elements": [stock] })).unwrap().objects;
    assert_eq!(listed[0].key, "I");
    let level = |object: &Object| match payloads(object).as_slice() {
        [Payload::Inventory(InventoryReport { item, available, .. })] => {
            (item.to_string(), available.map(|available| available.to_string()))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(level(&listed[0].object), ("I".to_owned(), Some("160.5".to_owned())));
    let missing = PLATFORM.missing("levels", "I", at(SINCE)).unwrap();
    assert_eq!(level(&missing), ("I".to_owned(), None));
}

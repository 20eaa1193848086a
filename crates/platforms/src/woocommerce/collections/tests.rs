use super::*;
use crate::{Access, MapContext, Mapped, Platform as _, sample, woocommerce::PLATFORM};
use model::{Currency, Payload};

const SINCE: &str = "2026-07-01T00:00:00.5Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn access() -> Access {
    Access {
        base_url: "https://shop.example".to_owned(),
        token: "ck_1:cs_2".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "shop.example".to_owned(),
    }
}

const CHANGED: Range = Range::Changed { since: Timestamp::from_micros(1_782_864_000_500_000), until: None };

fn wanted<'a>(collection: &'a str, range: Range, cursor: Option<&'a str>) -> Wanted<'a> {
    Wanted { collection, range, cursor }
}

fn path(wanted: &Wanted<'_>) -> String {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(SINCE) };
    let url = PLATFORM.request(wanted, &context).unwrap().url;
    url.strip_prefix("https://shop.example/wp-json/wc/v3/").unwrap().to_owned()
}

fn page(wanted: &Wanted<'_>, total: usize, body: &Value) -> Result<ListPage, CallError> {
    let access = access();
    let context = CallContext { access: &access, idempotency_key: "", now: at(SINCE) };
    let headers = [("x-wp-total".to_owned(), total.to_string())];
    let body = body.to_string();
    PLATFORM.page(wanted, &context, &HttpReply { headers: &headers, ..HttpReply::new(200, body.as_bytes()) })
}

fn mapped(object: &Object) -> Vec<Mapped> {
    let body = serde_json::from_slice(&object.body).unwrap();
    let delivery = sample::delivery("woocommerce", object.topic, &body);
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    PLATFORM.map(&delivery, &body, &context).unwrap().into_iter().map(Result::unwrap).collect()
}

fn keys(page: &ListPage) -> Vec<&str> {
    page.objects.iter().map(|listed| listed.key.as_str()).collect()
}

fn cursor(page: &ListPage) -> String {
    page.next.clone().unwrap().cursor
}

fn simple(id: u64, stock: u64) -> Value {
    json!({"id": id, "type": "simple", "status": "publish", "name": "Tea", "sku": "tea", "price": "9.50",
        "manage_stock": true, "stock_quantity": stock, "date_modified_gmt": "2026-07-01T10:00:00", "variations": []})
}

fn variable(id: u64) -> Value {
    json!({"id": id, "type": "variable", "status": "publish", "name": "Cup", "sku": "cup", "price": "9.50",
        "manage_stock": false, "stock_quantity": null, "date_modified_gmt": "2026-07-01T10:00:00", "variations": [id + 1]})
}

fn variation(id: u64) -> Value {
    json!({"id": id, "status": "publish", "sku": "cup", "price": "9.50", "manage_stock": true,
        "stock_quantity": 4, "date_modified_gmt": "2026-07-01T11:00:00", "attributes": []})
}

#[test]
fn a_range_is_named_in_utc_without_a_zone_and_includes_its_first_second() {
    assert_eq!(
        path(&wanted("orders", CHANGED, None)),
        "orders?per_page=50&offset=0&orderby=id&order=asc&status=any&dates_are_gmt=true\
         &modified_after=2026-06-30T23:59:59"
    );
    let range = Range::Changed { since: at(SINCE), until: Some(at("2026-07-02T00:00:00.25Z")) };
    let path = path(&wanted("products", range, None));
    assert!(
        path.ends_with("&modified_after=2026-06-30T23:59:59&modified_before=2026-07-02T00:00:01"),
        "{path}"
    );
}

#[test]
fn the_variations_of_a_page_are_read_before_its_next_page_and_counted_as_objects() {
    let whole = |cursor| wanted("products", Range::Whole, cursor);
    let first = page(&whole(None), 3, &json!([simple(1, 9), variable(2), variable(4)])).unwrap();
    assert_eq!((keys(&first), first.total), (vec!["1", "2", "4"], None));

    let of_two = cursor(&first);
    assert_eq!(path(&whole(Some(&of_two))), "products/2/variations?per_page=100&page=1&orderby=id&order=asc");
    let second = page(&whole(Some(&of_two)), 1, &json!([variation(3)])).unwrap();
    assert_eq!(keys(&second), ["2/1"]);
    let Payload::Product(product) = &mapped(&second.objects[0].object)[0].payload else { panic!() };
    assert!(product.variants_complete && product.variants[0].sku.set().is_none(), "{product:?}");

    let of_four = cursor(&second);
    assert!(path(&whole(Some(&of_four))).starts_with("products/4/variations"));
    let last = page(&whole(Some(&of_four)), 1, &json!([variation(5)])).unwrap();
    assert_eq!((keys(&last), &last.next, last.total), (vec!["4/1"], &None, Some(5)));
}

#[test]
fn a_whole_list_that_hides_an_object_states_a_number_that_was_not_reached() {
    let list = page(&wanted("products", Range::Whole, None), 2, &json!([simple(1, 9)])).unwrap();
    assert_eq!((list.objects.len(), list.next, list.total), (1, None, Some(2)));
}

#[test]
fn levels_of_products_and_variations_are_objects_of_their_own() {
    let levels = |cursor| wanted("levels", CHANGED, cursor);
    let first = page(&levels(None), 2, &json!([simple(1, 9), variable(2)])).unwrap();
    assert_eq!(keys(&first), ["1"]);
    let second = cursor(&first);
    let second = page(&levels(Some(&second)), 1, &json!([variation(3)])).unwrap();
    assert_eq!((keys(&second), &second.next), (vec!["2-3"], &None));
}

#[test]
fn a_listed_level_and_a_webhook_of_the_same_save_are_one_change() {
    let listed = page(&wanted("levels", CHANGED, None), 1, &json!([simple(1, 9)])).unwrap();
    let read = mapped(&listed.objects[0].object);
    let webhook = mapped(&object("product.updated", &simple(1, 9)));
    let [level] = read.as_slice() else { panic!("{read:?}") };
    assert!(webhook.contains(level), "{level:?} isn't one of {webhook:?}");
}

#[test]
fn a_list_of_changes_ends_with_what_is_in_the_trash() {
    let products = |cursor| wanted("products", CHANGED, cursor);
    let first = page(&products(None), 1, &json!([simple(1, 9)])).unwrap();
    let trash = cursor(&first);
    assert!(path(&products(Some(&trash))).contains("&offset=0&orderby=id&order=asc&status=trash&"));
    let mut deleted = simple(7, 0);
    deleted["status"] = "trash".into();
    let last = page(&products(Some(&trash)), 1, &json!([deleted])).unwrap();
    assert_eq!((keys(&last), &last.next), (vec![""], &None));
    let events = mapped(&last.objects[0].object);
    assert!(events.iter().any(|event| matches!(event.payload, Payload::Deleted { .. })), "{events:?}");
    let whole = page(&wanted("products", Range::Whole, None), 1, &json!([simple(1, 9)])).unwrap();
    assert_eq!(whole.next, None, "a whole list shows deletions by what it lacks");
}

#[test]
fn a_product_with_variations_that_is_gone_meanwhile_is_passed_over() {
    let first = page(&wanted("products", Range::Whole, None), 1, &json!([variable(2)])).unwrap();
    let (access, cursor) = (access(), cursor(&first));
    let context = CallContext { access: &access, idempotency_key: "", now: at(SINCE) };
    let gone =
        br#"{"code":"woocommerce_rest_product_invalid_id","message":"Invalid ID.","data":{"status":404}}"#;
    let wanted = wanted("products", Range::Whole, Some(&cursor));
    let page = PLATFORM.page(&wanted, &context, &HttpReply::new(404, gone)).unwrap();
    assert_eq!((page.objects.len(), page.next), (0, None));
}

#[test]
fn what_may_name_a_person_and_is_not_mapped_stays_behind() {
    let order = json!({"id": 7, "status": "completed", "date_modified_gmt": "2026-07-01T10:00:00", "line_items": [],
        "customer_id": 25, "billing": {"first_name": "Ada"}, "shipping": {"first_name": "Ada"},
        "customer_note": "for Ada", "customer_ip_address": "192.0.2.1", "meta_data": [{"value": "Ada"}]});
    let listed = page(&wanted("orders", CHANGED, None), 1, &json!([order])).unwrap();
    let body = String::from_utf8_lossy(&listed.objects[0].object.body).into_owned();
    assert!(!body.contains("Ada") && !body.contains("192.0.2.1"), "{body}");
    let customer = json!({"id": 25, "email": "ada@example.com", "first_name": "Ada", "last_name": "L", "role": "customer",
        "date_modified_gmt": null, "billing": {"phone": "555", "address_1": "12 St James's Square"}, "username": "ada"});
    let listed = page(&wanted("customers", Range::Whole, None), 1, &json!([customer])).unwrap();
    let body = String::from_utf8_lossy(&listed.objects[0].object.body).into_owned();
    assert!(body.contains("555") && !body.contains("James") && !body.contains("username"), "{body}");
}

#[test]
fn only_products_and_levels_are_missing() {
    let missing = |collection, key| PLATFORM.missing(collection, key, at(SINCE)).map(|object| object.topic);
    assert_eq!(missing("products", "22"), Some(PRODUCT_ABSENT));
    assert_eq!(missing("products", "22/1"), None, "a page of variations is no object");
    assert_eq!(missing("levels", "22-732"), Some(LEVEL_ABSENT));
    assert_eq!((missing("customers", "25"), missing("orders", "7")), (None, None));
}

use super::super::PLATFORM;
use super::*;
use crate::Access;
use model::Timestamp;

const NOT_FOUND: &[u8] =
    br#"{"code":"woocommerce_rest_product_invalid_id","message":"Invalid ID.","data":{"status":404}}"#;

fn access() -> Access {
    Access {
        base_url: "https://shop.example".to_owned(),
        token: "ck_1:cs_2".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "shop.example".to_owned(),
    }
}

fn id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

/// Runs `test` with the context of a call.
fn with<T>(test: impl FnOnce(&CallContext<'_>) -> T) -> T {
    let access = access();
    let now = Timestamp::parse("2026-11-02T00:00:00Z").unwrap();
    test(&CallContext { access: &access, idempotency_key: "", now })
}

fn path(wanted: &Fetch<'_>) -> Option<String> {
    let request = with(|context| PLATFORM.request(wanted, context)).unwrap()?;
    Some(request.url.strip_prefix("https://shop.example/wp-json/wc/v3/").unwrap().to_owned())
}

fn page_of(wanted: &Fetch<'_>, reply: &HttpReply<'_>) -> Result<Page, CallError> {
    with(|context| PLATFORM.page(wanted, context, reply))
}

/// Topics and bodies of the objects in a page.
fn objects(page: &Page) -> Vec<(&'static str, Value)> {
    let parsed = |object: &crate::Object| (object.topic, serde_json::from_slice(&object.body).unwrap());
    page.objects.iter().map(parsed).collect()
}

const fn notified(body: &Value) -> Fetch<'_> {
    Fetch::Notified { topic: "product.updated", body, since: None }
}

#[test]
fn a_notification_leads_to_what_it_leaves_out() {
    let list = "products/22/variations?per_page=100&page=1&orderby=id&order=asc";
    for (body, expected) in [
        (json!({"id": 22, "type": "variable"}), Some(list)),
        (json!({"id": 22, "type": "bundle", "variations": [732]}), Some(list)),
        (json!({"id": 732, "type": "variation", "parent_id": 22}), Some("products/732?context=edit")),
        (json!({"id": 794, "type": "simple", "variations": []}), None),
        (json!({"id": 22, "type": "variable", "status": "trash"}), None),
    ] {
        assert_eq!(path(&notified(&body)).as_deref(), expected, "{body}");
    }
    let nameless = json!({"type": "variable"});
    assert!(with(|context| PLATFORM.request(&notified(&nameless), context)).is_err());
    let order = json!({"id": 1});
    assert_eq!(path(&Fetch::Notified { topic: "order.updated", body: &order, since: None }), None);
}

#[test]
fn a_read_back_names_its_object() {
    let (product, variation, item) = (id("22"), id("732"), id("22-732"));
    let text = Fetch::Product { product: &product, variant: None };
    let price = Fetch::Product { product: &product, variant: Some(&variation) };
    let own_price = Fetch::Product { product: &product, variant: Some(&product) };
    assert_eq!(path(&text).as_deref(), Some("products/22"));
    assert_eq!(path(&own_price).as_deref(), Some("products/22"));
    assert_eq!(path(&price).as_deref(), Some("products/732?context=edit"));
    assert_eq!(
        path(&Fetch::Level { item: &item, location: None }).as_deref(),
        Some("products/732?context=edit")
    );
    assert_eq!(path(&Fetch::Level { item: &product, location: None }).as_deref(), Some("products/22"));
    let foreign = id("../22");
    let request = with(|context| PLATFORM.request(&Fetch::Level { item: &foreign, location: None }, context));
    assert!(request.is_err());
}

#[test]
fn pages_of_variations_follow_each_other_by_number_alone() {
    let body =
        json!({"id": 22, "type": "variable", "sku": "SHIP", "date_modified_gmt": "2026-11-01T10:00:00"});
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = [
        header("x-wp-total", "101"),
        header(
            "link",
            "<https://a.example/v?page=1>; rel=\"prev\", <https://other.example/v?_fields=id,sku&page=2>; rel=\"next\"",
        ),
    ];
    let listed = br#"[{"id":732,"sku":"SHIP","description":"long","price":"9.00"}]"#;
    let first =
        page_of(&notified(&body), &HttpReply { headers: &headers, ..HttpReply::new(200, listed) }).unwrap();
    let next = first.next.as_ref().unwrap();
    assert!(next.url.starts_with("https://shop.example/"), "{}", next.url);
    assert!(next.url.contains("&page=2&"), "{}", next.url);
    let [(VARIATIONS_READ, object)] = &objects(&first)[..] else { panic!("one page expected") };
    assert_eq!(object["variations"], json!([{"id": 732, "sku": "SHIP", "price": "9.00"}]));
    assert_eq!((&object["parent_sku"], &object["is_complete"]), (&json!("SHIP"), &json!(false)));
    let headers = [header("x-wp-total", "1")];
    let only =
        page_of(&notified(&body), &HttpReply { headers: &headers, ..HttpReply::new(200, listed) }).unwrap();
    assert_eq!((only.next.is_none(), &objects(&only)[0].1["is_complete"]), (true, &json!(true)));
    let unnumbered = page_of(&notified(&body), &HttpReply::new(200, listed)).unwrap();
    assert_eq!(objects(&unnumbered)[0].1["is_complete"], json!(false));
    for link in [
        "<https://a.example/v?page=0>; rel=\"next\"",
        "<x>; rel=\"next\"",
        "rel=\"next\"",
        "<a?page=x>; rel=\"next\"",
    ] {
        let headers = [header("link", link)];
        let page = page_of(&notified(&body), &HttpReply { headers: &headers, ..HttpReply::new(200, b"[]") })
            .unwrap();
        assert!(page.next.is_none(), "{link}");
    }
}

#[test]
fn an_object_is_reported_as_what_it_is() {
    let item = id("22-732");
    let level = Fetch::Level { item: &item, location: None };
    let variation = br#"{"id":732,"type":"variation","parent_id":22,"status":"publish"}"#;
    assert_eq!(objects(&page_of(&level, &HttpReply::new(200, variation)).unwrap())[0].0, VARIATION_READ);
    let product = id("22");
    let text = Fetch::Product { product: &product, variant: None };
    let simple = br#"{"id":22,"type":"simple","status":"publish"}"#;
    assert_eq!(objects(&page_of(&text, &HttpReply::new(200, simple)).unwrap())[0].0, PRODUCT_READ);
    for other in [&b"{}"[..], b"[]", b"null", br#"{"id":23}"#, b"<html>"] {
        let error = page_of(&text, &HttpReply::new(200, other)).unwrap_err();
        assert!(matches!(error, CallError::Transient { .. }), "{error:?}");
    }
}

#[test]
fn a_waiting_ends_though_the_object_is_gone() {
    let gone = HttpReply::new(404, NOT_FOUND);
    let (product, variation, item) = (id("22"), id("732"), id("22-732"));
    let level = page_of(&Fetch::Level { item: &item, location: None }, &gone).unwrap();
    let now = "2026-11-02T00:00:00Z";
    assert_eq!(objects(&level), [(LEVEL_ABSENT, json!({"item": "22-732", "observed_at": now}))]);
    for variant in [None, Some(&product)] {
        let text = page_of(&Fetch::Product { product: &product, variant }, &gone).unwrap();
        assert_eq!(objects(&text), [(PRODUCT_ABSENT, json!({"id": "22", "observed_at": now}))]);
    }
    let price = Fetch::Product { product: &product, variant: Some(&variation) };
    assert_eq!(page_of(&price, &gone), Err(CallError::Gone));
    let trashed = br#"{"id":732,"type":"variation","parent_id":22,"status":"trash"}"#;
    assert_eq!(page_of(&price, &HttpReply::new(200, trashed)), Err(CallError::Gone));
    let body = json!({"id": 732, "type": "variation"});
    assert_eq!(page_of(&notified(&body), &gone), Ok(Page::default()));
}

use super::super::PLATFORM;
use super::*;
use crate::AccountRefusal;
use model::{ExternalId, Timestamp};

fn access() -> Access {
    Access {
        base_url: "https://api.clover.com".to_owned(),
        token: "token".to_owned(),
        access_token: None,
        api_version: String::new(),
        account: "MERCHANT".to_owned(),
    }
}

fn context(access: &Access) -> CallContext<'_> {
    let now = Timestamp::parse("2026-07-02T00:00:00Z").unwrap();
    CallContext { access, idempotency_key: "key", now }
}

fn notice(object: &str, kind: &str) -> Value {
    json!({"merchants": {"MERCHANT": [{"objectId": object, "type": kind, "ts": 1_537_970_958_000_i64}]}})
}

fn url(wanted: &Fetch<'_>) -> Result<Option<String>, Reject> {
    Ok(PLATFORM.request(wanted, &context(&access()))?.map(|request| request.url))
}

fn page(wanted: &Fetch<'_>, status: u16, body: &Value) -> Result<Page, CallError> {
    PLATFORM.page(wanted, &context(&access()), &HttpReply::new(status, body.to_string().as_bytes()))
}

fn objects(page: &Page) -> Vec<(&'static str, Value)> {
    page.objects.iter().map(|each| (each.topic, serde_json::from_slice(&each.body).unwrap())).collect()
}

#[test]
fn a_notification_is_answered_by_reading_its_object_with_no_more_than_three_related_ones() {
    let base = "https://api.clover.com/v3/merchants/MERCHANT";
    let items = format!("{base}/items/X?expand=itemStock%2Ccategories%2Coptions");
    for (topic, object, expected) in [
        ("I", "I:X", items.clone()),
        ("IS", "IS:X", items.clone()),
        ("IA", "IA:X", items.clone()),
        ("O", "O:X", format!("{base}/orders/X?expand=lineItems%2Cpayments%2Ccustomers")),
        ("E", "E:X", format!("{base}/employees/X")),
        ("C", "C:X", format!("{base}/customers/X?expand=emailAddresses%2CphoneNumbers")),
    ] {
        let body = notice(object, "UPDATE");
        let wanted = Fetch::Notified { topic, body: &body, since: None };
        assert_eq!(url(&wanted), Ok(Some(expected)), "{topic}");
    }
    let body = notice("P:X", "CREATE");
    assert_eq!(url(&Fetch::Notified { topic: "P", body: &body, since: None }), Ok(None));
    let item = ExternalId::new("X").unwrap();
    assert_eq!(url(&Fetch::Level { item: &item, location: None }), Ok(Some(items.clone())));
    assert_eq!(url(&Fetch::Product { product: &item, variant: Some(&item) }), Ok(Some(items)));
    for [first, second, third, more] in [ITEM_EXPANDED, ORDER_EXPANDED, CUSTOMER_EXPANDED]
        .map(|list| [0, 1, 2, 3].map(|n| list.split(',').nth(n)))
    {
        assert!(first.is_some() && second.is_some() && more.is_none(), "{third:?}");
    }
}

#[test]
fn an_object_that_does_not_exist_was_deleted_at_the_time_of_the_notification() {
    let body = notice("O:X", "DELETE");
    let wanted = Fetch::Notified { topic: "O", body: &body, since: None };
    let gone = page(&wanted, 404, &json!({"message": "Not Found"})).unwrap();
    assert_eq!(objects(&gone), [("order", json!({"id": "X", "deletedTime": 1_537_970_958_000_i64}))]);
    assert_eq!(gone.next, None);
    // A read-back has no notification: it happened before now.
    let item = ExternalId::new("X").unwrap();
    let gone = page(&Fetch::Level { item: &item, location: None }, 404, &json!({})).unwrap();
    assert_eq!(objects(&gone), [("item", json!({"id": "X", "deletedTime": 1_782_950_400_000_i64}))]);
    let refused = page(&wanted, 404, &json!("<html>"));
    assert!(
        matches!(refused, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _))),
        "{refused:?}"
    );
}

#[test]
fn after_an_order_the_stock_of_its_items_is_read_each_once() {
    let notice = notice("O:X", "UPDATE");
    let wanted = Fetch::Notified { topic: "O", body: &notice, since: None };
    let line = |item: Value| json!({"id": "L", "item": item});
    let lines =
        [line(json!({"id": "B"})), line(json!({"id": "A"})), line(json!({"id": "B"})), line(json!(null))];
    let order = json!({"id": "X", "lineItems": {"elements": lines}});
    let first = page(&wanted, 200, &order).unwrap();
    assert_eq!(objects(&first), [("order", order)]);
    assert_eq!(
        first.next.unwrap().url,
        "https://api.clover.com/v3/merchants/MERCHANT/items?filter=id%20in%20%28%27A%27%2C%27B%27%29\
         &expand=itemStock%2Ccategories%2Coptions&limit=100"
    );
    let second = page(&wanted, 200, &json!({"elements": [{"id": "A"}, {"id": "B"}]})).unwrap();
    assert_eq!(objects(&second), [("item", json!({"id": "A"})), ("item", json!({"id": "B"}))]);
    assert_eq!(second.next, None);
    let without = json!({"id": "X", "lineItems": {"elements": [line(json!({"id": "A' or 'B"}))]}});
    assert_eq!(page(&wanted, 200, &without).unwrap().next, None, "no id ends the filter");
}

#[test]
fn another_object_is_no_reply() {
    let body = notice("I:X", "UPDATE");
    let wanted = Fetch::Notified { topic: "I", body: &body, since: None };
    for reply in [json!({"id": "Y"}), json!({}), json!([]), json!({"elements": []})] {
        assert!(matches!(page(&wanted, 200, &reply), Err(CallError::Rejected(_))), "{reply}");
    }
}

#[test]
fn a_notification_without_an_object_is_refused() {
    for body in [json!({}), json!({"merchants": {}}), json!({"merchants": {"M": []}}), notice("I:", "UPDATE")]
    {
        let wanted = Fetch::Notified { topic: "I", body: &body, since: None };
        assert_eq!(url(&wanted).unwrap_err().class, RejectClass::Schema, "{body}");
    }
}

#[test]
fn an_item_that_another_notice_names_is_another_delivery_though_its_body_was_fetched_before() {
    let (object, body) = (Object { topic: "item", body: b"{}".to_vec() }, json!({}));
    let wanted = Fetch::Notified { topic: "I", body: &body, since: None };
    let connection = model::ConnectionId::new("till").unwrap();
    let notice = |name: &str| model::DeliveryId::derive(&connection, "I", name.as_bytes());
    let key = |name: &str| wanted.delivery_key(&PLATFORM, &object, Some(notice(name)), Timestamp::default());
    assert_eq!(key("one"), key("one"), "the same fetch, made again");
    assert_ne!(key("one"), key("two"), "ten pieces, nine, and ten again");
}

#[test]
fn a_fetched_employee_is_handed_on_without_any_pin() {
    let body = notice("E:X", "UPDATE");
    let wanted = Fetch::Notified { topic: "E", body: &body, since: None };
    let shown = json!({"id": "X", "name": "Ada", "email": "ada@example.com", "role": "MANAGER", "pin": "hash",
        "unhashedPin": "1234", "employeeCards": {"elements": []}, "isOwner": false});
    let page = page(&wanted, 200, &shown).unwrap();
    let kept = json!({"id": "X", "name": "Ada", "email": "ada@example.com", "role": "MANAGER"});
    assert_eq!(objects(&page), [("employee", kept)]);
    let gone = self::page(&wanted, 404, &json!({})).unwrap();
    assert_eq!(objects(&gone), [("employee", json!({"id": "X", "deletedTime": 1_537_970_958_000_i64}))]);
}

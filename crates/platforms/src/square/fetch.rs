//! From a thin notification to the objects it speaks of, and a level read back.

use super::http;
use crate::{Access, CallContext, Fetch, Fetched, HttpReply, HttpRequest, Reply};
use model::Timestamp;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::collections::BTreeSet;

/// How many catalog objects a page should have. Advisory: Square may send more or fewer.
const PAGE_OBJECTS: u32 = 100;

/// The first request for what is wanted.
pub(super) fn request(wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
    let access = context.access;
    match *wanted {
        Fetch::Notified { topic: "catalog.version.updated", since, .. } => {
            Ok(Some(search(access, since, None)))
        }
        Fetch::Notified { topic: "order.created" | "order.updated", body, .. } => {
            let missing = || Reject::at(RejectClass::Schema, "/data/id", "no id of an order");
            let id = body.pointer("/data/id").and_then(Value::as_str).filter(|id| !id.is_empty());
            Ok(Some(http::get(access, &format!("/v2/orders/{}", http::segment(id.ok_or_else(missing)?)))))
        }
        Fetch::Notified { .. } => Ok(None),
        Fetch::Product { product, .. } => {
            Ok(Some(http::get(access, &format!("/v2/catalog/object/{}", http::segment(product.as_str())))))
        }
        Fetch::Level { item, location } => {
            let missing = || Reject::new(RejectClass::Config, "square counts at locations, and none is set");
            let wanted = json!({
                "catalog_object_ids": [item.as_str()],
                "location_ids": [location.ok_or_else(missing)?.as_str()],
                "states": ["IN_STOCK"],
            });
            Ok(Some(http::post(access, "/v2/inventory/counts/batch-retrieve", &wanted)))
        }
    }
}

/// One page of the catalog. A price lives in a variation, and a change to one need not touch its item: so changes are
/// asked for with the variations, each of which brings its item along as a related object.
fn search(access: &Access, since: Option<Timestamp>, cursor: Option<&str>) -> HttpRequest {
    let types: &[&str] = if since.is_some() { &["ITEM", "ITEM_VARIATION"] } else { &["ITEM"] };
    let mut body = json!({
        "object_types": types,
        "include_deleted_objects": true,
        "include_related_objects": since.is_some(),
        "limit": PAGE_OBJECTS,
    });
    if let Some(since) = since {
        body["begin_time"] = Value::String(since.to_string());
    }
    if let Some(cursor) = cursor {
        body["cursor"] = Value::String(cursor.to_owned());
    }
    http::post(access, "/v2/catalog/search", &body)
}

/// The objects in a reply, as `map` takes them.
pub(super) fn fetched(wanted: &Fetch<'_>, context: &CallContext<'_>, reply: &HttpReply<'_>) -> Fetched {
    match http::meaning(reply) {
        Reply::Done { .. } => {}
        other => return Fetched::Failed(other),
    }
    let Ok(body) = serde_json::from_slice::<Value>(reply.body) else {
        return Fetched::Failed(Reply::Retry { reason: "the reply is not JSON".to_owned() });
    };
    match *wanted {
        Fetch::Notified { topic: "catalog.version.updated", since, .. } => {
            let cursor = body.get("cursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty());
            let next = cursor.map(|cursor| search(context.access, since, Some(cursor)));
            Fetched::Objects { objects: items(&body), next }
        }
        Fetch::Notified { .. } => match body.get("order") {
            Some(order @ Value::Object(_)) => objects([("order.object", order)]),
            _ => Fetched::Failed(Reply::Refused(Reject::new(
                RejectClass::Platform,
                "the reply holds no order",
            ))),
        },
        Fetch::Product { .. } => match body.get("object") {
            Some(object @ Value::Object(_)) => objects([("catalog.object", object)]),
            _ => Fetched::Failed(Reply::Refused(Reject::new(
                RejectClass::Platform,
                "the reply holds no catalog object",
            ))),
        },
        Fetch::Level { .. } => objects(array(&body, "counts").map(|count| ("inventory.count", count))),
    }
}

/// The items among the objects and the related objects, each once.
fn items(body: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let mut seen = BTreeSet::new();
    array(body, "objects")
        .chain(array(body, "related_objects"))
        .filter(|object| object.get("type").and_then(Value::as_str) == Some("ITEM"))
        .filter(|object| seen.insert(object.get("id").and_then(Value::as_str)))
        .map(|object| ("catalog.object", object.to_string().into_bytes()))
        .collect()
}

fn array<'a>(body: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    body.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn objects<'a>(found: impl IntoIterator<Item = (&'static str, &'a Value)>) -> Fetched {
    let objects = found.into_iter().map(|(topic, object)| (topic, object.to_string().into_bytes())).collect();
    Fetched::Objects { objects, next: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Platform as _, Validator};
    use model::ExternalId;

    fn access() -> Access {
        Access {
            base_url: "https://square.example".to_owned(),
            token: "token".to_owned(),
            api_version: String::new(),
            account: String::new(),
        }
    }

    fn context(access: &Access) -> CallContext<'_> {
        CallContext { access, idempotency_key: "key", now: Timestamp::from_micros(0) }
    }

    fn sent(wanted: &Fetch<'_>) -> (HttpRequest, Value) {
        let request = request(wanted, &context(&access())).unwrap().unwrap();
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        (request, body)
    }

    fn received(wanted: &Fetch<'_>, body: &Value) -> Fetched {
        let body = body.to_string();
        let reply = HttpReply { status: 200, retry_after: None, body: body.as_bytes() };
        fetched(wanted, &context(&access()), &reply)
    }

    #[test]
    fn a_catalog_notification_asks_for_what_changed_page_by_page() {
        let since = Some(Timestamp::parse("2019-10-29T17:26:16.53Z").unwrap());
        let wanted = Fetch::Notified { topic: "catalog.version.updated", body: &Value::Null, since };
        let (request, body) = sent(&wanted);
        assert_eq!(
            (request.method, &*request.url),
            (Method::Post, "https://square.example/v2/catalog/search")
        );
        assert!(request.headers.contains(&("square-version", "2025-08-20".to_owned())));
        assert!(request.headers.contains(&("authorization", "Bearer token".to_owned())));
        assert_eq!(body["begin_time"], "2019-10-29T17:26:16.530Z");
        assert_eq!(body["include_deleted_objects"], true);

        let item = json!({"type": "ITEM", "id": "I", "version": 1});
        let reply = json!({
            "objects": [{"type": "ITEM_VARIATION", "id": "V", "version": 2}, item],
            "related_objects": [item, {"type": "ITEM", "id": "J", "version": 1}, {"type": "TAX", "id": "T"}],
            "cursor": "more",
        });
        let Fetched::Objects { objects, next } = received(&wanted, &reply) else {
            panic!("objects expected")
        };
        let ids: Vec<Value> = objects.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
        assert_eq!(ids.iter().map(|object| &object["id"]).collect::<Vec<_>>(), ["I", "J"]);
        let next: Value = serde_json::from_slice(&next.unwrap().body).unwrap();
        assert_eq!((&next["cursor"], &next["begin_time"]), (&json!("more"), &body["begin_time"]));

        let last = received(&wanted, &json!({"cursor": ""}));
        assert_eq!(last, Fetched::Objects { objects: Vec::new(), next: None });
    }

    #[test]
    fn the_whole_catalog_is_asked_for_without_a_time_and_without_lone_variations() {
        let wanted = Fetch::Notified { topic: "catalog.version.updated", body: &Value::Null, since: None };
        let (_, body) = sent(&wanted);
        assert_eq!(body["object_types"], json!(["ITEM"]));
        assert_eq!(body.get("begin_time"), None);
    }

    #[test]
    fn an_order_notification_asks_for_the_order_by_its_id() {
        let body = json!({"data": {"id": "eA3v/../x"}});
        let wanted = Fetch::Notified { topic: "order.updated", body: &body, since: None };
        let (request, _) = sent(&wanted);
        assert_eq!(request.url, "https://square.example/v2/orders/eA3v%2F%2E%2E%2Fx");
        let order = json!({"order": {"id": "eA3v"}});
        let expected = vec![("order.object", br#"{"id":"eA3v"}"#.to_vec())];
        assert_eq!(received(&wanted, &order), Fetched::Objects { objects: expected, next: None });
        assert!(matches!(received(&wanted, &json!({})), Fetched::Failed(Reply::Refused(_))));
    }

    #[test]
    fn a_level_read_back_is_the_sellable_count_at_one_location() {
        let (item, location) = (ExternalId::new("V").unwrap(), ExternalId::new("L").unwrap());
        let wanted = Fetch::Level { item: &item, location: Some(&location) };
        let (_, body) = sent(&wanted);
        let expected = json!({"catalog_object_ids": ["V"], "location_ids": ["L"], "states": ["IN_STOCK"]});
        assert_eq!(body, expected);
        let count = json!({"catalog_object_id": "V", "catalog_object_type": "ITEM_VARIATION", "state": "IN_STOCK",
            "location_id": "L", "quantity": "79", "calculated_at": "2016-11-16T22:28:01.223Z"});
        let Fetched::Objects { objects, .. } = received(&wanted, &json!({"counts": [count], "errors": []}))
        else {
            panic!("objects expected")
        };
        let (topic, body) = &objects[0];
        assert!(Validator::of(&super::super::PLATFORM).unwrap().read(topic, body).is_ok());
        assert!(super::super::PLATFORM.topics().iter().any(|known| known.name == *topic));

        let nowhere = Fetch::Level { item: &item, location: None };
        assert_eq!(request(&nowhere, &context(&access())).unwrap_err().class, RejectClass::Config);
    }

    #[test]
    fn a_product_read_back_is_the_whole_item() {
        let (product, variant) = (ExternalId::new("I").unwrap(), ExternalId::new("V").unwrap());
        let wanted = Fetch::Product { product: &product, variant: Some(&variant) };
        let (request, _) = sent(&wanted);
        let url = "https://square.example/v2/catalog/object/I";
        assert_eq!((request.method, &*request.url), (Method::Get, url));
        let item = json!({"type": "ITEM", "id": "I", "version": 3});
        let expected = vec![("catalog.object", item.to_string().into_bytes())];
        assert_eq!(
            received(&wanted, &json!({"object": item})),
            Fetched::Objects { objects: expected, next: None }
        );
        assert!(matches!(received(&wanted, &json!({})), Fetched::Failed(Reply::Refused(_))));
    }

    #[test]
    fn what_names_no_object_fetches_nothing() {
        let wanted = Fetch::Notified { topic: "customer.updated", body: &Value::Null, since: None };
        assert_eq!(request(&wanted, &context(&access())), Ok(None));
    }

    #[test]
    fn an_outage_or_half_a_reply_is_tried_again() {
        let wanted = Fetch::Notified { topic: "catalog.version.updated", body: &Value::Null, since: None };
        let access = access();
        let meaning = |status, body: &[u8]| {
            fetched(&wanted, &context(&access), &HttpReply { status, retry_after: None, body })
        };
        assert!(matches!(meaning(503, b""), Fetched::Failed(Reply::Retry { .. })));
        assert!(matches!(meaning(200, b"{\"objects\":["), Fetched::Failed(Reply::Retry { .. })));
        assert!(matches!(meaning(429, b""), Fetched::Failed(Reply::Throttled { .. })));
    }
}

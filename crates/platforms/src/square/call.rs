//! Our change as Square's request: stock as an adjustment, prices and texts as the whole object written back.

use super::{http, map};
use crate::{Call, CallContext, HttpReply, Reply, Step};
use model::{ExternalId, Money, ProductText, Quantity};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

/// Square's limit on idempotency keys of inventory and catalog writes.
const KEY_LIMIT_BYTES: usize = 128;
/// Square's limit on decimals of a quantity.
const QUANTITY_DECIMALS: u32 = 5;
/// Square's limit on an item's name, in code points.
const NAME_LIMIT_CHARS: usize = 512;
/// Square's limit on an item's description, tags included, in code points.
const DESCRIPTION_LIMIT_CHARS: usize = 65_535;

/// The next request of `call`.
pub(super) fn step(
    call: &Call,
    context: &CallContext<'_>,
    read: Option<&HttpReply<'_>>,
) -> Result<Step, Reject> {
    match call {
        Call::SetLevel { item, location, to, from } => {
            set_level(item, location.as_ref(), *to, *from, context)
        }
        Call::SetPrice { variant, to, .. } => {
            rewrite(variant, context, read, |object| set_price(object, *to))
        }
        Call::SetText { product, to } => rewrite(product, context, read, |object| set_text(object, to)),
    }
}

fn set_level(
    item: &ExternalId,
    location: Option<&ExternalId>,
    to: Quantity,
    from: Option<Quantity>,
    context: &CallContext<'_>,
) -> Result<Step, Reject> {
    let location = location
        .ok_or_else(|| Reject::new(RejectClass::Config, "square counts at locations, and none is set"))?
        .as_str();
    let mut change = json!({
        "catalog_object_id": item.as_str(),
        "location_id": location,
        "occurred_at": context.now.to_string(),
        "reference_id": context.idempotency_key,
    });
    let (kind, field, quantity) = match from {
        Some(from) if from == to => return Ok(Step::Done { version: None }),
        Some(from) => {
            let increase = to > from;
            let (before, after) = if increase { ("NONE", "IN_STOCK") } else { ("IN_STOCK", "SOLD") };
            change["from_state"] = before.into();
            change["to_state"] = after.into();
            let moved = if increase { to.minus(from) } else { from.minus(to) };
            let moved =
                moved.ok_or_else(|| Reject::new(RejectClass::Data, "the difference is out of bounds"))?;
            ("ADJUSTMENT", "adjustment", moved)
        }
        None if to < Quantity::ZERO => {
            return Err(Reject::new(RejectClass::Data, "a count of stock can't be less than nothing"));
        }
        None => {
            change["state"] = "IN_STOCK".into();
            ("PHYSICAL_COUNT", "physical_count", to)
        }
    };
    if quantity.decimal().scale() > QUANTITY_DECIMALS {
        let reason = format!("square counts with at most {QUANTITY_DECIMALS} decimals");
        return Err(Reject::new(RejectClass::Data, reason));
    }
    change["quantity"] = quantity.to_string().into();
    let body = json!({
        "idempotency_key": key(context.idempotency_key.to_owned())?,
        "ignore_unchanged_counts": true,
        "changes": [{"type": kind, field: change}],
    });
    Ok(Step::Write(http::post(context.access, "/v2/inventory/changes/batch-create", &body)))
}

/// Reads a catalog object, has `set` change it, and writes all of it back: what is left out of a write is lost.
fn rewrite(
    id: &ExternalId,
    context: &CallContext<'_>,
    read: Option<&HttpReply<'_>>,
    set: impl FnOnce(&mut Value) -> Result<bool, Reject>,
) -> Result<Step, Reject> {
    let Some(read) = read else {
        let path = format!("/v2/catalog/object/{}", http::segment(id.as_str()));
        return Ok(Step::Read(http::get(context.access, &path)));
    };
    let unread =
        || Reject::new(RejectClass::Platform, "square's reply holds no catalog object with a version");
    let mut reply: Value = serde_json::from_slice(read.body).map_err(|_| unread())?;
    let mut object = reply.get_mut("object").map(Value::take).ok_or_else(unread)?;
    let version = object.get("version").and_then(Value::as_i64).ok_or_else(unread)?;
    if object.get("is_deleted").and_then(Value::as_bool) == Some(true) {
        return Err(Reject::new(RejectClass::Platform, "square has deleted the catalog object"));
    }
    if !set(&mut object)? {
        return Ok(Step::Done { version: map::catalog_version(&object) });
    }
    // After a refused version the body is another: it needs another key, the same for every attempt at that version.
    let key = key(format!("{}-{version}", context.idempotency_key))?;
    let body = json!({"idempotency_key": key, "object": object});
    Ok(Step::Write(http::post(context.access, "/v2/catalog/object", &body)))
}

/// Whether the price had to be changed.
fn set_price(object: &mut Value, to: Money) -> Result<bool, Reject> {
    let data = data(object, "item_variation_data")?;
    let price = json!({"amount": to.minor, "currency": to.currency.to_string()});
    let fixed = data.get("pricing_type").and_then(Value::as_str) == Some("FIXED_PRICING");
    if fixed && data.get("price_money") == Some(&price) {
        return Ok(false);
    }
    data.insert("price_money".to_owned(), price);
    data.insert("pricing_type".to_owned(), "FIXED_PRICING".into());
    Ok(true)
}

/// Whether the text had to be changed.
fn set_text(object: &mut Value, to: &ProductText) -> Result<bool, Reject> {
    let data = data(object, "item_data")?;
    let mut changed = false;
    if let Some(title) = &to.title {
        if title.is_empty() || title.chars().count() > NAME_LIMIT_CHARS {
            let reason = format!("square takes names of 1 to {NAME_LIMIT_CHARS} characters");
            return Err(Reject::new(RejectClass::Data, reason));
        }
        if held(data, &["name"]) != spaced(title) {
            data.insert("name".to_owned(), title.as_str().into());
            changed = true;
        }
    }
    if let Some(description) = &to.description {
        if description.chars().count() > DESCRIPTION_LIMIT_CHARS {
            let reason = format!("square takes descriptions of at most {DESCRIPTION_LIMIT_CHARS} characters");
            return Err(Reject::new(RejectClass::Data, reason));
        }
        if held(data, &["description_html", "description"]) != spaced(description) {
            data.insert("description_html".to_owned(), description.as_str().into());
            // Square makes both from `description_html`; beside it they would be the old text.
            data.remove("description");
            data.remove("description_plaintext");
            changed = true;
        }
    }
    Ok(changed)
}

/// What the reply to a write, or to the read before it, means.
pub(super) fn outcome(call: &Call, reply: &HttpReply<'_>) -> Reply {
    let written =
        |body: &[u8]| serde_json::from_slice::<Value>(body).ok()?.get_mut("catalog_object").map(Value::take);
    match (http::meaning(reply), call) {
        (Reply::Done { .. }, Call::SetPrice { .. } | Call::SetText { .. }) => {
            Reply::Done { version: written(reply.body).and_then(|object| map::catalog_version(&object)) }
        }
        (meaning, _) => meaning,
    }
}

fn data<'a>(object: &'a mut Value, name: &str) -> Result<&'a mut serde_json::Map<String, Value>, Reject> {
    let missing = || Reject::new(RejectClass::Platform, format!("square's catalog object has no {name}"));
    object.get_mut(name).and_then(Value::as_object_mut).ok_or_else(missing)
}

/// The first text among `names`, as texts are compared; empty for none.
fn held(data: &serde_json::Map<String, Value>, names: &[&str]) -> String {
    names.iter().find_map(|name| data.get(*name).and_then(Value::as_str)).map(spaced).unwrap_or_default()
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn key(key: String) -> Result<String, Reject> {
    if key.len() <= KEY_LIMIT_BYTES {
        Ok(key)
    } else {
        let reason = format!("an idempotency key for square has at most {KEY_LIMIT_BYTES} bytes");
        Err(Reject::new(RejectClass::Bug, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, HttpRequest, Method};
    use model::{Currency, SourceVersion, Timestamp};

    const READ: &str = r#"{"object":{"type":"ITEM_VARIATION","id":"V","version":7,"custom_attribute_values":{"a":{"n":1.5}},
        "item_variation_data":{"item_id":"I","pricing_type":"FIXED_PRICING","sku":"S",
        "price_money":{"amount":150,"currency":"USD"},"location_overrides":[{"location_id":"L","sold_out":true}]}}}"#;

    fn id(text: &str) -> ExternalId {
        ExternalId::new(text).unwrap()
    }

    fn run(call: &Call, read: Option<&str>) -> Result<Step, Reject> {
        let access = Access {
            base_url: "https://square.example".to_owned(),
            token: "token".to_owned(),
            api_version: "2024-01-18".to_owned(),
            account: String::new(),
        };
        let now = Timestamp::parse("2025-01-02T03:04:05Z").unwrap();
        let context = CallContext { access: &access, idempotency_key: "write-1", now };
        let reply = read.map(|body| HttpReply { status: 200, retry_after: None, body: body.as_bytes() });
        step(call, &context, reply.as_ref())
    }

    fn written(call: &Call, read: Option<&str>) -> (HttpRequest, Value) {
        let Step::Write(request) = run(call, read).unwrap() else { panic!("a write is expected") };
        let body = serde_json::from_slice(&request.body).unwrap();
        (request, body)
    }

    fn level(to: &str, from: Option<&str>) -> Call {
        let quantity = |text| Quantity::parse(text).unwrap();
        Call::SetLevel { item: id("V"), location: Some(id("L")), to: quantity(to), from: from.map(quantity) }
    }

    fn price(minor: i64) -> Call {
        let to = Money { minor, currency: Currency::new("USD").unwrap() };
        Call::SetPrice { product: id("I"), variant: id("V"), to }
    }

    #[test]
    fn a_level_moves_by_the_difference() {
        let cases = [("12", "9.5", "NONE", "IN_STOCK", "2.5"), ("7", "9.5", "IN_STOCK", "SOLD", "2.5")];
        for (to, from, before, after, quantity) in cases {
            let (request, body) = written(&level(to, Some(from)), None);
            assert_eq!(request.url, "https://square.example/v2/inventory/changes/batch-create");
            let adjustment = json!({"catalog_object_id": "V", "location_id": "L", "from_state": before,
                "to_state": after, "quantity": quantity, "occurred_at": "2025-01-02T03:04:05Z", "reference_id": "write-1"});
            let expected = json!({"idempotency_key": "write-1", "ignore_unchanged_counts": true,
                "changes": [{"type": "ADJUSTMENT", "adjustment": adjustment}]});
            assert_eq!(body, expected);
        }
        assert_eq!(run(&level("9.50", Some("9.5")), None), Ok(Step::Done { version: None }));
    }

    #[test]
    fn an_unknown_level_is_counted_anew() {
        let (_, body) = written(&level("53", None), None);
        let count = json!({"catalog_object_id": "V", "location_id": "L", "state": "IN_STOCK", "quantity": "53",
            "occurred_at": "2025-01-02T03:04:05Z", "reference_id": "write-1"});
        assert_eq!(body["changes"], json!([{"type": "PHYSICAL_COUNT", "physical_count": count}]));
    }

    #[test]
    fn what_square_cannot_count_is_refused_before_it_is_sent() {
        let nowhere = Call::SetLevel { item: id("V"), location: None, to: Quantity::ZERO, from: None };
        assert_eq!(run(&nowhere, None).unwrap_err().class, RejectClass::Config);
        assert_eq!(run(&level("-1", None), None).unwrap_err().class, RejectClass::Data);
        assert_eq!(run(&level("0.000001", Some("0")), None).unwrap_err().class, RejectClass::Data);
    }

    #[test]
    fn a_price_is_written_into_the_whole_object() {
        let Step::Read(read) = run(&price(199), None).unwrap() else { panic!("a read is expected") };
        assert_eq!((read.method, &*read.url), (Method::Get, "https://square.example/v2/catalog/object/V"));
        assert!(read.headers.contains(&("square-version", "2024-01-18".to_owned())));

        let (request, body) = written(&price(199), Some(READ));
        assert_eq!(request.url, "https://square.example/v2/catalog/object");
        let mut expected: Value = serde_json::from_str(READ).unwrap();
        expected["object"]["item_variation_data"]["price_money"]["amount"] = 199.into();
        assert_eq!(body["object"], expected["object"]);
        assert_eq!(body["idempotency_key"], "write-1-7");
    }

    #[test]
    fn a_price_that_stands_there_already_is_not_written() {
        assert_eq!(run(&price(150), Some(READ)), Ok(Step::Done { version: Some(SourceVersion(7)) }));
    }

    /// The reply in the specification of `UpsertCatalogObject` (`api.json` @5733f662), cut down to what matters.
    #[test]
    fn a_write_says_which_version_it_made_as_the_report_of_it_will() {
        let said = |call: &Call, body: &Value| {
            outcome(call, &HttpReply { status: 200, retry_after: None, body: body.to_string().as_bytes() })
        };
        let text = Call::SetText { product: id("I"), to: ProductText::default() };
        let done = |version: Option<i64>| Reply::Done { version: version.map(SourceVersion) };
        let variation = json!({"type": "ITEM_VARIATION", "id": "NS77DKEIQ3AEQTCP727DSA7U", "version": 1_623_685_899_021_i64,
            "updated_at": "2021-06-14T15:51:39.021Z", "item_variation_data": {"item_id": "R2TA2FOBUGCJZNIWJSOSNAI4",
            "name": "Large", "ordinal": 1, "pricing_type": "FIXED_PRICING", "price_money": {"amount": 400, "currency": "USD"}}});
        let item = json!({"type": "ITEM", "id": "R2TA2FOBUGCJZNIWJSOSNAI4", "version": 1_623_685_899_021_i64,
            "updated_at": "2021-06-14T15:51:39.021Z", "item_data": {"name": "Cocoa", "variations": [variation]}});
        assert_eq!(
            said(&text, &json!({"catalog_object": item, "id_mappings": []})),
            done(Some(1_623_685_899_021))
        );
        assert_eq!(said(&price(400), &json!({"catalog_object": variation})), done(Some(1_623_685_899_021)));
        // A report of the item has the newest version among it and its variations.
        let mut older = item;
        older["version"] = 5.into();
        assert_eq!(said(&text, &json!({"catalog_object": older})), done(Some(1_623_685_899_021)));
        for body in [json!({}), json!({"catalog_object": null}), json!({"catalog_object": {"id": "I"}})] {
            assert_eq!(said(&price(400), &body), done(None), "{body}");
        }
        assert_eq!(said(&level("7", None), &json!({"counts": [], "catalog_object": older})), done(None));
    }

    #[test]
    fn a_price_asked_at_the_till_becomes_a_fixed_one() {
        let read = r#"{"object":{"version":7,"item_variation_data":{"pricing_type":"VARIABLE_PRICING"}}}"#;
        let (_, body) = written(&price(150), Some(read));
        let expected =
            json!({"pricing_type": "FIXED_PRICING", "price_money": {"amount": 150, "currency": "USD"}});
        assert_eq!(body["object"]["item_variation_data"], expected);
    }

    #[test]
    fn a_text_replaces_only_what_was_said() {
        let read = r#"{"object":{"type":"ITEM","id":"I","version":9,"item_data":{"name":"Tea","description":"Old",
            "description_html":"<p>Old</p>","description_plaintext":"Old","tax_ids":["T"],"variations":[{"id":"V","version":3}]}}}"#;
        let text = |title: Option<&str>, description: Option<&str>| Call::SetText {
            product: id("I"),
            to: ProductText { title: title.map(str::to_owned), description: description.map(str::to_owned) },
        };
        let (_, body) = written(&text(Some("Green tea"), None), Some(read));
        assert_eq!(body["object"]["item_data"]["name"], "Green tea");
        assert_eq!(body["object"]["item_data"]["description_html"], "<p>Old</p>");
        let (_, body) = written(&text(None, Some("New")), Some(read));
        let expected = json!({"name": "Tea", "description_html": "New", "tax_ids": ["T"],
            "variations": [{"id": "V", "version": 3}]});
        assert_eq!(body["object"]["item_data"], expected);
        let held = run(&text(Some("Tea"), Some("<p>Old</p>")), Some(read));
        assert_eq!(held, Ok(Step::Done { version: Some(SourceVersion(9)) }));
        assert_eq!(run(&text(Some(""), None), Some(read)).unwrap_err().class, RejectClass::Data);
    }

    #[test]
    fn an_object_that_cannot_be_written_back_is_refused() {
        let deleted = r#"{"object":{"version":7,"is_deleted":true,"item_variation_data":{}}}"#;
        for read in ["", "{}", r#"{"object":{}}"#, r#"{"object":{"version":7}}"#, deleted] {
            assert_eq!(run(&price(1), Some(read)).unwrap_err().class, RejectClass::Platform, "{read}");
        }
    }
}

//! Changes as Square's requests: stock as an adjustment, prices and texts by writing the whole object back.

use super::{http, map};
use crate::{
    CallContext, CallError, HttpReply, Step, Write, WriteLimits, Writer, Written, contract::spaced, json,
};
use model::{Currency, ExternalId, MirrorKind, MirrorValue, Money, ProductText, Quantity};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Square's limit on idempotency keys of inventory and catalog writes.
const KEY_LIMIT_BYTES: usize = 128;
/// Square's limit on decimals of a quantity.
const QUANTITY_DECIMALS: u32 = 5;
/// Time for which a change of stock may be sent again: Square accepts no `occurred_at` older than 24 hours; less our
/// own margin.
const OCCURRED_WITHIN: Duration = Duration::from_hours(23);
/// Square's limit on an item's name, in code points.
const NAME_LIMIT_CHARS: usize = 512;
/// Square's limit on an item's description, tags included, in code points.
const DESCRIPTION_LIMIT_CHARS: usize = 65_535;

impl Writer for super::Square {
    /// A catalog object is written against its version, so that repeating the write is safe.
    fn limits(&self, kind: MirrorKind) -> Option<WriteLimits> {
        let repeatable_for = match kind {
            MirrorKind::Inventory => Some(OCCURRED_WITHIN),
            MirrorKind::Price | MirrorKind::Product => None,
        };
        // A batch of adjustments counts once by its key, and its writes alone would have others: a repetition in another
        // batch would count twice.
        Some(WriteLimits { quantity_decimals: QUANTITY_DECIMALS, repeatable_for, batch_max: 1 })
    }

    fn step(
        &self,
        write: &Write,
        context: &CallContext<'_>,
        read: Option<&HttpReply<'_>>,
    ) -> Result<Step, CallError> {
        match write {
            Write::Level { item, location, to, from } => {
                set_level(item, location.as_ref(), *to, *from, context)
            }
            Write::Price { variant, to, .. } => {
                rewrite(write, variant, context, read, |object| set_price(object, *to))
            }
            Write::Text { product, to } => {
                rewrite(write, product, context, read, |object| set_text(object, to))
            }
        }
    }

    /// Classifies the reply to a write, or to the read before it.
    fn outcome(&self, write: &Write, reply: &HttpReply<'_>) -> Result<Written, CallError> {
        http::check(reply)?;
        let object = || json::reply(reply.body).ok()?.get_mut("catalog_object").map(Value::take);
        Ok(match write {
            Write::Level { .. } => Written::default(),
            Write::Price { .. } | Write::Text { .. } => {
                object().map(|object| shown(write, &object)).unwrap_or_default()
            }
        })
    }
}

/// One adjustment by the difference: it commutes with a concurrent sale.
fn set_level(
    item: &ExternalId,
    location: Option<&ExternalId>,
    to: Quantity,
    from: Quantity,
    context: &CallContext<'_>,
) -> Result<Step, CallError> {
    let location = location
        .ok_or_else(|| {
            CallError::Rejected(Reject::new(
                RejectClass::Config,
                "square counts at locations, and none is set",
            ))
        })?
        .as_str();
    if from == to {
        return Ok(Step::Done(Written::default()));
    }
    let increase = to > from;
    let (before, after) = if increase { ("NONE", "IN_STOCK") } else { ("IN_STOCK", "SOLD") };
    let moved = if increase { to.minus(from) } else { from.minus(to) };
    let moved = moved.ok_or_else(|| Reject::new(RejectClass::Data, "the difference is out of bounds"))?;
    if moved.decimal().scale() > QUANTITY_DECIMALS {
        let reason = format!("square counts with at most {QUANTITY_DECIMALS} decimals");
        return Err(Reject::new(RejectClass::Data, reason).into());
    }
    let adjustment = json!({
        "catalog_object_id": item.as_str(),
        "location_id": location,
        "from_state": before,
        "to_state": after,
        "quantity": moved.to_string(),
        "occurred_at": context.now.to_string(),
        "reference_id": context.idempotency_key,
    });
    let body = json!({
        "idempotency_key": key(context.idempotency_key.to_owned())?,
        "ignore_unchanged_counts": true,
        "changes": [{"type": "ADJUSTMENT", "adjustment": adjustment}],
    });
    Ok(Step::Write(http::post(context.access, "/v2/inventory/changes/batch-create", &body)))
}

/// Reads a catalog object, changes it with `set`, and writes all of it back: fields that a write leaves out are lost.
fn rewrite(
    write: &Write,
    id: &ExternalId,
    context: &CallContext<'_>,
    read: Option<&HttpReply<'_>>,
    set: impl FnOnce(&mut Value) -> Result<bool, Reject>,
) -> Result<Step, CallError> {
    let Some(read) = read else {
        let path = format!("/v2/catalog/object/{}", http::segment(id.as_str()));
        return Ok(Step::Read(http::get(context.access, &path)));
    };
    let unread =
        || Reject::new(RejectClass::Platform, "square's reply holds no catalog object with a version");
    let mut reply = json::reply(read.body).map_err(|_| unread())?;
    let mut object = reply.get_mut("object").map(Value::take).ok_or_else(unread)?;
    let version = object.get("version").and_then(Value::as_i64).ok_or_else(unread)?;
    if object.get("is_deleted").and_then(Value::as_bool) == Some(true) {
        return Err(CallError::Gone);
    }
    if !set(&mut object)? {
        return Ok(Step::Done(shown(write, &object)));
    }
    // After a refused version the body is different and needs another key, the same for every attempt at that version.
    let key = key(format!("{}-{version}", context.idempotency_key))?;
    let body = json!({"idempotency_key": key, "object": object});
    Ok(Step::Write(http::post(context.access, "/v2/catalog/object", &body)))
}

/// The version and the value of the catalog object in a reply.
fn shown(write: &Write, object: &Value) -> Written {
    Written { version: map::catalog_version(object), rendered: rendered(write, object) }
}

/// The value of `write` as Square renders it in `object`, read as `map` reads it.
fn rendered(write: &Write, object: &Value) -> Option<MirrorValue> {
    match write {
        Write::Level { .. } => None,
        Write::Price { .. } => {
            let price = object.pointer("/item_variation_data/price_money")?;
            let currency = Currency::new(price.get("currency")?.as_str()?).ok()?;
            Some(MirrorValue::Price(Money { minor: price.get("amount")?.as_i64()?, currency }))
        }
        Write::Text { .. } => {
            let data = object.get("item_data")?.as_object()?;
            let text = |names: &[&str]| first_text(data, names).map(spaced);
            Some(MirrorValue::Text(ProductText {
                title: text(&["name"]),
                description: text(&["description_html", "description"]),
            }))
        }
    }
}

/// Sets the price; returns false if it is set already.
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

/// Sets the text; returns false if it is set already.
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
            // Square derives both from `description_html`; if left, they would contain the old text.
            data.remove("description");
            data.remove("description_plaintext");
            changed = true;
        }
    }
    Ok(changed)
}

fn data<'a>(object: &'a mut Value, name: &str) -> Result<&'a mut serde_json::Map<String, Value>, Reject> {
    let missing = || Reject::new(RejectClass::Platform, format!("square's catalog object has no {name}"));
    object.get_mut(name).and_then(Value::as_object_mut).ok_or_else(missing)
}

/// The first text among `names`, normalized for comparison; empty if there is none.
fn held(data: &serde_json::Map<String, Value>, names: &[&str]) -> String {
    first_text(data, names).map(spaced).unwrap_or_default()
}

fn first_text<'a>(data: &'a serde_json::Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| data.get(*name).and_then(Value::as_str))
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
mod tests;

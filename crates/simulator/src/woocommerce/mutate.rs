//! Changes of products and variations, alone and in batches.

use super::api::{Denial, Kind, failed, invalid_id, variation};
use super::show::{self, Context, REGULAR};
use crate::exchange::{Incoming, Reply};
use crate::ledger::{Change, Instant};
use crate::level::Entry;
use crate::notation;
use crate::state::State;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::str::FromStr;

/// Maximum number of objects in one batch.
const BATCH_MAX: usize = 100;

/// An object that was changed as it is shown, and the changes; or the refusal.
type Changed = Result<(Value, Vec<Change>), Denial>;

/// Changes one object.
pub(super) fn one(
    state: &mut State,
    product: Option<&str>,
    id: &str,
    call: &Incoming,
    now: Instant,
) -> Reply {
    let Ok(Value::Object(fields)) = serde_json::from_slice(&call.body) else {
        return failed(400, "rest_invalid_json", "Invalid JSON body passed.").named("update");
    };
    match change(state, product, id, &fields, now) {
        Ok((shown, changes)) => Reply::ok(shown).changing(changes).named("update"),
        Err(refusal) => refusal.reply().named("update"),
    }
}

/// Changes several objects; each is refused by itself, and the reply has the status 200 all the same.
pub(super) fn batch(state: &mut State, product: Option<&str>, call: &Incoming, now: Instant) -> Reply {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let updates = body["update"].as_array().cloned().unwrap_or_default();
    if updates.len() > BATCH_MAX {
        let message = "Unable to accept more than 100 items for this request.";
        return failed(413, "woocommerce_rest_request_entity_too_large", message).named("batch");
    }
    let (mut shown, mut all) = (Vec::new(), Vec::new());
    for fields in &updates {
        let id = fields["id"].as_u64().unwrap_or_default().to_string();
        let fields = fields.as_object().cloned().unwrap_or_default();
        match change(state, product, &id, &fields, now) {
            Ok((object, changes)) => {
                shown.push(object);
                all.extend(changes);
            }
            Err(refusal) => shown.push(json!({"id": fields.get("id"), "error": refusal.reply().body})),
        }
    }
    Reply::ok(json!({"update": shown})).changing(all).named("batch")
}

fn change(
    state: &mut State,
    product: Option<&str>,
    id: &str,
    fields: &Map<String, Value>,
    now: Instant,
) -> Changed {
    match product {
        None => change_product(state, id, fields, now),
        Some(product) => {
            let kind = Kind::Variation;
            let (held, variant) = variation(state, product, id).ok_or_else(|| invalid_id(kind, 400))?;
            let ids = (held.id.clone(), variant.id.clone());
            let changes = change_variant(state, &ids, fields, now)?;
            let (held, variant) = variation(state, product, id).ok_or_else(|| invalid_id(kind, 400))?;
            Ok((show::variation(state, held, variant), changes))
        }
    }
}

fn change_product(state: &mut State, id: &str, fields: &Map<String, Value>, now: Instant) -> Changed {
    let Some(held) = state.ledger.on_sale(id) else {
        if state.ledger.find(id).is_some() {
            let message = "To manipulate product variations you should use the variations endpoint.";
            return Err(Denial::new(404, "woocommerce_rest_invalid_product_id", message));
        }
        return Err(invalid_id(Kind::Product, 400));
    };
    let mut changes = Vec::new();
    if show::is_simple(held) {
        changes = change_variant(state, &(id.to_owned(), id.to_owned()), fields, now)?;
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(title) = text("name") {
        let is_new = state.set_title(id, &title, now).map_err(|_| invalid_id(Kind::Product, 400))?;
        changes.extend(is_new.then(|| Change::ProductEdited(id.to_owned())));
    }
    if let Some(description) = text("description") {
        let rendered = state.rendered(&description);
        let edited = state.ledger.edit(id, None, now, |product, _| product.description = rendered);
        changes.extend(edited.ok());
    }
    changes.dedup();
    let held = state.ledger.on_sale(id).ok_or_else(|| invalid_id(Kind::Product, 400))?;
    Ok((show::product(state, held, Context::Edit), changes))
}

/// Changes prices and stock.
fn change_variant(
    state: &mut State,
    (product, id): &(String, String),
    fields: &Map<String, Value>,
    now: Instant,
) -> Result<Vec<Change>, Denial> {
    let mut changes = Vec::new();
    if fields.contains_key("regular_price") || fields.contains_key("sale_price") {
        changes.push(change_price(state, product, id, fields, now)?);
    }
    let (Some((_, held)), Some(place)) = (state.ledger.find(id), state.shop.locations.first().cloned())
    else {
        return Ok(changes);
    };
    let item = held.item.clone();
    if let Some(is_counted) = fields.get("manage_stock").and_then(Value::as_bool) {
        let before = held.tracked;
        if before != is_counted && state.ledger.track(&item, is_counted, now).is_ok() {
            changes.push(Change::Level(item.clone(), place.clone()));
        }
    }
    // A product that doesn't count its stock takes no quantity, and says nothing about it.
    let is_counted = state.ledger.find(id).is_some_and(|(_, held)| show::counted(state, held).is_some());
    let entry = pieces(fields, "stock_quantity").map(Entry::Count);
    let entry = entry.or_else(|| pieces(fields, "inventory_delta").map(Entry::Delta)).filter(|_| is_counted);
    if let Some(entry) = entry
        && state.ledger.enter(&item, &place, now, entry, now)
    {
        changes.push(Change::Level(item, place));
    }
    Ok(changes)
}

/// A number of pieces: fractions are cut off, as PHP's `intval` does.
fn pieces(fields: &Map<String, Value>, name: &str) -> Option<Decimal> {
    let text = match fields.get(name)? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    Decimal::from_str(&text).ok().map(|number| number.trunc())
}

/// Sets the regular and the sale price; a sale price that isn't below the regular one has no effect.
fn change_price(
    state: &mut State,
    product: &str,
    id: &str,
    fields: &Map<String, Value>,
    now: Instant,
) -> Result<Change, Denial> {
    let wrong = || Denial::new(400, "rest_invalid_param", "Invalid parameter(s): regular_price, sale_price");
    let (_, held) = state.ledger.find(id).ok_or_else(|| invalid_id(Kind::Product, 400))?;
    let read = |value: &Value| notation::minor(value, &state.shop.currency).filter(|minor| *minor >= 0);
    let regular = match fields.get("regular_price") {
        None => show::regular(held),
        Some(value) => read(value).ok_or_else(wrong)?,
    };
    let sale = match fields.get("sale_price") {
        None => show::is_reduced(held).then_some(held.price_minor),
        Some(Value::String(text)) if text.is_empty() => None,
        Some(value) => Some(read(value).ok_or_else(wrong)?),
    };
    let sale = sale.filter(|sale| *sale < regular);
    let edited = state.ledger.edit(product, Some(id), now, |product, index| {
        if let Some(variant) = index.and_then(|index| product.variants.get_mut(index)) {
            variant.price_minor = sale.unwrap_or(regular);
            variant.extra.insert(REGULAR.to_owned(), json!(regular));
        }
    });
    edited.map_err(|_| invalid_id(Kind::Product, 400))
}

//! Items and their variations: read by id, by list and by time of change; written as a whole against a version.

use super::html::rendered;
use super::pricing;
use super::reply::{Refusal, listing, money, page, texts};
use crate::exchange::{Incoming, Reply};
use crate::ledger::{Change, Instant, Product, Variant};
use crate::notation;
use crate::state::State;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Number of objects on a page of a list.
pub(super) const LIST_PER_PAGE: usize = 100;
/// Maximum number of objects on a page of a search.
pub(super) const SEARCH_PER_PAGE: u64 = 1_000;
/// Fields of the same text in three formats; the first that is written applies.
const DESCRIPTIONS: [&str; 3] = ["description_html", "description", "description_plaintext"];
/// The id of the image that every item has.
const IMAGE: &str = "IMAGEOFTHESHOP";
const KINDS: [&str; 2] = ["ITEM", "ITEM_VARIATION"];

/// Fields of a new item that a write of the item must keep.
pub(super) fn new_fields() -> Map<String, Value> {
    let fields = [
        ("product_type", json!("REGULAR")),
        ("skip_modifier_screen", json!(false)),
        ("abbreviation", json!("TF")),
        ("image_ids", json!([IMAGE])),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn item(state: &State, product: &Product) -> Value {
    let mut data = product.extra.clone();
    let kept = product.variants.iter().filter(|each| product.deleted || !each.deleted);
    let variations = kept.enumerate().map(|(ordinal, each)| variation(state, product, each, ordinal));
    data.insert("name".to_owned(), json!(product.title));
    for name in DESCRIPTIONS {
        data.insert(name.to_owned(), json!(product.description));
    }
    data.insert("variations".to_owned(), variations.collect());
    json!({
        "type": "ITEM", "id": product.id, "created_at": notation::utc(product.created_at),
        "updated_at": notation::utc(product.updated_at), "version": product.version,
        "is_deleted": product.deleted, "present_at_all_locations": true, "item_data": data,
    })
}

fn variation(state: &State, product: &Product, variant: &Variant, ordinal: usize) -> Value {
    let mut data = variant.extra.clone();
    data.insert("item_id".to_owned(), json!(product.id));
    data.insert("name".to_owned(), json!(variant.name));
    // Square leaves out empty fields.
    if !variant.sku.is_empty() {
        data.insert("sku".to_owned(), json!(variant.sku));
    }
    if let Some(code) = &variant.barcode {
        data.insert("upc".to_owned(), json!(code));
    }
    data.insert("ordinal".to_owned(), json!(ordinal));
    data.insert("pricing_type".to_owned(), json!("FIXED_PRICING"));
    data.insert("price_money".to_owned(), money(state, variant.price_minor));
    json!({
        "type": "ITEM_VARIATION", "id": variant.id, "updated_at": notation::utc(variant.updated_at),
        "version": variant.version, "is_deleted": variant.deleted, "present_at_all_locations": true,
        "item_variation_data": data,
    })
}

fn find(state: &State, id: &str) -> Option<Value> {
    if let Some(product) = state.ledger.on_sale(id) {
        return Some(item(state, product));
    }
    let (product, variant) = state.ledger.find(id)?;
    let ordinal = product.variants.iter().position(|each| each.id == variant.id)?;
    Some(variation(state, product, variant, ordinal))
}

fn image() -> Value {
    json!({
        "type": "IMAGE", "id": IMAGE, "updated_at": "2026-01-01T00:00:00Z", "version": 1, "is_deleted": false,
        "present_at_all_locations": true,
        "image_data": {"name": "shop", "url": "https://items-images.example/shop.jpeg", "caption": "Of the shop"},
    })
}

/// Returns true if one of the objects refers to the image.
fn has_image(objects: &[Value]) -> bool {
    objects
        .iter()
        .any(|object| object["item_data"]["image_ids"].as_array().is_some_and(|ids| !ids.is_empty()))
}

pub(super) fn retrieve(state: &State, id: &str, call: &Incoming) -> Result<Reply, Refusal> {
    let object = find(state, id).ok_or_else(|| Refusal::not_found("Catalog object not found."))?;
    let mut reply = json!({"object": object});
    if call.parameter("include_related_objects") == Some("true")
        && has_image(std::slice::from_ref(&reply["object"]))
    {
        reply["related_objects"] = json!([image()]);
    }
    Ok(Reply::ok(reply))
}

/// Every object of `kinds` with the time of its last change.
fn objects(state: &State, kinds: &[&str], deleted: bool) -> Vec<(Instant, Value)> {
    let mut found = Vec::new();
    for product in state.ledger.listed_products() {
        if kinds.contains(&"ITEM") && (deleted || !product.deleted) {
            found.push((product.updated_at, item(state, product)));
        }
        if kinds.contains(&"ITEM_VARIATION") {
            let shown = product.variants.iter().enumerate().filter(|(_, each)| deleted || !each.deleted);
            found.extend(
                shown.map(|(ordinal, each)| (each.updated_at, variation(state, product, each, ordinal))),
            );
        }
    }
    found
}

fn known_kinds(kinds: &[&str]) -> Result<(), Refusal> {
    let known = kinds.iter().all(|kind| KINDS.contains(kind));
    if known {
        Ok(())
    } else {
        Err(Refusal::bad("INVALID_VALUE", "Only items are simulated.", "object_types"))
    }
}

pub(super) fn list(state: &State, call: &Incoming) -> Result<Reply, Refusal> {
    let given: Vec<&str> = call.parameter("types").unwrap_or("ITEM,ITEM_VARIATION").split(',').collect();
    known_kinds(&given)?;
    let all = objects(state, &given, false).into_iter().map(|(_, object)| object).collect();
    let (shown, next) = page(all, call.parameter("cursor"), LIST_PER_PAGE)?;
    Ok(Reply::ok(listing("objects", shown, next)))
}

pub(super) fn search(state: &State, body: &Map<String, Value>) -> Result<Reply, Refusal> {
    if body.contains_key("query") {
        return Err(Refusal::bad("INVALID_VALUE", "Queries aren't simulated.", "query"));
    }
    let begin = match body.get("begin_time").and_then(Value::as_str) {
        Some(text) => Some(
            notation::instant(text)
                .ok_or_else(|| Refusal::bad("INVALID_TIME", "Not RFC 3339.", "begin_time"))?,
        ),
        None => None,
    };
    let mut kinds = texts(body, "object_types");
    if kinds == [pricing::RULE] {
        return pricing::search(state, body);
    }
    if kinds.is_empty() {
        kinds = KINDS.to_vec();
    }
    known_kinds(&kinds)?;
    let deleted = body.get("include_deleted_objects").and_then(Value::as_bool).unwrap_or(false);
    let mut found = objects(state, &kinds, deleted);
    let latest = found.iter().map(|(at, _)| *at).max();
    found.retain(|(at, _)| begin.is_none_or(|begin| *at > begin));
    found.sort_by_key(|(at, _)| *at);
    let limit =
        body.get("limit").and_then(Value::as_u64).unwrap_or(LIST_PER_PAGE as u64).clamp(1, SEARCH_PER_PAGE);
    let cursor = body.get("cursor").and_then(Value::as_str);
    let found = found.into_iter().map(|(_, object)| object).collect();
    let (shown, next) = page(found, cursor, usize::try_from(limit).unwrap_or(usize::MAX))?;
    let related = body.get("include_related_objects").and_then(Value::as_bool).unwrap_or(false);
    let related = if related { items_of(state, &shown) } else { Vec::new() };
    let mut reply = listing("objects", shown, next);
    if !related.is_empty() {
        reply["related_objects"] = Value::Array(related);
    }
    if let Some(latest) = latest {
        reply["latest_time"] = json!(notation::utc(latest));
    }
    Ok(Reply::ok(reply))
}

/// The items of the variations among `objects`, each once, and the image of the items among them.
fn items_of(state: &State, objects: &[Value]) -> Vec<Value> {
    let ids = objects.iter().filter_map(|object| object["item_variation_data"]["item_id"].as_str());
    let ids: BTreeSet<&str> = ids.collect();
    let items = ids.into_iter().filter_map(|id| state.ledger.product(id)).map(|product| item(state, product));
    // One level deep: the image of a related item isn't among them.
    items.chain(has_image(objects).then(image)).collect()
}

pub(super) fn upsert(state: &mut State, body: &Map<String, Value>, now: Instant) -> Result<Reply, Refusal> {
    let object =
        body.get("object").filter(|object| object.is_object()).ok_or_else(|| Refusal::missing("object"))?;
    let id = object["id"].as_str().ok_or_else(|| Refusal::missing("object.id"))?;
    if id.starts_with('#') {
        return Err(Refusal::bad("INVALID_VALUE", "Creating objects isn't simulated.", "object.id"));
    }
    let held = find(state, id).ok_or_else(|| Refusal::not_found("Catalog object not found."))?;
    if object["type"] != held["type"] {
        return Err(Refusal::bad("INVALID_VALUE", "The type of an object can't change.", "object.type"));
    }
    same_version(object, &held)?;
    let product = if held["type"] == "ITEM" {
        replace_item(state, id, object, now)?
    } else {
        replace_variation(state, id, object, now)?
    };
    let written = find(state, id).ok_or_else(|| Refusal::not_found("Catalog object not found."))?;
    Ok(Reply::ok(json!({"catalog_object": written})).changing(vec![Change::ProductEdited(product)]))
}

fn same_version(given: &Value, held: &Value) -> Result<(), Refusal> {
    if given["version"] == held["version"] {
        return Ok(());
    }
    let detail = "Object version does not match latest database version.";
    Err(Refusal::bad("VERSION_MISMATCH", detail, "version"))
}

/// Replaces an item with all its contents: fields and variations that aren't given are removed.
fn replace_item(state: &mut State, id: &str, object: &Value, now: Instant) -> Result<String, Refusal> {
    let mut data = data(object, "item_data")?;
    let given = match data.remove("variations") {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let name = take_text(&mut data, "name").ok_or_else(|| Refusal::missing("item_data.name"))?;
    let descriptions = DESCRIPTIONS.map(|name| take_text(&mut data, name));
    let description = rendered(&descriptions.into_iter().flatten().next().unwrap_or_default());
    let mut product = state.ledger.on_sale(id).ok_or_else(|| Refusal::not_found("Item not found."))?.clone();
    let version = state.ledger.next_version();
    for variant in &mut product.variants {
        let Some(object) = given.iter().find(|object| object["id"] == variant.id.as_str()) else {
            variant.deleted = true;
            variant.updated_at = now;
            continue;
        };
        same_version(object, &json!({"version": variant.version}))?;
        let written = written_variant(state, variant, object, version, now)?;
        *variant = written;
    }
    product.title = name;
    product.description = description;
    product.extra = data;
    product.version = version;
    product.updated_at = now;
    state.ledger.put(product);
    Ok(id.to_owned())
}

/// Replaces one variation; its item keeps its version.
fn replace_variation(state: &mut State, id: &str, object: &Value, now: Instant) -> Result<String, Refusal> {
    let (product, variant) =
        state.ledger.find(id).ok_or_else(|| Refusal::not_found("Variation not found."))?;
    let (mut product, variant) = (product.clone(), variant.clone());
    let version = state.ledger.next_version();
    let written = written_variant(state, &variant, object, version, now)?;
    for held in &mut product.variants {
        if held.id == id {
            *held = written.clone();
        }
    }
    let product_id = product.id.clone();
    state.ledger.put(product);
    Ok(product_id)
}

/// Returns `variant` with the values of `object`; it gets a new version only if a value changes.
fn written_variant(
    state: &State,
    variant: &Variant,
    object: &Value,
    version: i64,
    now: Instant,
) -> Result<Variant, Refusal> {
    let mut data = data(object, "item_variation_data")?;
    let money = data.remove("price_money").unwrap_or(Value::Null);
    let price = money["amount"].as_i64().filter(|amount| *amount >= 0);
    if money["currency"] != state.shop.currency.as_str() {
        return Err(Refusal::bad("INVALID_VALUE", "Wrong currency.", "item_variation_data.price_money"));
    }
    let mut written = variant.clone();
    written.price_minor = price
        .ok_or_else(|| Refusal::bad("INVALID_VALUE", "Invalid amount.", "item_variation_data.price_money"))?;
    written.name = take_text(&mut data, "name").unwrap_or_default();
    written.sku = take_text(&mut data, "sku").unwrap_or_default();
    written.barcode = take_text(&mut data, "upc");
    for derived in ["item_id", "ordinal", "pricing_type"] {
        data.remove(derived);
    }
    written.extra = data;
    let same = written.price_minor == variant.price_minor
        && written.name == variant.name
        && written.sku == variant.sku
        && written.barcode == variant.barcode
        && written.extra == variant.extra;
    if !same {
        written.version = version;
        written.updated_at = now;
    }
    Ok(written)
}

fn data(object: &Value, name: &str) -> Result<Map<String, Value>, Refusal> {
    object[name].as_object().cloned().ok_or_else(|| Refusal::missing(name))
}

fn take_text(data: &mut Map<String, Value>, name: &str) -> Option<String> {
    match data.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

//! Mutations. Everything is checked before anything is changed.

use super::graphql::Field;
use super::project::{Fault, Node, project};
use super::tree;
use crate::ledger::{Change, Instant};
use crate::level::{Entry, Level};
use crate::notation;
use crate::state::State;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// Maximum number of entries of a list in an input.
const INPUT_MAX: usize = 250;
/// Maximum quantity of a level.
const QUANTITY_MAX: i64 = 1_000_000_000;
const REASONS: [&str; 17] = [
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];

/// Result of a mutation: the selected value, and the changes that it made.
type Done = (Value, Vec<Change>);

pub(super) fn idempotency_key(field: &Field) -> Option<&str> {
    field.directive("idempotent")?.get("key")?.as_str()
}

/// Runs a mutation. With `has_rival`, another program restocks just before a write of levels.
pub(super) fn run(state: &mut State, field: &Field, has_rival: bool, now: Instant) -> Result<Done, Fault> {
    match field.name.as_str() {
        "inventorySetQuantities" => once(state, field, has_rival, now),
        "productVariantsBulkUpdate" => update_variants(state, field, now),
        "productUpdate" => update_product(state, field, now),
        other => Err((format!("Field '{other}' doesn't exist on type 'Mutation'"), "undefinedField")),
    }
}

/// Runs the mutation once for each idempotency key, which is required.
fn once(state: &mut State, field: &Field, has_rival: bool, now: Instant) -> Result<Done, Fault> {
    let Some(key) = idempotency_key(field) else {
        let message = "The @idempotent directive is required for this mutation but was not provided.";
        return Err((message.to_owned(), "BAD_REQUEST"));
    };
    if key.trim().is_empty() {
        return Err(("The idempotency key can't be blank.".to_owned(), "BAD_REQUEST"));
    }
    let request = json!([field.name, field.arguments]);
    if let Some((earlier, reply)) = state.replies.get(key) {
        let refusal = if *earlier != request {
            user_error(
                None,
                "The same idempotency key cannot be used with different operation parameters.",
                "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
            )
        } else if reply["failed"] == json!(true) {
            user_error(
                None,
                "A previous request with this idempotency key failed. Retry with a new idempotency key.",
                "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
            )
        } else {
            return Ok((reply["value"].clone(), Vec::new()));
        };
        return Ok((project(&set_payload(None, vec![refusal]), field)?, Vec::new()));
    }
    let (value, changes, failed) = set_quantities(state, field, has_rival, now)?;
    state.replies.remember(key, request, json!({"failed": failed, "value": value}));
    Ok((value, changes))
}

/// One row of `quantities`.
struct Row {
    item: String,
    location: String,
    quantity: i64,
    /// The quantity to compare with; `None` skips the check.
    from: Option<i64>,
}

fn set_quantities(
    state: &mut State,
    field: &Field,
    has_rival: bool,
    now: Instant,
) -> Result<(Value, Vec<Change>, bool), Fault> {
    // An invalid selection is refused before anything changes.
    let sample = change_node("", "", 0, Decimal::ZERO);
    project(
        &set_payload(Some(group(&json!({}), "", now, vec![sample])), vec![user_error(None, "", "")]),
        field,
    )?;
    let input = object(field.argument("input"), "InventorySetQuantitiesInput")?;
    known_keys(
        input,
        "InventorySetQuantitiesInput",
        &["name", "reason", "referenceDocumentUri", "quantities"],
    )?;
    let rows = rows(input)?;
    let mut changes = if has_rival { rival_restocks(state, &rows, now) } else { Vec::new() };
    let errors = refusals(state, input, &rows)?;
    if !errors.is_empty() {
        return Ok((project(&set_payload(None, errors), field)?, changes, true));
    }
    let mut nodes = Vec::new();
    for row in rows {
        let before = state.ledger.level(&row.item, &row.location).map_or(Decimal::ZERO, Level::quantity);
        let quantity = Decimal::from(row.quantity);
        if state.ledger.enter(&row.item, &row.location, now, Entry::Count(quantity), now) {
            nodes.push(change_node(&row.item, &row.location, row.quantity, quantity - before));
            changes.push(Change::Level(row.item, row.location));
        }
    }
    let id = state.ids.number().to_string();
    let group = (!nodes.is_empty()).then(|| group(&Value::Object(input.clone()), &id, now, nodes));
    Ok((project(&set_payload(group, Vec::new()), field)?, changes, false))
}

/// Restocks one of each item in `rows`, as another program would.
fn rival_restocks(state: &mut State, rows: &[Row], now: Instant) -> Vec<Change> {
    let mut changes = Vec::new();
    for row in rows {
        if state.ledger.move_stock(&row.item, &row.location, Decimal::ONE, now).is_ok() {
            changes.push(Change::Level(row.item.clone(), row.location.clone()));
        }
    }
    changes
}

fn rows(input: &Map<String, Value>) -> Result<Vec<Row>, Fault> {
    let list = input.get("quantities").and_then(Value::as_array).ok_or_else(|| invalid("quantities"))?;
    if list.len() > INPUT_MAX {
        let message = format!(
            "The input array size of {} is greater than the maximum allowed of {INPUT_MAX}.",
            list.len()
        );
        return Err((message, "MAX_INPUT_SIZE_EXCEEDED"));
    }
    list.iter().map(row).collect()
}

fn row(given: &Value) -> Result<Row, Fault> {
    let given = object(Some(given), "InventoryQuantityInput")?;
    let keys = ["inventoryItemId", "locationId", "quantity", "changeFromQuantity"];
    known_keys(given, "InventoryQuantityInput", &keys)?;
    let id = |name: &str, kind: &str| {
        let text = given.get(name).and_then(Value::as_str).ok_or_else(|| invalid(name))?;
        let bare = tree::bare_id(text);
        if text == tree::gid(kind, bare) { Ok(bare.to_owned()) } else { Err(invalid(name)) }
    };
    let from = match given.get("changeFromQuantity") {
        None => {
            let message = "InventoryQuantityInput must include the following argument: changeFromQuantity.";
            return Err((message.to_owned(), "INVALID_FIELD_ARGUMENTS"));
        }
        Some(Value::Null) => None,
        Some(value) => Some(value.as_i64().ok_or_else(|| invalid("changeFromQuantity"))?),
    };
    Ok(Row {
        item: id("inventoryItemId", "InventoryItem")?,
        location: id("locationId", "Location")?,
        quantity: given.get("quantity").and_then(Value::as_i64).ok_or_else(|| invalid("quantity"))?,
        from,
    })
}

fn refusals(state: &State, input: &Map<String, Value>, rows: &[Row]) -> Result<Vec<Node>, Fault> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).ok_or_else(|| invalid(name));
    let mut errors = Vec::new();
    let mut refuse = |path: &[&str], message: &str, code| errors.push(user_error(Some(path), message, code));
    if !["available", "on_hand"].contains(&text("name")?) {
        refuse(
            &["input", "name"],
            "The quantity name must be either 'available' or 'on_hand'.",
            "INVALID_NAME",
        );
    }
    if !REASONS.contains(&text("reason")?) {
        refuse(&["input", "reason"], "The specified reason is invalid.", "INVALID_REASON");
    }
    let uri = input.get("referenceDocumentUri").and_then(Value::as_str);
    if uri.is_some_and(|uri| !uri.contains("://")) {
        let message = "The specified reference document is invalid.";
        refuse(&["input", "referenceDocumentUri"], message, "INVALID_REFERENCE_DOCUMENT");
    }
    let mut seen = HashSet::new();
    for (index, row) in rows.iter().enumerate() {
        if let Some((name, message, code)) = refusal(state, row, &mut seen) {
            refuse(&["input", "quantities", &index.to_string(), name], message, code);
        }
    }
    Ok(errors)
}

fn refusal<'a>(
    state: &State,
    row: &'a Row,
    seen: &mut HashSet<(&'a str, &'a str)>,
) -> Option<(&'static str, &'static str, &'static str)> {
    // Only the id of the inventory item itself is valid, not that of its variant.
    let known = state.ledger.find(&row.item).is_some_and(|(_, variant)| variant.item == row.item);
    let held = state.ledger.level(&row.item, &row.location).map_or(Decimal::ZERO, Level::quantity);
    if !known {
        Some((
            "inventoryItemId",
            "The specified inventory item could not be found.",
            "INVALID_INVENTORY_ITEM",
        ))
    } else if state.check_location(&row.location).is_err() {
        Some(("locationId", "The specified location could not be found.", "INVALID_LOCATION"))
    } else if row.quantity < 0 {
        Some(("quantity", "The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE"))
    } else if row.quantity > QUANTITY_MAX {
        let message = "The total quantity can't be higher than 1,000,000,000.";
        Some(("quantity", message, "INVALID_QUANTITY_TOO_HIGH"))
    } else if !seen.insert((&row.item, &row.location)) {
        let message = "The combination of inventoryItemId and locationId must be unique.";
        Some(("inventoryItemId", message, "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"))
    } else if row.from.is_some_and(|from| Decimal::from(from) != held) {
        let message = "The changeFromQuantity value does not match persisted value.";
        Some(("changeFromQuantity", message, "CHANGE_FROM_QUANTITY_STALE"))
    } else {
        None
    }
}

fn set_payload(group: Option<Node>, errors: Vec<Node>) -> Node {
    Node::Object(
        "InventorySetQuantitiesPayload",
        vec![
            ("inventoryAdjustmentGroup", group.unwrap_or(Node::Leaf(Value::Null))),
            ("userErrors", Node::List(errors)),
        ],
    )
}

fn group(input: &Value, id: &str, now: Instant, changes: Vec<Node>) -> Node {
    let app = vec![("id", Node::text("gid://shopify/App/755357713")), ("title", Node::text("Tillflow"))];
    Node::Object(
        "InventoryAdjustmentGroup",
        vec![
            ("id", Node::text(tree::gid("InventoryAdjustmentGroup", id))),
            ("createdAt", Node::text(now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))),
            ("reason", Node::Leaf(input["reason"].clone())),
            ("referenceDocumentUri", Node::Leaf(input["referenceDocumentUri"].clone())),
            ("app", Node::Object("App", app)),
            ("changes", Node::List(changes)),
        ],
    )
}

fn change_node(item: &str, location: &str, after: i64, delta: Decimal) -> Node {
    let item = vec![("id", Node::text(tree::gid("InventoryItem", item)))];
    Node::Object(
        "InventoryChange",
        vec![
            ("name", Node::text("available")),
            ("delta", Node::Leaf(notation::number(delta))),
            ("quantityAfterChange", Node::Leaf(json!(after))),
            ("item", Node::Object("InventoryItem", item)),
            ("location", tree::location(location)),
        ],
    )
}

fn update_variants(state: &mut State, field: &Field, now: Instant) -> Result<Done, Fault> {
    let payload = |product: Option<Node>, variants: Vec<Node>, errors: Vec<Node>| {
        Node::Object(
            "ProductVariantsBulkUpdatePayload",
            vec![
                ("product", product.unwrap_or(Node::Leaf(Value::Null))),
                ("productVariants", Node::List(variants)),
                ("userErrors", Node::List(errors)),
            ],
        )
    };
    let refuse = |path: &[&str], message: &str, code| {
        project(&payload(None, Vec::new(), vec![user_error(Some(path), message, code)]), field)
            .map(|value| (value, Vec::new()))
    };
    let id = field.argument("productId").and_then(Value::as_str).ok_or_else(|| invalid("productId"))?;
    let id = tree::bare_id(id).to_owned();
    let given = field.argument("variants").and_then(Value::as_array).ok_or_else(|| invalid("variants"))?;
    let Some(product) = state.ledger.on_sale(&id) else {
        return refuse(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST");
    };
    let nodes = product.variants.iter().map(|variant| tree::variant(state, product, variant)).collect();
    let sample = user_error(None, "", "");
    project(&payload(Some(tree::product(state, product)), nodes, vec![sample]), field)?;
    let mut prices = Vec::new();
    for (index, input) in given.iter().enumerate() {
        let input = object(Some(input), "ProductVariantsBulkInput")?;
        known_keys(input, "ProductVariantsBulkInput", &["id", "price"])?;
        let variant = input.get("id").and_then(Value::as_str).map(tree::bare_id).unwrap_or_default();
        if !product.variants.iter().any(|held| held.id == variant && !held.deleted) {
            let path = ["variants", &index.to_string(), "id"];
            return refuse(&path, "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST");
        }
        let price = input.get("price").map(|price| notation::minor(price, &state.shop.currency));
        prices.push((variant.to_owned(), price.flatten().ok_or_else(|| invalid("price"))?));
    }
    let mut changed = false;
    for (variant, price) in &prices {
        changed |= state.set_price(&id, variant, *price, now);
    }
    let Some(product) = state.ledger.on_sale(&id) else { return Err(invalid("productId")) };
    let updated = product.variants.iter().filter(|held| prices.iter().any(|(id, _)| *id == held.id));
    let nodes = updated.map(|variant| tree::variant(state, product, variant)).collect();
    let value = project(&payload(Some(tree::product(state, product)), nodes, Vec::new()), field)?;
    Ok((value, changed.then_some(Change::ProductEdited(id)).into_iter().collect()))
}

fn update_product(state: &mut State, field: &Field, now: Instant) -> Result<Done, Fault> {
    let payload = |product: Option<Node>, error: Option<(&str, &str)>| {
        let errors = error.map(|(path, message)| plain_error(path, message));
        let product = product.unwrap_or(Node::Leaf(Value::Null));
        let entries = vec![("product", product), ("userErrors", Node::List(errors.into_iter().collect()))];
        Node::Object("ProductUpdatePayload", entries)
    };
    let given = field.argument("product").or_else(|| field.argument("input"));
    let input = object(given, "ProductUpdateInput")?;
    known_keys(input, "ProductUpdateInput", &["id", "title", "descriptionHtml"])?;
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text("id").ok_or_else(|| invalid("id"))?;
    let id = tree::bare_id(&id).to_owned();
    let Some(product) = state.ledger.on_sale(&id) else {
        let refusal = payload(None, Some(("id", "Product does not exist")));
        return Ok((project(&refusal, field)?, Vec::new()));
    };
    project(&payload(Some(tree::product(state, product)), Some(("", ""))), field)?;
    let title = text("title").map_or_else(|| product.title.clone(), |title| title.trim().to_owned());
    let description = text("descriptionHtml");
    let description = description.map_or_else(|| product.description.clone(), |text| state.rendered(&text));
    if title.is_empty() {
        let refusal = payload(Some(tree::product(state, product)), Some(("title", "Title can't be blank")));
        return Ok((project(&refusal, field)?, Vec::new()));
    }
    let changed = title != product.title || description != product.description;
    let edit = state.ledger.edit(&id, None, now, |product, _| {
        product.title = title;
        product.description = description;
    });
    let change = edit.ok().filter(|_| changed);
    let Some(product) = state.ledger.on_sale(&id) else { return Err(invalid("id")) };
    let value = project(&payload(Some(tree::product(state, product)), None), field)?;
    Ok((value, change.into_iter().collect()))
}

fn path_node(path: Option<&[&str]>) -> Node {
    Node::Leaf(path.map_or(Value::Null, |path| json!(path)))
}

/// An error of a mutation that has codes.
fn user_error(path: Option<&[&str]>, message: &str, code: &str) -> Node {
    let fields =
        vec![("field", path_node(path)), ("message", Node::text(message)), ("code", Node::text(code))];
    Node::Object("UserErrorWithCode", fields)
}

/// An error of a mutation that has none.
fn plain_error(path: &str, message: &str) -> Node {
    Node::Object("UserError", vec![("field", path_node(Some(&[path]))), ("message", Node::text(message))])
}

fn invalid(name: &str) -> Fault {
    (format!("Variable was provided invalid value for {name}"), "INVALID_VARIABLE")
}

fn object<'a>(value: Option<&'a Value>, kind: &str) -> Result<&'a Map<String, Value>, Fault> {
    value.and_then(Value::as_object).ok_or_else(|| invalid(kind))
}

fn known_keys(input: &Map<String, Value>, kind: &str, keys: &[&str]) -> Result<(), Fault> {
    let unknown = input.keys().find(|key| !keys.contains(&key.as_str()));
    unknown.map_or(Ok(()), |key| {
        let message =
            format!("Variable was provided invalid value for {key} (Field is not defined on {kind})");
        Err((message, "INVALID_VARIABLE"))
    })
}

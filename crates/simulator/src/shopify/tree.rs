//! Objects of the Admin API with all the fields that can be selected here.

use super::filter::Filter;
use super::project::Node;
use crate::ledger::{Customer, Order, Product, Variant};
use crate::level::Level;
use crate::notation;
use crate::state::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// Quantities other than "available"; always zero, since nothing is ever committed or on its way.
const EMPTY_QUANTITIES: [&str; 3] = ["committed", "incoming", "reserved"];

pub(crate) fn gid(kind: &str, id: &str) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// The number in a global id; any other text stays as it is.
pub(crate) fn bare_id(gid: &str) -> &str {
    let id = gid.rsplit('/').next().unwrap_or(gid);
    id.split('?').next().unwrap_or(id)
}

pub(crate) fn cursor(id: &str) -> String {
    STANDARD.encode(format!(r#"{{"last_id":{id}}}"#))
}

fn utc_seconds(at: crate::ledger::Instant) -> Node {
    Node::text(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

pub(crate) fn product(state: &State, product: &Product) -> Node {
    let variants = product.variants.iter().filter(|each| !each.deleted);
    let total: Decimal = variants.clone().map(|each| state.ledger.total(&each.item)).sum();
    let nodes = variants.map(|each| (cursor(&each.id), variant(state, product, each))).collect();
    let mut fields = shallow(product);
    fields.extend([
        ("descriptionHtml", Node::text(&product.description)),
        ("vendor", Node::text("Tillflow demo")),
        ("productType", Node::text("")),
        ("status", Node::text("ACTIVE")),
        ("tags", Node::List(Vec::new())),
        ("createdAt", utc_seconds(product.created_at)),
        ("updatedAt", utc_seconds(product.updated_at)),
        ("totalInventory", Node::Leaf(notation::number(total))),
        ("variants", Node::Connection(nodes)),
    ]);
    Node::Object("Product", fields)
}

fn shallow(product: &Product) -> Vec<(&'static str, Node)> {
    vec![
        ("id", Node::text(gid("Product", &product.id))),
        ("legacyResourceId", Node::text(&product.id)),
        ("title", Node::text(&product.title)),
        ("handle", Node::text(product.title.to_lowercase().replace(' ', "-"))),
    ]
}

pub(crate) fn variant(state: &State, of: &Product, variant: &Variant) -> Node {
    let mut fields = shallow_variant(state, variant);
    fields.extend([
        ("product", Node::Object("Product", shallow(of))),
        ("inventoryItem", item(state, of, variant)),
        ("inventoryQuantity", Node::Leaf(notation::number(state.ledger.total(&variant.item)))),
    ]);
    Node::Object("ProductVariant", fields)
}

fn shallow_variant(state: &State, variant: &Variant) -> Vec<(&'static str, Node)> {
    vec![
        ("id", Node::text(gid("ProductVariant", &variant.id))),
        ("legacyResourceId", Node::text(&variant.id)),
        ("title", Node::text(&variant.name)),
        ("sku", Node::text(&variant.sku)),
        ("price", Node::text(notation::amount(variant.price_minor, &state.shop.currency))),
        ("compareAtPrice", Node::Leaf(Value::Null)),
        ("barcode", Node::Leaf(json!(variant.barcode))),
        ("updatedAt", utc_seconds(variant.updated_at)),
    ]
}

/// The number of products, as the platform counts them: exactly up to 10,000.
pub(crate) fn products_count(state: &State) -> Node {
    const EXACT_MAX: usize = 10_000;
    let count = state.ledger.listed_products().filter(|product| !product.deleted).count();
    let precision = if count <= EXACT_MAX { "EXACT" } else { "AT_LEAST" };
    let fields =
        vec![("count", Node::Leaf(json!(count.min(EXACT_MAX)))), ("precision", Node::text(precision))];
    Node::Object("Count", fields)
}

/// The items of all products.
pub(crate) fn items(state: &State) -> Vec<Node> {
    let products = state.ledger.listed_products().filter(|product| !product.deleted);
    let of = |it: &Product| {
        it.variants.iter().filter(|each| !each.deleted).map(|each| item(state, it, each)).collect::<Vec<_>>()
    };
    products.flat_map(of).collect()
}

pub(crate) fn item(state: &State, product: &Product, variant: &Variant) -> Node {
    let id = &variant.item;
    let mut of_variant = shallow_variant(state, variant);
    of_variant.push(("product", Node::Object("Product", shallow(product))));
    let level = |(location, level): (&str, &Level)| {
        (location.to_owned(), self::level(id, location, variant.tracked, level))
    };
    let levels: Vec<(String, Node)> = state.ledger.levels_of(id).map(level).collect();
    let keyed = levels.iter().map(|(location, node)| (gid("Location", location), node.clone())).collect();
    let listed = levels.into_iter().map(|(location, node)| (cursor(&location), node)).collect();
    Node::Object(
        "InventoryItem",
        vec![
            ("id", Node::text(gid("InventoryItem", id))),
            ("legacyResourceId", Node::text(id)),
            ("sku", Node::text(&variant.sku)),
            ("tracked", Node::Leaf(json!(variant.tracked))),
            ("updatedAt", utc_seconds(variant.updated_at)),
            ("variant", Node::Object("ProductVariant", of_variant)),
            ("inventoryLevel", Node::Keyed("locationId", keyed)),
            ("inventoryLevels", Node::Connection(listed)),
        ],
    )
}

fn level(item: &str, location: &str, is_tracked: bool, level: &Level) -> Node {
    let quantity = |name: &'static str, quantity: Decimal| {
        let fields = vec![
            ("name", Node::text(name)),
            ("quantity", Node::Leaf(notation::number(quantity))),
            ("updatedAt", utc_seconds(level.calculated_at)),
        ];
        (name.to_owned(), Node::Object("InventoryQuantity", fields))
    };
    let mut quantities = vec![quantity("available", level.quantity()), quantity("on_hand", level.quantity())];
    quantities.extend(EMPTY_QUANTITIES.map(|name| quantity(name, Decimal::ZERO)));
    Node::Object(
        "InventoryLevel",
        vec![
            ("id", Node::text(level_gid(item, location))),
            ("updatedAt", utc_seconds(level.calculated_at)),
            ("isActive", Node::Leaf(json!(true))),
            (
                "item",
                Node::Object(
                    "InventoryItem",
                    vec![
                        ("id", Node::text(gid("InventoryItem", item))),
                        ("legacyResourceId", Node::text(item)),
                        ("tracked", Node::Leaf(json!(is_tracked))),
                    ],
                ),
            ),
            ("location", self::location(location)),
            ("quantities", Node::Picked("names", quantities)),
        ],
    )
}

pub(crate) fn level_gid(item: &str, location: &str) -> String {
    format!("gid://shopify/InventoryLevel/{location}?inventory_item_id={item}")
}

pub(crate) fn location(id: &str) -> Node {
    let fields = vec![
        ("id", Node::text(gid("Location", id))),
        ("legacyResourceId", Node::text(id)),
        ("name", Node::text(format!("Location {id}"))),
        ("isActive", Node::Leaf(json!(true))),
    ];
    Node::Object("Location", fields)
}

/// A location with its levels, limited to those that changed in a range of time.
pub(crate) fn stocked(state: &State, id: &str, filter: &Filter) -> Option<Node> {
    if !state.shop.locations.iter().any(|each| each == id) {
        return None;
    }
    let here =
        state.ledger.levels().filter(|(_, at, level)| *at == id && filter.has_changed(level.calculated_at));
    let levels = here.filter_map(|(item, at, level)| {
        let (_, variant) = state.ledger.find(item)?;
        Some((cursor(item), self::level(item, at, variant.tracked, level)))
    });
    let fields = vec![
        ("id", Node::text(gid("Location", id))),
        ("legacyResourceId", Node::text(id)),
        ("inventoryLevels", Node::Connection(levels.collect())),
    ];
    Some(Node::Object("Location", fields))
}

fn money(state: &State, minor: i64) -> Node {
    let one = || {
        let fields = vec![
            ("amount", Node::text(notation::amount(minor, &state.shop.currency))),
            ("currencyCode", Node::text(&state.shop.currency)),
        ];
        Node::Object("MoneyV2", fields)
    };
    Node::Object("MoneyBag", vec![("shopMoney", one()), ("presentmentMoney", one())])
}

fn time_or_null(at: Option<crate::ledger::Instant>) -> Node {
    at.map_or(Node::Leaf(Value::Null), utc_seconds)
}

pub(crate) fn order(state: &State, order: &Order) -> Node {
    let line = &order.line;
    let total = line.total_minor();
    let is_refunded = order.cancelled_at.or(order.refunded_at).is_some();
    let lines = vec![(
        cursor(&line.id),
        Node::Object(
            "LineItem",
            vec![
                ("id", Node::text(gid("LineItem", &line.id))),
                ("title", Node::text(&line.title)),
                ("sku", Node::text(&line.sku)),
                ("quantity", Node::Leaf(notation::number(line.quantity))),
                (
                    "variant",
                    Node::Object("ProductVariant", vec![("legacyResourceId", Node::text(&line.variant))]),
                ),
                ("originalUnitPriceSet", money(state, line.price_minor)),
            ],
        ),
    )];
    Node::Object(
        "Order",
        vec![
            ("id", Node::text(gid("Order", &order.id))),
            ("legacyResourceId", Node::text(&order.id)),
            ("name", Node::text(format!("#{}", order.number))),
            ("test", Node::Leaf(json!(order.is_test))),
            ("currencyCode", Node::text(&state.shop.currency)),
            ("createdAt", utc_seconds(order.at)),
            ("updatedAt", utc_seconds(order.updated_at())),
            ("cancelledAt", time_or_null(order.cancelled_at)),
            ("closedAt", Node::Leaf(Value::Null)),
            ("displayFinancialStatus", Node::text(if is_refunded { "REFUNDED" } else { "PAID" })),
            ("displayFulfillmentStatus", Node::text("FULFILLED")),
            ("totalPriceSet", money(state, total)),
            ("totalTaxSet", money(state, 0)),
            ("totalDiscountsSet", money(state, 0)),
            ("customer", Node::Leaf(Value::Null)),
            ("retailLocation", location(&order.location)),
            ("lineItems", Node::Connection(lines)),
        ],
    )
}

pub(crate) fn customer(customer: &Customer) -> Node {
    Node::Object(
        "Customer",
        vec![
            ("id", Node::text(gid("Customer", &customer.id))),
            ("legacyResourceId", Node::text(&customer.id)),
            ("firstName", Node::text(&customer.given_name)),
            ("lastName", Node::text(&customer.family_name)),
            ("tags", Node::List(Vec::new())),
            ("updatedAt", utc_seconds(customer.at)),
            (
                "defaultEmailAddress",
                Node::Object("CustomerEmailAddress", vec![("emailAddress", Node::text(&customer.email))]),
            ),
            ("defaultPhoneNumber", Node::Leaf(Value::Null)),
        ],
    )
}

pub(crate) fn locations(state: &State) -> Node {
    Node::Connection(state.shop.locations.iter().map(|id| (cursor(id), location(id))).collect())
}

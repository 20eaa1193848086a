//! Automatic discounts, as the Admin API shows them.

use super::project::Node;
use super::tree::{cursor, gid};
use crate::ledger::Instant;
use crate::notation;
use crate::promotion::Promotion;
use crate::state::State;
use serde_json::{Value, json};

/// The begin of a discount that was set up without one: Shopify's always have one.
const LONG_AGO: &str = "2000-01-01T00:00:00Z";

/// The list of all discounts.
pub(super) fn listed(state: &State) -> Node {
    let mut all: Vec<&Promotion> = state.promotions.all().collect();
    all.sort_by_key(|held| held.id.parse::<u64>().unwrap_or_default());
    Node::Connection(all.into_iter().map(|held| (cursor(&held.id), node(held))).collect())
}

fn node(held: &Promotion) -> Node {
    let fields = vec![
        ("id", Node::text(gid("DiscountAutomaticNode", &held.id))),
        ("discount", Node::Object("DiscountAutomaticBasic", discount(held))),
    ];
    Node::Object("DiscountNode", fields)
}

/// A discount. One that was switched off ended at that moment.
fn discount(held: &Promotion) -> Vec<(&'static str, Node)> {
    let set_up = &held.set_up;
    let off = (!held.is_on).then_some(held.updated_at);
    let ends = set_up.until.into_iter().chain(off).min();
    let time = |at: Option<Instant>| at.map_or(Value::Null, |at| notation::utc(at).into());
    vec![
        ("title", Node::text(&set_up.title)),
        ("startsAt", Node::text(set_up.from.map_or_else(|| LONG_AGO.to_owned(), notation::utc))),
        ("endsAt", Node::Leaf(time(ends))),
        ("updatedAt", Node::text(held.updated_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))),
        (
            "combinesWith",
            Node::Object("DiscountCombinesWith", vec![("productDiscounts", Node::Leaf(json!(false)))]),
        ),
        ("minimumRequirement", Node::Leaf(Value::Null)),
        ("context", Node::Object("DiscountBuyerSelectionAll", vec![("all", Node::text("ALL"))])),
        ("customerGets", Node::Object("DiscountCustomerGets", gets(held))),
    ]
}

fn gets(held: &Promotion) -> Vec<(&'static str, Node)> {
    let fraction = f64::from(held.set_up.percent) / 100.0;
    let items = match &held.set_up.product {
        None => Node::Object("AllDiscountItems", vec![("allItems", Node::Leaf(json!(true)))]),
        Some(product) => {
            let id = Node::Object("Product", vec![("id", Node::text(gid("Product", product)))]);
            let products = Node::Connection(vec![(cursor(product), id)]);
            let fields = vec![("products", products), ("productVariants", Node::Connection(Vec::new()))];
            Node::Object("DiscountProducts", fields)
        }
    };
    vec![
        ("appliesOnOneTimePurchase", Node::Leaf(json!(true))),
        ("value", Node::Object("DiscountPercentage", vec![("percentage", Node::Leaf(json!(fraction)))])),
        ("items", items),
    ]
}

//! Items, stock, orders and customers, as Clover's replies show them. Related objects are there only if they are expanded.

use crate::ledger::{Customer, Instant, Order, Product, Variant};
use crate::notation;
use crate::staff::{EMPLOYEE_PIN, Employee};
use crate::state::State;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};

fn list(elements: &[Value]) -> Value {
    json!({"elements": elements})
}

pub(super) fn item(state: &State, product: &Product, variant: &Variant, expanded: &[&str]) -> Value {
    let mut item = json!({
        "id": product.id, "hidden": false, "available": true, "autoManage": false, "name": product.title,
        "alternateName": "", "code": "", "sku": variant.sku, "price": variant.price_minor, "priceType": "FIXED",
        "defaultTaxRates": true, "unitName": "", "cost": 0, "isRevenue": true, "stockCount": 0,
        "modifiedTime": product.updated_at.max(variant.updated_at).timestamp_millis(),
    });
    if expanded.contains(&"itemStock")
        && let Some(stock) = stock(state, variant)
    {
        item["itemStock"] = stock;
    }
    for related in ["categories", "options", "tags", "taxRates", "modifierGroups"] {
        if expanded.contains(&related) {
            item[related] = list(&[]);
        }
    }
    item
}

/// The stock of an item; `None` if it isn't counted.
pub(super) fn stock(state: &State, variant: &Variant) -> Option<Value> {
    let is_counted = variant.tracked && state.ledger.levels_of(&variant.item).next().is_some();
    let quantity = is_counted.then(|| state.ledger.total(&variant.item))?;
    let rounded = quantity.round().to_i64().unwrap_or_default();
    let item = json!({"id": variant.item});
    Some(json!({"item": item, "stockCount": rounded, "quantity": notation::number(quantity)}))
}

pub(super) fn order(state: &State, order: &Order, expanded: &[&str]) -> Value {
    let time = |at: Instant| at.timestamp_millis();
    let total = order.line.total_minor();
    let payment_state = if order.refunded_at.is_some() { "REFUNDED" } else { "PAID" };
    let mut shown = json!({
        "id": order.id, "currency": state.shop.currency, "employee": {"id": "DFLTEMPLOYEE"}, "total": total,
        "title": order.number.to_string(), "paymentState": payment_state, "state": "locked", "taxRemoved": false,
        "isVat": false, "manualTransaction": false, "groupLineItems": false, "testMode": order.is_test,
        "payType": "FULL", "createdTime": time(order.at), "clientCreatedTime": time(order.at),
        "modifiedTime": time(order.updated_at()),
    });
    if expanded.contains(&"lineItems") {
        shown["lineItems"] = list(&lines(order));
    }
    if expanded.contains(&"payments") {
        let payment = json!({"id": order.line.id, "amount": total, "tipAmount": 0, "taxAmount": 0,
            "createdTime": time(order.at), "result": "SUCCESS", "offline": false});
        shown["payments"] = list(&[payment]);
    }
    if expanded.contains(&"customers") {
        shown["customers"] = list(&[]);
    }
    shown
}

/// A line for each piece; one with its quantity in thousandths if it isn't a number of pieces.
pub(super) fn lines(order: &Order) -> Vec<Value> {
    let line = &order.line;
    let numbered = |number: i64| {
        json!({"id": format!("{}{number}", line.id), "orderRef": {"id": order.id}, "item": {"id": line.variant},
            "name": line.title, "price": line.price_minor, "itemCode": "", "printed": false, "exchanged": false,
            "refunded": order.refunded_at.is_some(), "isRevenue": true, "createdTime": order.at.timestamp_millis()})
    };
    let pieces = line.quantity.to_i64().filter(|_| line.quantity.fract().is_zero());
    if let Some(pieces) = pieces {
        return (0..pieces).map(numbered).collect();
    }
    let mut weighed = numbered(0);
    let thousandths = (line.quantity * Decimal::ONE_THOUSAND).round().to_i64();
    weighed["unitQty"] = json!(thousandths.unwrap_or_default());
    weighed["unitName"] = json!("kg");
    vec![weighed]
}

pub(super) fn customer(customer: &Customer, expanded: &[&str]) -> Value {
    let mut shown = json!({
        "id": customer.id, "firstName": customer.given_name, "lastName": customer.family_name,
        "marketingAllowed": false, "customerSince": customer.at.timestamp_millis(),
    });
    if expanded.contains(&"emailAddresses") {
        let address = json!({"id": customer.id, "emailAddress": customer.email, "primaryEmail": true});
        shown["emailAddresses"] = list(&[address]);
    }
    for related in ["phoneNumbers", "addresses"] {
        if expanded.contains(&related) {
            shown[related] = list(&[]);
        }
    }
    shown
}

/// An employee, with the PIN that the API shows in every reply.
pub(super) fn employee(employee: &Employee) -> Value {
    json!({
        "id": employee.id, "name": employee.name(), "nickname": employee.given_name, "customId": "", "email": employee.email,
        "inviteSent": false, "claimedTime": 0, "pin": EMPLOYEE_PIN, "unhashedPin": EMPLOYEE_PIN, "role": employee.role,
        "isOwner": false,
    })
}

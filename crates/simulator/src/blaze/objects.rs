//! Products, transactions and members as the API shows them.

use crate::ledger::{Customer, Instant, Order, Product};
use crate::notation;
use crate::promotion::Promotion;
use crate::staff::{EMPLOYEE_PIN, Employee};
use crate::state::State;
use serde_json::{Map, Value, json};

/// Fields that every object has.
fn tracked(
    state: &State,
    id: &str,
    created: Instant,
    modified: Instant,
    is_deleted: bool,
) -> Map<String, Value> {
    let fields = json!({
        "id": id, "companyId": "company", "shopId": state.shop.account, "dirty": false, "updated": false,
        "created": created.timestamp_millis(), "modified": modified.timestamp_millis(), "deleted": is_deleted,
    });
    fields.as_object().cloned().unwrap_or_default()
}

fn extended(mut fields: Map<String, Value>, with: Value) -> Value {
    if let Value::Object(with) = with {
        fields.extend(with);
    }
    Value::Object(fields)
}

/// A product with the quantity of each inventory. A change of stock doesn't move the product's own time.
pub(super) fn product(state: &State, held: &Product, with_taxes: bool) -> Option<Value> {
    let variant = held.variants.first()?;
    let levels = state.ledger.levels_of(&variant.item).filter(|_| variant.tracked);
    let levels: Vec<_> =
        levels.map(|(inventory, level)| (inventory, notation::number(level.quantity()))).collect();
    let quantities = levels.iter().map(|(inventory, quantity)| {
        json!({"id": format!("{}-{inventory}", held.id), "inventoryId": inventory, "shopId": state.shop.account,
            "quantity": quantity, "created": held.created_at.timestamp_millis(),
            "modified": held.updated_at.timestamp_millis(), "deleted": false})
    });
    let sellable: Map<String, Value> =
        levels.iter().map(|(inventory, quantity)| ((*inventory).to_owned(), quantity.clone())).collect();
    let price = notation::amount_number(variant.price_minor, &state.shop.currency);
    let fields = tracked(state, &held.id, held.created_at, held.updated_at, held.deleted);
    Some(extended(
        fields,
        json!({
            "active": !held.deleted, "sku": variant.sku, "name": held.title, "description": held.description,
            "companyLinkId": null, "externalId": null, "importId": null, "categoryId": "category", "brandId": "brand",
            "vendorId": "vendor", "secondaryVendors": [], "category": {"id": "category", "name": "Merch", "unitType": "units",
                "cannabis": false, "photo": null},
            "brand": {"id": "brand", "name": "ACME"}, "vendor": {"id": "vendor", "name": "ACME Supply", "phone": "2025550100"},
            "unitPrice": price, "salesPrice": 0.0, "weightPerUnit": "EACH", "customWeight": 0.0, "customGramType": null,
            "priceBreaks": [{"priceBreakType": "None", "price": price, "salePrice": null, "assignedPrice": 0.0, "quantity": 1,
                "active": true}],
            "priceRanges": [], "thc": 0.0, "cbd": 0.0, "cbn": 0.0, "thca": 0.0, "cbda": 0.0, "potencyAmount": null,
            "quantities": quantities.collect::<Vec<_>>(), "sellableQuantities": sellable, "committedQuantities": {},
            "totalSellableQuantity": notation::number(state.ledger.total(&variant.item)), "tags": [], "assets": null,
            "taxTables": if with_taxes { json!([{"name": "Default", "active": true}]) } else { Value::Null },
        }),
    ))
}

/// A room, a vault or a counter of the shop.
pub(super) fn inventory(state: &State, id: &str) -> Value {
    json!({"id": id, "shopId": state.shop.account, "name": id, "active": true, "deleted": false})
}

pub(super) fn sale(state: &State, order: &Order) -> Value {
    let mut sale = transaction(state, order, &order.id, order.at, "Sale");
    if let Some(at) = order.cancelled_at {
        sale["status"] = "Canceled".into();
        sale["modified"] = at.timestamp_millis().into();
    }
    sale
}

/// The transaction that refunds a sale.
pub(super) fn refund(state: &State, order: &Order, at: Instant) -> Value {
    let id = format!("r{}", order.id);
    let mut refund = transaction(state, order, &id, at, "Refund");
    refund["parentTransactionId"] = order.id.clone().into();
    refund["status"] = "Refund".into();
    refund["cart"]["refundAmount"] = refund["cart"]["total"].clone();
    refund
}

fn transaction(state: &State, order: &Order, id: &str, at: Instant, kind: &str) -> Value {
    let (line, currency) = (&order.line, &state.shop.currency);
    let total = notation::amount_number(line.total_minor(), currency);
    let unit_price = notation::amount_number(line.price_minor, currency);
    let millis = at.timestamp_millis();
    let fields = tracked(state, id, at, at, false);
    extended(
        fields,
        json!({
            "transNo": order.number.to_string(), "parentTransactionId": null, "transType": kind, "status": "Completed",
            "queueType": "WalkIn", "memberId": null, "sellerId": "till-one", "terminalId": "terminal", "active": false,
            "checkinTime": millis, "startTime": millis, "endTime": millis, "processedTime": millis, "completedTime": millis,
            "timeZone": "America/Los_Angeles", "memo": "", "seller": {"id": "till-one", "firstName": "Till", "pin": "0000"},
            "cart": {
                "subTotal": total, "total": total, "totalCalcTax": 0.0, "totalPreCalcTax": 0.0, "totalDiscount": 0.0,
                "refundAmount": 0.0, "paymentOption": "Cash", "consumerType": "AdultUse",
                "items": [{
                    "id": line.id, "orderItemId": line.id, "productId": line.product, "productSku": line.sku,
                    "productName": line.title, "quantity": notation::number(line.quantity), "unitPrice": unit_price,
                    "totalPrice": total, "finalPrice": total, "discount": 0.0, "calcTax": 0.0, "status": "Active",
                }],
            },
        }),
    )
}

pub(super) fn member(state: &State, member: &Customer) -> Value {
    let fields = tracked(state, &member.id, member.at, member.at, false);
    extended(
        fields,
        json!({
            "firstName": member.given_name, "lastName": member.family_name, "middleName": null, "email": member.email,
            "primaryPhone": null, "dob": 315_532_800_000_i64, "textOptIn": false, "emailOptIn": false, "medical": false,
            "status": "Active", "consumerType": "AdultUse", "memberGroup": {"name": "Default"}, "identifications": [],
            "recommendations": [], "addresses": [],
        }),
    )
}

/// An employee, with the secrets that the API shows.
pub(super) fn employee(state: &State, employee: &Employee) -> Value {
    let fields = tracked(state, &employee.id, employee.at, employee.at, false);
    extended(
        fields,
        json!({
            "firstName": employee.given_name, "lastName": employee.family_name, "email": employee.email,
            "phoneNumber": null, "pin": EMPLOYEE_PIN, "password": EMPLOYEE_PIN, "driversLicense": "D-1",
            "shops": [state.shop.account], "disabled": !employee.is_active, "role": {"name": employee.role, "permissions": ["None"]},
        }),
    )
}

/// A promotion: what is known of its fields.
pub(super) fn promotion(state: &State, held: &Promotion) -> Value {
    let fields = tracked(state, &held.id, held.updated_at, held.updated_at, false);
    let set_up = &held.set_up;
    let products: Vec<&String> = set_up.product.iter().collect();
    extended(
        fields,
        json!({
            "name": set_up.title, "active": held.is_on,
            "startDate": set_up.from.map(|at| at.timestamp_millis()),
            "endDate": set_up.until.map(|at| at.timestamp_millis()),
            "target": {"productIds": products, "categoryIds": [], "brandIds": [], "vendorIds": []},
        }),
    )
}

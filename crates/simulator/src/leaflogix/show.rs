//! Objects as the API writes them: times without a zone, amounts as floats, numbers as ids.

use crate::ledger::{Customer, Instant, Order, Product, Variant};
use crate::notation;
use crate::promotion::Promotion;
use crate::staff::Employee;
use crate::state::State;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// The distance between the id of a sale and that of its return.
const RETURN_ID_OFFSET: u64 = 1;

fn number(id: &str) -> Value {
    id.parse::<u64>().map_or(Value::Null, Value::from)
}

/// A time in UTC that doesn't say so.
fn time(at: Instant) -> String {
    notation::utc(at).trim_end_matches('Z').to_owned()
}

pub(super) fn product(state: &State, product: &Product, variant: &Variant) -> Value {
    let price = notation::amount_number(variant.price_minor, &state.shop.currency);
    json!({
        "productId": number(&product.id), "sku": variant.sku, "internalName": product.title,
        "productName": product.title, "description": product.description, "masterCategory": "Merch", "categoryId": 7,
        "category": "Merch", "imageUrl": null, "imageUrls": [], "strainType": null, "brandId": 1, "brandName": "ACME",
        "vendorName": "N/A", "isCannabis": false, "isActive": !product.deleted, "isCoupon": false, "thcContent": null,
        "thcContentUnit": "n.d.", "price": price, "recPrice": price, "medPrice": null, "unitType": "Quantity",
        "pricingTier": null, "pricingTierName": null, "pricingTierData": null, "tags": [], "upc": null,
        "isMedicalOnly": false, "isTestProduct": false, "createdDate": time(product.created_at),
        "lastModifiedDateUTC": time(product.updated_at),
    })
}

/// The packages of an item at the key's location: two where there are pieces for two.
pub(super) fn packages(state: &State, product: &Product, variant: &Variant) -> Vec<Value> {
    let place = state.shop.locations.first();
    let level = place.and_then(|place| state.ledger.level(&variant.item, place)).filter(|_| variant.tracked);
    let Some(level) = level.filter(|level| !level.quantity().is_zero()) else { return Vec::new() };
    let opened = if level.quantity() > Decimal::ONE { Decimal::ONE } else { level.quantity() };
    let parts = [opened, level.quantity() - opened].into_iter().filter(|part| !part.is_zero());
    let price = notation::amount_number(variant.price_minor, &state.shop.currency);
    let package = |(index, quantity): (usize, Decimal)| {
        json!({
            "inventoryId": index + 1, "productId": number(&product.id), "sku": variant.sku,
            "productName": product.title, "quantityAvailable": notation::number(quantity), "quantityUnits": "ea",
            "unitWeight": 0, "unitWeightUnit": "g", "unitPrice": price, "batchId": index + 1,
            "packageId": format!("1A4-{}-{index}", product.id), "packageStatus": "Active", "roomQuantities": null,
            "labResults": null, "brandName": "ACME", "medicalOnly": false,
            "lastModifiedDateUtc": time(level.calculated_at),
        })
    };
    parts.enumerate().map(package).collect()
}

pub(super) fn customer(customer: &Customer) -> Value {
    json!({
        "customerId": number(&customer.id), "firstName": customer.given_name, "lastName": customer.family_name,
        "emailAddress": customer.email, "phone": null, "cellPhone": null, "status": "Active", "isAnonymous": false,
        "dateOfBirth": "1980-01-01T00:00:00", "driversLicenseHash": null, "discountGroups": [],
        "mergedIntoCustomerId": null, "lastModifiedDateUTC": time(customer.at), "creationDate": time(customer.at),
    })
}

pub(super) fn employee(employee: &Employee) -> Value {
    json!({
        "userId": number(&employee.id), "loginId": employee.email, "fullName": employee.name(), "defaultLocation": "Main",
        "status": if employee.is_active { "Active" } else { "Inactive" }, "stateId": "S-1", "groups": employee.role,
        "mmjExpiration": "2030-01-01T00:00:00", "permissionsLocation": "Main",
    })
}

pub(super) fn sale(state: &State, order: &Order, has_items: bool) -> Value {
    let mut shown = transaction(state, order, Decimal::ONE, has_items);
    shown["transactionId"] = number(&order.id);
    shown["transactionDate"] = time(order.at).into();
    shown["lastModifiedDateUTC"] = time(order.updated_at()).into();
    shown["isVoid"] = order.cancelled_at.is_some().into();
    shown["voidDate"] = order.cancelled_at.map_or(Value::Null, |at| time(at).into());
    shown
}

/// The return of a whole sale: a transaction of its own, with its amounts below zero.
pub(super) fn returned(state: &State, order: &Order, at: Instant, has_items: bool) -> Value {
    let mut shown = transaction(state, order, Decimal::NEGATIVE_ONE, has_items);
    let id = order.id.parse::<u64>().map_or(Value::Null, |id| (id + RETURN_ID_OFFSET).into());
    shown["transactionId"] = id;
    shown["transactionDate"] = time(at).into();
    shown["lastModifiedDateUTC"] = time(at).into();
    shown["isReturn"] = true.into();
    shown["returnOnTransactionId"] = number(&order.id);
    shown
}

fn transaction(state: &State, order: &Order, sign: Decimal, has_items: bool) -> Value {
    let (line, currency) = (&order.line, &state.shop.currency);
    let minor = if sign.is_sign_negative() { -line.total_minor() } else { line.total_minor() };
    let total = notation::amount_number(minor, currency);
    let items = json!([{
        "transactionItemId": 1, "productId": number(&line.product), "inventoryId": 1,
        "quantity": notation::number(line.quantity * sign), "unitId": 2, "totalDiscount": 0,
        "unitPrice": notation::amount_number(line.price_minor, currency), "totalPrice": total,
        "isReturned": order.refunded_at.is_some(), "isCoupon": false,
    }]);
    json!({
        "customerId": 0, "employeeId": 1, "isVoid": false, "voidDate": null, "subtotal": total, "totalDiscount": 0,
        "totalBeforeTax": total, "tax": 0, "tipAmount": null, "total": total, "paid": total, "changeDue": 0,
        "totalItems": 1, "transactionType": "Retail", "isReturn": false, "returnOnTransactionId": null,
        "adjustmentForTransactionId": null, "orderType": "Walk-in", "orderSource": null, "orderIds": [],
        "invoiceNumber": null, "completedByUser": "Till One", "items": if has_items { items } else { Value::Null },
    })
}

/// A discount. One without an end has one in the far future, as the till shows it.
pub(super) fn discount(promotion: &Promotion, has_restrictions: bool) -> Value {
    let set_up = &promotion.set_up;
    let product = set_up.product.as_deref().map(number);
    let restrictions = product.map(|id| json!({"Product": {"restrictionIds": [id], "isExclusion": false}}));
    let restrictions = restrictions.filter(|_| has_restrictions);
    let hour = |time: chrono::NaiveTime| time.format("%H:%M:%S").to_string();
    let never = || "3000-01-01T05:00:00".to_owned();
    json!({
        "id": number(&promotion.id), "externalId": null, "discountDescription": set_up.title,
        "onlineName": set_up.title, "discountCode": null, "isActive": promotion.is_on,
        "validDateFrom": set_up.from.map(time), "validDateTo": set_up.until.map_or_else(never, time),
        "startTime": set_up.daily.map(|(starts, _)| hour(starts)),
        "endTime": set_up.daily.map(|(_, ends)| hour(ends)), "monday": false, "tuesday": false,
        "wednesday": false, "thursday": false, "friday": false, "saturday": false, "sunday": false,
        "locationRestrictions": [], "restrictToGroupIds": [], "firstTimeCustomerOnly": 0, "maxRedemptions": null,
        "redemptionLimit": null, "applicationMethodId": 1, "applicationMethod": "Automatic",
        "canStackAutomatically": false, "isBundledDiscount": false, "constraints": [],
        "reward": {
            "calculationMethod": "PERCENT_OFF",
            "discountValue": notation::number(Decimal::new(i64::from(set_up.percent), 2)),
            "thresholdType": null, "thresholdMin": null, "thresholdMax": null, "applyToOnlyOneItem": false,
            "highestOrLowest": null, "includeNonCannabis": true, "restrictions": restrictions,
        },
    })
}

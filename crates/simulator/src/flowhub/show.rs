//! Objects as the API writes them: amounts in cents, times in UTC.

use crate::ledger::{Customer, Order, Product, Variant};
use crate::level::Level;
use crate::notation;
use crate::state::State;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// The id by which the orders of a location are listed: another than that of the location.
pub(super) fn import_id(location: &str) -> String {
    format!("import-{location}")
}

pub(super) fn location(state: &State, id: &str) -> Value {
    json!({
        "locationId": id, "importId": import_id(id), "locationName": id, "clientId": super::CLIENT,
        "clientName": state.shop.account, "timeZone": "US/Mountain", "licenseType": ["rec"],
        "hoursOfOperation": null,
    })
}

/// The packages of a variant at a location: two where there are pieces for two, else one.
pub(super) fn packages(
    state: &State,
    (product, variant): (&Product, &Variant),
    location: &str,
    level: &Level,
) -> Vec<Value> {
    let quantity = level.quantity();
    let opened = if quantity > Decimal::ONE { Decimal::ONE } else { quantity };
    let rest = Some(quantity - opened).filter(|rest| !rest.is_zero());
    let package = |(index, quantity): (usize, Decimal)| {
        json!({
            "productId": variant.id, "variantId": format!("variant-{}", variant.id), "parentProductId": product.id,
            "parentProductName": product.title, "variantName": variant.name,
            "productName": format!("{} - {}", product.title, variant.name), "sku": variant.sku, "brand": "ACME",
            "category": "Accessory", "customCategoryName": null, "type": null, "clientId": super::CLIENT,
            "locationId": location, "locationName": location, "quantity": notation::number(quantity),
            "inventoryUnitOfMeasure": "each", "inventoryUnitOfMeasureToGramsMultiplier": null, "productWeight": 1,
            "productUnitOfMeasure": "each", "priceInMinorUnits": variant.price_minor,
            "preTaxPriceInPennies": variant.price_minor, "postTaxPriceInPennies": variant.price_minor,
            "currencyCode": state.shop.currency, "weightTierInformation": null, "purchaseCategory": "unrestricted",
            "isSoldByWeight": false, "cannabinoidInformation": null, "terpenes": [], "effects": [], "tags": [],
            "productDescription": product.description, "productPictureURL": null,
            "regulatoryId": format!("1A4-{}-{index}", variant.id), "expirationDate": null,
            "createdAt": notation::utc(product.created_at), "productUpdatedAt": notation::utc(product.updated_at),
        })
    };
    [Some(opened), rest].into_iter().flatten().enumerate().map(package).collect()
}

pub(super) fn customer(customer: &Customer) -> Value {
    let at = notation::utc(customer.at);
    json!({
        "id": customer.id, "createdAt": at, "updatedAt": at, "type": "recCustomer",
        "name": format!("{} {}", customer.given_name, customer.family_name), "state": "CO",
        "birthDate": "1980-01-01", "isLoyal": false, "loyaltyPoints": 0, "phone": "", "email": customer.email,
        "groups": [],
    })
}

pub(super) fn order(state: &State, order: &Order) -> Value {
    let (line, at) = (&order.line, notation::utc(order.at));
    let total = line.total_minor();
    let product =
        state.ledger.product(&line.product).map_or(Value::Null, |product| product.id.clone().into());
    json!({
        "id": order.id, "orderId": format!("order-{}", order.number), "originalSaleId": "",
        "clientId": super::CLIENT, "locationId": order.location, "createdAt": at, "completedOn": at,
        "orderStatus": "sold", "orderType": "walk-in", "voided": order.cancelled_at.is_some(), "customerId": "",
        "customerType": "recCustomer", "fullName": "", "name": "", "integratorId": "",
        "itemsInCart": [{
            "id": line.id, "productId": line.variant, "parentProductId": product, "sku": line.sku,
            "productName": line.title, "title1": line.title, "title2": "", "category": "Accessory", "brand": "ACME",
            "type": "Accessory", "quantity": notation::number(line.quantity), "unitOfWeight": "Each",
            "unitPrice": line.price_minor, "totalPrice": total, "itemDiscounts": [], "tax": [],
        }],
        "payments": [{"_id": line.id, "paymentType": "cash", "amount": total}],
        "totals": {"FinalTotal": total, "SubTotal": total, "TotalDiscounts": 0, "TotalFees": 0, "TotalTaxes": 0},
    })
}

//! Objects of GraphQL in the shapes of webhooks.

use super::{connection, number, object};
use crate::{CallError, Listed, shopify::PRODUCT_READ};
use serde_json::{Value, json};

/// A product, as `products/update` has it. If its list of variants doesn't end, the others are unknown.
pub(super) fn product(node: &Value) -> Result<Listed, CallError> {
    let id = number(node, "legacyResourceId")?;
    let (variants, is_cut) = connection(node, "variants")?;
    let gids = |variants: &[Value]| -> Result<Vec<Value>, CallError> {
        let gid = |it| {
            Ok(
                json!({ "admin_graphql_api_id": format!("gid://shopify/ProductVariant/{}", number(it, "legacyResourceId")?) }),
            )
        };
        variants.iter().map(gid).collect()
    };
    let body = json!({
        "id": id,
        "title": node["title"],
        "body_html": node["descriptionHtml"],
        "vendor": node["vendor"],
        "product_type": node["productType"],
        "status": lower(&node["status"]),
        "tags": tags(node),
        "updated_at": node["updatedAt"],
        "variants": variants.iter().map(variant).collect::<Result<Vec<_>, _>>()?,
        "variant_gids": gids(variants)?,
    });
    let topic = if is_cut { PRODUCT_READ } else { "products/update" };
    Ok(Listed { key: id.to_string(), object: object(topic, &body) })
}

fn variant(node: &Value) -> Result<Value, CallError> {
    let item = node.get("inventoryItem").filter(|item| item.is_object());
    Ok(json!({
        "id": number(node, "legacyResourceId")?,
        "title": node["title"],
        "sku": node["sku"],
        "barcode": node["barcode"],
        "price": node["price"],
        "compare_at_price": node["compareAtPrice"],
        "inventory_item_id": item.map(|item| number(item, "legacyResourceId")).transpose()?,
    }))
}

/// A customer, as `customers/update` has it, with its tags.
pub(super) fn customer(node: &Value) -> Result<Listed, CallError> {
    let id = number(node, "legacyResourceId")?;
    let text = |pointer| node.pointer(pointer).cloned().unwrap_or_default();
    let body = json!({
        "id": id,
        "first_name": node["firstName"],
        "last_name": node["lastName"],
        "email": text("/defaultEmailAddress/emailAddress"),
        "phone": text("/defaultPhoneNumber/phoneNumber"),
        "tags": tags(node),
        "updated_at": node["updatedAt"],
    });
    Ok(Listed { key: id.to_string(), object: object("customers/update", &body) })
}

/// An order, as `orders/updated` has it. One whose list of lines doesn't end has none: a sale without a line is another
/// sale, so that it becomes a dead letter and not a smaller order.
pub(super) fn order(node: &Value) -> Result<Listed, CallError> {
    let id = number(node, "legacyResourceId")?;
    let (lines, is_cut) = connection(node, "lineItems")?;
    let amount = |name: &str| node.pointer(&format!("/{name}/shopMoney/amount")).cloned().unwrap_or_default();
    let linked = |name: &str| {
        let linked = node.get(name).filter(|linked| linked.is_object());
        linked.map(|linked| number(linked, "legacyResourceId")).transpose()
    };
    let mut body = json!({
        "id": id,
        "name": node["name"],
        "test": node["test"],
        "currency": node["currencyCode"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        "cancelled_at": node["cancelledAt"],
        "closed_at": node["closedAt"],
        "financial_status": lower(&node["displayFinancialStatus"]),
        "fulfillment_status": lower(&node["displayFulfillmentStatus"]),
        "total_price": amount("totalPriceSet"),
        "total_tax": amount("totalTaxSet"),
        "total_discounts": amount("totalDiscountsSet"),
        "customer": linked("customer")?.map(|id| json!({ "id": id })),
        "location_id": linked("retailLocation")?,
    });
    if !is_cut {
        body["line_items"] = lines.iter().map(line).collect::<Result<Vec<_>, _>>()?.into();
    }
    Ok(Listed { key: id.to_string(), object: object("orders/updated", &body) })
}

fn line(node: &Value) -> Result<Value, CallError> {
    let missing = || CallError::transient("a line has no id");
    let gid = node.get("id").and_then(Value::as_str).ok_or_else(missing)?;
    let id: u64 = gid.rsplit('/').next().and_then(|id| id.parse().ok()).ok_or_else(missing)?;
    let variant = node.get("variant").filter(|variant| variant.is_object());
    let price = node.pointer("/originalUnitPriceSet/shopMoney");
    Ok(json!({
        "id": id,
        "title": node["title"],
        "sku": node["sku"],
        "quantity": node["quantity"],
        "variant_id": variant.map(|variant| number(variant, "legacyResourceId")).transpose()?,
        "price_set": price.map(|price| json!({
            "shop_money": { "amount": price["amount"], "currency_code": price["currencyCode"] },
        })),
    }))
}

/// A value of an enumeration, which webhooks write in lower case.
fn lower(value: &Value) -> Value {
    value.as_str().map_or(Value::Null, |text| text.to_lowercase().into())
}

/// Tags as webhooks write them: one text.
fn tags(node: &Value) -> Value {
    let tags = node.get("tags").and_then(Value::as_array);
    let joined = tags.map(|tags| tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
    joined.map_or(Value::Null, Value::from)
}

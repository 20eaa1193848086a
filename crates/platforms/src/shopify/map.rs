//! Maps webhook bodies and read-backs to the model.

mod details;
mod discount;
mod settlement;

use super::{
    DISCOUNT_READ, LEVEL_READ, PRODUCT_DELETED, PRODUCT_READ,
    field::Object,
    webhooks::{TRIGGERED_AT, WEBHOOK_ID},
};
use crate::{MapContext, Mapped, Rows};
use details::Pictures;
use model::{
    AccountNotice, Action, Currency, Customer, Delivery, Duty, EntityKind, ExternalId, InventoryReport,
    Order, OrderLine, OrderStatus, Payload, Product, ProductStatus, RawDigest, SourceVersion, Timestamp,
    Variant, VariantDetails,
};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::collections::BTreeSet;

/// The number of variants below which a payload without `variant_gids` counts as complete: no report of a shorter list
/// that was cut is known.
const WHOLE_WITHOUT_LIST: usize = 100;

/// The one event in `body`; for a product, followed by the rejections of its unreadable variants.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    use {Action as A, EntityKind as E};
    let root = Object::root(body)?;
    if delivery.kind.topic() == DISCOUNT_READ {
        return Ok(vec![discount::discount(&root, context)]);
    }
    let currency = context.currency;
    let mut rejected = Vec::new();
    let (action, payload) = match delivery.kind.topic() {
        "products/create" => (A::Created, Payload::Product(product(&root, currency, &mut rejected)?)),
        "products/update" => (A::Updated, Payload::Product(product(&root, currency, &mut rejected)?)),
        PRODUCT_READ => (A::Updated, Payload::Product(part(product(&root, currency, &mut rejected)?))),
        PRODUCT_DELETED => {
            // Only our own reads have a time: a webhook with one is an update with few fields under another topic.
            if !delivery.source.is_ours() && root.has("updated_at") {
                return Err(root.reject(RejectClass::Schema, "updated_at", "a deletion has no such field"));
            }
            (A::Deleted, deleted(&root, E::Product)?)
        }
        "inventory_levels/connect" => (A::Created, Payload::Inventory(level(&root)?)),
        "inventory_levels/update" | LEVEL_READ => (A::Updated, Payload::Inventory(level(&root)?)),
        // The item still exists, only not at this location: a deletion would concern every location.
        "inventory_levels/disconnect" => (A::Updated, Payload::Inventory(disconnected(&root)?)),
        "orders/create" => (A::Created, Payload::Order(order(&root, currency)?)),
        "orders/updated" | "orders/paid" | "orders/cancelled" => {
            (A::Updated, Payload::Order(order(&root, currency)?))
        }
        "orders/delete" => (A::Deleted, deleted(&root, E::Order)?),
        "customers/create" => (A::Created, Payload::Customer(customer(&root)?)),
        "customers/update" => (A::Updated, Payload::Customer(customer(&root)?)),
        "customers/delete" => (A::Deleted, deleted(&root, E::Customer)?),
        topic => (A::Updated, Payload::Account(notice(topic, &root)?)),
    };
    let occurred_at = root.time("updated_at")?.or_else(|| triggered_at(delivery));
    let mut identity = identity(delivery, &root, action, &payload)?;
    // When re-ingested, a product whose rejected variants have become readable is another event.
    identity.extend(rejected.iter().filter_map(|reject: &Reject| reject.pointer.clone()));
    let version = occurred_at.map(|at| version(at, action, &payload));
    let mapped = Mapped { action, occurred_at, version, identity, payload };
    Ok(std::iter::once(Ok(mapped)).chain(rejected.into_iter().map(Err)).collect())
}

/// The version of a state. Shopify's times have whole seconds, so that several states may have one; a creation is the
/// first state of its second, in whatever order the two webhooks arrive. That doesn't apply to levels: a location may be
/// connected and disconnected repeatedly. A disconnection has only the webhook's time, with fractions of a second: they
/// are cut off, or later states of the same second would be older.
fn version(at: Timestamp, action: Action, payload: &Payload) -> SourceVersion {
    let micros = at.as_micros();
    SourceVersion::coarse(match (payload, action) {
        (Payload::Inventory(_), _) => micros - micros.rem_euclid(1_000_000),
        (_, Action::Created) => micros - 1,
        _ => micros,
    })
}

/// A duty that concerns a customer's data or the account.
fn notice(topic: &str, root: &Object<'_>) -> Result<AccountNotice, Reject> {
    let customer = || root.required_object("customer")?.id("id");
    let (duty, external) = match topic {
        "customers/redact" => (Duty::EraseCustomer, customer()?),
        "customers/data_request" => (Duty::ReportCustomer, customer()?),
        "shop/redact" => (Duty::EraseAccount, root.id("shop_id")?),
        "app/uninstalled" => (Duty::AccessRevoked, root.id("id")?),
        _ => return Err(Reject::new(RejectClass::Schema, "the topic has no mapping")),
    };
    Ok(AccountNotice { external, duty })
}

/// Returns true if an object has only one such event. The body then identifies the event whatever the headers contain,
/// which any sender of a replay may set: a deleted id isn't used again, and a loss of access has the shop's time.
fn is_final(action: Action, payload: &Payload) -> bool {
    let is_loss = |notice: &AccountNotice| notice.duty == Duty::AccessRevoked;
    action == Action::Deleted || matches!(payload, Payload::Account(notice) if is_loss(notice))
}

/// Identity of the event, the same for every repeat: the object, its version, and the delivery, since one second may
/// hold two changes and `updated_at` has no fractions. Without a delivery id, the digest of the body takes its place.
fn identity(
    delivery: &Delivery,
    root: &Object<'_>,
    action: Action,
    payload: &Payload,
) -> Result<Vec<String>, Reject> {
    let deleted = if action == Action::Deleted { "/deleted" } else { "" };
    let duty = if let Payload::Account(notice) = payload {
        format!("/{}", notice.duty.as_str())
    } else {
        String::new()
    };
    let kind = format!("{}{deleted}{duty}", payload.entity());
    let mut identity = vec![kind, payload.external().to_string()];
    if let Payload::Inventory(report) = payload {
        identity.extend(report.location.as_ref().map(ToString::to_string));
    }
    identity.push(root.text("updated_at")?.unwrap_or_default().to_owned());
    if is_final(action, payload) {
        return Ok(identity);
    }
    let webhook = WEBHOOK_ID.of(|name| delivery.header(name)).map(ToOwned::to_owned);
    identity.push(webhook.unwrap_or_else(|| RawDigest::of(&delivery.body).to_string()));
    if matches!(delivery.kind.topic(), LEVEL_READ | PRODUCT_READ) {
        // A mirror waits for this very read, even if its content equals the previous one's.
        identity.push(delivery.id.to_string());
    }
    Ok(identity)
}

/// Time of Shopify's first attempt; `None` if the header can't be read, as it isn't part of the signed content.
fn triggered_at(delivery: &Delivery) -> Option<Timestamp> {
    TRIGGERED_AT.of(|name| delivery.header(name)).and_then(|text| Timestamp::parse(text).ok())
}

fn deleted(root: &Object<'_>, entity: EntityKind) -> Result<Payload, Reject> {
    Ok(Payload::Deleted { entity, external: root.id("id")? })
}

/// The product with its variants. An unreadable variant is `rejected` by itself, and makes the list incomplete.
fn product(
    root: &Object<'_>,
    currency: Option<Currency>,
    rejected: &mut Vec<Reject>,
) -> Result<Product, Reject> {
    if is_variant(root) {
        return Err(Reject::at(RejectClass::Schema, "", "a variant in the place of a product"));
    }
    let pictures = Pictures::of(root)?;
    let reported = root.rows("variants")?;
    let has_list = reported.is_some();
    let count = reported.as_ref().map_or(0, Vec::len);
    let (read, unread): (Vec<_>, Vec<_>) = reported
        .unwrap_or_default()
        .into_iter()
        .map(|reported| variant(&reported?, &|of| pictures.of_variant(of, count), currency))
        .partition(Result::is_ok);
    let variants: Vec<Variant> = read.into_iter().flatten().collect();
    rejected.extend(unread.into_iter().filter_map(Result::err));
    let ids: BTreeSet<&ExternalId> = variants.iter().map(|variant| &variant.external).collect();
    if ids.len() < variants.len() {
        return Err(root.reject(RejectClass::Data, "variants", "two variants have one id"));
    }
    let variants_complete = has_list && rejected.is_empty() && complete(root, &ids)?;
    Ok(Product {
        external: root.id("id")?,
        title: root.owned("title")?,
        description: root.patch("body_html")?,
        vendor: root.patch("vendor")?,
        category: root.patch("product_type")?,
        status: root.text("status")?.and_then(product_status),
        tags: root.tags("tags")?,
        variants,
        variants_complete,
        details: pictures.of_product(),
    })
}

/// Returns true if the payload is a variant: for a day in 2018 `products/update` carried them (README).
fn is_variant(root: &Object<'_>) -> bool {
    root.has("product_id")
        && root.has("price")
        && !["variants", "handle", "body_html"].into_iter().any(|key| root.has(key))
}

/// A product whose list of variants is incomplete: only the requested ones are reported.
fn part(product: Product) -> Product {
    Product { variants_complete: false, ..product }
}

/// Returns true if `ids` are all variants of the product.
fn complete(root: &Object<'_>, ids: &BTreeSet<&ExternalId>) -> Result<bool, Reject> {
    let Some(expected) = root.objects("variant_gids")? else { return Ok(ids.len() < WHOLE_WITHOUT_LIST) };
    for gid in &expected {
        let gid = gid.text("admin_graphql_api_id")?.unwrap_or_default();
        let id = gid.rsplit('/').next().unwrap_or_default();
        // An invalid gid can't be found either, so that the list counts as incomplete.
        let Ok(id) = ExternalId::new(id) else { return Ok(false) };
        if !ids.contains(&id) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn variant(
    reported: &Object<'_>,
    details: &dyn Fn(&Object<'_>) -> Result<VariantDetails, Reject>,
    currency: Option<Currency>,
) -> Result<Variant, Reject> {
    Ok(Variant {
        external: reported.id("id")?,
        item: reported.optional_id("inventory_item_id")?,
        title: reported.owned("title")?,
        sku: reported.code_patch("sku")?,
        barcode: reported.code_patch("barcode")?,
        price: reported.money_patch("price", currency)?,
        compare_at_price: reported.money_patch("compare_at_price", currency)?,
        details: details(reported)?,
    })
}

/// Maps a status; an unknown one (`unlisted`, say) gives `None` rather than a wrong one.
fn product_status(text: &str) -> Option<ProductStatus> {
    match text {
        "active" => Some(ProductStatus::Active),
        "draft" => Some(ProductStatus::Draft),
        "archived" => Some(ProductStatus::Archived),
        _ => None,
    }
}

fn level(root: &Object<'_>) -> Result<InventoryReport, Reject> {
    if !root.has("available") {
        return Err(root.missing("available"));
    }
    let available = root.pieces("available")?;
    Ok(InventoryReport {
        item: root.id("inventory_item_id")?,
        location: Some(root.id("location_id")?),
        available,
    })
}

fn disconnected(root: &Object<'_>) -> Result<InventoryReport, Reject> {
    let (item, location) = (root.id("inventory_item_id")?, root.id("location_id")?);
    Ok(InventoryReport { item, location: Some(location), available: None })
}

/// The order with all its lines: an unreadable line rejects the order, as a sale without a line is another sale.
fn order(root: &Object<'_>, currency: Option<Currency>) -> Result<Order, Reject> {
    let currency = root.currency("currency")?.or(currency);
    let reported = root.objects("line_items")?;
    let reported = reported.ok_or_else(|| root.missing("line_items"))?;
    let lines = reported.iter().map(|reported| line(reported, currency)).collect::<Result<Vec<_>, _>>()?;
    let number = match root.text("name")? {
        Some(name) => Some(name.to_owned()),
        None => root.optional_id("order_number")?.map(|number| number.to_string()),
    };
    let customer = root.object("customer")?.map(|customer| customer.optional_id("id")).transpose()?.flatten();
    let (cancelled_at, closed_at) = (root.time("cancelled_at")?, root.time("closed_at")?);
    Ok(Order {
        external: root.id("id")?,
        is_test: root.flag("test")? == Some(true),
        number,
        status: order_status(root, cancelled_at, closed_at)?,
        total: root.money("total_price", currency)?,
        tax: root.money("total_tax", currency)?,
        discount: root.money("total_discounts", currency)?,
        placed_at: root.time("created_at")?,
        closed_at: cancelled_at.or(closed_at),
        customer,
        location: root.optional_id("location_id")?,
        employee: root.optional_id("user_id")?,
        refund_of: None,
        lines,
        settlement: settlement::settlement(root, currency)?,
    })
}

/// Cancelled if it was; completed if the merchant (or Shopify, for a sale at the till) closed it, or if it was paid and
/// handed over, even with later returns; else open. A payment or a handover alone doesn't complete an order.
fn order_status(
    root: &Object<'_>,
    cancelled_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
) -> Result<OrderStatus, Reject> {
    let paid = matches!(root.text("financial_status")?, Some("paid" | "partially_refunded" | "refunded"));
    let fulfilled = root.text("fulfillment_status")? == Some("fulfilled");
    Ok(match (cancelled_at, closed_at) {
        (Some(_), _) => OrderStatus::Cancelled,
        (None, Some(_)) => OrderStatus::Completed,
        (None, None) if paid && fulfilled => OrderStatus::Completed,
        (None, None) => OrderStatus::Open,
    })
}

fn line(reported: &Object<'_>, currency: Option<Currency>) -> Result<OrderLine, Reject> {
    let quantity = reported.pieces("quantity")?.ok_or_else(|| reported.missing("quantity"))?;
    let in_shop_money = match reported.object("price_set")? {
        Some(set) => match set.object("shop_money")? {
            Some(money) => money.money("amount", money.currency("currency_code")?.or(currency))?,
            None => None,
        },
        None => None,
    };
    let unit_price = match in_shop_money {
        Some(price) => Some(price),
        None => reported.money("price", currency)?,
    };
    Ok(OrderLine {
        external: reported.id("id")?,
        variant: reported.optional_id("variant_id")?,
        sku: reported.code("sku")?,
        title: reported.owned("title")?,
        quantity,
        unit_price,
        // Shopify reports discounts and taxes of a line separately, and no sum of it.
        total: None,
    })
}

fn customer(root: &Object<'_>) -> Result<Customer, Reject> {
    Ok(Customer {
        external: root.id("id")?,
        first_name: root.patch("first_name")?,
        last_name: root.patch("last_name")?,
        email: root.patch("email")?,
        phone: root.patch("phone")?,
        // Omitted since 2025-01: the tags are then unknown.
        tags: root.tags("tags")?,
        merged_into: None,
    })
}

#[cfg(test)]
mod tests;

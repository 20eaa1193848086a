//! Maps Square's payloads to the model.

mod absent;
mod account;
mod catalog;
mod inventory;
mod people;
mod period;
mod pricing;
mod sales;
mod settlement;
mod team;

use crate::{MapContext, Rows, field::Object};
use model::{Currency, Money, SourceVersion};
use serde_json::Value;
use stage::Reject;

/// The events in the body of a delivery of `topic`.
pub(super) fn map(topic: &str, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    let root = Object::root(body)?;
    match topic {
        "catalog.object" => catalog::object(&root, context),
        "inventory.count" => Ok(inventory::count(&root).transpose().into_iter().collect()),
        "inventory.count.updated" => inventory::updated(&root),
        super::COUNT_ABSENT => Ok(vec![absent::absent(&root)]),
        "oauth.authorization.revoked" => Ok(vec![account::revoked(&root)]),
        super::PRICING_RULE => Ok(vec![pricing::rule(&root, context)]),
        "order.object" => Ok(vec![sales::order(&root, context)]),
        "customer.created" | "customer.updated" | "customer.deleted" => {
            Ok(vec![people::customer(topic, &root)])
        }
        "team_member.created" | "team_member.updated" => Ok(vec![team::member(topic, &root)]),
        // Thin: the object is fetched and arrives as a delivery of its own.
        _ => Ok(Vec::new()),
    }
}

/// The version of a catalog object, an item or a variation; `None` if it has none.
pub(super) fn catalog_version(object: &Value) -> Option<SourceVersion> {
    catalog::version(&Object::root(object).ok()?).ok()
}

/// The amount under `key`, in minor units; `None` if it is null.
fn money(of: &Object<'_>, key: &'static str, context: MapContext) -> Result<Option<Money>, Reject> {
    let Some(reported) = of.object(key)? else { return Ok(None) };
    let Some(minor) = reported.integer("amount")? else { return Ok(None) };
    let currency: Option<Currency> = reported.currency("currency")?.or(context.currency);
    Ok(Some(Money { minor, currency: currency.ok_or_else(|| of.no_currency(key))? }))
}

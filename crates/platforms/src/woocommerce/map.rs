//! Maps webhook bodies and what is read to the model.

mod customer;
mod details;
mod level;
mod order;
mod product;
mod settlement;
mod variation;

use super::{
    LEVEL_ABSENT, LEVEL_READ, PRODUCT_ABSENT, PRODUCT_READ, VARIATION_READ, VARIATIONS_READ, entities,
    webhooks::DELIVERY_ID,
};
use crate::{MapContext, Mapped, Rows, field::Object, text};
use model::{
    Action, Delivery, EntityKind, ExternalId, Patch, Payload, RawDigest, Source, SourceVersion, Timestamp,
};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// The input of a delivery's map.
struct Reported<'a> {
    delivery: &'a Delivery,
    context: MapContext,
    /// Time of the last change of the object that the body shows.
    at: Option<Timestamp>,
}

/// The events in `body`.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    let root = Object::root(body)?;
    let at = match time(&root, "date_modified_gmt")? {
        Some(at) => Some(at),
        None => time(&root, "date_created_gmt")?,
    };
    let reported = Reported { delivery, context, at };
    match delivery.kind.topic() {
        "product.created" | "product.updated" | "product.restored" | PRODUCT_READ => {
            product::product(&reported, &root)
        }
        VARIATION_READ => variation::read(&reported, &root),
        VARIATIONS_READ => variation::page(&reported, &root),
        LEVEL_READ => Ok(vec![level::level(&reported, &root, root.text_id("item")?)]),
        LEVEL_ABSENT => Ok(vec![level::absent(&reported, &root)]),
        PRODUCT_ABSENT => product::absent(&reported, &root).map(|absent| vec![Ok(absent)]),
        "product.deleted" => Ok(vec![deleted(&reported, &root, EntityKind::Product)]),
        "order.created" | "order.updated" | "order.restored" => order::order(&reported, &root),
        "order.deleted" => Ok(vec![deleted(&reported, &root, EntityKind::Order)]),
        "customer.created" | "customer.updated" => Ok(vec![customer::customer(&reported, &root)]),
        "customer.deleted" => Ok(vec![deleted(&reported, &root, EntityKind::Customer)]),
        _ => Err(Reject::new(RejectClass::Schema, "the topic has no mapping")),
    }
}

impl Reported<'_> {
    /// A report of the object's state. WooCommerce decides between creation and change by the age of the object, so that
    /// neither is one: each is an update.
    fn state(&self, identity: Vec<String>, version: Option<SourceVersion>, payload: Payload) -> Mapped {
        Mapped { action: Action::Updated, occurred_at: self.at, version, identity, payload }
    }

    /// The version of the object: times are whole seconds, so that several states may have one.
    fn version(&self) -> Option<SourceVersion> {
        self.at.map(SourceVersion::coarse)
    }

    /// The deletion of the object, which its trash shows as a status.
    fn trashed(&self, entity: EntityKind, external: ExternalId) -> Mapped {
        let mut identity = vec![format!("{entity}/deleted"), external.to_string()];
        identity.extend(self.occasion());
        let payload = Payload::Deleted { entity, external };
        Mapped { action: Action::Deleted, ..self.state(identity, self.version(), payload) }
    }

    /// The part of an identity that distinguishes the states of one object: the time of the change, or the body if it has
    /// none; and the reading, if a mirror waits for this very one.
    fn occasion(&self) -> Vec<String> {
        let mut occasion = match self.at {
            Some(at) => vec![at.to_string()],
            None => vec![RawDigest::of(&self.delivery.body).to_string()],
        };
        if self.delivery.source == Source::ReadBack {
            occasion.push(self.delivery.id.to_string());
        }
        occasion
    }
}

/// A deletion as a webhook reports it: an id, without a time. A customer is gone for ever; a product or an order is in the
/// trash, may return, and may be deleted again, so that only the delivery distinguishes the deletions.
fn deleted(reported: &Reported<'_>, root: &Object<'_>, entity: EntityKind) -> Result<Mapped, Reject> {
    let external = root.id("id")?;
    let mut identity = vec![format!("{entity}/deleted"), external.to_string()];
    if entity != EntityKind::Customer {
        identity.extend(reported.delivery.header(DELIVERY_ID).map(ToOwned::to_owned));
    }
    let payload = Payload::Deleted { entity, external };
    Ok(Mapped { action: Action::Deleted, occurred_at: None, version: None, identity, payload })
}

/// The time under `key`, in UTC though it names no zone; `None` without a value, and for the zeros that MySQL has for none.
fn time(of: &Object<'_>, key: &str) -> Result<Option<Timestamp>, Reject> {
    let Some(text) = of.text(key)?.filter(|text| !text.starts_with("0000-00-00")) else { return Ok(None) };
    let parsed = Timestamp::parse(text).or_else(|_| Timestamp::parse(&format!("{text}Z")));
    parsed.map(Some).map_err(|error| of.reject(RejectClass::Data, key, error.to_string()))
}

/// The name under `key`, with its character references decoded; `None` without a value.
fn name(of: &Object<'_>, key: &str) -> Result<Option<String>, Reject> {
    let Some(stored) = of.text(key)? else { return Ok(None) };
    let decoded = entities::decoded(stored);
    Ok(Some(decoded.trim()).filter(|name| !name.is_empty()).map(ToOwned::to_owned))
}

/// The names of the objects under `key`, such as categories; `None` if the list is missing or null.
fn names(of: &Object<'_>, key: &'static str) -> Result<Option<Vec<String>>, Reject> {
    let Some(objects) = of.objects(key)? else { return Ok(None) };
    let names = objects.iter().map(|object| name(object, "name"));
    Ok(Some(names.filter_map(Result::transpose).collect::<Result<_, _>>()?))
}

/// The id under `key`; `None` without a value and for zero, which stands for no object.
fn optional_id(of: &Object<'_>, key: &str) -> Result<Option<ExternalId>, Reject> {
    if of.value(key).and_then(Value::as_u64) == Some(0) { Ok(None) } else { of.optional_id(key) }
}

/// The merchant's number under `key` as a patch, with its character references decoded.
fn code_patch(of: &Object<'_>, key: &str) -> Result<Patch<String>, Reject> {
    let code = of.text(key)?.and_then(|stored| text::code(&entities::decoded(stored)));
    Ok(of.patched(key, code))
}

#[cfg(test)]
mod tests;

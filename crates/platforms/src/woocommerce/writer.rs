//! Changes as requests: stock by differences, prices and texts as values.

use super::{api, entities, item::Item};
use crate::{
    CallContext, CallError, HttpReply, HttpRequest, Method, Step, Write, WriteLimits, Writer, Written,
    contract::spaced, json,
};
use model::{
    Currency, ExternalId, MirrorKind, MirrorValue, Money, ProductText, Quantity, SourceVersion, Timestamp,
};
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Upper limit of levels in one request. The API accepts 100 (README, limits); each is a save in PHP, and all of them
/// together have to be done within the time of one call.
const LEVELS_MAX: usize = 20;

const UNSAID: &str = "the reply doesn't say whether the change was made";

/// The beginnings of elements that a paragraph doesn't surround.
const BLOCKS: [&str; 16] = [
    "<p",
    "<div",
    "<ul",
    "<ol",
    "<dl",
    "<table",
    "<h1",
    "<h2",
    "<h3",
    "<h4",
    "<h5",
    "<h6",
    "<pre",
    "<hr",
    "<blockquote",
    "<section",
];

impl Writer for super::WooCommerce {
    /// Levels are whole pieces. WooCommerce neither compares a level nor knows a key: a difference whose reply was lost is
    /// never sent again, and the level is read instead. Prices and texts are absolute.
    fn limits(&self, kind: MirrorKind) -> Option<WriteLimits> {
        let (repeatable_for, batch_max) = match kind {
            MirrorKind::Inventory => (Some(Duration::ZERO), LEVELS_MAX),
            MirrorKind::Price | MirrorKind::Product => (None, 1),
        };
        Some(WriteLimits { quantity_decimals: 0, repeatable_for, batch_max })
    }

    fn step(
        &self,
        write: &Write,
        context: &CallContext<'_>,
        read: Option<&HttpReply<'_>>,
    ) -> Result<Step, CallError> {
        match write {
            Write::Level { item, to, from, .. } => {
                let by = difference(*to, *from)?;
                if by == 0 {
                    return Ok(Step::Done(Written::default()));
                }
                put(Item::parse(item)?, &json!({ "inventory_delta": by }), context)
            }
            Write::Price { product, variant, to } => {
                let item = Item::of(product, variant)?;
                match read {
                    Some(read) => set_price(item, *to, write, read, context),
                    None if to.minor < 0 => {
                        Err(Reject::new(RejectClass::Data, "the platform takes no negative price").into())
                    }
                    None => Ok(Step::Read(api::get(context.access, &item.path())?)),
                }
            }
            Write::Text { product, to } => set_text(product, to, context),
        }
    }

    /// Classifies the reply to a write, or to the read before it. The reply shows the object after the change; without one,
    /// nobody knows of it.
    fn outcome(&self, write: &Write, reply: &HttpReply<'_>) -> Result<Written, CallError> {
        api::check(reply)?;
        let unsaid = || CallError::transient(UNSAID);
        let object = json::reply(reply.body).map_err(|_| unsaid())?;
        if number_of(&object) != Some(target(write)?) {
            return Err(unsaid());
        }
        written(write, &object)
    }

    /// The request that changes the levels of `writes`, which have to be of products alone, or of the variations of one
    /// product.
    fn batch(&self, writes: &[Write], context: &CallContext<'_>) -> Result<HttpRequest, CallError> {
        let changes = writes.iter().map(change).collect::<Result<Vec<_>, CallError>>()?;
        let Some((first, _)) = changes.first() else {
            return Err(Reject::new(RejectClass::Bug, "a batch without a write").into());
        };
        let collection = first.collection();
        if changes.iter().any(|(item, _)| item.collection() != collection) {
            return Err(Reject::new(RejectClass::Data, "the items are in different collections").into());
        }
        let update = changes.iter().map(|(item, by)| json!({ "id": item.number(), "inventory_delta": by }));
        let body = json!({ "update": update.collect::<Vec<_>>() });
        Ok(api::send(Method::Post, context.access, &format!("{collection}/batch"), &body)?)
    }

    /// Each object of a batch succeeds or fails by itself, with the status 200 for all of them.
    fn outcomes(&self, writes: &[Write], reply: &HttpReply<'_>) -> Vec<Result<Written, CallError>> {
        if let Err(error) = api::check(reply) {
            return vec![Err(error); writes.len()];
        }
        let body = json::reply(reply.body).unwrap_or_default();
        let objects = body.get("update").and_then(Value::as_array);
        let outcome = |write: &Write| {
            let number = target(write)?;
            let found = objects.and_then(|objects| objects.iter().find(|it| number_of(it) == Some(number)));
            let object = found.ok_or_else(|| CallError::transient(UNSAID))?;
            match object.get("error") {
                Some(error) => Err(api::refused_object(error)),
                None => written(write, object),
            }
        };
        writes.iter().map(outcome).collect()
    }
}

/// The item of a level and the difference to make there.
fn change(write: &Write) -> Result<(Item, i64), CallError> {
    let Write::Level { item, to, from, .. } = write else {
        return Err(Reject::new(RejectClass::Bug, "only levels are set in batches").into());
    };
    Ok((Item::parse(item)?, difference(*to, *from)?))
}

/// The difference between two levels, in whole pieces.
fn difference(to: Quantity, from: Quantity) -> Result<i64, Reject> {
    let by = to.minus(from).filter(|by| by.is_whole()).and_then(|by| by.decimal().to_i64());
    by.ok_or_else(|| Reject::new(RejectClass::Data, "the difference isn't a whole number of pieces"))
}

fn put(item: Item, body: &Value, context: &CallContext<'_>) -> Result<Step, CallError> {
    Ok(Step::Write(api::send(Method::Put, context.access, &item.path(), body)?))
}

/// Sets the price that is asked now: the sale price while there is one and the regular price stays above it, else the
/// regular price. A sale that the regular price would end is ended.
fn set_price(
    item: Item,
    to: Money,
    write: &Write,
    read: &HttpReply<'_>,
    context: &CallContext<'_>,
) -> Result<Step, CallError> {
    let object = json::reply(read.body).map_err(|_| CallError::transient(UNSAID))?;
    if price_of(&object, "price", to.currency) == Some(to) {
        return Ok(Step::Done(written(write, &object)?));
    }
    let is_reduced = object.get("on_sale").and_then(Value::as_bool) == Some(true);
    let is_below =
        price_of(&object, "regular_price", to.currency).is_some_and(|regular| to.minor < regular.minor);
    let price = to.decimal();
    let body = match (is_reduced, is_below) {
        (true, true) => json!({ "sale_price": price }),
        (true, false) => json!({ "regular_price": price, "sale_price": "" }),
        (false, _) => json!({ "regular_price": price }),
    };
    put(item, &body, context)
}

fn set_text(product: &ExternalId, to: &ProductText, context: &CallContext<'_>) -> Result<Step, CallError> {
    let mut body = Map::new();
    if let Some(title) = &to.title {
        if title.is_empty() {
            return Err(Reject::new(RejectClass::Data, "the platform takes no empty title").into());
        }
        body.insert("name".to_owned(), title.as_str().into());
    }
    if let Some(description) = &to.description {
        body.insert("description".to_owned(), description.as_str().into());
    }
    if body.is_empty() {
        return Ok(Step::Done(Written::default()));
    }
    put(Item::of(product, product)?, &Value::Object(body), context)
}

/// The number of the object that a write changes.
fn target(write: &Write) -> Result<u64, CallError> {
    let item = match write {
        Write::Level { item, .. } => Item::parse(item)?,
        Write::Price { product, variant, .. } => Item::of(product, variant)?,
        Write::Text { product, .. } => Item::of(product, product)?,
    };
    Ok(item.number())
}

fn number_of(object: &Value) -> Option<u64> {
    object.get("id").and_then(Value::as_u64)
}

/// The version and the value of the object in a reply. A level of an object that doesn't count its stock was not changed:
/// WooCommerce ignores it.
fn written(write: &Write, object: &Value) -> Result<Written, CallError> {
    let version = version(object);
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    Ok(match write {
        Write::Level { .. } if object.get("manage_stock") != Some(&Value::Bool(true)) => {
            return Err(CallError::Gone);
        }
        Write::Level { .. } => Written { version, rendered: None },
        Write::Price { product, variant, to } => Written {
            // Reports of a variation's price have no version.
            version: version.filter(|_| product == variant),
            rendered: price_of(object, "price", to.currency).map(MirrorValue::Price),
        },
        Write::Text { .. } => Written {
            version,
            rendered: Some(MirrorValue::Text(ProductText {
                title: text("name").map(|name| spaced(&entities::decoded(name))),
                description: text("description").map(|description| spaced(&paragraphs(description))),
            })),
        },
    })
}

/// The version of an object, as `map` reads it: a time in whole seconds that names no zone.
fn version(object: &Value) -> Option<SourceVersion> {
    let time = object.get("date_modified_gmt")?.as_str()?;
    Timestamp::parse(&format!("{time}Z")).ok().map(SourceVersion::coarse)
}

fn price_of(object: &Value, field: &str, currency: Currency) -> Option<Money> {
    let price = match object.get(field)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Money::parse(&price, currency).ok()
}

/// A description as WordPress shows it: a reply to a write holds it as it was written, a report as paragraphs. One that has
/// elements of its own is shown as it is.
fn paragraphs(written: &str) -> String {
    let lower = written.to_ascii_lowercase();
    if lower.trim().is_empty() || BLOCKS.iter().any(|block| lower.contains(block)) {
        return written.to_owned();
    }
    let lines = written.replace("\r\n", "\n");
    let paragraphs = lines.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let paragraphs: Vec<String> = paragraphs.map(|text| text.replace('\n', "<br />\n")).collect();
    format!("<p>{}</p>\n", paragraphs.join("</p>\n<p>"))
}

#[cfg(test)]
mod tests;

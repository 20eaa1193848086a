//! Changes as Clover's requests: the level and the price as absolute values.
//!
//! Clover compares nothing and knows no idempotency keys. A level is therefore read just before it is written, and written
//! only if it is the one that the write replaces; a call whose reply was lost is never repeated, but the level read.

use super::{http, map};
use crate::{CallContext, CallError, HttpReply, Step, Write, WriteLimits, Writer, Written, json};
use model::{ExternalId, MirrorKind, MirrorValue, Money, Quantity};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Decimals of a quantity. Clover takes decimals and states no limit (README); its orders count in thousandths.
const QUANTITY_DECIMALS: u32 = 3;

impl Writer for super::Clover {
    /// A level is never repeated: between two attempts a sale would be overwritten. A price may be. An item has no
    /// description, and a text of a title alone isn't planned, so that no texts are written.
    fn limits(&self, kind: MirrorKind) -> Option<WriteLimits> {
        let repeatable_for = match kind {
            MirrorKind::Inventory => Some(Duration::ZERO),
            MirrorKind::Price => None,
            MirrorKind::Product => return None,
        };
        Some(WriteLimits { quantity_decimals: QUANTITY_DECIMALS, repeatable_for, batch_max: 1 })
    }

    fn step(
        &self,
        write: &Write,
        context: &CallContext<'_>,
        read: Option<&HttpReply<'_>>,
    ) -> Result<Step, CallError> {
        match write {
            Write::Level { item, to, from, .. } => set_level(item, *to, *from, context, read),
            Write::Price { variant, to, .. } => {
                let path = format!("items/{}", http::escaped(variant.as_str()));
                let body = json!({"price": to.minor}).to_string();
                Ok(Step::Write(http::post(context.access, &path, body)?))
            }
            Write::Text { .. } => Err(Reject::new(RejectClass::Bug, "no texts are written to clover").into()),
        }
    }

    /// Classifies the reply to a write, or to the read before it.
    fn outcome(&self, write: &Write, reply: &HttpReply<'_>) -> Result<Written, CallError> {
        http::check(reply)?;
        Ok(match write {
            Write::Level { .. } | Write::Text { .. } => Written::default(),
            Write::Price { to, .. } => {
                json::reply(reply.body).ok().map(|item| shown(&item, *to)).unwrap_or_default()
            }
        })
    }
}

/// Reads the level, then sets it if it is the one that the write replaces.
fn set_level(
    item: &ExternalId,
    to: Quantity,
    from: Quantity,
    context: &CallContext<'_>,
    read: Option<&HttpReply<'_>>,
) -> Result<Step, CallError> {
    if to == from {
        return Ok(Step::Done(Written::default()));
    }
    if to.decimal().normalize().scale() > QUANTITY_DECIMALS {
        let reason = format!("a level for clover has at most {QUANTITY_DECIMALS} decimals");
        return Err(Reject::new(RejectClass::Data, reason).into());
    }
    let path = format!("item_stocks/{}", http::escaped(item.as_str()));
    let Some(read) = read else {
        return Ok(Step::Read(http::get(context.access, &path)?));
    };
    let unread = |_| Reject::new(RejectClass::Platform, "clover's reply holds no stock of an item");
    match map::stock(&json::reply(read.body).map_err(unread)?)? {
        None => Err(CallError::Gone),
        Some(present) if present == from => {
            // A quantity is written as JSON writes numbers, without the detour of a float.
            let body = format!("{{\"quantity\":{to}}}");
            Ok(Step::Write(http::post(context.access, &path, body)?))
        }
        Some(_) => Err(CallError::Conflict),
    }
}

/// The version and the price of the item in a reply.
fn shown(item: &Value, to: Money) -> Written {
    let price = item.get("price").and_then(Value::as_i64);
    let rendered = price.map(|minor| MirrorValue::Price(Money { minor, currency: to.currency }));
    Written { version: map::item_version(item), rendered }
}

#[cfg(test)]
mod tests;

//! Maps BLAZE's objects to the model.

mod absent;
mod details;
mod employee;
mod levels;
mod member;
mod product;
mod promotion;
mod transaction;

use crate::{MapContext, Mapped, Rows, field::Object};
use model::{Action, Delivery, EntityKind, ExternalId, Payload, SourceVersion, Timestamp};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// The events in the body of `delivery`.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    let root = Object::root(body)?;
    match delivery.kind.topic() {
        super::PRODUCT => product::product(delivery, &root, context),
        super::PRODUCT_STOCK => product::stock(delivery, &root),
        super::PRODUCT_ABSENT => absent::product(delivery, &root),
        super::LEVEL_ABSENT => Ok(vec![absent::level(&root)]),
        super::TRANSACTION => Ok(transaction::transaction(&root, context)?.into_iter().map(Ok).collect()),
        super::PROMOTION => Ok(vec![promotion::promotion(&root)]),
        super::PROMOTION_ABSENT => Ok(vec![promotion::absent(&root)]),
        super::EMPLOYEE => Ok(vec![employee::employee(delivery, &root)]),
        super::MEMBER => Ok(vec![member::member(&root)]),
        // No other topic is one of this platform's.
        _ => Ok(Vec::new()),
    }
}

/// The time under `key`, in milliseconds since 1970; `None` without a value and for zero, which stands for none.
fn instant(of: &Object<'_>, key: &str) -> Result<Option<Timestamp>, Reject> {
    let Some(millis) = of.integer(key)?.filter(|millis| *millis != 0) else { return Ok(None) };
    let wrong = || of.reject(RejectClass::Data, key, "not a time between the years 1970 and 9999");
    let micros = millis.checked_mul(1_000).ok_or_else(wrong)?;
    // The bounds of a time are those of its text.
    let text = Timestamp::from_micros(micros).to_string();
    Timestamp::parse(&text).map(Some).map_err(|_| wrong())
}

fn required_instant(of: &Object<'_>, key: &str) -> Result<Timestamp, Reject> {
    instant(of, key)?.ok_or_else(|| of.missing(key))
}

/// Returns true for an object that was deleted.
fn is_deleted(of: &Object<'_>) -> Result<bool, Reject> {
    Ok(of.flag("deleted")? == Some(true))
}

/// The deletion of an object, as the object itself states it.
fn deleted(entity: EntityKind, external: ExternalId, at: Timestamp) -> Mapped {
    let identity =
        vec![entity.as_str().to_owned(), external.to_string(), at.to_string(), "deleted".to_owned()];
    Mapped {
        action: Action::Deleted,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity,
        payload: Payload::Deleted { entity, external },
    }
}

/// A delivery of `topic` with `body`.
#[cfg(test)]
pub(super) fn tests_delivery(topic: &str, body: &Value) -> Delivery {
    let received_at = Timestamp::parse("2026-07-02T10:00:00Z").unwrap();
    Delivery { received_at, ..crate::sample::delivery("blaze", topic, body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_in_milliseconds_and_zero_is_none() {
        let read = |value: Value| instant(&Object::root(&json!({ "at": value })).unwrap(), "at");
        let known = read(json!(1_718_900_000_123_u64)).unwrap().unwrap();
        assert_eq!(known.to_string(), "2024-06-20T16:13:20.123Z");
        for none in [json!(0), json!(null), json!("")] {
            assert_eq!(read(none), Ok(None));
        }
        for (wrong, class) in [
            (json!(-1), RejectClass::Data),
            (json!(i64::MAX), RejectClass::Data),
            (json!(253_402_300_800_000_i64), RejectClass::Data),
            (json!(1.5), RejectClass::Schema),
            (json!("06/20/2024"), RejectClass::Schema),
        ] {
            assert_eq!(read(wrong).unwrap_err().class, class);
        }
    }

    #[test]
    fn a_deleted_object_is_deleted_whatever_else_is_missing() {
        let context = MapContext { currency: None };
        for (topic, entity) in [
            ("product", EntityKind::Product),
            ("transaction", EntityKind::Order),
            ("member", EntityKind::Customer),
            ("employee", EntityKind::Employee),
        ] {
            let body = json!({"id": "x", "modified": 1_718_900_000_123_u64, "deleted": true});
            let rows = map(&tests_delivery(topic, &body), &body, context).unwrap();
            let last = rows.into_iter().last().unwrap().unwrap();
            assert_eq!(last.action, Action::Deleted, "{topic}");
            let external = ExternalId::new("x").unwrap();
            assert_eq!(last.payload, Payload::Deleted { entity, external }, "{topic}");
        }
    }
}

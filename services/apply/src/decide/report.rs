//! The values that an event reports, as inputs of mirrors.

use model::{Event, ExternalId, FieldKey, FieldValue, LevelKey, LocationId, MirrorKey, Quantity, Report};

/// The key of an item's level at a location.
pub(super) fn level_key(event: &Event, item: &ExternalId, location: LocationId) -> LevelKey {
    LevelKey { connection: event.origin.connection.clone(), item: item.clone(), location }
}

/// The report of a level, as input of the mirror.
pub(super) fn level_report(event: &Event, key: &LevelKey, value: Option<Quantity>) -> Report<Quantity> {
    Report {
        value,
        version: event.version,
        received_at: event.received_at,
        read_for: event.read_for(|mirror| matches!(mirror, MirrorKey::Level(level) if level == key)),
        is_reentered: event.attempt > 0,
    }
}

/// The key of a text or price.
pub(super) fn field_key(event: &Event, external: &ExternalId) -> FieldKey {
    FieldKey { connection: event.origin.connection.clone(), external: external.clone() }
}

/// The report of a text or price, as input of the mirror.
pub(super) fn field_report<V: FieldValue>(event: &Event, key: &FieldKey, value: Option<V>) -> Report<V> {
    Report {
        value,
        version: event.version,
        received_at: event.received_at,
        read_for: event.read_for(|mirror| V::key(mirror) == Some(key)),
        is_reentered: event.attempt > 0,
    }
}

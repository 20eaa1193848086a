//! A store's current state and ledger, folded from its committed changes alone.
//!
//! A change that was decided while a row of the record was damaged contains values of that row. So the fold uses only
//! the part of a change that is its own: the movement rather than the resulting level, and the fields that it set.

use crate::decide::{changed_at, deletion_version, promotion_activity, promotion_deletion, promotion_report};
use model::{
    EntityKind, Event, LocationId, Order, OrderId, OrderStatus, Payload, PromotionId, Timestamp, VariantId,
    record::{
        Applied, CatalogRow, Clocked, Effect, Movement, MovementReason, OrderRow, ProductRow, State,
        VariantRow,
    },
};
use std::collections::BTreeMap;

/// The state that results from a store's changes, as far as they were folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The sequence number of the last change.
    pub sequence: i64,
    /// The state after it.
    pub state: State,
    /// Levels that were counted anew although they were known, because the record had lost them, with the sequence
    /// number of the change. Each is the counted number, which isn't the sum of the ledger.
    pub recounted: BTreeMap<(VariantId, LocationId), i64>,
}

/// A change that doesn't follow the one before: one is missing or duplicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("change {found} comes where {expected} must")]
pub struct Broken {
    /// Expected sequence number.
    pub expected: i64,
    /// Sequence number found.
    pub found: i64,
}

impl Rebuilt {
    /// Folds the next change and returns the ledger lines that it wrote.
    pub fn take(&mut self, applied: Applied) -> Result<Vec<Movement>, Broken> {
        let Applied { sequence, event, effects, rows, .. } = applied;
        let expected = self.sequence + 1;
        if sequence != expected {
            return Err(Broken { expected, found: sequence });
        }
        self.sequence = sequence;
        let at = changed_at(&event);
        for row in rows {
            match row {
                CatalogRow::Product(row) => self.product(row, at),
                CatalogRow::Variant(row) => self.variant(row, at),
            }
        }
        let lines = effects.into_iter().filter_map(|effect| self.effect(&event, effect)).collect();
        self.promotion(&event);
        self.order(event);
        Ok(lines)
    }

    fn product(&mut self, row: ProductRow, at: Timestamp) {
        let Some(known) = self.state.products.get_mut(&row.id) else {
            self.state.products.insert(row.id.clone(), row);
            return;
        };
        set(&mut known.title, row.title, at);
        set(&mut known.description, row.description, at);
        set(&mut known.vendor, row.vendor, at);
        set(&mut known.category, row.category, at);
        set(&mut known.status, row.status, at);
        set(&mut known.tags, row.tags, at);
        set(&mut known.details.images, row.details.images, at);
        set(&mut known.details.attributes, row.details.attributes, at);
        known.deleted_at = row.deleted_at;
    }

    fn variant(&mut self, row: VariantRow, at: Timestamp) {
        let Some(known) = self.state.variants.get_mut(&row.id) else {
            self.state.variants.insert(row.id.clone(), row);
            return;
        };
        set(&mut known.title, row.title, at);
        set(&mut known.sku, row.sku, at);
        set(&mut known.barcode, row.barcode, at);
        set(&mut known.price, row.price, at);
        set(&mut known.compare_at_price, row.compare_at_price, at);
        set(&mut known.details.images, row.details.images, at);
        set(&mut known.details.lab_results, row.details.lab_results, at);
        set(&mut known.details.price_tiers, row.details.price_tiers, at);
    }

    fn effect(&mut self, event: &Event, effect: Effect) -> Option<Movement> {
        // The values of all other effects are in the rows.
        let Effect::Level { variant, location, delta, level, reason } = effect else { return None };
        let key = (variant.clone(), location.clone());
        let before = self.state.levels.get(&key).copied();
        let now = match (before, reason) {
            (None, _) => delta,
            (Some(before), MovementReason::Reported | MovementReason::Counted | MovementReason::Relinked) => {
                before.plus(delta).unwrap_or(level)
            }
            (Some(_), MovementReason::FirstCount) => {
                self.recounted.insert(key.clone(), self.sequence);
                level
            }
        };
        self.state.levels.insert(key, now);
        Some(Movement {
            tenant: event.origin.tenant.clone(),
            store: event.origin.store.clone(),
            sequence: self.sequence,
            variant,
            location,
            delta,
            level,
            reason: if before.is_none() { MovementReason::FirstCount } else { reason },
            connection: event.origin.connection.clone(),
            at: event.received_at,
        })
    }

    /// Sets a promotion to its last report; stale reports aren't among the changes.
    fn promotion(&mut self, event: &Event) {
        let id = PromotionId::derive(&event.origin.connection, event.payload.external());
        let known = self.state.promotions.get(&id);
        let row = match &event.payload {
            Payload::Promotion(promotion) => promotion_report(event, promotion.clone(), known),
            Payload::Deleted { entity: EntityKind::Promotion, external } => {
                promotion_deletion(event, external, known)
            }
            Payload::Activity { activity, .. } => match known {
                Some(known) => promotion_activity(known, *activity),
                None => return,
            },
            _ => return,
        };
        self.state.promotions.insert(id, row);
    }

    /// Sets an order to its last report; stale reports aren't among the changes.
    fn order(&mut self, event: Event) {
        let id = |external| OrderId::derive(&event.origin.connection, external);
        let reported = event.version_number();
        match event.payload {
            Payload::Order(order) => {
                let id = id(&order.external);
                let before = self.state.orders.get(&id);
                let known = before.and_then(|before| before.version);
                let order = order.reported_after(before.map(|before| &before.order));
                let row = OrderRow {
                    id: id.clone(),
                    tenant: event.origin.tenant,
                    store: event.origin.store,
                    connection: event.origin.connection,
                    version: reported.max(known),
                    order,
                };
                self.state.orders.insert(id, row);
            }
            Payload::Deleted { entity: EntityKind::Order, ref external } => {
                let version = deletion_version(&event);
                let row = self.state.orders.entry(id(external)).or_insert_with(|| OrderRow {
                    id: id(external),
                    tenant: event.origin.tenant.clone(),
                    store: event.origin.store.clone(),
                    connection: event.origin.connection.clone(),
                    version,
                    order: Order::cancelled(external.clone()),
                });
                row.version = version.max(row.version);
                row.order.status = OrderStatus::Cancelled;
            }
            Payload::Product(_)
            | Payload::Inventory(_)
            | Payload::Customer(_)
            | Payload::Employee(_)
            | Payload::Promotion(_)
            | Payload::Activity { .. }
            | Payload::Stocked(_)
            | Payload::Account(_)
            | Payload::Instruction { .. }
            | Payload::Deleted { .. } => {}
        }
    }
}

/// Sets a field if the change made at that time set it; the change only copied the other fields of its row.
fn set<T>(known: &mut Option<Clocked<T>>, reported: Option<Clocked<T>>, at: Timestamp) {
    if reported.as_ref().is_some_and(|reported| known.is_none() || reported.at == at) {
        *known = reported;
    }
}

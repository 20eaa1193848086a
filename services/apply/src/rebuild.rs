//! A store's current state and ledger, folded from its committed changes alone.

use model::{
    EntityKind, Event, LocationId, Order, OrderId, OrderStatus, Payload, Quantity, VariantId,
    record::{Applied, CatalogRow, Effect, Movement, MovementReason, OrderRow, State},
};

/// What a store's changes come to, as far as they were taken up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The sequence number of the last change.
    pub sequence: i64,
    /// The state after it.
    pub state: State,
}

/// Why a store's changes don't tell its state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A change is missing, or stands twice.
    #[error("change {found} comes where {expected} must")]
    Sequence {
        /// Which must come.
        expected: i64,
        /// Which came.
        found: i64,
    },
    /// A change tells of a level that isn't what the one before and the movement come to.
    #[error("change {sequence} moves the level of {variant} at {location} to what it doesn't come to")]
    Level {
        /// Which change.
        sequence: i64,
        /// What moved.
        variant: VariantId,
        /// Where.
        location: LocationId,
    },
}

impl Rebuilt {
    /// Takes up the next change, and gives the lines of the ledger that it wrote.
    pub fn take(&mut self, applied: Applied) -> Result<Vec<Movement>, Broken> {
        let Applied { sequence, event, effects, rows, .. } = applied;
        let expected = self.sequence + 1;
        if sequence != expected {
            return Err(Broken::Sequence { expected, found: sequence });
        }
        self.sequence = sequence;
        for row in rows {
            match row {
                CatalogRow::Product(row) => drop(self.state.products.insert(row.id.clone(), row)),
                CatalogRow::Variant(row) => drop(self.state.variants.insert(row.id.clone(), row)),
            }
        }
        let mut movements = Vec::new();
        for effect in effects {
            match effect {
                Effect::Level { variant, location, delta, level } => {
                    movements.push(self.level(&event, variant, location, delta, level)?);
                }
                // What they tell of is in the rows.
                Effect::Price { .. } | Effect::Text { .. } | Effect::Linked { .. } => {}
            }
        }
        self.order(event);
        Ok(movements)
    }

    fn level(
        &mut self,
        event: &Event,
        variant: VariantId,
        location: LocationId,
        delta: Quantity,
        level: Quantity,
    ) -> Result<Movement, Broken> {
        let sequence = self.sequence;
        let before = self.state.levels.insert((variant.clone(), location.clone()), level);
        if before.unwrap_or_default() + delta != level {
            return Err(Broken::Level { sequence, variant, location });
        }
        Ok(Movement {
            tenant: event.origin.tenant.clone(),
            store: event.origin.store.clone(),
            sequence,
            variant,
            location,
            delta,
            level,
            reason: if before.is_none() { MovementReason::FirstCount } else { MovementReason::Reported },
            connection: event.origin.connection.clone(),
            at: event.received_at,
        })
    }

    /// An order is as it was last told; stale reports of it aren't among the changes.
    fn order(&mut self, event: Event) {
        let id = |external| OrderId::derive(&event.origin.connection, external);
        match event.payload {
            Payload::Order(order) => {
                let id = id(&order.external);
                let known = self.state.orders.get(&id).and_then(|known| known.version);
                let row = OrderRow {
                    id: id.clone(),
                    tenant: event.origin.tenant,
                    store: event.origin.store,
                    connection: event.origin.connection,
                    version: event.version.max(known),
                    order,
                };
                self.state.orders.insert(id, row);
            }
            Payload::Deleted { entity: EntityKind::Order, ref external } => {
                if let Some(OrderRow { version, order: Order { status, .. }, .. }) =
                    self.state.orders.get_mut(&id(external))
                {
                    *version = event.version.max(*version);
                    *status = OrderStatus::Cancelled;
                }
            }
            Payload::Product(_) | Payload::Inventory(_) | Payload::Customer(_) | Payload::Deleted { .. } => {}
        }
    }
}

//! What each event changes: a fold over facts, without clock or I/O.
//!
//! `apply` loads what a batch may touch, folds the events over it in order, and commits what came out. The same events
//! over the same facts always give the same changes.

mod identity;
mod inventory;
mod keys;
mod product;
mod sales;
mod told;

use model::{
    Dismissal, EntityKind, Event, LinkKind, LocationId, Mirror, Outcome, Partition, Payload, Position,
    Quantity, VariantId,
    record::{
        Applied, CatalogRow, Changes, Conflict, ConflictKind, CustomerRow, Effect, Ending, Facts, LinkKey,
        Movement, MovementReason, OrderRow, ProductRow, SendMark, VariantRow,
    },
};
use stage::{Reject, RejectClass};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

pub use keys::{first_keys, row_keys};

/// One change of the record.
enum Write {
    Link(LinkKey, String),
    Mirror(Mirror),
    Level {
        variant: VariantId,
        location: LocationId,
        delta: Quantity,
        level: Quantity,
        reason: MovementReason,
    },
    Product(ProductRow),
    Variant(VariantRow),
    Order(OrderRow),
    Customer(CustomerRow),
    Conflict {
        kind: ConflictKind,
        subject: String,
        detail: String,
    },
}

/// What one event comes to.
struct Decision {
    outcome: Outcome,
    reason: &'static str,
    writes: Vec<Write>,
    effects: Vec<Effect>,
}

impl Decision {
    fn ends(outcome: Outcome, reason: &'static str) -> Self {
        Self { outcome, reason, writes: Vec::new(), effects: Vec::new() }
    }
}

/// The fold: facts as they become, and what has changed in them so far.
pub struct Fold {
    facts: Facts,
    numbers: BTreeMap<Partition, i64>,
    changes: Changes,
    rejected: Vec<(Partition, Event, Reject)>,
}

/// What a batch came to.
pub struct Folded {
    /// What is to be committed.
    pub changes: Changes,
    /// What can't be applied, for the dead letters.
    pub rejected: Vec<(Partition, Event, Reject)>,
    /// The last number given out in each partition.
    pub numbers: BTreeMap<Partition, i64>,
}

impl Fold {
    /// Begins with what the record knows and the last number of each partition.
    pub fn new(facts: Facts, numbers: BTreeMap<Partition, i64>) -> Self {
        Self { facts, numbers, changes: Changes::default(), rejected: Vec::new() }
    }

    /// Decides about the next event of `partition`.
    pub fn event(&mut self, partition: Partition, event: Event) {
        self.take_marks(partition, Some(event.position));
        let identity = (event.origin.connection.clone(), event.id);
        let recorded = self.facts.seen.get(&identity).or_else(|| self.facts.dead.get(&identity)).copied();
        if recorded == Some(event.position) {
            // This very arrival is in the record: a replay.
            return;
        }
        self.count_delivery(&event.origin, event.position);
        if self.facts.seen.contains_key(&identity)
            || recorded.is_some_and(|recorded| recorded > event.position)
        {
            self.changes.dismissals.push(duplicate(&event));
            return;
        }
        if self.facts.dead.remove(&identity).is_some() {
            self.changes.revived.insert(identity.clone());
        }
        self.facts.seen.insert(identity, event.position);
        let decided = catch_unwind(AssertUnwindSafe(|| decide(&event, &self.facts))).unwrap_or_else(|_| {
            Err(Reject::new(RejectClass::Bug, "the decision panicked; the log says where"))
        });
        match decided {
            Ok(decision) => self.carry_out(partition, event, decision),
            Err(reject) => {
                self.changes.endings.push(ending(&event, Outcome::Dead, reject.to_string(), None));
                self.rejected.push((partition, event, reject));
            }
        }
    }

    /// Takes up what ended in a stage before.
    pub fn dismissal(&mut self, dismissal: Dismissal) {
        self.count_delivery(&dismissal.origin, dismissal.position);
        self.changes.dismissals.push(dismissal);
    }

    /// Whatever a delivery came to, just one of its ends stands at its first place.
    fn count_delivery(&mut self, origin: &model::Origin, position: Position) {
        if position.event == 0 {
            self.changes.stores.entry(origin.store.clone()).or_default().ended += 1;
        }
    }

    /// Brings mirrors to what propagate had made of them before the event at that place was first decided.
    fn take_marks(&mut self, partition: Partition, before: Option<Position>) {
        let is_due = |mark: &mut SendMark| before.is_none_or(|before| mark.after < before);
        while let Some(mark) =
            self.facts.marks.get_mut(&partition).and_then(|marks| marks.pop_front_if(is_due))
        {
            let SendMark { key, internal, held, version, sent, .. } = mark;
            let mirror =
                self.facts.mirrors.entry(key.clone()).or_insert_with(|| Mirror::new(key.clone(), internal));
            (mirror.held, mirror.sent) = (held, Some(sent.clone()));
            if let Some(observed) = &mut mirror.observed {
                observed.version = observed.version.max(version);
            }
            self.changes.mirrors.insert(key.clone(), mirror.clone());
            self.changes.sent.insert(key, sent);
        }
    }

    /// Ends the fold.
    pub fn finish(mut self) -> Folded {
        for partition in self.facts.marks.keys().copied().collect::<Vec<_>>() {
            self.take_marks(partition, None);
        }
        for (key, sent) in &mut self.changes.sent {
            if let Some(now) = self.facts.mirrors.get(key).and_then(|mirror| mirror.sent.clone()) {
                *sent = now;
            }
        }
        Folded { changes: self.changes, rejected: self.rejected, numbers: self.numbers }
    }

    fn carry_out(&mut self, partition: Partition, event: Event, decision: Decision) {
        let Decision { outcome, reason, writes, effects } = decision;
        let mut sequence = None;
        if outcome == Outcome::Applied {
            let last = self.facts.stores.entry(event.origin.store.clone()).or_default();
            *last += 1;
            sequence = Some(*last);
            self.changes.stores.entry(event.origin.store.clone()).or_default().last_sequence = Some(*last);
        }
        let rows = writes.iter().filter_map(catalog_row).collect();
        for write in writes {
            self.write(write, &event, sequence.unwrap_or_default());
        }
        self.changes.endings.push(ending(&event, outcome, reason.to_owned(), sequence));
        if let Some(sequence) = sequence {
            let number = self.numbers.entry(partition).or_default();
            *number += 1;
            let event = without_personal_data(event);
            let applied = Applied { number: *number, sequence, event, effects, rows };
            self.changes.applied.push((partition, applied));
        }
    }

    fn write(&mut self, write: Write, event: &Event, sequence: i64) {
        let (facts, changes) = (&mut self.facts, &mut self.changes);
        match write {
            Write::Link(key, internal) => {
                facts.links.insert(key.clone(), internal.clone());
                changes.links.insert(key, internal);
            }
            Write::Mirror(mirror) => {
                facts.mirrors.insert(mirror.key.clone(), mirror.clone());
                changes.mirrors.insert(mirror.key.clone(), mirror);
            }
            Write::Level { variant, location, delta, level, reason } => {
                facts.levels.insert((variant.clone(), location.clone()), level);
                changes.levels.insert((variant.clone(), location.clone()), level);
                changes.movements.push(Movement {
                    tenant: event.origin.tenant.clone(),
                    store: event.origin.store.clone(),
                    sequence,
                    variant,
                    location,
                    delta,
                    level,
                    reason,
                    connection: event.origin.connection.clone(),
                    at: event.received_at,
                });
            }
            Write::Product(row) => {
                facts.products.insert(row.id.clone(), row.clone());
                changes.products.insert(row.id.clone(), row);
            }
            Write::Variant(row) => {
                identity::note_sku(facts, event, &row);
                facts.variants.insert(row.id.clone(), row.clone());
                changes.variants.insert(row.id.clone(), row);
            }
            Write::Order(row) => {
                facts.orders.insert(row.id.clone(), row.clone());
                changes.orders.insert(row.id.clone(), row);
            }
            Write::Customer(row) => {
                facts.customers.insert(row.id.clone(), row.clone());
                changes.customers.insert(row.id.clone(), row);
            }
            Write::Conflict { kind, subject, detail } => changes.conflicts.push(Conflict {
                tenant: event.origin.tenant.clone(),
                store: event.origin.store.clone(),
                connection: event.origin.connection.clone(),
                event: Some(event.id),
                kind,
                subject,
                detail,
            }),
        }
    }
}

fn decide(event: &Event, facts: &Facts) -> Result<Decision, Reject> {
    match &event.payload {
        Payload::Inventory(report) => inventory::reported(event, report, facts),
        Payload::Product(told) => Ok(product::told(event, told, facts)),
        Payload::Order(order) => Ok(sales::order(event, order, facts)),
        Payload::Customer(customer) => Ok(sales::customer(event, customer, facts)),
        Payload::Stocked(_) | Payload::Account(_) | Payload::Instruction { .. } => {
            Ok(Decision::ends(Outcome::Unchanged, ""))
        }
        Payload::Deleted { entity, external } => Ok(match entity {
            EntityKind::Account => Decision::ends(Outcome::Unchanged, "an account is never deleted"),
            EntityKind::Product => product::deleted(event, external, facts),
            EntityKind::Inventory => inventory::untracked(event, external, facts),
            EntityKind::Order => sales::order_deleted(event, external, facts),
            EntityKind::Customer => sales::customer_deleted(event, external, facts),
        }),
    }
}

/// Our id of what the event's connection calls `external`: as enrich knew it, or as the record does.
fn link(event: &Event, facts: &Facts, kind: LinkKind, external: &model::ExternalId) -> Option<String> {
    event
        .link(kind, external)
        .map(str::to_owned)
        .or_else(|| facts.links.get(&(event.origin.connection.clone(), kind, external.clone())).cloned())
}

/// Whether the mirror has seen something newer about the object than the event tells. Where the platform counts no
/// versions, what was a dead letter is as old as its first arrival.
fn is_stale(event: &Event, mirror: Option<&Mirror>) -> bool {
    let Some(seen) = mirror.and_then(|mirror| mirror.observed.as_ref()) else { return false };
    match event.version.zip(seen.version) {
        Some((told, seen)) => told < seen,
        None => event.attempt > 0 && event.received_at < seen.at,
    }
}

fn ending(event: &Event, outcome: Outcome, reason: String, sequence: Option<i64>) -> Ending {
    Ending {
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        event: event.id,
        delivery: event.delivery,
        entity: event.payload.entity(),
        external: event.payload.external().clone(),
        action: event.action,
        outcome,
        reason,
        position: event.position,
        received_at: event.received_at,
        sequence,
    }
}

fn duplicate(event: &Event) -> Dismissal {
    Dismissal {
        position: event.position,
        origin: event.origin.clone(),
        delivery: event.delivery,
        event: Some(event.id),
        stage: crate::STAGE.into(),
        outcome: Outcome::Duplicate,
        reason: "".into(),
        received_at: event.received_at,
    }
}

/// The row of the catalog that a write makes.
fn catalog_row(write: &Write) -> Option<CatalogRow> {
    match write {
        Write::Product(row) => Some(CatalogRow::Product(row.clone())),
        Write::Variant(row) => Some(CatalogRow::Variant(row.clone())),
        Write::Link(..)
        | Write::Mirror(_)
        | Write::Level { .. }
        | Write::Order(_)
        | Write::Customer(_)
        | Write::Conflict { .. } => None,
    }
}

fn without_personal_data(mut event: Event) -> Event {
    if let Payload::Customer(customer) = &event.payload {
        event.payload = Payload::Customer(customer.without_personal_data());
    }
    event
}

#[cfg(test)]
mod tests;

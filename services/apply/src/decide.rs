//! Decides the changes of each event: a fold over facts, without clock or I/O.
//!
//! `apply` loads the rows that a batch may touch, folds the events over them in order, and commits the result. The same
//! events over the same facts always give the same changes.

mod account;
mod clock;
mod contact;
mod currency;
mod employee;
mod gone;
mod identity;
mod inventory;
mod keys;
mod link_candidates;
mod links;
mod listing;
mod locations;
mod matched;
mod oversell;
mod product;
mod promotion;
mod report;
mod sales;
mod view;

use model::{
    BaselineRule, Conflict, ConflictEnd, ConnectionId, DroppedInput, EntityKind, Event, ExternalId,
    LocationId, Mirror, Outcome, Partition, Payload, Position, ProductId, Quantity, VariantId,
    record::{
        Applied, CatalogRow, Changes, CustomerRow, Effect, EmployeeRow, Erasure, EventOutcome, ExternalKey,
        Facts, Movement, MovementReason, OrderRow, ProductRow, PromotionRow, VariantRow, WriteLogEntry,
    },
};
use stage::{Reject, RejectClass};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};
use view::{LevelIndex, View};

pub(crate) use clock::changed_at;
pub use keys::{first_keys, row_keys};
pub(crate) use promotion::{
    activity as promotion_activity, deletion as promotion_deletion, report as promotion_report,
};
pub(crate) use sales::deletion_version;

/// One change of the record.
enum Write {
    ProductLink(ExternalId, Option<ProductId>),
    VariantLink(ExternalId, Option<VariantId>),
    ItemLink(ExternalId, Option<VariantId>),
    LocationLink(ExternalId, LocationId),
    /// The platform's product of a linked variant.
    VariantListed(ExternalId, ExternalId),
    /// The platform's product of a linked item.
    ItemListed(ExternalId, ExternalId),
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
    Promotion(PromotionRow),
    Employee(EmployeeRow),
    Conflict(Conflict),
    ConflictEnd(ConflictEnd),
    Rule(BaselineRule),
    AccessRevoked,
    EraseAccount(Erasure),
}

/// The result of one event.
struct Decision {
    outcome: Outcome,
    reason: &'static str,
    writes: Vec<Write>,
    effects: Vec<Effect>,
}

impl Decision {
    fn of(outcome: Outcome, reason: &'static str) -> Self {
        Self { outcome, reason, writes: Vec::new(), effects: Vec::new() }
    }
}

/// The fold: the facts with all changes so far, and these changes.
pub struct Fold {
    facts: Facts,
    level_index: LevelIndex,
    numbers: BTreeMap<Partition, i64>,
    changes: Changes,
    rejected: Vec<Rejected>,
}

/// An event that can't be applied.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// The event.
    pub event: Event,
    /// The reason.
    pub reject: Reject,
}

/// The result of a batch.
pub struct Folded {
    /// The changes to commit.
    pub changes: Changes,
    /// Events that can't be applied, for the dead letters.
    pub rejected: Vec<Rejected>,
    /// The last number assigned in each partition.
    pub numbers: BTreeMap<Partition, i64>,
}

impl Fold {
    /// Begins with the facts of the record and the last number of each partition.
    pub fn new(facts: Facts, numbers: BTreeMap<Partition, i64>) -> Self {
        let level_index = LevelIndex::of(&facts.mirrors);
        Self { facts, level_index, numbers, changes: Changes::default(), rejected: Vec::new() }
    }

    /// Decides about the next event of `partition`.
    pub fn event(&mut self, partition: Partition, mut event: Event) {
        self.apply_write_log(partition, Some(event.position));
        let identity = (event.origin.connection.clone(), event.id);
        let recorded = self.facts.seen.get(&identity).or_else(|| self.facts.dead.get(&identity)).copied();
        if recorded == Some(event.position) {
            // The record already has this event at this position: a replay.
            return;
        }
        self.count_delivery(&event.origin, event.position);
        if self.facts.seen.contains_key(&identity)
            || recorded.is_some_and(|recorded| recorded > event.position)
        {
            self.changes.dropped_inputs.push(duplicate(&event));
            return;
        }
        if self.facts.dead.remove(&identity).is_some() {
            self.changes.revived.insert(identity.clone());
        }
        self.facts.seen.insert(identity, event.position);
        let leads = clock::replace_implausible(&mut event);
        let view = View { facts: &self.facts, level_index: &self.level_index };
        let decided = catch_unwind(AssertUnwindSafe(|| decide(&event, &view))).unwrap_or_else(|_| {
            Err(Reject::new(RejectClass::Bug, "the decision panicked; the log says where"))
        });
        match decided {
            Ok(mut decision) => {
                decision.writes.extend(clock::conflict(&event, leads, &view));
                self.apply_decision(partition, event, decision);
            }
            Err(reject) => {
                self.changes.event_outcomes.push(event_outcome(
                    &event,
                    Outcome::Dead,
                    reject.to_string(),
                    None,
                ));
                self.rejected.push(Rejected { event, reject });
            }
        }
    }

    /// Records an input that an earlier stage dropped.
    pub fn dropped_input(&mut self, dropped_input: DroppedInput) {
        self.count_delivery(&dropped_input.origin, dropped_input.position);
        self.changes.dropped_inputs.push(dropped_input);
    }

    /// Counts a delivery once: exactly one of its outcomes has the delivery's first position.
    fn count_delivery(&mut self, origin: &model::Origin, position: Position) {
        if position.event == 0 {
            self.changes.stores.entry(origin.store.clone()).or_default().ended += 1;
        }
    }

    /// Brings mirrors to the state that propagate had given them before the event at that position was first decided.
    fn apply_write_log(&mut self, partition: Partition, before: Option<Position>) {
        let is_due = |entry: &mut WriteLogEntry| before.is_none_or(|before| entry.after < before);
        while let Some(entry) =
            self.facts.write_log.get_mut(&partition).and_then(|write_log| write_log.pop_front_if(is_due))
        {
            self.set_mirror(entry.mirror);
        }
    }

    /// Ends the open conflicts that only the mirror's former state justified.
    fn end_conflicts_about(&mut self, mirror: &Mirror, event: &Event) {
        for kind in self.facts.mirrors.ended_by(mirror) {
            let key = mirror.key();
            let (store, connection) = (event.origin.store.clone(), key.connection().clone());
            self.changes.end_conflict(ConflictEnd { store, connection, kind, subject: key.subject() });
        }
    }

    fn set_mirror(&mut self, mirror: Mirror) {
        self.level_index.note(&self.facts.mirrors, &mirror);
        self.facts.mirrors.insert(mirror.clone());
        self.changes.mirrors.insert(mirror);
    }

    /// Ends the fold and returns its result.
    pub fn finish(mut self) -> Folded {
        for partition in self.facts.write_log.keys().copied().collect::<Vec<_>>() {
            self.apply_write_log(partition, None);
        }
        Folded { changes: self.changes, rejected: self.rejected, numbers: self.numbers }
    }

    fn apply_decision(&mut self, partition: Partition, event: Event, decision: Decision) {
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
        self.changes.event_outcomes.push(event_outcome(&event, outcome, reason.to_owned(), sequence));
        if let Some(sequence) = sequence {
            let number = self.numbers.entry(partition).or_default();
            *number += 1;
            let mut event = without_personal_data(event);
            event.links.extend(view::links(&event, &self.facts));
            let applied = Applied { number: *number, sequence, event, effects, rows };
            self.changes.applied.push((partition, applied));
        }
    }

    fn write(&mut self, write: Write, event: &Event, sequence: i64) {
        let connection = || event.origin.connection.clone();
        match write {
            Write::ProductLink(external, product) => self.link_product((connection(), external), product),
            Write::VariantLink(external, variant) => self.link_variant((connection(), external), variant),
            Write::ItemLink(external, variant) => {
                let key = (connection(), external);
                match variant.clone() {
                    Some(variant) => drop(self.facts.links.items.insert(key.clone(), variant)),
                    None => drop(self.facts.links.items.remove(&key)),
                }
                self.changes.links.items.insert(key, variant);
            }
            Write::LocationLink(external, location) => {
                let key = (connection(), external);
                self.facts.links.locations.insert(key.clone(), location.clone());
                self.changes.links.locations.insert(key, location);
            }
            Write::VariantListed(external, product) => {
                self.list_variant((connection(), external), product);
            }
            Write::ItemListed(external, product) => self.list_item((connection(), external), product),
            Write::Mirror(mirror) => {
                self.end_conflicts_about(&mirror, event);
                self.set_mirror(mirror);
            }
            Write::Level { variant, location, delta, level, reason } => {
                self.facts.levels.insert((variant.clone(), location.clone()), level);
                self.changes.levels.insert((variant.clone(), location.clone()), level);
                self.changes.movements.push(Movement {
                    tenant: event.origin.tenant.clone(),
                    store: event.origin.store.clone(),
                    sequence,
                    variant,
                    location,
                    delta,
                    level,
                    reason,
                    connection: connection(),
                    at: event.received_at,
                });
            }
            Write::Product(row) => {
                self.facts.products.insert(row.id.clone(), row.clone());
                self.changes.products.insert(row.id.clone(), row);
            }
            Write::Variant(row) => {
                identity::note_number(&mut self.facts, &row);
                self.facts.variants.insert(row.id.clone(), row.clone());
                self.changes.variants.insert(row.id.clone(), row);
            }
            Write::Order(row) => {
                self.facts.orders.insert(row.id.clone(), row.clone());
                self.changes.orders.insert(row.id.clone(), row);
            }
            Write::Customer(row) => {
                self.facts.customers.insert(row.id.clone(), row.clone());
                self.changes.customers.insert(row.id.clone(), row);
            }
            Write::Promotion(row) => {
                self.facts.promotions.insert(row.id.clone(), row.clone());
                self.changes.promotions.insert(row.id.clone(), row);
            }
            Write::Employee(row) => {
                self.facts.employees.insert(row.id.clone(), row.clone());
                self.changes.employees.insert(row.id.clone(), row);
            }
            Write::Conflict(conflict) => {
                let found = self.facts.connections.entry(conflict.connection.clone()).or_default();
                found.open.insert(conflict.kind);
                self.changes.open_conflict(conflict);
            }
            Write::ConflictEnd(end) => self.changes.end_conflict(end),
            Write::Rule(rule) => {
                self.facts.connections.entry(connection()).or_default().baseline = rule;
                self.changes.rules.insert(connection(), rule);
            }
            Write::AccessRevoked => drop(self.changes.revoked.insert(connection())),
            Write::EraseAccount(erasure) => self.erase_account(connection(), erasure),
        }
    }

    /// Erases the customers and employees among the facts; the store erases all others of the connection in the same
    /// commit.
    fn erase_account(&mut self, connection: ConnectionId, erasure: Erasure) {
        for row in self.facts.customers.values_mut().filter(|row| row.connection == connection) {
            *row = row.erased(erasure);
            self.changes.customers.insert(row.id.clone(), row.clone());
        }
        for row in self.facts.employees.values_mut().filter(|row| row.connection == connection) {
            *row = row.erased(erasure);
            self.changes.employees.insert(row.id.clone(), row.clone());
        }
        let asked = self.changes.erased.entry(connection).or_insert(erasure);
        asked.version = asked.version.max(erasure.version);
        asked.at = asked.at.max(erasure.at);
    }

    fn link_product(&mut self, key: (ConnectionId, ExternalId), product: Option<ProductId>) {
        match product.clone() {
            Some(product) => drop(self.facts.links.products.insert(key.clone(), product)),
            None => drop(self.facts.links.products.remove(&key)),
        }
        self.changes.links.products.insert(key, product);
    }

    fn link_variant(&mut self, key: (ConnectionId, ExternalId), variant: Option<VariantId>) {
        let before = self.facts.links.variants.get(&key).cloned();
        match variant.clone() {
            Some(variant) => drop(self.facts.links.variants.insert(key.clone(), variant)),
            None => drop(self.facts.links.variants.remove(&key)),
        }
        for changed in before.into_iter().chain(variant.clone()).collect::<BTreeSet<_>>() {
            let is_linked = view::links_of(&self.facts.links.variants, &key.0).any(|(_, to)| *to == changed);
            let mut linked_by = self.facts.linked_by.get(&changed).cloned().unwrap_or_default();
            linked_by.remove(&key.0);
            if is_linked {
                linked_by.insert(key.0.clone());
            }
            identity::note_linked_by(&mut self.facts, &changed, linked_by);
        }
        self.changes.links.variants.insert(key, variant);
    }

    fn list_variant(&mut self, key: ExternalKey, product: ExternalId) {
        let variant = self.facts.links.variants.get(&key).cloned();
        self.changes.links.variants.insert(key.clone(), variant);
        self.facts.links.variant_products.insert(key.clone(), product.clone());
        self.changes.links.variant_products.insert(key, product);
    }

    fn list_item(&mut self, key: ExternalKey, product: ExternalId) {
        let variant = self.facts.links.items.get(&key).cloned();
        self.changes.links.items.insert(key.clone(), variant);
        self.facts.links.item_products.insert(key.clone(), product.clone());
        self.changes.links.item_products.insert(key, product);
    }
}

fn decide(event: &Event, view: &View<'_>) -> Result<Decision, Reject> {
    match &event.payload {
        Payload::Inventory(report) => inventory::reported(event, report, view),
        Payload::Stocked(stocked) => inventory::stocked(event, stocked, view),
        Payload::Product(product) => product::reported(event, product, view),
        Payload::Order(order) => Ok(sales::order(event, order, view)),
        Payload::Customer(customer) => Ok(sales::customer(event, customer, view)),
        Payload::Employee(employee) => Ok(employee::reported(event, employee, view)),
        Payload::Promotion(promotion) => Ok(promotion::reported(event, promotion, view)),
        Payload::Activity { promotion, activity } => {
            Ok(promotion::started_or_ended(event, promotion, *activity, view))
        }
        Payload::Account(notice) => Ok(account::notice(event, notice, view)),
        Payload::Instruction { instruction, .. } => account::instruction(event, instruction, view),
        Payload::Deleted { entity, external } => match entity {
            EntityKind::Product => Ok(product::deleted(event, external, view)),
            EntityKind::Inventory => inventory::untracked(event, external, view),
            EntityKind::Order => Ok(sales::order_deleted(event, external, view)),
            EntityKind::Customer => Ok(sales::customer_deleted(event, external, view)),
            EntityKind::Employee => Ok(employee::deleted(event, external, view)),
            EntityKind::Promotion => Ok(promotion::deleted(event, external, view)),
            EntityKind::Account => Ok(Decision::of(Outcome::Unchanged, "an account is never deleted")),
        },
    }
}

fn event_outcome(event: &Event, outcome: Outcome, reason: String, sequence: Option<i64>) -> EventOutcome {
    EventOutcome {
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

fn duplicate(event: &Event) -> DroppedInput {
    DroppedInput {
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

/// The catalog row that a write sets.
fn catalog_row(write: &Write) -> Option<CatalogRow> {
    match write {
        Write::Product(row) => Some(CatalogRow::Product(row.clone())),
        Write::Variant(row) => Some(CatalogRow::Variant(row.clone())),
        _ => None,
    }
}

fn without_personal_data(mut event: Event) -> Event {
    match &event.payload {
        Payload::Customer(customer) => {
            event.payload = Payload::Customer(customer.without_personal_data());
        }
        Payload::Employee(employee) => {
            event.payload = Payload::Employee(employee.without_personal_data());
        }
        Payload::Product(_)
        | Payload::Inventory(_)
        | Payload::Order(_)
        | Payload::Promotion(_)
        | Payload::Activity { .. }
        | Payload::Stocked(_)
        | Payload::Account(_)
        | Payload::Instruction { .. }
        | Payload::Deleted { .. } => {}
    }
    event
}

#[cfg(test)]
mod tests;

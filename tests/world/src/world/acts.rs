//! Acts of people, platforms and operators in a world.

use super::{CANARY, Scheduled, WEBHOOK_AFTER, World, token};
use crate::{
    oracle::Field,
    pipeline::Delivered,
    plan::Act,
    shop::{Edit, Kind, NewGood, PLACES_MAX},
};
use model::{
    Action, Customer, EntityKind, Event, EventId, ExternalId, Instruction, Order, OrderStatus, Patch,
    Payload, Position, RawDigest, Side, SourceVersion, Timestamp, TraceParent,
};
use platforms::Mapped;
use std::time::Duration;

impl World {
    pub(super) fn act(&mut self, act: Act) {
        self.story.log(self.now, &format!("{act:?}"));
        match act {
            Act::Move { shop, good, place, by } => self.moves(shop, good, place, by, false),
            Act::MoveAll { shop, by } => {
                for good in 0..self.shops[shop].goods.len() {
                    for place in 0..PLACES_MAX {
                        self.moves(shop, good, place, by, false);
                    }
                }
            }
            Act::TestSale { shop, good, place } => {
                self.moves(shop, good, place, -rust_decimal::Decimal::ONE, true);
            }
            Act::TakeBack { shop, is_cancelled, is_restocked } => {
                self.takes_back(shop, is_cancelled, is_restocked);
            }
            Act::Link { shop, good, to } => self.link(shop, good, to),
            Act::Unlink { shop, good } => self.unlink(shop, good),
            Act::Track { shop, good, is_tracked } => {
                self.oracle.stops_counting(&self.shops, shop, good, &self.pipeline.record);
                let webhooks = self.shops[shop].tracks(good, is_tracked, self.now);
                self.send(shop, webhooks, false);
            }
            Act::Stock { shop, good, place, is_stocked } if self.shops[shop].kind == Kind::Treez => {
                self.lists(shop, good, place, is_stocked);
            }
            Act::Stock { shop, good, place, is_stocked } => {
                self.oracle.stops_counting(&self.shops, shop, good, &self.pipeline.record);
                let webhooks = self.shops[shop].stocks(good, place, is_stocked, self.now);
                self.send(shop, webhooks, false);
            }
            Act::Title { shop, good, text } => self.edit(shop, good, Field::Title, &text),
            Act::Description { shop, good, text } => self.edit(shop, good, Field::Description, &text),
            Act::Price { shop, good, cents } => self.edit(shop, good, Field::Price, &cents.to_string()),
            Act::Sku { shop, good, sku } => {
                // The new number may match any of the goods.
                for any in 0..self.shops[shop].goods.len() {
                    self.oracle.mark_good_inexact(
                        &self.shops,
                        any,
                        "a number changed",
                        &self.pipeline.record,
                    );
                }
                let webhooks = self.shops[shop].edits(good, Edit::Sku(sku), self.now);
                self.send(shop, webhooks, true);
            }
            Act::Delete { shop, good } if self.shops[shop].kind.is_listed() => self.delete_listed(shop, good),
            Act::Delete { shop, good } => {
                for sibling in self.shops[shop].siblings(good) {
                    self.mark_inexact(shop, sibling, "it was deleted");
                }
                let webhooks = self.shops[shop].edits(good, Edit::Delete, self.now);
                self.send(shop, webhooks, true);
            }
            Act::Remake { shop, good } => self.remake(shop, good),
            Act::LateReport { shop, number, is_customer } => self.late_report(shop, number, is_customer),
            Act::Pause { shop, is_paused } => self.pause(shop, is_paused),
            Act::Let { shop, kind, is_let } => {
                let id = self.shops[shop].connection.clone();
                if let Some(connection) = self.connections.get_mut(&id) {
                    if is_let {
                        connection.held_back.remove(&kind);
                    } else {
                        connection.held_back.insert(kind);
                    }
                }
            }
            Act::Rule { shop, rule } => self.instruct(shop, &Instruction::Baseline(rule)),
            Act::Decide { shop, side } => self.decide(shop, side),
            Act::Token { shop, is_taken } => {
                self.shops[shop].takes_token = is_taken;
                let id = self.shops[shop].connection.clone();
                if let (true, Some(connection)) = (is_taken, self.connections.get_mut(&id)) {
                    // New credentials are set in half of the cases; else a probe finds that the old ones are accepted.
                    if self.number.is_multiple_of(2) {
                        connection.begins_anew(&mut self.pipeline.record);
                    }
                }
            }
            Act::Hook { shop, fault } => self.webhook_faults[shop].push_back(fault),
            Act::Call { shop, fault } => self.faults[shop].push_back(fault),
            Act::Still { seconds, cut } => {
                self.still_until = self.now.after(Duration::from_secs(u64::from(seconds)));
                self.cut = cut;
                self.schedule(self.still_until, Scheduled::Resume);
            }
            Act::Kill => self.kill(),
            Act::Again { count } => {
                let again: Vec<Delivered> = self.accepted.iter().rev().take(count).cloned().collect();
                self.inbox
                    .extend(again.into_iter().rev().map(|it| Delivered { received_at: self.now, ..it }));
                self.run_pipeline();
            }
            Act::Page { shop, fault } => self.page_faults[shop].push_back(fault),
            Act::Full { shop } if self.lists.contains_key(&self.shops[shop].connection) => {
                self.request_reads(shop);
            }
            Act::Full { shop } if self.is_connected(shop) => self.full(shop),
            Act::Full { .. } => {}
            Act::Connect { shop } => self.connect(shop),
        }
    }

    /// Marks the edits of all goods as inexact, since a thin webhook may concern any of them.
    pub(super) fn mark_all_edits_inexact(&mut self, shop: usize) {
        for good in 0..self.shops[shop].goods.len() {
            let good = self.shops[shop].goods[good].clone();
            let connection = self.shops[shop].connection.clone();
            self.oracle.mark_edits_inexact(&connection, &good, &self.pipeline.record);
        }
    }

    fn mark_inexact(&mut self, shop: usize, good: usize, why: &'static str) {
        self.oracle.mark_levels_inexact(&self.shops[shop], good, why, &self.pipeline.record);
        let about = self.shops[shop].goods[good].clone();
        self.oracle.mark_edits_inexact(&self.shops[shop].connection.clone(), &about, &self.pipeline.record);
    }

    fn edit(&mut self, shop: usize, good: usize, field: Field, text: &str) {
        if self.shops[shop].goods[good].is_deleted || !self.is_connected(shop) {
            return;
        }
        let record = &self.pipeline.record;
        let kind = self.shops[shop].kind;
        let shown = match field {
            Field::Price => text.to_owned(),
            Field::Title => kind.titled(text),
            Field::Description if kind.has_descriptions() => kind.described(text),
            Field::Description => return,
        };
        self.oracle.edited(&self.shops, shop, good, (field, &shown), self.now, record);
        let edit = match field {
            Field::Title => Edit::Title(text.to_owned()),
            Field::Description => Edit::Description(text.to_owned()),
            Field::Price => Edit::Price(text.parse().unwrap_or_default()),
        };
        let webhooks = self.shops[shop].edits(good, edit, self.now);
        if kind.is_listed() {
            self.oracle.edited_unlisted(shop, good, self.now);
        }
        self.send(shop, webhooks, true);
    }

    /// Deletes the product of a good of a shop that is only read: its stock is gone with it, and nothing but its absence shows that.
    fn delete_listed(&mut self, shop: usize, good: usize) {
        if self.shops[shop].goods[good].is_deleted {
            return;
        }
        let connection = self.shops[shop].connection.clone();
        let mut stock = Vec::new();
        for sibling in self.shops[shop].siblings(good) {
            let about = self.shops[shop].goods[sibling].clone();
            if self.oracle.is_unlisted(shop, sibling) {
                self.oracle.mark_edits_inexact(&connection, &about, &self.pipeline.record);
            }
            stock.extend(about.stock.into_iter().map(|(place, count)| (sibling, place, count)));
        }
        drop(self.shops[shop].edits(good, Edit::Delete, self.now));
        for (sibling, place, count) in stock {
            self.oracle.moved(&self.shops, shop, sibling, place, -count, &self.pipeline.record);
        }
    }

    fn remake(&mut self, shop: usize, good: usize) {
        let siblings = self.shops[shop].siblings(good);
        let mut made = Vec::new();
        for sibling in siblings {
            self.mark_inexact(shop, sibling, "it was made again");
            let old = &self.shops[shop].goods[sibling];
            let (sku, title, stock) = (old.sku.clone(), old.title.clone(), old.stock.clone());
            made.push(NewGood { index: sibling, sku, title, stock });
        }
        let webhooks = self.shops[shop].edits(good, Edit::Delete, self.now);
        self.send(shop, webhooks, true);
        self.shops[shop].make(&made, self.now);
        for new in &made {
            self.oracle.holds(&self.shops[shop], new.index);
        }
        let webhooks = self.shops[shop].announce(good);
        self.send(shop, webhooks, true);
    }

    fn moves(&mut self, shop: usize, good: usize, place: usize, by: rust_decimal::Decimal, is_test: bool) {
        if let Some(webhooks) = self.shops[shop].moves(good, place, by, is_test, self.now) {
            self.oracle.moved(&self.shops, shop, good, place, by, &self.pipeline.record);
            self.send(shop, webhooks, true);
        }
    }

    /// Ends or begins stocking at a shop that reports lists of locations: the good's stock there is removed or starts
    /// at 0.
    fn lists(&mut self, shop: usize, good: usize, place: usize, is_stocked: bool) {
        let about = &self.shops[shop].goods[good];
        if !about.is_tracked {
            return;
        }
        let count = about.stock.get(&place).copied().unwrap_or_default();
        let webhooks = self.shops[shop].stocks(good, place, is_stocked, self.now);
        if !webhooks.is_empty() && !is_stocked {
            self.oracle.moved(&self.shops, shop, good, place, -count, &self.pipeline.record);
        }
        self.send(shop, webhooks, true);
    }

    fn takes_back(&mut self, shop: usize, is_cancelled: bool, is_restocked: bool) {
        let before: Vec<_> = self.shops[shop].goods.iter().map(|good| good.stock.clone()).collect();
        let Some((sale, webhooks)) = self.shops[shop].takes_back(is_cancelled, is_restocked, self.now) else {
            return;
        };
        let good = self.shops[shop].goods.iter().position(|good| good.item == sale.item);
        let moved = good.filter(|good| {
            self.shops[shop].goods[*good].stock.get(&sale.place) != before[*good].get(&sale.place)
        });
        if let Some(good) = moved {
            let record = &self.pipeline.record;
            self.oracle.moved(&self.shops, shop, good, sale.place, sale.quantity, record);
        }
        self.send(shop, webhooks, true);
    }

    /// Links a good to the variant of another shop's good, as a person would.
    fn link(&mut self, shop: usize, good: usize, to: usize) {
        let of = |shop: usize| {
            let key = (self.shops[shop].connection.clone(), self.shops[shop].goods[good].variant.clone());
            self.pipeline.record.links.variants.get(&key).cloned()
        };
        let (Some(from), Some(to)) = (of(shop), of(to)) else { return };
        if from == to {
            return;
        }
        self.is_linked_by_hand(good);
        let variant = self.shops[shop].goods[good].variant.clone();
        self.instruct(shop, &Instruction::Link { variant, to });
        self.is_linked_by_hand(good);
    }

    fn unlink(&mut self, shop: usize, good: usize) {
        self.is_linked_by_hand(good);
        let variant = self.shops[shop].goods[good].variant.clone();
        self.instruct(shop, &Instruction::Unlink { variant });
        self.is_linked_by_hand(good);
    }

    fn is_linked_by_hand(&mut self, good: usize) {
        self.oracle.mark_good_inexact(&self.shops, good, "it was linked by hand", &self.pipeline.record);
    }

    /// Reports an order or customer as deleted, and sends its last report after the deletion.
    fn late_report(&mut self, shop: usize, number: u32, is_customer: bool) {
        if !self.is_connected(shop) {
            return;
        }
        let external = token(ExternalId::new(&format!("7{number}{}", self.now.as_micros())));
        let entity = if is_customer { EntityKind::Customer } else { EntityKind::Order };
        let at = |minutes: i64| Timestamp::from_micros(self.now.as_micros() - minutes * 60_000_000);
        let payload = if is_customer {
            self.erased.insert(external.clone());
            let email = Patch::Set(CANARY.to_owned());
            Payload::Customer(Customer { email, ..Customer::bare(external.clone()) })
        } else {
            Payload::Order(Order { status: OrderStatus::Open, ..Order::cancelled(external.clone()) })
        };
        let mapped = |name: &str, at: Timestamp, action, payload| Mapped {
            action,
            occurred_at: Some(at),
            version: Some(SourceVersion::exact(at)),
            identity: vec![name.to_owned(), external.to_string()],
            payload,
        };
        let deleted = Payload::Deleted { entity, external: external.clone() };
        let deletion = mapped("deleted", at(0), Action::Deleted, deleted);
        let report = mapped("reported", at(5), Action::Updated, payload);
        let (first, second) = (self.shops[shop].says(deletion), self.shops[shop].says(report));
        self.schedule(self.now.after(WEBHOOK_AFTER), Scheduled::Arrives { shop, webhook: Box::new(first) });
        let later = self.now.after(Duration::from_secs(30));
        self.schedule(later, Scheduled::Arrives { shop, webhook: Box::new(second) });
    }

    fn pause(&mut self, shop: usize, is_paused: bool) {
        let id = self.shops[shop].connection.clone();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.enabled != is_paused {
            return;
        }
        connection.enabled = !is_paused;
        connection.begins_anew(&mut self.pipeline.record);
        if !is_paused {
            // The reports missed during the pause are fetched.
            self.full(shop);
        }
    }

    pub(super) fn kill(&mut self) {
        self.epoch += 1;
        self.pipeline.forget();
        for connection in self.connections.values_mut() {
            connection.is_busy = false;
        }
    }

    fn decide(&mut self, shop: usize, side: Side) {
        let id = self.shops[shop].connection.clone();
        let waiting = self.pipeline.record.mirrors.levels.iter().filter(|(key, mirror)| {
            key.connection == id && mirror.attention() == Some(model::Attention::Decision)
        });
        let waiting: Vec<_> = waiting.map(|(key, _)| (key.item.clone(), key.location.clone())).collect();
        for (item, location) in waiting {
            self.instruct(shop, &Instruction::Adopt { item, location, side });
        }
    }

    fn instruct(&mut self, shop: usize, instruction: &Instruction) {
        let id = self.shops[shop].connection.clone();
        let Some(origin) = self.pipeline.origins.get(&id).cloned() else { return };
        self.number += 1;
        let name = format!("instruction-{}", self.number);
        let delivery = model::DeliveryId::derive(&id, "instruction", name.as_bytes());
        let event = Event {
            id: EventId::derive(&id, &[b"instruction", name.as_bytes()]),
            correlation: delivery,
            delivery,
            origin,
            action: Action::Updated,
            occurred_at: None,
            received_at: self.now,
            version: None,
            payload: Payload::Instruction {
                external: token(ExternalId::new(id.as_str())),
                instruction: instruction.clone(),
            },
            links: Vec::new(),
            raw_digest: RawDigest::from_bytes([0; 32]),
            is_read_back: false,
            asked_by: None,
            attempt: 0,
            trace: TraceParent::from_delivery(delivery),
            position: Position::default(),
        };
        let done = self.pipeline.instruct(event, self.now);
        self.is_done(done);
    }
}

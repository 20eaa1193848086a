//! Products: descriptive fields, where the later change wins, field by field.
//!
//! A platform's report lists all fields, changed or not. Only a field that differs from what this platform told
//! before is a change of its own; the others would undo what was changed elsewhere.

use super::{
    Decision, Write,
    identity::{Identity, identify, links},
    inventory, is_stale, link,
    told::{self, Standing, held_before, standing},
};
use model::{
    Action, Event, ExternalId, LinkKind, Mirror, MirrorKey, MirrorKind, MirrorValue, Money, Observation,
    Outcome, Patch, Product, ProductId, ProductText, Quantity, Timestamp, Variant, VariantId,
    record::{Clocked, Effect, Facts, ProductRow, VariantRow},
};

/// A product as a platform tells of it. A report that is older than what is known of the text may still be the first word
/// of a price: our writes of the one say nothing of the other.
pub(super) fn told(event: &Event, told: &Product, facts: &Facts) -> Decision {
    let text_key = mirror_key(event, MirrorKind::Product, &told.external);
    let is_old = told::is_old(event, facts.mirrors.get(&text_key));
    let identity = identify(event, told, facts);
    let mut work = Work::new(event, facts);
    if is_old {
        work.prices_alone(told, &identity);
    } else {
        work.links(told, &identity);
        work.text(told, &identity.product, text_key);
        for (variant, id) in told.variants.iter().zip(&identity.variants) {
            work.variant(told, variant, id, &identity.product);
        }
    }
    let outcome = if work.changed {
        Outcome::Applied
    } else if work.echoed {
        Outcome::Echo
    } else if is_old && !work.heard {
        Outcome::Stale
    } else {
        Outcome::Unchanged
    };
    Decision { outcome, reason: work.reason, writes: work.writes, effects: work.effects }
}

/// The platform no longer has the product. Any later report of it brings it back.
pub(super) fn deleted(event: &Event, external: &ExternalId, facts: &Facts) -> Decision {
    let known = facts.mirrors.get(&mirror_key(event, MirrorKind::Product, external));
    if is_stale(event, known) {
        return Decision::ends(Outcome::Stale, "");
    }
    let id = link(event, facts, LinkKind::Product, external).and_then(|id| ProductId::new(&id).ok());
    let Some(row) = id.and_then(|id| facts.products.get(&id)) else {
        return Decision::ends(Outcome::Unchanged, "never heard of it");
    };
    let mut decision = Decision::ends(Outcome::Unchanged, "");
    if row.deleted_at.is_none() {
        decision.outcome = Outcome::Applied;
        decision.writes.push(Write::Product(ProductRow { deleted_at: Some(told_at(event)), ..row.clone() }));
    }
    // What is older than the deletion must not bring the product back.
    if let Some((mirror, observed)) = known.and_then(|mirror| Some((mirror, mirror.observed.clone()?)))
        && event.version > observed.version
    {
        let observed = Some(Observation { version: event.version, ..observed });
        decision.writes.push(Write::Mirror(Mirror { observed, ..mirror.clone() }));
    }
    decision
}

fn mirror_key(event: &Event, kind: MirrorKind, external: &ExternalId) -> MirrorKey {
    MirrorKey { connection: event.origin.connection.clone(), kind, external: external.clone(), place: None }
}

/// When the change was made, as far as the platform says.
fn told_at(event: &Event) -> Timestamp {
    event.occurred_at.unwrap_or(event.received_at)
}

/// Trimmed, with runs of white space as one space: how texts are compared.
fn normalized(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Work<'a> {
    event: &'a Event,
    facts: &'a Facts,
    writes: Vec<Write>,
    effects: Vec<Effect>,
    changed: bool,
    echoed: bool,
    /// Whether a price was not old.
    heard: bool,
    reason: &'static str,
}

impl<'a> Work<'a> {
    fn new(event: &'a Event, facts: &'a Facts) -> Self {
        let (writes, effects) = (Vec::new(), Vec::new());
        Self { event, facts, writes, effects, changed: false, echoed: false, heard: false, reason: "" }
    }

    fn links(&mut self, told: &Product, identity: &Identity) {
        for (key, internal) in links(self.event, told, identity) {
            if link(self.event, self.facts, key.1, &key.2).is_none() {
                self.changed = true;
                self.writes.push(Write::Link(key, internal));
            }
        }
    }

    /// The prices that are newer than what was known of them before.
    fn prices_alone(&mut self, told: &Product, identity: &Identity) {
        for (variant, id) in told.variants.iter().zip(&identity.variants) {
            let key = mirror_key(self.event, MirrorKind::Price, &variant.external);
            let was_told = self.facts.mirrors.get(&key).is_some_and(|mirror| mirror.observed.is_some());
            let (Patch::Set(price), Some(was), true) =
                (&variant.price, self.facts.variants.get(id), was_told)
            else {
                continue;
            };
            let mut row = was.clone();
            self.price(&mut row, variant, *price);
            if row != *was {
                self.changed = true;
                self.writes.push(Write::Variant(row));
            }
        }
    }

    fn text(&mut self, told: &Product, id: &ProductId, key: MirrorKey) {
        let known = self.facts.mirrors.get(&key);
        let before = match known.and_then(held_before) {
            Some(MirrorValue::Text(text)) => Some(text.clone()),
            Some(MirrorValue::Quantity(_) | MirrorValue::Price(_)) | None => None,
        };
        let description = match &told.description {
            Patch::Keep => None,
            Patch::Clear => Some(String::new()),
            Patch::Set(text) => Some(normalized(text)),
        };
        let earlier = before.clone().unwrap_or_default();
        let now = ProductText {
            title: told.title.as_deref().map(normalized).or(earlier.title),
            description: description.clone().or(earlier.description),
        };
        let is_new = !self.facts.products.contains_key(id);
        let mut row = self.facts.products.get(id).cloned().unwrap_or_else(|| empty_product(self.event, id));
        let was = row.clone();
        let at = told_at(self.event);
        let value_told = MirrorValue::Text(now.clone());
        let standing = standing(self.event, known, &value_told);
        let differs = |field: fn(&ProductText) -> &Option<String>| {
            let is_news = standing == Standing::News;
            before.as_ref().map(|before| is_news && field(before) != field(&now))
        };
        settle(&mut row.title, now.title.clone(), differs(|text| &text.title), at);
        settle(&mut row.description, now.description.clone(), differs(|text| &text.description), at);
        later(&mut row.vendor, patched(&told.vendor), at);
        later(&mut row.category, patched(&told.category), at);
        later(&mut row.status, told.status, at);
        later(&mut row.tags, told.tags.clone(), at);
        if self.event.action != Action::Deleted {
            row.deleted_at = None;
        }
        let text_changed = value(row.title.as_ref()) != value(was.title.as_ref())
            || value(row.description.as_ref()) != value(was.description.as_ref());
        if is_new || row != was {
            // A clock that moved is a change too: the record is rebuilt from what changed.
            self.changed = true;
            self.writes.push(Write::Product(row));
        }
        if text_changed || before.is_none() {
            self.effects.push(Effect::Text { product: id.clone() });
        }
        self.mirror(key, value_told, standing, id.to_string());
    }

    fn variant(&mut self, product: &Product, told: &Variant, id: &VariantId, product_id: &ProductId) {
        let is_new = !self.facts.variants.contains_key(id);
        let mut row =
            self.facts.variants.get(id).cloned().unwrap_or_else(|| empty_variant(self.event, id, product_id));
        let was = row.clone();
        let at = told_at(self.event);
        later(
            &mut row.title,
            told.title.clone().or_else(|| is_new.then(|| product.title.clone()).flatten()),
            at,
        );
        later(&mut row.sku, patched(&told.sku), at);
        later(&mut row.barcode, patched(&told.barcode), at);
        let compare_at = match &told.compare_at_price {
            Patch::Keep => None,
            Patch::Clear => Some(None),
            Patch::Set(price) => Some(Some(*price)),
        };
        later(&mut row.compare_at_price, compare_at, at);
        if let Patch::Set(price) = &told.price {
            self.price(&mut row, told, *price);
        }
        if is_new || row != was {
            self.changed = true;
            self.writes.push(Write::Variant(row));
        }
        let newly_linked = link(self.event, self.facts, LinkKind::Variant, &told.external).is_none();
        if newly_linked {
            self.effects.push(Effect::Linked { variant: id.clone() });
            self.levels_told_before(told, id);
        }
    }

    fn price(&mut self, row: &mut VariantRow, told: &Variant, price: Money) {
        let key = mirror_key(self.event, MirrorKind::Price, &told.external);
        let known = self.facts.mirrors.get(&key);
        let value_told = MirrorValue::Price(price);
        let standing = standing(self.event, known, &value_told);
        if standing == Standing::Old {
            return;
        }
        self.heard = true;
        let held = known.and_then(held_before);
        let differs = held.map(|held| standing == Standing::News && *held != value_told);
        let was = row.price.as_ref().map(|price| price.value);
        settle(&mut row.price, Some(price), differs, told_at(self.event));
        if let Some(Clocked { value, .. }) = row.price.as_ref().filter(|price| Some(price.value) != was) {
            self.effects.push(Effect::Price { variant: row.id.clone(), price: *value });
        }
        self.mirror(key, value_told, standing, row.id.to_string());
    }

    /// Levels that the platform told before anyone knew what they were of.
    fn levels_told_before(&mut self, told: &Variant, id: &VariantId) {
        let Some(item) = &told.item else { return };
        let of_item = |mirror: &&Mirror| {
            mirror.key.kind == MirrorKind::Inventory
                && mirror.key.connection == self.event.origin.connection
                && mirror.key.external == *item
        };
        let mirrors: Vec<Mirror> = self.facts.mirrors.values().filter(of_item).cloned().collect();
        for mirror in mirrors {
            let (Some(place), Some(MirrorValue::Quantity(held))) = (mirror.key.place.clone(), &mirror.held)
            else {
                continue;
            };
            let first: Option<Quantity> = None;
            if let inventory::Moved::By { write, effect } =
                inventory::moved(self.facts, id, &place, first, *held)
            {
                self.writes.push(*write);
                self.effects.push(effect);
            }
            self.writes.push(Write::Mirror(Mirror { internal: Some(id.to_string()), ..mirror }));
        }
    }

    /// Notes what the platform told, or that it has to be read.
    fn mirror(&mut self, key: MirrorKey, now: MirrorValue, standing: Standing, internal: String) {
        let known = self.facts.mirrors.get(&key);
        let mirror = match known {
            Some(known) if standing == Standing::Unsure => told::read_again(known),
            _ => told::mirror(self.event, known, key, now, internal),
        };
        self.echoed |= standing == Standing::Echo;
        if standing == Standing::Unsure {
            self.reason = told::EITHER;
        }
        if known != Some(&mirror) {
            self.writes.push(Write::Mirror(mirror));
        }
    }
}

fn patched(patch: &Patch<String>) -> Option<String> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(String::new()),
        Patch::Set(text) => Some(text.clone()),
    }
}

fn value<T>(field: Option<&Clocked<T>>) -> Option<&T> {
    field.map(|field| &field.value)
}

/// Sets a field that is mirrored: if nobody set it before, or if this platform changed it (`differs` from what it
/// told before) later than anyone else. What a platform tells for the first time changes nothing that is known.
fn settle<T: PartialEq>(
    field: &mut Option<Clocked<T>>,
    told: Option<T>,
    differs: Option<bool>,
    at: Timestamp,
) {
    let Some(told) = told else { return };
    let wins = match field {
        None => true,
        // The same value, set again later, is the later change: what comes late from between doesn't win over it.
        Some(known) => differs == Some(true) && at >= known.at,
    };
    if wins {
        *field = Some(Clocked { value: told, at });
    }
}

/// Sets a field that only the record keeps: the later word stands.
fn later<T: PartialEq>(field: &mut Option<Clocked<T>>, told: Option<T>, at: Timestamp) {
    let Some(told) = told else { return };
    if field.as_ref().is_none_or(|known| known.value != told && at >= known.at) {
        *field = Some(Clocked { value: told, at });
    }
}

fn empty_product(event: &Event, id: &ProductId) -> ProductRow {
    ProductRow {
        id: id.clone(),
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        title: None,
        description: None,
        vendor: None,
        category: None,
        status: None,
        tags: None,
        deleted_at: None,
    }
}

fn empty_variant(event: &Event, id: &VariantId, product: &ProductId) -> VariantRow {
    VariantRow {
        id: id.clone(),
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        product: product.clone(),
        title: None,
        sku: None,
        barcode: None,
        price: None,
        compare_at_price: None,
    }
}

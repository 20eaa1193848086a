//! Products: who is who across platforms, and descriptive fields, where the later change wins, field by field.
//!
//! A platform's report lists all fields, changed or not. Only a field that differs from what this platform told
//! before is a change of its own; the others would undo what was changed elsewhere.

use super::{Decision, Write, inventory, is_stale, link};
use model::{
    Action, Event, ExternalId, LinkKind, Mirror, MirrorKey, MirrorKind, MirrorValue, Money, Observation,
    Outcome, Patch, Product, ProductId, ProductText, Quantity, SendState, Timestamp, Variant, VariantId,
    record::{Clocked, Effect, Facts, LinkKey, ProductRow, SkuMatch, VariantRow},
};
use std::collections::{BTreeMap, BTreeSet};

/// Who the product and its variants are in the store's own terms.
pub(super) struct Identity {
    pub(super) product: ProductId,
    /// In the order of the report's variants.
    pub(super) variants: Vec<VariantId>,
}

/// By link, else by the merchant's number, else new. A number that this connection has linked to another variant
/// already, or that two variants of the report share, tells nothing.
pub(super) fn identify(event: &Event, told: &Product, facts: &Facts) -> Identity {
    let connection = &event.origin.connection;
    let mut taken = BTreeSet::new();
    let mut product =
        link(event, facts, LinkKind::Product, &told.external).and_then(|id| ProductId::new(&id).ok());
    let mut variants = Vec::new();
    for variant in &told.variants {
        let linked = link(event, facts, LinkKind::Variant, &variant.external)
            .or_else(|| variant.item.as_ref().and_then(|item| link(event, facts, LinkKind::Item, item)))
            .and_then(|id| VariantId::new(&id).ok());
        let by_number = || {
            let sku = variant.sku.set()?.clone();
            let found = facts.skus.get(&(event.origin.store.clone(), sku))?;
            let free = !found.linked_by.contains(connection) && !taken.contains(&found.variant);
            free.then(|| {
                product.get_or_insert_with(|| found.product.clone());
                found.variant.clone()
            })
        };
        let id =
            linked.or_else(by_number).unwrap_or_else(|| VariantId::derive(connection, &variant.external));
        taken.insert(id.clone());
        variants.push(id);
    }
    let product = product
        .or_else(|| variants.iter().find_map(|id| facts.variants.get(id)).map(|row| row.product.clone()))
        .unwrap_or_else(|| ProductId::derive(connection, &told.external));
    Identity { product, variants }
}

/// The links that the product event makes.
pub(super) fn links(event: &Event, told: &Product, identity: &Identity) -> BTreeMap<LinkKey, String> {
    let key = |kind, external: &ExternalId| (event.origin.connection.clone(), kind, external.clone());
    let mut links = BTreeMap::from([(key(LinkKind::Product, &told.external), identity.product.to_string())]);
    for (variant, id) in told.variants.iter().zip(&identity.variants) {
        links.insert(key(LinkKind::Variant, &variant.external), id.to_string());
        if let Some(item) = &variant.item {
            links.insert(key(LinkKind::Item, item), id.to_string());
        }
    }
    links
}

/// Notes the number of a variant that the fold has written, so that later events of the batch find it.
pub(super) fn note_sku(facts: &mut Facts, event: &Event, row: &VariantRow) {
    let Some(sku) = &row.sku else { return };
    let found =
        SkuMatch { variant: row.id.clone(), product: row.product.clone(), linked_by: BTreeSet::new() };
    let entry = facts.skus.entry((row.store.clone(), sku.value.clone())).or_insert(found);
    if entry.variant == row.id {
        entry.linked_by.insert(event.origin.connection.clone());
    }
}

/// A product as a platform tells of it.
pub(super) fn told(event: &Event, told: &Product, facts: &Facts) -> Decision {
    let text_key = mirror_key(event, MirrorKind::Product, &told.external);
    let known = facts.mirrors.get(&text_key);
    if is_stale(event, known) {
        return Decision::ends(Outcome::Stale, "");
    }
    let identity = identify(event, told, facts);
    let mut work =
        Work { event, facts, writes: Vec::new(), effects: Vec::new(), changed: false, echoed: false };
    for (key, internal) in links(event, told, &identity) {
        if link(event, facts, key.1, &key.2).is_none() {
            work.changed = true;
            work.writes.push(Write::Link(key, internal));
        }
    }
    work.text(told, &identity.product, text_key);
    for (variant, id) in told.variants.iter().zip(&identity.variants) {
        work.variant(told, variant, id, &identity.product);
    }
    let outcome = match (work.changed, work.echoed) {
        (true, _) => Outcome::Applied,
        (false, true) => Outcome::Echo,
        (false, false) => Outcome::Unchanged,
    };
    Decision { outcome, reason: "", writes: work.writes, effects: work.effects }
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
}

impl Work<'_> {
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
        let echo = known.is_some_and(|mirror| is_echo(mirror, &MirrorValue::Text(now.clone())));
        let differs = |field: fn(&ProductText) -> &Option<String>| {
            before.as_ref().map(|before| !echo && field(before) != field(&now))
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
        self.mirror(key, MirrorValue::Text(now), id.to_string());
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
        let echo = known.is_some_and(|mirror| is_echo(mirror, &MirrorValue::Price(price)));
        let held = known.and_then(held_before);
        let differs = held.map(|held| !echo && *held != MirrorValue::Price(price));
        let was = row.price.as_ref().map(|price| price.value);
        settle(&mut row.price, Some(price), differs, told_at(self.event));
        if let Some(Clocked { value, .. }) = row.price.as_ref().filter(|price| Some(price.value) != was) {
            self.effects.push(Effect::Price { variant: row.id.clone(), price: *value });
        }
        self.mirror(key, MirrorValue::Price(price), row.id.to_string());
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

    /// Notes what the platform told, and whether it is our own write come back.
    fn mirror(&mut self, key: MirrorKey, now: MirrorValue, internal: String) {
        let known = self.facts.mirrors.get(&key);
        let mut mirror = known.cloned().unwrap_or_else(|| Mirror::new(key, None));
        mirror.internal = Some(internal);
        let echo = is_echo(&mirror, &now);
        if let Some(sent) = &mut mirror.sent {
            self.echoed |= echo;
            sent.state = match sent.state {
                SendState::Pending if echo => SendState::Echoed,
                // Texts and prices don't add up: a later report simply stands, and the call's answer ends the write.
                SendState::Pending | SendState::Unsure | SendState::Echoed => sent.state,
                SendState::Acknowledged | SendState::Settled | SendState::Reading | SendState::Refused => {
                    SendState::Settled
                }
            };
        }
        mirror.held = Some(now.clone());
        mirror.observed = Some(inventory::observation(self.event, now));
        if known != Some(&mirror) {
            self.writes.push(Write::Mirror(mirror));
        }
    }
}

/// What the platform held as far as we know, if it has ever told anything: what it was told to hold and took counts, so
/// that the report of a write is no change of its own, even if it comes when the next one is under way.
fn held_before(mirror: &Mirror) -> Option<&MirrorValue> {
    mirror.observed.as_ref().map(|observed| mirror.held.as_ref().unwrap_or(&observed.value))
}

/// Whether what is told is a write of ours come back. It is no change of the platform's own, and must not win over
/// what was changed elsewhere since we wrote.
fn is_echo(mirror: &Mirror, told: &MirrorValue) -> bool {
    mirror.sent.as_ref().is_some_and(|sent| {
        matches!(sent.state, SendState::Pending | SendState::Acknowledged) && sent.value == *told
    })
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

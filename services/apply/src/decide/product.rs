//! Products: descriptive fields, for each of which the later change wins.
//!
//! A platform's report lists all fields, changed or not. Only a field that differs from the platform's last report is a
//! change of its own; the others would revert changes made elsewhere.

use super::{
    Decision, View, Write,
    clock::changed_at,
    currency,
    identity::identify,
    inventory::AMBIGUOUS,
    links::Links,
    report::{field_key, field_report},
};
use model::{
    Action, Event, ExternalId, FieldKey, FieldMirror, FieldOutcome, FieldValue, Mirror, Money, Outcome,
    Patch, PriceTier, Product, ProductId, ProductText, TextMirror, Timestamp, Variant, VariantDetails,
    VariantId,
    record::{Clocked, Effect, KeptProductDetails, KeptVariantDetails, ProductRow, VariantRow},
    sku_key, trimmed_code,
};
use stage::Reject;
use std::borrow::Cow;

/// Decides the report of a product. A report that is stale for the text may still be the first report of a price: our
/// write of one of them advances only its own version.
pub(super) fn reported(event: &Event, reported: &Product, view: &View<'_>) -> Result<Decision, Reject> {
    let key = field_key(event, &reported.external);
    let value = ProductText { title: reported.title.clone(), description: None };
    let known = view.facts.mirrors.texts.get(&key);
    let is_old = known.is_some_and(|mirror| mirror.is_stale(&field_report(event, &key, Some(value))));
    if is_old && known.is_some_and(is_gone) {
        // The prices of a product that was deleted since are forgotten with it.
        return Ok(Decision::of(Outcome::Stale, ""));
    }
    let identity = identify(event, reported, view);
    let mut work = Work::new(event, view);
    if is_old {
        for variant in &identity.variants {
            work.price_alone(variant.reported, &variant.id);
        }
    } else {
        let mut links = Links::new(event, view);
        links.make(reported, &identity)?;
        links.retire_missing(reported, &identity);
        work.apply(links);
        work.text(reported, &identity.product, &key);
        for variant in &identity.variants {
            work.variant(reported, variant.reported, &variant.id, &identity.product);
        }
    }
    Ok(work.decision(is_old))
}

/// Decides the deletion of a product on its platform: its link and those of its variants are retired, and their baselines
/// are forgotten. A product that was never reported leaves its version, so that an older report of it is stale.
pub(super) fn deleted(event: &Event, external: &ExternalId, view: &View<'_>) -> Decision {
    let key = field_key(event, external);
    let known = view.facts.mirrors.texts.get(&key);
    let report = field_report::<ProductText>(event, &key, None);
    if known.is_some_and(|mirror| mirror.is_stale(&report)) {
        return Decision::of(Outcome::Stale, "");
    }
    let was_deleted = known.is_some_and(is_gone);
    let mut mirror = known.cloned().unwrap_or_default();
    mirror.forget(&report);
    mirror.link(None);
    let mut decision = match known {
        None => Decision::of(Outcome::Applied, "deleted before it was reported"),
        Some(_) if was_deleted => Decision::of(Outcome::Unchanged, ""),
        Some(_) => Decision::of(Outcome::Applied, ""),
    };
    if known != Some(&mirror) {
        decision.writes.push(Write::Mirror(Mirror::Text(key, mirror)));
    }
    let mut links = Links::new(event, view);
    links.retire_product(external, view.product(event, external).as_ref());
    if links.changed {
        decision.outcome = Outcome::Applied;
        decision.writes.extend(links.writes);
        decision.effects.extend(links.effects);
    }
    decision
}

/// Returns true if the platform's last report of the product was its deletion.
fn is_gone(mirror: &TextMirror) -> bool {
    mirror.baseline == model::Baseline::Absent
}

struct Work<'a> {
    event: &'a Event,
    view: &'a View<'a>,
    writes: Vec<Write>,
    effects: Vec<Effect>,
    changed: bool,
    has_echo: bool,
    /// True if a price was not stale.
    has_newer: bool,
    reason: &'static str,
}

impl<'a> Work<'a> {
    fn new(event: &'a Event, view: &'a View<'a>) -> Self {
        let (writes, effects) = (Vec::new(), Vec::new());
        Self { event, view, writes, effects, changed: false, has_echo: false, has_newer: false, reason: "" }
    }

    fn apply(&mut self, links: Links<'_>) {
        self.changed |= links.changed;
        self.writes.extend(links.writes);
        self.effects.extend(links.effects);
    }

    fn decision(self, is_old: bool) -> Decision {
        let outcome = if self.changed {
            Outcome::Applied
        } else if self.has_echo {
            Outcome::Echo
        } else if is_old && !self.has_newer {
            Outcome::Stale
        } else {
            Outcome::Unchanged
        };
        Decision { outcome, reason: self.reason, writes: self.writes, effects: self.effects }
    }

    /// Takes only the price, if it is newer than the last one reported.
    fn price_alone(&mut self, reported: &Variant, id: &VariantId) {
        let key = field_key(self.event, &reported.external);
        let was_reported =
            self.view.facts.mirrors.prices.get(&key).is_some_and(|mirror| mirror.observed.is_some());
        let (Patch::Set(price), Some(was), true) =
            (&reported.price, self.view.facts.variants.get(id), was_reported)
        else {
            return;
        };
        let mut row = was.clone();
        self.price(&mut row, reported, *price);
        self.writes.extend(currency::agrees(self.event, self.view, reported).map(Write::ConflictEnd));
        if row != *was {
            self.changed = true;
            self.writes.push(Write::Variant(row));
        }
    }

    fn text(&mut self, reported: &Product, id: &ProductId, key: &FieldKey) {
        let known = self.view.facts.mirrors.texts.get(key);
        let before = known.and_then(TextMirror::platform_value).cloned();
        let shown = before.as_ref().map(|held| held.shows().clone()).unwrap_or_default();
        let description = match &reported.description {
            Patch::Keep => None,
            Patch::Clear => Some(String::new()),
            Patch::Set(text) => Some(text.clone()),
        };
        let now = ProductText {
            title: reported.title.clone().or(shown.title),
            description: description.or(shown.description),
        };
        let is_new = !self.view.facts.products.contains_key(id);
        let mut row =
            self.view.facts.products.get(id).cloned().unwrap_or_else(|| empty_product(self.event, id));
        let was = row.clone();
        let at = changed_at(self.event);
        let (mirror, outcome) = self.mirror(key, known, &now, id.clone());
        // In our terms: a field that reads like the rendered form stands for the value that was written.
        let own = mirror.baseline.known().map_or_else(|| now.clone(), |held| held.value.clone());
        let differs = |field: fn(&ProductText) -> &Option<String>| {
            let is_news = outcome == FieldOutcome::News;
            before
                .as_ref()
                .map(|before| is_news && !alike(field(&before.value).as_ref(), field(&own).as_ref()))
        };
        settle(&mut row.title, own.title.clone(), differs(|text| &text.title), at);
        settle(&mut row.description, own.description.clone(), differs(|text| &text.description), at);
        later(&mut row.vendor, patched(&reported.vendor), at);
        later(&mut row.category, patched(&reported.category), at);
        later(&mut row.status, reported.status, at);
        later(&mut row.tags, reported.tags.clone(), at);
        row.details.take(&reported.details, at);
        if self.event.action != Action::Deleted {
            row.deleted_at = None;
        }
        let text_changed = value(row.title.as_ref()) != value(was.title.as_ref())
            || value(row.description.as_ref()) != value(was.description.as_ref());
        if is_new || row != was {
            // A later clock is a change too: the record is rebuilt from changes.
            self.changed = true;
            self.writes.push(Write::Product(row));
        }
        if text_changed || before.is_none() {
            self.effects.push(Effect::Text { product: id.clone() });
        }
        if known != Some(&mirror) {
            self.writes.push(Write::Mirror(Mirror::Text(key.clone(), mirror)));
        }
    }

    fn variant(&mut self, product: &Product, reported: &Variant, id: &VariantId, product_id: &ProductId) {
        let is_new = !self.view.facts.variants.contains_key(id);
        let mut row = self
            .view
            .facts
            .variants
            .get(id)
            .cloned()
            .unwrap_or_else(|| empty_variant(self.event, id, product_id));
        let was = row.clone();
        let at = changed_at(self.event);
        let title = reported.title.clone().or_else(|| is_new.then(|| product.title.clone()).flatten());
        later(&mut row.title, title, at);
        let number = patched(&reported.sku).map(|sku| trimmed_code(&sku).to_owned());
        // A platform that removes the number doesn't remove it from the other platforms.
        let is_kept = number.as_ref().is_some_and(|number| sku_key(number).is_none())
            && self.view.is_variant_linked_by_others(self.event, id);
        later(&mut row.sku, number.filter(|_| !is_kept), at);
        later(&mut row.barcode, patched(&reported.barcode), at);
        let compare_at = match &reported.compare_at_price {
            Patch::Keep => None,
            Patch::Clear => Some(None),
            Patch::Set(price) => {
                match currency::mismatch(self.event, self.view, &reported.external, *price) {
                    Some(conflict) => {
                        self.writes.push(Write::Conflict(conflict));
                        None
                    }
                    None => Some(Some(*price)),
                }
            }
        };
        later(&mut row.compare_at_price, compare_at, at);
        row.details.take(&self.in_the_stores_currency(&reported.details), at);
        self.writes.extend(currency::agrees(self.event, self.view, reported).map(Write::ConflictEnd));
        match &reported.price {
            Patch::Set(price) => self.price(&mut row, reported, *price),
            Patch::Clear => self.price_gone(reported),
            Patch::Keep => {}
        }
        if is_new || row != was {
            self.changed = true;
            self.writes.push(Write::Variant(row));
        }
    }

    /// The details of a variant, without prices by quantity if one of them is in another currency.
    fn in_the_stores_currency<'d>(&self, details: &'d VariantDetails) -> Cow<'d, VariantDetails> {
        let is_foreign = |tier: &PriceTier| currency::is_foreign(self.event, self.view, tier.price);
        if details.price_tiers.iter().flatten().any(is_foreign) {
            Cow::Owned(VariantDetails { price_tiers: None, ..details.clone() })
        } else {
            Cow::Borrowed(details)
        }
    }

    /// Forgets the baseline of a price in another currency, which can't be compared: no write and no reading is due.
    fn price_is_foreign(&mut self, reported: &Variant, id: &VariantId) {
        let key = field_key(self.event, &reported.external);
        let known = self.view.facts.mirrors.prices.get(&key);
        let report = field_report::<Money>(self.event, &key, None);
        if known.is_some_and(|mirror| mirror.is_stale(&report)) {
            return;
        }
        let mut mirror = known.cloned().unwrap_or_else(|| FieldMirror::of(id.clone()));
        mirror.forget(&report);
        mirror.link(Some(id.clone()));
        if known != Some(&mirror) {
            self.writes.push(Write::Mirror(Mirror::Price(key, mirror)));
        }
    }

    /// Forgets the baseline of a price that the platform removed, or leaves to the till: no write is due.
    fn price_gone(&mut self, reported: &Variant) {
        let key = field_key(self.event, &reported.external);
        let known = self.view.facts.mirrors.prices.get(&key);
        let report = field_report::<Money>(self.event, &key, None);
        let Some(known) = known.filter(|mirror| !mirror.is_stale(&report)) else { return };
        let mut mirror = known.clone();
        mirror.forget(&report);
        if mirror != *known {
            self.writes.push(Write::Mirror(Mirror::Price(key, mirror)));
        }
    }

    fn price(&mut self, row: &mut VariantRow, reported: &Variant, price: Money) {
        if let Some(conflict) = currency::mismatch(self.event, self.view, &reported.external, price) {
            self.writes.push(Write::Conflict(conflict));
            self.price_is_foreign(reported, &row.id);
            return;
        }
        let key = field_key(self.event, &reported.external);
        let known = self.view.facts.mirrors.prices.get(&key);
        if known.is_some_and(|mirror| mirror.is_stale(&field_report(self.event, &key, Some(price)))) {
            return;
        }
        self.has_newer = true;
        let before = known.and_then(FieldMirror::platform_value).cloned();
        let (mirror, outcome) = self.mirror(&key, known, &price, row.id.clone());
        let own = mirror.baseline.known().map_or(price, |held| held.value);
        let differs = before.map(|before| outcome == FieldOutcome::News && !before.value.is_equivalent(&own));
        let was = row.price.as_ref().map(|price| price.value);
        settle(&mut row.price, Some(own), differs, changed_at(self.event));
        if let Some(Clocked { value, .. }) = row.price.as_ref().filter(|price| Some(price.value) != was) {
            self.effects.push(Effect::Price { variant: row.id.clone(), price: *value });
        }
        if known != Some(&mirror) {
            self.writes.push(Write::Mirror(Mirror::Price(key, mirror)));
        }
    }

    /// Returns the mirror after the report, and the verdict on the report.
    fn mirror<V: FieldValue>(
        &mut self,
        key: &FieldKey,
        known: Option<&FieldMirror<V>>,
        value: &V,
        internal: V::Internal,
    ) -> (FieldMirror<V>, FieldOutcome) {
        let mut mirror = known.cloned().unwrap_or_else(|| FieldMirror::of(internal.clone()));
        let outcome = mirror.observe(&field_report(self.event, key, Some(value.clone())), value);
        mirror.link(Some(internal));
        self.has_echo |= outcome == FieldOutcome::Echo;
        if outcome == FieldOutcome::Ambiguous {
            self.reason = AMBIGUOUS;
        }
        (mirror, outcome)
    }
}

/// Returns whether a field of a text reads like another.
fn alike(one: Option<&String>, other: Option<&String>) -> bool {
    let text = |title: Option<&String>| ProductText { title: title.cloned(), description: None };
    text(one).is_equivalent(&text(other))
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

/// Sets a mirrored field if nobody set it before, or if this platform changed it (`differs` from its last report) later
/// than anyone else. The first report of a platform changes no known value.
fn settle<T: PartialEq>(
    field: &mut Option<Clocked<T>>,
    reported: Option<T>,
    differs: Option<bool>,
    at: Timestamp,
) {
    let Some(reported) = reported else { return };
    let wins = match field {
        None => true,
        // Setting the same value again later is the later change: a late report from between doesn't win over it.
        Some(known) => differs == Some(true) && at >= known.at,
    };
    if wins {
        *field = Some(Clocked { value: reported, at });
    }
}

/// Sets a field that only the record has: the later value wins.
fn later<T: PartialEq>(field: &mut Option<Clocked<T>>, reported: Option<T>, at: Timestamp) {
    let Some(reported) = reported else { return };
    if field.as_ref().is_none_or(|known| known.value != reported && at >= known.at) {
        *field = Some(Clocked { value: reported, at });
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
        details: KeptProductDetails::default(),
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
        details: KeptVariantDetails::default(),
    }
}

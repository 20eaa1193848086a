//! Identity across platforms: matches a product and its variants by their links, or by the merchant's number.
//!
//! Decided from the record and the earlier events of the batch, so that the division of events into batches doesn't
//! matter. A number that two variants have matches neither.

use super::view::{View, links_of};
use model::{
    Event, ExternalId, Product, ProductId, Variant, VariantId,
    record::{Facts, SkuCandidate, VariantRow},
    sku_key,
};
use std::collections::{BTreeMap, BTreeSet};

/// Identity of a product and its variants in the store's own terms.
pub(super) struct Identity<'a> {
    /// The product.
    pub(super) product: ProductId,
    /// Its variants, in the order of the report.
    pub(super) variants: Vec<Identified<'a>>,
}

/// A reported variant and its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identified<'a> {
    /// The variant as reported.
    pub(super) reported: &'a Variant,
    /// Our id.
    pub(super) id: VariantId,
    /// The variant that it was linked to until now, if its number matches another one.
    pub(super) instead_of: Option<VariantId>,
    /// True if several variants have its number, which then matches none.
    pub(super) is_ambiguous: bool,
}

/// Identifies the variants of a report by link, else by the merchant's number, else as new. A variant that only this
/// connection links, and whose number changed to that of another one, is identified as that other one from now on.
pub(super) fn identify<'a>(event: &Event, reported: &'a Product, view: &View<'_>) -> Identity<'a> {
    let numbers = Numbers::of(event, reported, view);
    let mut taken = BTreeSet::new();
    let mut variants = Vec::new();
    for variant in &reported.variants {
        let identified = numbers.identify(variant, &taken);
        taken.insert(identified.id.clone());
        variants.push(identified);
    }
    let product = product(event, reported, &variants, view);
    Identity { product, variants }
}

/// The product of the variants, where known; else the one that the connection linked, else a new one.
fn product(event: &Event, reported: &Product, variants: &[Identified<'_>], view: &View<'_>) -> ProductId {
    let linked = view.product(event, &reported.external);
    let products: BTreeSet<&ProductId> =
        variants.iter().filter_map(|variant| view.product_of(event, &variant.id)).collect();
    match (linked, products.into_iter().collect::<Vec<_>>().as_slice()) {
        // All variants belong to another product, so the reported product is that one.
        (Some(linked), [only])
            if **only != linked
                && variants.iter().all(|variant| view.product_of(event, &variant.id).is_some()) =>
        {
            (*only).clone()
        }
        (Some(linked), _) => linked,
        (None, [first, ..]) => (*first).clone(),
        (None, []) => ProductId::derive(&event.origin.connection, &reported.external),
    }
}

struct Numbers<'a> {
    event: &'a Event,
    view: &'a View<'a>,
    /// The number of the report's variants for each merchant's number.
    counts: BTreeMap<String, usize>,
    reported: BTreeSet<&'a ExternalId>,
}

impl<'a> Numbers<'a> {
    fn of(event: &'a Event, reported: &'a Product, view: &'a View<'a>) -> Self {
        let mut counts = BTreeMap::new();
        for key in reported.variants.iter().filter_map(number) {
            *counts.entry(key).or_default() += 1;
        }
        Self { event, view, counts, reported: reported.variants.iter().map(|it| &it.external).collect() }
    }

    fn identify<'r>(&self, reported: &'r Variant, taken: &BTreeSet<VariantId>) -> Identified<'r> {
        let linked = self.view.variant(self.event, reported);
        let key = number(reported);
        let is_shared = key.as_ref().is_some_and(|key| self.counts.get(key).copied().unwrap_or(0) > 1);
        let matched = match (&linked, &key) {
            (_, None) => Match::None,
            (Some(linked), Some(key)) if !self.changed(linked, key) => Match::None,
            (linked, Some(key)) => match self.match_number(key, linked.as_ref(), taken) {
                Match::One(_) if is_shared => Match::Several,
                matched => matched,
            },
        };
        let new = || VariantId::derive(&self.event.origin.connection, &reported.external);
        match (linked, matched) {
            (Some(linked), Match::One(other)) => {
                Identified { reported, id: other, instead_of: Some(linked), is_ambiguous: false }
            }
            (None, Match::One(other)) => {
                Identified { reported, id: other, instead_of: None, is_ambiguous: false }
            }
            (linked, matched) => Identified {
                reported,
                id: linked.unwrap_or_else(new),
                instead_of: None,
                is_ambiguous: matches!(matched, Match::Several),
            },
        }
    }

    /// Returns whether the number differs from the variant's known one, and no other connection uses the link.
    fn changed(&self, linked: &VariantId, key: &str) -> bool {
        let connection = &self.event.origin.connection;
        let others = self.view.facts.linked_by.get(linked);
        let is_own = others.is_none_or(|by| by.iter().all(|by| by == connection));
        let known = self.view.facts.variants.get(linked).and_then(|row| row.sku.as_ref());
        let known = known.and_then(|sku| sku_key(&sku.value));
        is_own && known.as_deref() != Some(key)
    }

    /// Matches the only variant with that number which this connection doesn't link: among the variants that some
    /// platform has, else among those that none has any more.
    fn match_number(&self, key: &str, linked: Option<&VariantId>, taken: &BTreeSet<VariantId>) -> Match {
        let connection = &self.event.origin.connection;
        let store = self.event.origin.store.clone();
        let Some(candidates) = self.view.facts.skus.get(&(store, key.to_owned())) else {
            return Match::None;
        };
        let others = || candidates.iter().filter(|(id, _)| Some(*id) != linked);
        let is_free = |id: &VariantId, candidate: &SkuCandidate| {
            !taken.contains(id) && (!candidate.linked_by.contains(connection) || self.is_leaving(id))
        };
        let live: Vec<_> = others().filter(|(_, candidate)| !candidate.linked_by.is_empty()).collect();
        let found = if live.is_empty() { others().collect() } else { live };
        match found.as_slice() {
            [] => Match::None,
            [(id, candidate)] if is_free(id, candidate) => Match::One((*id).clone()),
            // A number that this platform alone has given twice is no conflict with another platform yet.
            own if own.iter().all(|(_, candidate)| candidate.linked_by.iter().eq([connection])) => {
                Match::None
            }
            _ => Match::Several,
        }
    }

    /// Returns whether this connection's variant of that id belonged to the reported product and is no longer among its
    /// variants: the platform created it anew.
    fn is_leaving(&self, id: &VariantId) -> bool {
        let (event, view) = (self.event, self.view);
        let model::Payload::Product(reported) = &event.payload else { return false };
        let product = view.product(event, &reported.external);
        let own = links_of(&view.facts.links.variants, &event.origin.connection);
        let mut own = own.filter(|(_, variant)| *variant == id);
        reported.variants_complete
            && own.all(|(external, variant)| {
                let of = (&reported.external, product.as_ref());
                !self.reported.contains(external) && view.is_listed_by(event, (external, variant), of)
            })
    }
}

/// Returns whether another variant that some platform has, in the record or in the report itself, has the same number
/// as the reported one.
pub(super) fn has_rivals(event: &Event, identified: &Identified<'_>, view: &View<'_>) -> bool {
    let variant = identified.reported;
    let Some(key) = number(variant) else { return false };
    let twin = |product: &Product| {
        product.variants.iter().any(|it| it.external != variant.external && number(it).as_ref() == Some(&key))
    };
    if matches!(&event.payload, model::Payload::Product(product) if twin(product)) {
        return true;
    }
    let candidates = view.facts.skus.get(&(event.origin.store.clone(), key));
    candidates.is_some_and(|candidates| {
        let others = candidates.iter().filter(|(id, _)| **id != identified.id);
        others.into_iter().any(|(_, candidate)| !candidate.linked_by.is_empty())
    })
}

enum Match {
    None,
    One(VariantId),
    Several,
}

/// The merchant's number in the form in which numbers are compared.
pub(super) fn number(variant: &Variant) -> Option<String> {
    variant.sku.set().and_then(|sku| sku_key(sku))
}

/// Records the number of a variant that the fold has written, so that later events of the batch find it.
pub(super) fn note_number(facts: &mut Facts, row: &VariantRow) {
    let before = facts.variants.get(&row.id).and_then(|known| known.sku.as_ref());
    let key_of = |sku: &str| sku_key(sku).map(|key| (row.store.clone(), key));
    if let Some(key) = before.and_then(|sku| key_of(&sku.value)) {
        facts.skus.entry(key).and_modify(|candidates| drop(candidates.remove(&row.id)));
    }
    if let Some(key) = row.sku.as_ref().and_then(|sku| key_of(&sku.value)) {
        let linked_by = facts.linked_by.get(&row.id).cloned().unwrap_or_default();
        let candidate = SkuCandidate { product: row.product.clone(), linked_by };
        facts.skus.entry(key).or_default().insert(row.id.clone(), candidate);
    }
}

/// Records which connections link a variant.
pub(super) fn note_linked_by(
    facts: &mut Facts,
    variant: &VariantId,
    linked_by: BTreeSet<model::ConnectionId>,
) {
    let sku = facts
        .variants
        .get(variant)
        .and_then(|row| Some((row.store.clone(), sku_key(&row.sku.as_ref()?.value)?)));
    if let Some(candidate) =
        sku.and_then(|key| facts.skus.get_mut(&key)).and_then(|candidates| candidates.get_mut(variant))
    {
        candidate.linked_by.clone_from(&linked_by);
    }
    facts.linked_by.insert(variant.clone(), linked_by);
}

//! The decisions about some variants that are compared at once: pure, over what was loaded.

use model::{
    ConnectionId, ExternalId, TenantId, VariantId,
    matching::{
        Candidate, ItemDescription, ItemLink, KnownMatch, KnownVariant, MatchChange, MatchDecision,
        MatchState, Score, automatic_match, decide, match_candidates, match_changes,
    },
};
use std::collections::{BTreeMap, BTreeSet};
use store::{DueVariant, LinkedItem, MatchRow, MatchVariant, ProposedMatch};

/// Consequences of a comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Matches to be stored.
    pub(super) proposed: Vec<ProposedMatch>,
    /// Matches whose items are linked.
    pub(super) linked: Vec<i64>,
    /// Matches whose links were undone.
    pub(super) undone: Vec<i64>,
    /// Matches that no longer hold.
    pub(super) superseded: Vec<i64>,
    /// Variants whose own matches have to be decided again.
    pub(super) again: BTreeSet<VariantId>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.proposed.is_empty()
            && self.linked.is_empty()
            && self.undone.is_empty()
            && self.superseded.is_empty()
    }
}

/// A variant that was loaded, with its description.
struct Loaded {
    variant: MatchVariant,
    description: ItemDescription,
}

/// Variants that are compared at once, and everything that their decisions need.
pub(super) struct Page {
    /// The variants to be compared; `true` for those of which just the own matches are decided.
    due: BTreeMap<VariantId, bool>,
    loaded: BTreeMap<VariantId, Loaded>,
    neighbors: BTreeMap<VariantId, Vec<VariantId>>,
    matches: Vec<MatchRow>,
}

impl Page {
    pub(super) fn new(
        due: &[DueVariant],
        variants: BTreeMap<VariantId, MatchVariant>,
        neighbors: BTreeMap<VariantId, Vec<VariantId>>,
        matches: Vec<MatchRow>,
    ) -> Self {
        let loaded = |variant: MatchVariant| {
            let description = variant.texts().description();
            (variant.id.clone(), Loaded { variant, description })
        };
        Self {
            due: due.iter().map(|due| (due.variant.clone(), due.is_item_only)).collect(),
            loaded: variants.into_values().map(loaded).collect(),
            neighbors,
            matches,
        }
    }

    pub(super) fn variant(&self, id: &VariantId) -> Option<&MatchVariant> {
        self.loaded.get(id).map(|loaded| &loaded.variant)
    }

    pub(super) fn tenant(&self) -> Option<&TenantId> {
        self.loaded.values().next().map(|loaded| &loaded.variant.tenant)
    }

    /// Returns the items that may be matched without a person, by the store's limit alone.
    pub(super) fn automatic(&self, limit: Option<Score>) -> BTreeMap<VariantId, Candidate> {
        let best = |loaded: &Loaded| {
            let item = only_item(&loaded.variant)?;
            let (known, candidates) = (self.known(&loaded.variant.id, item), self.candidates(loaded));
            let best = automatic_match(&known, &candidates, limit)?;
            Some((loaded.variant.id.clone(), best.clone()))
        };
        self.due_loaded().filter_map(best).collect()
    }

    /// Returns whether a candidate is like no other item of the item's connection as much as the item. `near` are the
    /// variants that may be the candidate.
    pub(super) fn is_only_partner<'a>(
        &self,
        item: &VariantId,
        candidate: &Candidate,
        near: impl Iterator<Item = &'a MatchVariant>,
    ) -> bool {
        let (Some(own), Some(partner)) = (self.loaded.get(item), self.loaded.get(&candidate.id)) else {
            return false;
        };
        let Some(connection) = only_item(&own.variant).map(|item| &item.connection) else { return false };
        let rivals = near.filter(|variant| variant.id != *item && is_of(variant, connection));
        let rivals = rivals.map(|rival| known_variant(&rival.id, &rival.texts().description()));
        let all: Vec<KnownVariant> =
            std::iter::once(known_variant(item, &own.description)).chain(rivals).collect();
        let decided = decide(&match_candidates(&partner.description, &all), candidate.score);
        matches!(decided, MatchDecision::Automatic(found) if found == *item)
    }

    /// Returns the changes. `automatic` has the variants with which items are matched without a person.
    pub(super) fn changes(&self, automatic: &BTreeMap<VariantId, VariantId>) -> Changes {
        let mut changes = Changes::default();
        for loaded in self.due_loaded() {
            let id = &loaded.variant.id;
            let candidates = self.candidates(loaded);
            for item in &loaded.variant.items {
                let link = ItemLink { linked_to: Some(id.clone()), own: own(item) };
                let known = self.known(id, item);
                for change in match_changes(&link, &known, &candidates, automatic.get(id)) {
                    self.take(change, loaded, item, &mut changes);
                }
            }
            if self.due.get(id) == Some(&false) {
                changes.again.extend(self.matched_by(loaded));
            }
        }
        self.rest(&mut changes);
        changes.again.retain(|id| !self.due.contains_key(id) || self.due.get(id) == Some(&true));
        changes
    }

    fn take(&self, change: MatchChange, of: &Loaded, item: &LinkedItem, changes: &mut Changes) {
        match change {
            MatchChange::Propose(candidate, state) => changes.proposed.push(ProposedMatch {
                connection: item.connection.clone(),
                external: item.external.clone(),
                variant: of.variant.id.clone(),
                before: self.stored(item, &candidate.id).map(|row| row.known.state),
                candidate,
                state,
            }),
            MatchChange::Linked(id) => changes.linked.push(id),
            MatchChange::Undone(id) => changes.undone.push(id),
            MatchChange::Superseded(id) => changes.superseded.push(id),
        }
    }

    /// Decides about matches whose items aren't linked to any of the variants that are compared.
    fn rest(&self, changes: &mut Changes) {
        for row in &self.matches {
            let is_decided = row.linked_to.as_ref().is_some_and(|id| self.due.contains_key(id));
            if is_decided {
                continue;
            }
            let own = VariantId::derive(&row.origin.connection, &row.external);
            match (row.known.state, &row.linked_to) {
                (MatchState::Proposed, None) => changes.superseded.push(row.known.id),
                (MatchState::Proposed, Some(linked_to)) => {
                    let is_changed = [&row.variant, &row.known.to].map(|id| self.due.get(id) == Some(&false));
                    if is_changed.contains(&true) {
                        changes.again.insert(linked_to.clone());
                    }
                }
                (MatchState::Automatic | MatchState::Accepted, _) if row.known.is_linked => {
                    let link = ItemLink { linked_to: row.linked_to.clone(), own };
                    for change in match_changes(&link, std::slice::from_ref(&row.known), &[], None) {
                        match change {
                            MatchChange::Undone(id) => changes.undone.push(id),
                            MatchChange::Superseded(id) => changes.superseded.push(id),
                            MatchChange::Propose(..) | MatchChange::Linked(_) => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn due_loaded(&self) -> impl Iterator<Item = &Loaded> {
        self.due.keys().filter_map(|id| self.loaded.get(id))
    }

    fn near<'a>(&'a self, id: &VariantId) -> impl Iterator<Item = &'a Loaded> {
        let near = self.neighbors.get(id);
        near.into_iter().flatten().filter_map(|id| self.loaded.get(id))
    }

    /// The candidates of a variant's item; none of one that several platforms have.
    fn candidates(&self, item: &Loaded) -> Vec<Candidate> {
        let others = self.near(&item.variant.id).filter(|other| joins(&item.variant, &other.variant));
        let others: Vec<KnownVariant> =
            others.map(|other| known_variant(&other.variant.id, &other.description)).collect();
        match_candidates(&item.description, &others)
    }

    /// The items of which a variant is a candidate.
    fn matched_by(&self, variant: &Loaded) -> impl Iterator<Item = VariantId> {
        let this = [known_variant(&variant.variant.id, &variant.description)];
        let is_like = move |item: &&Loaded| {
            joins(&item.variant, &variant.variant) && !match_candidates(&item.description, &this).is_empty()
        };
        self.near(&variant.variant.id).filter(is_like).map(|item| item.variant.id.clone())
    }

    fn stored(&self, item: &LinkedItem, to: &VariantId) -> Option<&MatchRow> {
        self.matches.iter().find(|row| is_about(row, item) && row.known.to == *to)
    }

    /// The stored matches of an item. A pair that was rejected the other way round counts as rejected.
    fn known(&self, variant: &VariantId, item: &LinkedItem) -> Vec<KnownMatch> {
        let own = self.matches.iter().filter(|row| is_about(row, item)).map(|row| row.known.clone());
        let mut known: Vec<KnownMatch> = own.collect();
        let reversed = self.matches.iter().filter(|row| {
            row.known.state == MatchState::Rejected && row.known.to == *variant && !is_about(row, item)
        });
        for row in reversed {
            if known.iter().all(|known| known.to != row.variant) {
                known.push(KnownMatch { to: row.variant.clone(), ..row.known.clone() });
            }
        }
        known
    }
}

fn is_about(row: &MatchRow, item: &LinkedItem) -> bool {
    row.origin.connection == item.connection && row.external == item.external
}

fn known_variant(id: &VariantId, description: &ItemDescription) -> KnownVariant {
    KnownVariant { id: id.clone(), description: description.clone() }
}

fn own(item: &LinkedItem) -> VariantId {
    VariantId::derive(&item.connection, &ExternalId::clone(&item.external))
}

/// The item of a variant that one platform alone has.
fn only_item(variant: &MatchVariant) -> Option<&LinkedItem> {
    match variant.items.as_slice() {
        [item] => Some(item),
        _ => None,
    }
}

fn is_of(variant: &MatchVariant, connection: &ConnectionId) -> bool {
    variant.items.iter().any(|item| item.connection == *connection)
}

/// Returns whether an item may be linked to another variant: one that another connection has and its own hasn't. Of two
/// that have one item each, that of the connection that was set up later is linked to the other.
fn joins(item: &MatchVariant, other: &MatchVariant) -> bool {
    let Some(own) = only_item(item) else { return false };
    if other.items.is_empty() || is_of(other, &own.connection) {
        return false;
    }
    let age = |item: &LinkedItem| (item.connected_at, item.connection.clone());
    only_item(other).is_none_or(|other| age(other) < age(own))
}

#[cfg(test)]
mod tests;

//! Compares the variants of a store whose descriptions or links changed with those of other connections, and stores what may
//! be one.

mod link;
mod measure;
mod page;

pub(crate) use measure::{MatchMeasure, count_waiting};

use crate::{STAGE, shared::Shared};
use model::{
    Partition, StoreId, VariantId,
    matching::{Candidate, MatchKey, MatchState, Score, match_keys},
};
use page::{Changes, Page};
use runner::Backoff;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use store::{DueVariant, MatchEnd, MatchVariant, StoreError};

/// Upper limit of the variants that are compared at once.
const VARIANTS_AT_ONCE: i64 = 100;
/// Pause between two looks where one left something to do: for those that wait for the database.
const PAUSE_BETWEEN: Duration = Duration::from_millis(20);
/// Upper limit of such steps of one store before other stores have their turn.
const STEPS_AT_ONCE: usize = 20;
/// The reason of a match that ended because of what was found.
const NO_LONGER_SO: &str = "an item changed, was linked otherwise, or is gone";
/// The reason of a match whose link a person undid.
const UNLINKED: &str = "the item was unlinked by hand";

/// The configuration of comparisons.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matching {
    /// False if no variants are compared.
    pub enabled: bool,
    /// Interval between two looks for variants to be compared, in seconds.
    pub every_seconds: u64,
}

impl Default for Matching {
    fn default() -> Self {
        Self { enabled: true, every_seconds: 10 }
    }
}

impl Shared {
    /// Compares what changed in the partition's stores for as long as the future is polled. Each step is stored, so that
    /// the next owner goes on with the next.
    pub(crate) async fn match_variants(self: &Arc<Self>, partition: Partition) -> Infallible {
        if !self.matching.enabled {
            return std::future::pending().await;
        }
        let every = Duration::from_secs(self.matching.every_seconds.max(1));
        let mut backoff = Backoff::default();
        loop {
            // Never closed: an error would only let it go on.
            let permit = self.comparisons.acquire().await;
            let matched = self.match_stores(partition).await;
            drop(permit);
            let pause = match matched {
                Ok(has_more) => {
                    backoff.reset();
                    if has_more { PAUSE_BETWEEN } else { every }
                }
                Err(error) => {
                    tracing::warn!(stage = STAGE, %error, "matches wait for the database");
                    backoff.next_delay()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Works on each store of the partition that has something to do, and returns whether one has more. An error of one
    /// store holds up no other.
    async fn match_stores(&self, partition: Partition) -> Result<bool, StoreError> {
        let mut outcome = Ok(false);
        for store in self.store.stores_to_match().await? {
            if self.service.bus.partitions().of(&store) != partition {
                continue;
            }
            match self.match_store(&store).await {
                Ok(has_more) => outcome = outcome.map(|had_more| had_more || has_more),
                Err(error) => {
                    tracing::debug!(stage = STAGE, %store, %error, "variants of a store can't be compared");
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    /// Works on a store for a while, and returns whether it has more that can be done now.
    async fn match_store(&self, store: &StoreId) -> Result<bool, StoreError> {
        let limit = self.store.begin_matching(store).await?;
        let mut has_more = true;
        for _ in 0..STEPS_AT_ONCE {
            let due = self.store.variants_to_match(store, VARIANTS_AT_ONCE).await?;
            if due.is_empty() {
                has_more = false;
                break;
            }
            self.compare_variants(store, limit, &due).await?;
            runner::kill_point(STAGE, "variants_compared");
            self.store.note_compared(store, &due).await?;
        }
        Ok(self.link_matches(store).await? || has_more)
    }

    async fn compare_variants(
        &self,
        store: &StoreId,
        limit: Option<Score>,
        due: &[DueVariant],
    ) -> Result<(), StoreError> {
        let ids: BTreeSet<VariantId> = due.iter().map(|due| due.variant.clone()).collect();
        let mut variants = self.store.variants_with_texts(store, &ids).await?;
        let Some(tenant) = variants.values().next().map(|variant| variant.tenant.clone()) else {
            return Ok(());
        };
        let keys = keys_of(&variants);
        self.store.set_match_keys(&tenant, store, &keys).await?;
        let neighbors = self.store.match_neighbors(store, &keys).await?;
        let items: Vec<_> = variants
            .values()
            .flat_map(|variant| &variant.items)
            .map(|item| (item.connection.clone(), item.external.clone()))
            .collect();
        let matches = self.store.matches_about(store, &items, &ids).await?;
        let others = neighbors.values().flatten().filter(|id| !ids.contains(*id)).cloned().collect();
        variants.extend(self.store.variants_with_texts(store, &others).await?);
        let page = Page::new(due, variants, neighbors, matches);
        let automatic = self.only_partners(store, &page, page.automatic(limit)).await?;
        let changes = page.changes(&automatic);
        self.store_changes(store, &page, &changes).await?;
        self.store.match_items_again(&tenant, store, &changes.again).await
    }

    /// Returns those of the candidates, by item, that have no other item of the same connection which may be they: of two
    /// items with one bar code neither is linked without a person.
    async fn only_partners(
        &self,
        store: &StoreId,
        page: &Page,
        wanted: BTreeMap<VariantId, Candidate>,
    ) -> Result<BTreeMap<VariantId, VariantId>, StoreError> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let partners = wanted.values().filter_map(|candidate| page.variant(&candidate.id));
        let partners: BTreeMap<VariantId, MatchVariant> =
            partners.map(|variant| (variant.id.clone(), variant.clone())).collect();
        let neighbors = self.store.match_neighbors(store, &keys_of(&partners)).await?;
        let ids: BTreeSet<VariantId> = neighbors.values().flatten().cloned().collect();
        let rivals = self.store.variants_with_texts(store, &ids).await?;
        let none = Vec::new();
        let is_only = |item: &VariantId, candidate: &Candidate| {
            let near = neighbors.get(&candidate.id).unwrap_or(&none);
            let near = near.iter().filter_map(|id| rivals.get(id));
            page.is_only_partner(item, candidate, near)
        };
        let only = wanted.iter().filter(|(item, candidate)| is_only(item, candidate));
        Ok(only.map(|(item, candidate)| (item.clone(), candidate.id.clone())).collect())
    }

    async fn store_changes(&self, store: &StoreId, page: &Page, changes: &Changes) -> Result<(), StoreError> {
        if let (Some(tenant), false) = (page.tenant(), changes.proposed.is_empty()) {
            let after_raw = self.store.newest_outcome(store).await?;
            self.store.propose_matches(tenant, store, &changes.proposed, after_raw).await?;
            for state in [MatchState::Proposed, MatchState::Automatic] {
                let count = changes.proposed.iter().filter(|proposed| proposed.state == state).count();
                self.match_measure.count(state.as_str(), count);
            }
        }
        for (ids, end, note) in [
            (&changes.linked, MatchEnd::Linked, ""),
            (&changes.undone, MatchEnd::Undone, UNLINKED),
            (&changes.superseded, MatchEnd::Superseded, NO_LONGER_SO),
        ] {
            if !ids.is_empty() {
                self.store.end_matches(ids, end, note).await?;
                self.match_measure.ended(end, ids.len());
            }
        }
        if !changes.is_empty() {
            tracing::info!(
                stage = STAGE, %store, proposed = changes.proposed.len(), undone = changes.undone.len(),
                superseded = changes.superseded.len(), "matches changed"
            );
        }
        Ok(())
    }
}

/// The keys of variants; none of those that no platform has, so that nothing is matched with them.
fn keys_of(variants: &BTreeMap<VariantId, MatchVariant>) -> BTreeMap<VariantId, Vec<MatchKey>> {
    let keys = |variant: &MatchVariant| {
        if variant.items.is_empty() { Vec::new() } else { match_keys(&variant.texts().description()) }
    };
    variants.iter().map(|(id, variant)| (id.clone(), keys(variant))).collect()
}

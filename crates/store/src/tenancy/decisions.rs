//! Conflicts and matches of a tenant's stores, which wait for people's decisions.

use super::Tenancy;
use crate::{
    ConflictFilter, ConflictRow, LISTED_ROWS, MatchFilter, MatchRow, StoreError, conflicts, matches,
};
use model::StoreId;

/// A part of a list whose latest entries are first: those before a number.
#[derive(Debug, Clone, Copy)]
pub struct LatestPart {
    /// The number that the part begins before; `None` for the first part.
    pub before: Option<i64>,
    /// Upper limit of the number of rows; at most [`LISTED_ROWS`].
    pub limit: i64,
}

impl LatestPart {
    /// The number that every number of the part is below.
    const fn below(self) -> i64 {
        match self.before {
            Some(before) => before,
            None => i64::MAX,
        }
    }

    fn rows(self) -> i64 {
        self.limit.min(LISTED_ROWS)
    }
}

impl Tenancy {
    /// Returns conflicts of a store, the latest first. The filter's store is ignored.
    pub async fn conflicts(
        &self,
        store: &StoreId,
        filter: &ConflictFilter,
        part: LatestPart,
    ) -> Result<Vec<ConflictRow>, StoreError> {
        let statement = conflicts::of_store(store, filter, part.below(), part.rows());
        self.fetch_all(statement).await?.iter().map(conflicts::read).collect()
    }

    /// Returns one conflict; `None` if the tenant has none with that number.
    pub async fn conflict(&self, id: i64) -> Result<Option<ConflictRow>, StoreError> {
        self.fetch_optional(conflicts::one(id)).await?.map(|row| conflicts::read(&row)).transpose()
    }

    /// Returns matches of a store, the latest first. The filter's store is ignored.
    pub async fn matches(
        &self,
        store: &StoreId,
        filter: &MatchFilter,
        part: LatestPart,
    ) -> Result<Vec<MatchRow>, StoreError> {
        let statement = matches::of_store(store, filter, part.below(), part.rows());
        self.fetch_all(statement).await?.iter().map(matches::read).collect()
    }

    /// Returns one match; `None` if the tenant has none with that number.
    pub async fn match_by_id(&self, id: i64) -> Result<Option<MatchRow>, StoreError> {
        self.fetch_optional(matches::one(id)).await?.map(|row| matches::read(&row)).transpose()
    }
}

//! Links the items of matches that are made: sends their instructions, and follows them.

use super::{NO_LONGER_SO, UNLINKED};
use crate::{STAGE, shared::Shared};
use model::{Outcome, StoreId, VariantId};
use outlet::instruction_delivery;
use runner::now;
use std::collections::BTreeSet;
use store::{MatchEnd, MatchRow, OutcomesIn, StoreError};

/// Upper limit of the links of one store that are sent or followed before other stores have their turn.
const LINKS_AT_ONCE: i64 = 200;

impl Shared {
    /// Sends the instructions of the store's matches that are made, and ends those whose outcome is known. Returns whether
    /// there is more to do: others wait behind these, and these don't all wait themselves.
    pub(super) async fn link_matches(&self, store: &StoreId) -> Result<bool, StoreError> {
        let under_way = self.store.matches_under_way(store, LINKS_AT_ONCE).await?;
        let mut has_progress = false;
        for row in &under_way {
            has_progress |= self.link_match(row).await?;
        }
        Ok(has_progress && i64::try_from(under_way.len()).is_ok_and(|count| count >= LINKS_AT_ONCE))
    }

    /// Sends an instruction or ends a match; returns false if it has to wait.
    async fn link_match(&self, row: &MatchRow) -> Result<bool, StoreError> {
        if row.linked_to.as_ref() == Some(&row.known.to) {
            return self.end(row, MatchEnd::Linked, "").await;
        }
        if row.instructed_at.is_none() {
            return self.instruct(row).await;
        }
        let of = OutcomesIn::StoreAfter(&row.origin.store, row.after_raw);
        let outcomes = self.store.outcomes_of_delivery(row.delivery(), of).await?;
        match outcomes.first() {
            None => Ok(false),
            Some(found) if found.outcome == Outcome::Applied => {
                // Its link may be newer than the row, and may have been undone since.
                let Some(row) = self.store.match_by_id(row.known.id).await? else { return Ok(true) };
                let own = VariantId::derive(&row.origin.connection, &row.external);
                match &row.linked_to {
                    Some(linked_to) if *linked_to == row.known.to => {
                        self.end(&row, MatchEnd::Linked, "").await
                    }
                    Some(linked_to) if *linked_to == own => self.end(&row, MatchEnd::Undone, UNLINKED).await,
                    _ => self.end(&row, MatchEnd::Superseded, NO_LONGER_SO).await,
                }
            }
            Some(found) => self.end(row, end_without_link(found.outcome), &found.reason).await,
        }
    }

    /// Hands the instruction of a match to the intake; returns false if that doesn't accept it now. It has the same id each time, so that it counts once.
    async fn instruct(&self, row: &MatchRow) -> Result<bool, StoreError> {
        let instruction = row.instruction();
        let about = (&row.external, &instruction);
        let delivery = instruction_delivery(&row.origin, row.delivery(), about, now());
        runner::kill_point(STAGE, "match_stored");
        if let Err(error) = outlet::accept(&self.service.bus, &delivery).await {
            tracing::debug!(stage = STAGE, store = %row.origin.store, %error, "a match waits for the intake");
            return Ok(false);
        }
        runner::kill_point(STAGE, "match_instructed");
        self.store.note_match_instructed(row.known.id).await.map(|()| true)
    }

    /// Ends a match; always returns true. What is left of the item's matches is decided again.
    async fn end(&self, row: &MatchRow, end: MatchEnd, note: &str) -> Result<bool, StoreError> {
        self.store.end_matches(&[row.known.id], end, note).await?;
        self.match_measure.ended(end, 1);
        let again: BTreeSet<VariantId> = row.linked_to.iter().cloned().collect();
        self.store.match_items_again(&row.origin.tenant, &row.origin.store, &again).await.map(|()| true)
    }
}

/// The end of a match whose instruction made no link. One that couldn't be processed would be found and sent again without
/// end: only a person makes it again.
const fn end_without_link(outcome: Outcome) -> MatchEnd {
    match outcome {
        Outcome::Dead => MatchEnd::Undone,
        _ => MatchEnd::Superseded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_whose_instruction_is_a_dead_letter_is_not_found_again_without_a_person() {
        assert_eq!(end_without_link(Outcome::Dead), MatchEnd::Undone);
        assert_eq!(end_without_link(Outcome::Unchanged), MatchEnd::Superseded, "its items are decided again");
    }
}

//! Decisions about matches.

use super::{Decisions, Instructed, NotDecided};
use model::{DeliveryId, Instruction, Outcome, matching::MatchState};
use store::{MatchEnd, MatchRow, Store};

/// States from which a match can be accepted.
const OPEN: [MatchState; 3] = [MatchState::Proposed, MatchState::Rejected, MatchState::Superseded];

impl Decisions {
    /// Checks that a match can be accepted.
    pub fn check_acceptable(row: &MatchRow) -> Result<(), NotDecided> {
        let (number, state) = (row.known.id, row.known.state);
        if !OPEN.contains(&state) {
            return Err(NotDecided::Contradicted(format!("match {number} is {}", state.as_str())));
        }
        if row.linked_to.is_none() {
            let gone = format!("the platform no longer has the item of match {number}");
            return Err(NotDecided::Contradicted(gone));
        }
        Ok(())
    }

    /// Checks that a match can be undone.
    pub fn check_undoable(row: &MatchRow) -> Result<(), NotDecided> {
        if row.linked_to.as_ref() == Some(&row.known.to) {
            return Ok(());
        }
        let unlinked = format!("the item of match {} isn't linked to its variant", row.known.id);
        Err(NotDecided::Contradicted(unlinked))
    }

    /// Accepts a match in the name of `by`. It is stored before its instruction is sent: if the caller is interrupted,
    /// fetch sends it.
    pub async fn accept_match(&self, row: &MatchRow, by: &str) -> Result<Instructed, NotDecided> {
        Self::check_acceptable(row)?;
        let number = row.known.id;
        let before = self.store.newest_outcome(&row.origin.store).await?;
        let meanwhile = || NotDecided::Contradicted(format!("match {number} was decided meanwhile"));
        if !self.store.accept_match(number, by, before).await? {
            return Err(meanwhile());
        }
        let row = self.store.match_by_id(number).await?.ok_or_else(meanwhile)?;
        let (instruction, delivery) = (row.instruction(), (row.delivery(), row.after_raw));
        let about = (&row.external, &instruction);
        let sent = self.instruct_as(&row.origin, delivery, about).await?;
        self.store.note_match_instructed(number).await?;
        match &sent.outcome {
            Some(outcome) if outcome.outcome == Outcome::Applied => {
                self.store.end_matches(&[number], MatchEnd::Linked, "").await?;
            }
            Some(outcome) => {
                self.store.end_matches(&[number], MatchEnd::Superseded, &outcome.reason).await?;
                return Err(NotDecided::Contradicted(format!("it had no effect: {}", outcome.reason)));
            }
            None => {}
        }
        Ok(sent)
    }

    /// Undoes a match in the name of `by`. It is stored first: what is unlinked counts as rejected from then on.
    pub async fn undo_match(
        &self,
        row: &MatchRow,
        random: DeliveryId,
        decision: (&str, Option<&str>),
    ) -> Result<Instructed, NotDecided> {
        Self::check_undoable(row)?;
        self.store.reject_match(row.known.id, &MatchState::ALL, decision).await?;
        let instruction = Instruction::Unlink { variant: row.external.clone() };
        self.instruct(&row.origin, random, (&row.external, &instruction)).await
    }
}

/// Rejects a match in the name of `by`. It needs no instruction: the match isn't linked.
pub async fn reject_match(
    store: &Store,
    row: &MatchRow,
    (by, note): (&str, Option<&str>),
) -> Result<(), NotDecided> {
    let number = row.known.id;
    let from = [MatchState::Proposed, MatchState::Superseded];
    if store.reject_match(number, &from, (by, note)).await? {
        return Ok(());
    }
    let state = store.match_by_id(number).await?.map_or(row.known.state, |row| row.known.state);
    let way = if state.is_made() { "; undo it to end it" } else { "" };
    Err(NotDecided::Contradicted(format!("match {number} is {}{way}", state.as_str())))
}

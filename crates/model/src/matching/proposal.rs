//! The course of a match: proposed, made or rejected, and what ends each of them.

use super::{Candidate, MatchDecision, MatchReason, Score, decide};
use crate::VariantId;

/// The state of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchState {
    /// It waits for a person.
    Proposed,
    /// Its score reached the store's limit: it is linked without a person.
    Automatic,
    /// A person accepted it.
    Accepted,
    /// A person rejected it, or undid the link.
    Rejected,
    /// It ended without a person: an item was linked otherwise, changed, or is gone.
    Superseded,
}

impl MatchState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Proposed, Self::Automatic, Self::Accepted, Self::Rejected, Self::Superseded];

    /// Returns the name used in rows and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Automatic => "automatic",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
        }
    }

    /// Parses the name used in rows and options.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Returns whether the match is to be linked.
    pub const fn is_made(self) -> bool {
        matches!(self, Self::Automatic | Self::Accepted)
    }
}

/// A match as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMatch {
    /// Its number.
    pub id: i64,
    /// The variant that the item was matched with.
    pub to: VariantId,
    /// The score at the last comparison.
    pub score: Score,
    /// The reasons at the last comparison; of a rejected match, those that a person has seen.
    pub reasons: Vec<MatchReason>,
    /// Its state.
    pub state: MatchState,
    /// True once the item was linked because of it.
    pub is_linked: bool,
    /// True if a person has ever rejected it.
    pub was_rejected: bool,
}

/// The links of an item that may be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemLink {
    /// The variant of the store that it is linked to; `None` if its platform no longer has it.
    pub linked_to: Option<VariantId>,
    /// The variant that it is if nothing matches it.
    pub own: VariantId,
}

/// A change of a stored match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchChange {
    /// The match is proposed or, without a person, made. A match with the same variant that is stored gets this state.
    Propose(Candidate, MatchState),
    /// The item is linked because of it.
    Linked(i64),
    /// The link was undone by a person: it counts as rejected.
    Undone(i64),
    /// It ended.
    Superseded(i64),
}

/// Returns the candidate with which an item is matched without a person. `limit` is the store's; without one there is
/// none. A pair that a person has ever rejected isn't matched so, nor are two with the same SKU: links by SKU have left
/// them apart, because several have it or a person unlinked them.
pub fn automatic_match<'a>(
    known: &[KnownMatch],
    candidates: &'a [Candidate],
    limit: Option<Score>,
) -> Option<&'a Candidate> {
    let MatchDecision::Automatic(to) = decide(candidates, limit?) else { return None };
    let best = candidates.iter().find(|candidate| candidate.id == to)?;
    let is_apart = best.reasons.contains(&MatchReason::SkuEqual);
    let was_rejected = known.iter().any(|known| known.to == to && known.was_rejected);
    (!is_apart && !was_rejected).then_some(best)
}

/// Returns the changes of an item's stored matches that follow from its present candidates. `automatic` is the one with
/// which it is matched without a person. While the link of a match that was made is under way, nothing else changes.
pub fn match_changes(
    item: &ItemLink,
    known: &[KnownMatch],
    candidates: &[Candidate],
    automatic: Option<&VariantId>,
) -> Vec<MatchChange> {
    let is_linked_to = |known: &&KnownMatch| item.linked_to.as_ref() == Some(&known.to);
    let under_way = known.iter().find(|known| known.state.is_made() && !known.is_linked);
    if let Some(under_way) = under_way {
        return Some(under_way)
            .filter(is_linked_to)
            .map(|it| MatchChange::Linked(it.id))
            .into_iter()
            .collect();
    }
    let mut changes: Vec<MatchChange> = known
        .iter()
        .filter_map(|known| match known.state {
            MatchState::Automatic | MatchState::Accepted if is_linked_to(&known) => None,
            MatchState::Automatic | MatchState::Accepted if item.linked_to.as_ref() == Some(&item.own) => {
                Some(MatchChange::Undone(known.id))
            }
            MatchState::Automatic | MatchState::Accepted => Some(MatchChange::Superseded(known.id)),
            MatchState::Proposed if candidates.iter().all(|candidate| candidate.id != known.to) => {
                Some(MatchChange::Superseded(known.id))
            }
            MatchState::Proposed | MatchState::Rejected | MatchState::Superseded => None,
        })
        .collect();
    for candidate in candidates {
        let state =
            if automatic == Some(&candidate.id) { MatchState::Automatic } else { MatchState::Proposed };
        let is_due = match known.iter().find(|known| known.to == candidate.id) {
            None => true,
            Some(known) => match known.state {
                MatchState::Proposed => {
                    state != known.state
                        || (known.score, &known.reasons) != (candidate.score, &candidate.reasons)
                }
                MatchState::Rejected => has_news(&known.reasons, &candidate.reasons),
                MatchState::Superseded => true,
                MatchState::Automatic | MatchState::Accepted => false,
            },
        };
        if is_due {
            changes.push(MatchChange::Propose(candidate.clone(), state));
        }
    }
    changes
}

/// Returns whether reasons speak more for a match than those with which a person rejected it: a further one for it, or
/// one less against it. A SKU and a description that are the same in all don't count: undoing a link gives the item the
/// SKU of the other variant.
pub fn has_news(rejected: &[MatchReason], now: &[MatchReason]) -> bool {
    use MatchReason as R;
    let had_name = rejected.iter().any(|reason| matches!(reason, R::NameEqual | R::NameSimilar { .. }));
    let is_new = |reason: &R| match reason {
        R::GtinEqual | R::NameEqual | R::BrandEqual | R::SizeEqual => !rejected.contains(reason),
        R::NameSimilar { .. } => !had_name,
        R::Identical
        | R::SkuEqual
        | R::GtinDiffers
        | R::NameDiffers
        | R::BrandDiffers
        | R::SizeDiffers
        | R::Ambiguous => false,
    };
    let is_over = |reason: &R| reason.is_against() && *reason != R::Ambiguous && !now.contains(reason);
    now.iter().any(is_new) || rejected.iter().any(is_over)
}

#[cfg(test)]
mod tests;

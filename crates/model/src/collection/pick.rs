//! The collection of a connection whose turn it is.

use super::{CollectionState, ReadPlan};
use crate::Timestamp;
use std::cmp::Reverse;

/// A collection, in the order in which the platform names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueCollection {
    /// Time at which its next page is due.
    pub due_at: Timestamp,
    /// True if a person requested a read of it.
    pub is_requested: bool,
    /// True if none of its reads has ended.
    pub is_new: bool,
}

impl DueCollection {
    /// Returns the candidate of a collection in that state.
    pub fn of(state: &CollectionState, plan: &ReadPlan, is_requested: bool) -> Self {
        Self { due_at: plan.due_at(state), is_requested, is_new: state.last.is_none() }
    }
}

/// The next step for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionPick {
    /// The collection at that index.
    Read(usize),
    /// None before that.
    Wait(Timestamp),
    /// There is no collection.
    Nothing,
}

/// Picks the collection whose turn it is: a requested one; else the one that is due for longest, so that a long list holds
/// up no other. At first the lists are read in the platform's order: others refer to the first ones.
pub fn pick_collection(candidates: &[DueCollection], now: Timestamp) -> CollectionPick {
    let is_due = |it: &DueCollection| it.is_requested || it.due_at <= now;
    let first_new = candidates.iter().position(|it| it.is_new && is_due(it));
    let waits_for_another = |index: usize, it: &DueCollection| {
        it.is_new && !it.is_requested && first_new.is_some_and(|first| first < index)
    };
    let turn = candidates.iter().enumerate().filter(|(_, it)| is_due(it));
    let turn = turn.filter(|(index, it)| !waits_for_another(*index, it));
    let turn = turn.min_by_key(|(index, it)| (Reverse(it.is_requested), it.due_at, *index));
    match (turn, candidates.iter().map(|it| it.due_at).min()) {
        (Some((index, _)), _) => CollectionPick::Read(index),
        (None, Some(next)) => CollectionPick::Wait(next),
        (None, None) => CollectionPick::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn known(due: i64) -> DueCollection {
        DueCollection { due_at: at(due), is_requested: false, is_new: false }
    }

    #[test]
    fn the_list_that_is_due_for_longest_is_next_so_that_a_long_one_holds_up_no_other() {
        assert_eq!(pick_collection(&[known(9), known(5), known(20)], at(10)), CollectionPick::Read(1));
        assert_eq!(pick_collection(&[known(5), known(5)], at(10)), CollectionPick::Read(0));
        assert_eq!(pick_collection(&[known(30), known(20)], at(10)), CollectionPick::Wait(at(20)));
        assert_eq!(pick_collection(&[], at(10)), CollectionPick::Nothing);
    }

    #[test]
    fn lists_are_first_read_in_the_platforms_order() {
        let new = |due| DueCollection { is_new: true, ..known(due) };
        assert_eq!(pick_collection(&[new(9), new(5)], at(10)), CollectionPick::Read(0));
        assert_eq!(pick_collection(&[known(20), new(5), new(4)], at(10)), CollectionPick::Read(1));
        assert_eq!(
            pick_collection(&[new(9), known(5)], at(10)),
            CollectionPick::Read(1),
            "one that was read before waits for nobody"
        );
        assert_eq!(
            pick_collection(&[new(20), new(5)], at(10)),
            CollectionPick::Read(1),
            "nor for a list that waits itself"
        );
    }

    #[test]
    fn a_requested_list_is_read_before_all_others() {
        let requested = DueCollection { is_requested: true, is_new: true, ..known(99) };
        assert_eq!(pick_collection(&[known(1), requested], at(10)), CollectionPick::Read(1));
    }
}

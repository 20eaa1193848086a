//! The course of matches as tables.

use super::*;
use MatchReason as R;

const LIMIT: Score = Score::from_per_mille(900);

fn id(text: &str) -> VariantId {
    VariantId::new(text).unwrap()
}

fn candidate(to: &str, reasons: &[R]) -> Candidate {
    Candidate { id: id(to), score: Score::of(reasons).unwrap(), reasons: reasons.to_vec() }
}

fn known(number: i64, to: &str, state: MatchState, reasons: &[R]) -> KnownMatch {
    KnownMatch {
        id: number,
        to: id(to),
        score: Score::of(reasons).unwrap(),
        reasons: reasons.to_vec(),
        state,
        is_linked: false,
        was_rejected: state == MatchState::Rejected,
    }
}

fn linked(number: i64, to: &str, state: MatchState) -> KnownMatch {
    KnownMatch { is_linked: true, ..known(number, to, state, &[R::GtinEqual]) }
}

fn item(linked_to: &str) -> ItemLink {
    ItemLink { linked_to: Some(id(linked_to)), own: id("own") }
}

fn propose(candidate: Candidate) -> MatchChange {
    MatchChange::Propose(candidate, MatchState::Proposed)
}

#[test]
fn nothing_is_matched_without_a_person_where_the_store_has_no_limit_or_a_person_has_spoken() {
    let by_gtin = [candidate("a", &[R::GtinEqual])];
    let rejected = known(1, "a", MatchState::Rejected, &[R::NameEqual]);
    let proposed_again = KnownMatch { state: MatchState::Proposed, ..rejected.clone() };
    let of_another = known(1, "b", MatchState::Rejected, &[R::NameEqual]);
    for (what, stored, candidates, limit, expected) in [
        ("above the limit", vec![], by_gtin.to_vec(), Some(LIMIT), Some("a")),
        ("another pair was rejected", vec![of_another], by_gtin.to_vec(), Some(LIMIT), Some("a")),
        ("no limit", vec![], by_gtin.to_vec(), None, None),
        ("below it", vec![], vec![candidate("a", &[R::NameEqual])], Some(LIMIT), None),
        ("rejected", vec![rejected], by_gtin.to_vec(), Some(LIMIT), None),
        ("rejected once", vec![proposed_again], by_gtin.to_vec(), Some(LIMIT), None),
        ("apart by SKU", vec![], vec![candidate("a", &[R::GtinEqual, R::SkuEqual])], Some(LIMIT), None),
        (
            "others are alike",
            vec![],
            ["a", "b"].map(|to| candidate(to, &[R::GtinEqual, R::Ambiguous])).to_vec(),
            Some(Score::from_per_mille(300)),
            None,
        ),
    ] {
        let found = automatic_match(&stored, &candidates, limit).map(|found| found.id.as_str());
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn what_is_found_is_proposed_once_and_ends_when_it_is_no_longer_found() {
    let by_name = candidate("a", &[R::NameEqual]);
    let by_gtin = candidate("a", &[R::GtinEqual, R::NameEqual]);
    let stored = known(1, "a", MatchState::Proposed, &[R::NameEqual]);
    let ended = KnownMatch { state: MatchState::Superseded, ..stored.clone() };
    for (what, stored, candidates, expected) in [
        ("new", vec![], vec![by_name.clone()], vec![propose(by_name.clone())]),
        ("the same", vec![stored.clone()], vec![by_name.clone()], vec![]),
        ("more reasons", vec![stored.clone()], vec![by_gtin.clone()], vec![propose(by_gtin.clone())]),
        ("gone", vec![stored], vec![], vec![MatchChange::Superseded(1)]),
        ("found again", vec![ended.clone()], vec![by_name.clone()], vec![propose(by_name.clone())]),
        ("still gone", vec![ended], vec![], vec![]),
    ] {
        assert_eq!(match_changes(&item("own"), &stored, &candidates, None), expected, "{what}");
    }
    let automatic = id("a");
    let made = vec![MatchChange::Propose(by_gtin.clone(), MatchState::Automatic)];
    let proposed = known(1, "a", MatchState::Proposed, &[R::GtinEqual, R::NameEqual]);
    for stored in [vec![], vec![proposed]] {
        assert_eq!(
            match_changes(&item("own"), &stored, std::slice::from_ref(&by_gtin), Some(&automatic)),
            made
        );
    }
}

#[test]
fn a_rejected_pair_is_proposed_again_only_if_more_speaks_for_it() {
    let similar = R::NameSimilar { per_mille: 600 };
    for (before, now, is_proposed) in [
        (vec![R::NameEqual], vec![R::NameEqual], false),
        (vec![R::NameEqual], vec![similar], false),
        (vec![similar], vec![R::NameSimilar { per_mille: 900 }], false),
        (vec![similar], vec![R::NameEqual], true),
        (vec![R::NameEqual], vec![R::NameEqual, R::GtinEqual], true),
        (vec![R::NameEqual], vec![R::NameEqual, R::SizeEqual], true),
        (vec![R::NameEqual], vec![R::NameEqual, R::SizeDiffers], false),
        (vec![R::NameEqual, R::SizeDiffers], vec![R::NameEqual], true),
        (vec![R::GtinEqual, R::NameDiffers], vec![R::GtinEqual], true),
        // Undoing a link gives the item the other's SKU, and others that are alike come and go.
        (vec![R::GtinEqual], vec![R::GtinEqual, R::SkuEqual, R::Identical], false),
        (vec![R::GtinEqual, R::Ambiguous], vec![R::GtinEqual], false),
    ] {
        let stored = [known(1, "a", MatchState::Rejected, &before)];
        let found = candidate("a", &now);
        let changes = match_changes(&item("own"), &stored, std::slice::from_ref(&found), None);
        let expected = if is_proposed { vec![propose(found)] } else { vec![] };
        assert_eq!(changes, expected, "{before:?} {now:?}");
    }
}

#[test]
fn while_a_link_is_under_way_nothing_else_is_decided_about_the_item() {
    let others = [candidate("b", &[R::NameEqual])];
    for state in [MatchState::Automatic, MatchState::Accepted] {
        let stored =
            [known(1, "a", state, &[R::GtinEqual]), known(2, "c", MatchState::Proposed, &[R::NameEqual])];
        assert_eq!(match_changes(&item("own"), &stored, &others, None), []);
        assert_eq!(match_changes(&item("a"), &stored, &[], None), [MatchChange::Linked(1)]);
    }
}

#[test]
fn a_link_that_was_undone_counts_as_rejected_and_one_that_moved_has_ended() {
    for state in [MatchState::Automatic, MatchState::Accepted] {
        let stored = [linked(1, "a", state)];
        assert_eq!(match_changes(&item("a"), &stored, &[], None), []);
        assert_eq!(match_changes(&item("own"), &stored, &[], None), [MatchChange::Undone(1)]);
        assert_eq!(match_changes(&item("b"), &stored, &[], None), [MatchChange::Superseded(1)]);
        let gone = ItemLink { linked_to: None, own: id("own") };
        assert_eq!(match_changes(&gone, &stored, &[], None), [MatchChange::Superseded(1)]);
        let found = [candidate("a", &[R::GtinEqual])];
        assert_eq!(match_changes(&item("own"), &stored, &found, Some(&id("a"))), [MatchChange::Undone(1)]);
    }
}

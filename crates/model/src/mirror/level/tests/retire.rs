//! Items that their platform no longer has.

use super::*;

/// The mirror once its item is linked again, with a number that is due.
fn linked_again(mut mirror: LevelMirror) -> LevelMirror {
    mirror.link(Some(VariantId::new("again").unwrap()));
    mirror.set_desired(quantity("7"), 0, at(9), None);
    mirror
}

#[test]
fn nothing_is_due_for_an_item_that_is_retired_and_it_is_read_once_it_is_linked_again() {
    let mut due = known("5");
    due.set_desired(quantity("7"), 0, at(1), None);
    let mut read = known("5");
    assert_eq!(read.observe(&coarse(&report(Some("1"), 1, 1))), LevelOutcome::Ambiguous);
    for (case, mut mirror) in [("at rest", known("5")), ("due", due), ("read", read)] {
        mirror.retire();
        assert_eq!((&mirror.variant, mirror.attention()), (&None, None), "{case}");
        assert_eq!(linked_again(mirror.clone()).attention(), Some(Attention::Read), "{case}");
        // Its next number is no movement, and an older one than before the deletion is stale.
        let mut mirror = linked_again(mirror);
        assert_eq!(mirror.observe(&report(Some("9"), 0, 10)), LevelOutcome::Stale, "{case}");
        assert_eq!(mirror.observe(&report(Some("9"), 3, 10)), LevelOutcome::FirstContact, "{case}");
    }
}

#[test]
fn a_write_to_an_item_that_is_retired_meanwhile_is_settled_and_not_begun_again() {
    let mut mirror = writing("5", "7");
    mirror.retire();
    assert_eq!(mirror.attention(), Some(Attention::Write), "its outcome isn't known yet");
    assert_eq!(mirror.settle("k", CallResult::Gone, at(2)), Settled::Done);
    assert_eq!((mirror.attention(), &mirror.baseline), (None, &Baseline::Absent));
}

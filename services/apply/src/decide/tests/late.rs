//! Reports of texts and prices that come after what is known of them already.

use super::*;
use std::collections::VecDeque;

fn price_key() -> MirrorKey {
    MirrorKey {
        connection: connection("b"),
        kind: MirrorKind::Price,
        external: external("variant"),
        place: None,
    }
}

fn text_key() -> MirrorKey {
    MirrorKey { kind: MirrorKind::Product, external: external("product"), ..price_key() }
}

fn dollars(minor: i64) -> MirrorValue {
    MirrorValue::Price(Money { minor, currency: Currency::new("USD").unwrap() })
}

fn titled(title: &str) -> MirrorValue {
    MirrorValue::Text(ProductText { title: Some(title.to_owned()), description: None })
}

fn told(from: &str, number: u64, version: i64, title: &str, cents: i64) -> Event {
    event(from, number, Some(version), Payload::Product(shirt(title, cents)))
}

/// A write that was taken at a version.
fn taken(facts: &mut Facts, key: &MirrorKey, value: MirrorValue, version: i64) {
    let mirror = facts.mirrors.get_mut(key).unwrap();
    mirror.held = Some(value.clone());
    mirror.observed.as_mut().unwrap().version = Some(SourceVersion(version));
    mirror.sent = Some(Sent { value, from: None, state: SendState::Acknowledged });
}

fn title(facts: &Facts) -> &str {
    &facts.products.values().next().unwrap().title.as_ref().unwrap().value
}

fn cents(facts: &Facts) -> i64 {
    facts.variants.values().next().unwrap().price.as_ref().unwrap().value.minor
}

#[test]
fn a_late_echo_does_not_undo_a_newer_edit() {
    let edited =
        facts_after(linked(), vec![told("a", 3, 10, "First", 1100), told("a", 4, 20, "Second", 1200)]);
    // Both were written to b, at 21 and at 22, and taken, before b's report of either came.
    for (key, value) in [(text_key(), titled("Second")), (price_key(), dollars(1200))] {
        let mut facts = edited.clone();
        taken(&mut facts, &key, value, 22);
        let is_text = key == text_key();
        let (title_then, cents_then) = if is_text { ("First", 1000) } else { ("Shirt", 1100) };
        let facts = facts_after(facts, vec![told("b", 5, 21, title_then, cents_then)]);
        assert_eq!((title(&facts), cents(&facts)), ("Second", 1200), "{key:?}");
    }
}

#[test]
fn a_write_of_the_price_hides_no_edit_of_the_text_and_the_other_way_round() {
    // b's text was edited at 21 and its price at 23; we wrote one of the two at 25, and the report of it is late.
    let mut facts = linked();
    taken(&mut facts, &price_key(), dollars(1100), 25);
    let facts = facts_after(facts, vec![told("b", 5, 21, "Edited", 1000)]);
    assert_eq!((title(&facts), cents(&facts)), ("Edited", 1000));
    assert_eq!(facts.mirrors[&price_key()].held, Some(dollars(1100)), "what was written stays so");

    let mut facts = linked();
    taken(&mut facts, &text_key(), titled("Written"), 25);
    let (outcomes, folded) = fold(facts.clone(), vec![told("b", 5, 23, "Shirt", 1300)]);
    assert_eq!(outcomes, [Outcome::Applied]);
    assert!(folded.changes.products.is_empty(), "the text is older than ours");
    let facts = facts_after(facts, vec![told("b", 5, 23, "Shirt", 1300)]);
    assert_eq!((title(&facts), cents(&facts)), ("Shirt", 1300));
    assert_eq!(facts.mirrors[&text_key()].held, Some(titled("Written")));
}

#[test]
fn what_is_older_than_both_is_stale_and_what_is_older_than_a_deletion_brings_nothing_back() {
    let mut facts = linked();
    taken(&mut facts, &text_key(), titled("Written"), 25);
    taken(&mut facts, &price_key(), dollars(1100), 24);
    let (outcomes, folded) = fold(facts, vec![told("b", 5, 23, "Late", 900)]);
    assert_eq!((outcomes, folded.changes.mirrors.len()), (vec![Outcome::Stale], 0));

    let gone = Payload::Deleted { entity: model::EntityKind::Product, external: external("product") };
    let deleted = Event { action: Action::Deleted, ..event("b", 5, Some(30), gone) };
    let facts = facts_after(linked(), vec![deleted, told("b", 6, 29, "Late", 900)]);
    assert_eq!((title(&facts), cents(&facts)), ("Shirt", 900), "the price was set before");
    assert!(facts.products.values().next().unwrap().deleted_at.is_some());
}

#[test]
fn the_report_of_our_last_write_is_its_echo() {
    let mut facts = facts_after(linked(), vec![told("a", 3, 10, "Shirt", 1100)]);
    taken(&mut facts, &price_key(), dollars(1100), 12);
    let (outcomes, folded) = fold(facts, vec![told("b", 5, 12, "Shirt", 1100)]);
    assert_eq!(outcomes, [Outcome::Echo]);
    assert_eq!(folded.changes.mirrors[&price_key()].sent.as_ref().unwrap().state, SendState::Settled);
}

#[test]
fn a_write_that_is_made_twice_echoes_twice_and_undoes_nothing() {
    // 11 was written to b, its answer lost and its echo seen; b's own 12 came; then 11 is written again.
    let mut facts = facts_after(linked(), vec![told("a", 3, 10, "Shirt", 1100)]);
    facts.mirrors.get_mut(&price_key()).unwrap().sent =
        Some(Sent { value: dollars(1100), from: Some(dollars(1000)), state: SendState::Pending });
    let events = vec![
        told("b", 5, 12, "Shirt", 1100),
        told("b", 6, 14, "Shirt", 1200),
        told("b", 7, 16, "Shirt", 1100),
    ];
    let facts = facts_after(facts, events);
    assert_eq!(cents(&facts), 1200);
}

#[test]
fn a_replay_knows_the_versions_that_writes_made() {
    let edit = told("a", 3, 10, "Shirt", 1200);
    let late = told("b", 5, 12, "Shirt", 1100);
    let sent = Sent { value: dollars(1200), from: Some(dollars(1100)), state: SendState::Acknowledged };
    let mark = SendMark {
        after: edit.position,
        key: price_key(),
        internal: None,
        held: Some(dollars(1200)),
        version: Some(SourceVersion(13)),
        sent,
    };
    let mut facts = linked();
    facts.marks.insert(P, VecDeque::from([mark]));
    let (_, folded) = fold(facts, vec![edit, late]);
    let row = folded.changes.variants.values().next().unwrap();
    assert_eq!(row.price.as_ref().unwrap().value.minor, 1200);
    let observed = folded.changes.mirrors[&price_key()].observed.clone().unwrap();
    assert_eq!(observed.version, Some(SourceVersion(13)), "raised, and not lowered by what is older");
}

/// `b` read by ourselves.
fn read(number: u64, version: i64, title: &str, cents: i64) -> Event {
    Event { hops: 1, ..told("b", number, version, title, cents) }
}

fn state(facts: &Facts, key: &MirrorKey) -> Option<SendState> {
    facts.mirrors[key].sent.as_ref().map(|sent| sent.state)
}

#[test]
fn of_two_reports_of_one_second_that_differ_the_platform_has_the_last_word() {
    // b's title was edited twice within one second; the reports come in either order, and then our reading.
    for (first, second) in [("Earlier", "Later"), ("Later", "Earlier")] {
        let facts =
            facts_after(linked(), vec![told("b", 3, 20, first, 1000), told("b", 4, 20, second, 1000)]);
        assert_eq!(title(&facts), first, "it may be the later, and nothing is undone before that is known");
        assert_eq!(state(&facts, &text_key()), Some(SendState::Reading));
        assert_eq!(state(&facts, &price_key()), None, "of the price both say the same");
        let facts = facts_after(facts, vec![told("b", 5, 20, first, 1000)]);
        assert_eq!(state(&facts, &text_key()), Some(SendState::Reading), "what was told ends no waiting");

        let facts = facts_after(facts, vec![read(6, 20, "Later", 1000)]);
        assert_eq!(title(&facts), "Later");
        let again = if first == "Later" { SendState::Settled } else { SendState::Reading };
        assert_eq!(state(&facts, &text_key()), Some(again), "what is new is read once more");
        let facts = facts_after(facts, vec![read(7, 20, "Later", 1000)]);
        assert_eq!((title(&facts), state(&facts, &text_key())), ("Later", Some(SendState::Settled)));
    }
}

#[test]
fn an_echo_of_the_second_in_which_we_wrote_anew_undoes_nothing() {
    let mut facts = facts_after(linked(), vec![told("a", 3, 20, "Shirt", 1200)]);
    taken(&mut facts, &price_key(), dollars(1200), 20);
    let (outcomes, folded) = fold(facts.clone(), vec![told("b", 4, 20, "Shirt", 1100)]);
    assert_eq!((outcomes, folded.changes.variants.len()), (vec![Outcome::Unchanged], 0));
    let facts = facts_after(facts, vec![told("b", 4, 20, "Shirt", 1100)]);
    assert_eq!((cents(&facts), state(&facts, &price_key())), (1200, Some(SendState::Reading)));
    assert_eq!(facts.mirrors[&price_key()].held, Some(dollars(1200)));
    let facts = facts_after(facts, vec![read(5, 20, "Shirt", 1200)]);
    assert_eq!((cents(&facts), state(&facts, &price_key())), (1200, Some(SendState::Settled)));
}

#[test]
fn a_write_under_way_goes_on_and_the_platform_is_read_after_it() {
    let mut facts = facts_after(linked(), vec![told("b", 3, 20, "Shirt", 1100)]);
    facts.mirrors.get_mut(&price_key()).unwrap().sent =
        Some(Sent { value: dollars(1300), from: Some(dollars(1100)), state: SendState::Pending });
    let facts = facts_after(facts, vec![told("b", 4, 20, "Shirt", 1200)]);
    assert_eq!((cents(&facts), state(&facts, &price_key())), (1100, Some(SendState::Unsure)));
}

#[test]
fn a_later_report_ends_the_waiting_for_a_reading() {
    let events = [(3, 20, "One"), (4, 20, "Two"), (5, 21, "Three")];
    let facts =
        facts_after(linked(), events.map(|(number, at, title)| told("b", number, at, title, 1000)).to_vec());
    assert_eq!((title(&facts), state(&facts, &text_key())), ("Three", Some(SendState::Settled)));
}

#[test]
fn a_reading_that_is_waited_for_counts_whatever_its_version() {
    let events = vec![told("b", 3, 20, "One", 1000), told("b", 4, 20, "Two", 1000), read(5, 19, "One", 1000)];
    let facts = facts_after(linked(), events);
    assert_eq!((title(&facts), state(&facts, &text_key())), ("One", Some(SendState::Settled)));
    let observed = facts.mirrors[&text_key()].observed.clone().unwrap();
    assert_eq!(observed.version, Some(SourceVersion(20)), "no version is lowered");
    // When nobody waits, it is as old as its version says.
    let (outcomes, _) = fold(facts, vec![read(6, 18, "Two", 1000)]);
    assert_eq!(outcomes, [Outcome::Stale]);
}

#[test]
fn where_versions_are_unique_nothing_is_read_again() {
    let of_square = |event: Event| {
        let platform = PlatformName::new("square").unwrap();
        Event { origin: Origin { platform, ..event.origin }, ..event }
    };
    let events = [(3, "One"), (4, "Two")];
    let events = events.map(|(number, title)| of_square(told("b", number, 20, title, 1000)));
    let facts = facts_after(linked(), events.to_vec());
    assert_eq!((title(&facts), state(&facts, &text_key())), ("Two", None));
}

#[test]
fn of_two_levels_of_one_second_that_come_swapped_the_platform_is_asked() {
    // a held ten at 1 and sold two, one by one, within second 2. The report of the second sale comes first.
    let ten = facts_after(linked(), vec![event("a", 3, Some(1), level(10))]);
    let eight = facts_after(ten, vec![event("a", 5, Some(2), level(8))]);
    let (outcomes, folded) = fold(eight.clone(), vec![event("a", 4, Some(2), level(9))]);
    assert_eq!((outcomes, level_of(&folded)), (vec![Outcome::Unchanged], None));
    let waiting = &folded.changes.mirrors[&key("a")];
    assert_eq!(waiting.sent.as_ref().unwrap().state, SendState::Reading);
    assert_eq!(waiting.held, Some(pieces(8)));

    // What is read stands: it was right, or it wasn't and what is missing is made good; then it is read once more.
    for (read, moved, then) in [(8, None, SendState::Settled), (9, Some("9"), SendState::Reading)] {
        let facts = facts_after(eight.clone(), vec![event("a", 4, Some(2), level(9))]);
        let (_, folded) = fold(facts, vec![Event { hops: 1, ..event("a", 6, Some(2), level(read)) }]);
        assert_eq!(level_of(&folded).as_deref(), moved);
        assert_eq!(folded.changes.mirrors[&key("a")].sent.as_ref().unwrap().state, then, "{read}");
    }
}

//! Reports of texts and prices that arrive after newer ones.

use super::*;
use model::{AskedBy, Waiting};
use std::collections::VecDeque;

fn reported(from: &str, number: u64, version: i64, title: &str, cents: i64) -> Event {
    event(from, number, Some(version), Payload::Product(shirt(title, cents)))
}

/// Completes a write of b's text with that version.
fn text_taken(facts: &mut Facts, title: &str, version: i64) {
    let mirror = facts.mirrors.texts.get_mut(&text_key("b")).unwrap();
    begin_field(mirror, titled(title));
    assert_eq!(take_field(mirror, Some(version)), Settled::Done);
}

/// Completes a write of b's price with that version.
fn price_taken(facts: &mut Facts, cents: i64, version: i64) {
    let mirror = facts.mirrors.prices.get_mut(&price_key("b")).unwrap();
    begin_field(mirror, dollars(cents));
    assert_eq!(take_field(mirror, Some(version)), Settled::Done);
}

fn held_text(facts: &Facts) -> ProductText {
    facts.mirrors.texts[&text_key("b")].platform_value().unwrap().value.clone()
}

fn held_price(facts: &Facts) -> Money {
    facts.mirrors.prices[&price_key("b")].platform_value().unwrap().value
}

/// The phase of the last write of b's text.
fn text_phase(facts: &Facts) -> &'static str {
    facts.mirrors.texts[&text_key("b")].phase.as_str()
}

/// The phase of the last write of b's price.
fn price_phase(facts: &Facts) -> &'static str {
    facts.mirrors.prices[&price_key("b")].phase.as_str()
}

fn title(facts: &Facts) -> &str {
    &facts.products.values().next().unwrap().title.as_ref().unwrap().value
}

fn cents(facts: &Facts) -> i64 {
    facts.variants.values().next().unwrap().price.as_ref().unwrap().value.minor
}

#[test]
fn a_late_echo_does_not_undo_a_newer_edit() {
    let edited = facts_after(
        linked(),
        vec![reported("a", 3, 10, "First", 1100), reported("a", 4, 20, "Second", 1200)],
    );
    // Both were written to b, at 21 and at 22, and accepted, before b's report of either arrived.
    for is_text in [true, false] {
        let mut facts = edited.clone();
        if is_text {
            text_taken(&mut facts, "Second", 22);
        } else {
            price_taken(&mut facts, 1200, 22);
        }
        let (title_then, cents_then) = if is_text { ("First", 1000) } else { ("Shirt", 1100) };
        let facts = facts_after(facts, vec![reported("b", 5, 21, title_then, cents_then)]);
        assert_eq!((title(&facts), cents(&facts)), ("Second", 1200), "of the text: {is_text}");
    }
}

#[test]
fn a_write_of_the_price_hides_no_edit_of_the_text_and_the_other_way_round() {
    // b's text was edited at 21 and its price at 23; we wrote one of the two at 25, and the report of it is late.
    let mut facts = linked();
    price_taken(&mut facts, 1100, 25);
    let facts = facts_after(facts, vec![reported("b", 5, 21, "Edited", 1000)]);
    assert_eq!((title(&facts), cents(&facts)), ("Edited", 1000));
    assert_eq!(held_price(&facts), dollars(1100), "what was written stays so");

    let mut facts = linked();
    text_taken(&mut facts, "Written", 25);
    let (outcomes, folded) = fold(facts.clone(), vec![reported("b", 5, 23, "Shirt", 1300)]);
    assert_eq!(outcomes, [Outcome::Applied]);
    assert!(folded.changes.products.is_empty(), "the text is older than ours");
    let facts = facts_after(facts, vec![reported("b", 5, 23, "Shirt", 1300)]);
    assert_eq!((title(&facts), cents(&facts)), ("Shirt", 1300));
    assert_eq!(held_text(&facts), titled("Written"));
}

#[test]
fn what_is_older_than_both_is_stale_and_what_is_older_than_a_deletion_brings_nothing_back() {
    let mut facts = linked();
    text_taken(&mut facts, "Written", 25);
    price_taken(&mut facts, 1100, 24);
    let (outcomes, folded) = fold(facts, vec![reported("b", 5, 23, "Late", 900)]);
    assert_eq!((outcomes, folded.changes.mirrors.len()), (vec![Outcome::Stale], 0));

    let gone = Payload::Deleted { entity: model::EntityKind::Product, external: external("product") };
    let deleted = Event { action: Action::Deleted, ..event("b", 5, Some(30), gone) };
    let facts = facts_after(linked(), vec![deleted, reported("b", 6, 29, "Late", 900)]);
    assert_eq!((title(&facts), cents(&facts)), ("Shirt", 1000), "nor a price");
    assert!(facts.products.values().next().unwrap().deleted_at.is_none(), "a still has it");
    assert!(!facts.links.products.contains_key(&(connection("b"), external("product"))), "and b has not");
}

#[test]
fn the_report_of_our_last_write_is_its_echo() {
    let mut facts = facts_after(linked(), vec![reported("a", 3, 10, "Shirt", 1100)]);
    price_taken(&mut facts, 1100, 12);
    let (outcomes, folded) = fold(facts, vec![reported("b", 5, 12, "Shirt", 1100)]);
    assert_eq!(outcomes, [Outcome::Echo]);
    assert_eq!(folded.changes.mirrors.prices[&price_key("b")].phase, Phase::Idle);
}

#[test]
fn a_write_that_is_made_twice_echoes_twice_and_undoes_nothing() {
    // 11 was written to b, its reply lost and its echo seen; b's own 12 arrived; then 11 is written again.
    let mut facts = facts_after(linked(), vec![reported("a", 3, 10, "Shirt", 1100)]);
    begin_field(facts.mirrors.prices.get_mut(&price_key("b")).unwrap(), dollars(1100));
    let events = vec![
        reported("b", 5, 12, "Shirt", 1100),
        reported("b", 6, 14, "Shirt", 1200),
        reported("b", 7, 16, "Shirt", 1100),
    ];
    let facts = facts_after(facts, events);
    assert_eq!(cents(&facts), 1200);
}

#[test]
fn a_replay_knows_the_versions_that_writes_made() {
    let edit = reported("a", 3, 10, "Shirt", 1200);
    let late = reported("b", 5, 12, "Shirt", 1100);
    let mut facts = linked();
    let mut written = facts_after(facts.clone(), vec![edit.clone()]);
    price_taken(&mut written, 1200, 13);
    let mirror = written.mirrors.get(&MirrorKey::Price(price_key("b"))).unwrap();
    facts.write_log.insert(P, VecDeque::from([WriteLogEntry { after: edit.position, mirror }]));
    let (_, folded) = fold(facts, vec![edit, late]);
    let row = folded.changes.variants.values().next().unwrap();
    assert_eq!(row.price.as_ref().unwrap().value.minor, 1200);
    let observed = folded.changes.mirrors.prices[&price_key("b")].observed.clone().unwrap();
    assert_eq!(observed.version, Some(VersionNumber(13)), "raised, and not lowered by what is older");
}

/// A reading of `b` for the first waiting of a mirror.
fn read(mirror: &MirrorKey, number: u64, version: i64, title: &str, cents: i64) -> Event {
    let asked_by = Some(AskedBy { mirror: mirror.clone(), waiting: Waiting(1) });
    Event { is_read_back: true, asked_by, ..reported("b", number, version, title, cents) }
}

/// The mirror of b's text.
fn text_of_b() -> MirrorKey {
    MirrorKey::Text(text_key("b"))
}

/// The mirror of b's price.
fn price_of_b() -> MirrorKey {
    MirrorKey::Price(price_key("b"))
}

#[test]
fn of_two_reports_of_one_second_that_differ_the_platform_has_the_last_word() {
    // b's title was edited twice within one second; the reports arrive in either order, and then our reading.
    for (first, second) in [("Earlier", "Later"), ("Later", "Earlier")] {
        let facts = facts_after(
            linked(),
            vec![reported("b", 3, 20, first, 1000), reported("b", 4, 20, second, 1000)],
        );
        assert_eq!(title(&facts), first, "it may be the later, and nothing is undone before that is known");
        assert_eq!(text_phase(&facts), "reading");
        assert_eq!(price_phase(&facts), "idle", "of the price both say the same");
        let facts = facts_after(facts, vec![reported("b", 5, 20, first, 1000)]);
        assert_eq!(text_phase(&facts), "reading", "what was reported ends no waiting");

        let facts = facts_after(facts, vec![read(&text_of_b(), 6, 20, "Later", 1000)]);
        assert_eq!(title(&facts), "Later");
        let again = if first == "Later" { "idle" } else { "reading" };
        assert_eq!(text_phase(&facts), again, "what is new is read once more");
        let facts = facts_after(facts, vec![read(&text_of_b(), 7, 20, "Later", 1000)]);
        assert_eq!((title(&facts), text_phase(&facts)), ("Later", "idle"));
    }
}

#[test]
fn an_echo_of_the_second_in_which_we_wrote_anew_undoes_nothing() {
    let mut facts = facts_after(linked(), vec![reported("a", 3, 20, "Shirt", 1200)]);
    price_taken(&mut facts, 1200, 20);
    let (outcomes, folded) = fold(facts.clone(), vec![reported("b", 4, 20, "Shirt", 1100)]);
    assert_eq!((outcomes, folded.changes.variants.len()), (vec![Outcome::Unchanged], 0));
    let facts = facts_after(facts, vec![reported("b", 4, 20, "Shirt", 1100)]);
    assert_eq!((cents(&facts), price_phase(&facts)), (1200, "reading"));
    assert_eq!(held_price(&facts), dollars(1200));
    let facts = facts_after(facts, vec![read(&price_of_b(), 5, 20, "Shirt", 1200)]);
    assert_eq!((cents(&facts), price_phase(&facts)), (1200, "idle"));
}

#[test]
fn a_write_under_way_goes_on_and_the_platform_is_read_after_it() {
    let mut facts = facts_after(linked(), vec![reported("b", 3, 20, "Shirt", 1100)]);
    begin_field(facts.mirrors.prices.get_mut(&price_key("b")).unwrap(), dollars(1300));
    let facts = facts_after(facts, vec![reported("b", 4, 20, "Shirt", 1200)]);
    assert_eq!((cents(&facts), price_phase(&facts)), (1100, "contested"));
}

#[test]
fn a_later_report_ends_the_waiting_for_a_reading() {
    let events = [(3, 20, "One"), (4, 20, "Two"), (5, 21, "Three")];
    let facts = facts_after(
        linked(),
        events.map(|(number, at, title)| reported("b", number, at, title, 1000)).to_vec(),
    );
    assert_eq!((title(&facts), text_phase(&facts)), ("Three", "idle"));
}

#[test]
fn a_reading_that_is_waited_for_counts_whatever_its_version() {
    let events = vec![
        reported("b", 3, 20, "One", 1000),
        reported("b", 4, 20, "Two", 1000),
        read(&text_of_b(), 5, 19, "One", 1000),
    ];
    let facts = facts_after(linked(), events);
    assert_eq!((title(&facts), text_phase(&facts)), ("One", "idle"));
    let observed = facts.mirrors.texts[&text_key("b")].observed.clone().unwrap();
    assert_eq!(observed.version, Some(VersionNumber(20)), "no version is lowered");
    // If no reading is awaited, a reading is as old as its version.
    let (outcomes, _) = fold(facts, vec![read(&text_of_b(), 6, 18, "Two", 1000)]);
    assert_eq!(outcomes, [Outcome::Stale]);
}

#[test]
fn where_a_version_is_one_state_nothing_is_read_again() {
    let events = [(3, "One"), (4, "Two")];
    let events = events.map(|(number, title)| exact(reported("b", number, 20, title, 1000)));
    let facts = facts_after(linked(), events.to_vec());
    assert_eq!((title(&facts), text_phase(&facts)), ("Two", "idle"));
}

/// A reading of a's level for the first waiting of its mirror.
fn level_read(number: i32) -> Event {
    let asked_by = Some(AskedBy { mirror: MirrorKey::Level(key("a")), waiting: Waiting(1) });
    Event { is_read_back: true, asked_by, ..event("a", 6, Some(2), level(number)) }
}

#[test]
fn a_reading_ends_no_waiting_of_another_mirror() {
    // a's text was set to b while b's own text was edited in the same second: the platform is read to find the
    // last value.
    let mut facts =
        facts_after(linked(), vec![reported("a", 3, 10, "Ours", 1000), reported("b", 4, 19, "Shirt", 1000)]);
    begin_field(facts.mirrors.texts.get_mut(&text_key("b")).unwrap(), titled("Ours"));
    let mut facts = facts_after(facts, vec![reported("b", 5, 20, "Edited", 1000)]);
    let mirror = facts.mirrors.texts.get_mut(&text_key("b")).unwrap();
    assert_eq!(take_field(mirror, Some(20)), Settled::NeedsReading);

    // The reading for the price shows b as it was before our write; the report of our write arrives after it.
    let events = vec![read(&price_of_b(), 6, 20, "Edited", 1000), reported("b", 7, 20, "Ours", 1000)];
    let facts = facts_after(facts, events);
    assert_eq!((title(&facts), text_phase(&facts)), ("Edited", "reading"));
    let facts = facts_after(facts, vec![read(&text_of_b(), 8, 20, "Ours", 1000)]);
    assert_eq!(title(&facts), "Edited", "our own value is no edit");
}

#[test]
fn a_reading_of_before_waitings_were_numbered_ends_a_waiting_of_before() {
    let events = vec![reported("b", 3, 20, "One", 1000), reported("b", 4, 20, "Two", 1000)];
    let waiting = facts_after(linked(), events);
    let unnumbered = Event { is_read_back: true, ..reported("b", 5, 20, "One", 1000) };
    let mut before = waiting.clone();
    before.mirrors.texts.get_mut(&text_key("b")).unwrap().waiting = Waiting::default();
    assert_eq!(text_phase(&facts_after(before, vec![unnumbered.clone()])), "idle");
    assert_eq!(text_phase(&facts_after(waiting, vec![unnumbered])), "reading", "and none that began since");
}

#[test]
fn of_two_levels_of_one_second_that_come_swapped_the_platform_is_asked() {
    // a held ten at 1 and sold two, one by one, within second 2. The report of the second sale arrives first.
    let ten = facts_after(linked(), vec![event("a", 3, Some(1), level(10))]);
    let eight = facts_after(ten, vec![event("a", 5, Some(2), level(8))]);
    let (outcomes, folded) = fold(eight.clone(), vec![event("a", 4, Some(2), level(9))]);
    assert_eq!((outcomes, level_of(&folded)), (vec![Outcome::Unchanged], None));
    let waiting = &folded.changes.mirrors.levels[&key("a")];
    assert_eq!(waiting.phase.as_str(), "reading");
    assert_eq!(waiting.baseline.known(), Some(&Quantity::pieces(8)));

    // The reading stands: either the number was right, or the difference is corrected; then the platform is read
    // once more.
    for (read, moved, then) in [(8, None, "idle"), (9, Some("9"), "reading")] {
        let facts = facts_after(eight.clone(), vec![event("a", 4, Some(2), level(9))]);
        let (_, folded) = fold(facts, vec![level_read(read)]);
        assert_eq!(level_of(&folded).as_deref(), moved);
        assert_eq!(folded.changes.mirrors.levels[&key("a")].phase.as_str(), then, "{read}");
    }
}

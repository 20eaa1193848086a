use super::*;
use crate::ConnectionId;
use proptest::prelude::*;

const HOUR: Duration = Duration::from_hours(1);
const OVERLAP: Duration = Duration::from_mins(2);
const BOTH: ReadPlan = ReadPlan {
    changes: Some(OVERLAP),
    whole: true,
    every: Duration::from_mins(10),
    whole_every: Duration::from_hours(24),
    whole_due: None,
};
const ONLY_WHOLE: ReadPlan = ReadPlan { changes: None, ..BOTH };
const ONLY_CHANGES: ReadPlan = ReadPlan { whole: false, ..BOTH };

fn spread() -> Spread {
    Spread::of(&ConnectionId::new("c").unwrap(), "products")
}

/// The time that many minutes after a day in 2026.
fn at(minutes: u64) -> Timestamp {
    Timestamp::parse("2026-11-28T00:00:00Z").unwrap().after(Duration::from_secs(minutes * 60))
}

fn page(seen: u64, next: Option<&str>) -> PageCounts {
    let next = next.map(|cursor| (cursor.to_owned(), Duration::ZERO));
    PageCounts { seen, reported: seen, next, ..PageCounts::default() }
}

fn begun(plan: &ReadPlan, now: Timestamp) -> CollectionState {
    let mut state = CollectionState::default();
    state.begin(plan, now);
    state
}

fn range(state: &CollectionState) -> ReadRange {
    state.read.as_ref().unwrap().range
}

/// Reads one page and ends the read.
fn read(state: &mut CollectionState, plan: &ReadPlan, page: &PageCounts, now: Timestamp) -> ReadOutcome {
    state.begin(plan, now);
    let ended = state.take_page(page, plan, spread(), now);
    ended.unwrap_or_else(|| state.finish(plan, spread(), now).unwrap()).outcome
}

#[test]
fn everything_is_read_first_and_then_what_changed_since_with_an_overlap() {
    let mut state = CollectionState::default();
    assert_eq!(BOTH.next_range(&state, at(0)), ReadRange::Whole);
    assert_eq!(read(&mut state, &BOTH, &page(3, None), at(0)), ReadOutcome::Complete);
    assert_eq!(state.changes_since, Some(at(0)));
    let changed =
        ReadRange::Changed { since: Timestamp::from_micros(at(0).as_micros() - 120_000_000), until: None };
    assert_eq!(BOTH.next_range(&state, at(20)), changed);
    read(&mut state, &BOTH, &page(1, None), at(20));
    assert_eq!(state.changes_since, Some(at(20)), "it moves to the beginning of the read");
    assert_eq!(BOTH.next_range(&state, at(24 * 60)), ReadRange::Whole, "once a day");
}

#[test]
fn a_first_read_of_changes_that_does_not_end_for_days_reads_from_where_it_began() {
    let mut state = begun(&ONLY_CHANGES, at(0));
    let first = range(&state);
    for days in 1..4 {
        let now = at(days * 25 * 60);
        assert!(state.begin(&ONLY_CHANGES, now).is_some(), "the read that didn't end is superseded");
        assert_eq!(range(&state), first, "what changed since the connection was set up would never be read");
    }
    read(&mut state, &ONLY_CHANGES, &page(1, None), at(3 * 25 * 60 + 1));
    assert_eq!(state.changes_since, Some(at(3 * 25 * 60)));
    assert_ne!(ONLY_CHANGES.next_range(&state, at(4 * 25 * 60)), first, "from then on the changes alone");
}

#[test]
fn a_list_that_is_first_read_days_after_its_connection_was_set_up_reads_from_then() {
    let mut state = CollectionState::first(&ONLY_CHANGES, spread(), at(0));
    let mut at_once = state.clone();
    at_once.begin(&ONLY_CHANGES, at(0));
    state.begin(&ONLY_CHANGES, at(5 * 24 * 60));
    assert_eq!(range(&state), range(&at_once), "the account was refused for days");
}

#[test]
fn everything_is_read_at_its_times_whenever_it_was_read_before() {
    let plan = |due| ReadPlan { whole_due: Some(at(due)), ..BOTH };
    let mut state = CollectionState::default();
    assert_eq!(plan(999).next_range(&state, at(0)), ReadRange::Whole, "nothing was read yet");
    read(&mut state, &plan(999), &page(3, None), at(0));
    let is_whole = |due, now| plan(due).next_range(&state, at(now)) == ReadRange::Whole;
    assert_eq!([is_whole(30, 29), is_whole(30, 30), is_whole(9_999, 9_998)], [false, true, false]);
    assert_eq!(plan(5).due_at(&state), at(5), "changes aren't waited for");
    assert_eq!(plan(9_999).due_at(&state), state.due_at, "nor left out");
    let only_whole = |due| ReadPlan { changes: None, ..plan(due) };
    assert_eq!(only_whole(9_999).due_at(&state), at(9_999), "instead of the interval");
    assert_eq!(only_whole(9_999).due_at(&CollectionState { whole_at: None, ..state.clone() }), state.due_at);

    let mut failed = state.clone();
    failed.begin(&plan(30), at(30));
    failed.fail(&PageFailure::RateLimited { after: Some(HOUR) }, "429", (&plan(30), spread()), at(30));
    assert!(plan(30).due_at(&failed) >= at(90), "the platform's pause is kept");
    failed.fail(&PageFailure::Refused, "no", (&plan(30), spread()), at(90));
    assert!(plan(30).due_at(&failed) > at(90), "and that of a read that was given up");
}

#[test]
fn a_list_without_changes_is_always_read_whole_and_one_of_changes_alone_begins_a_day_earlier() {
    let mut state = CollectionState::default();
    read(&mut state, &ONLY_WHOLE, &page(3, None), at(0));
    assert_eq!(ONLY_WHOLE.next_range(&state, at(20)), ReadRange::Whole);
    let first = ONLY_CHANGES.next_range(&CollectionState::default(), at(24 * 60));
    assert_eq!(first, ReadRange::Changed { since: at(0), until: None });
}

#[test]
fn a_read_is_due_after_the_interval_and_the_same_spread_each_time() {
    let mut state = begun(&ONLY_CHANGES, at(0));
    state.take_page(&page(1, None), &ONLY_CHANGES, spread(), at(1));
    let due = state.due_at;
    assert!(due >= at(11) && due < at(12), "{due}");
    let mut again = begun(&ONLY_CHANGES, at(0));
    again.take_page(&page(1, None), &ONLY_CHANGES, spread(), at(1));
    assert_eq!(again.due_at, due);
    let other = Spread::of(&ConnectionId::new("d").unwrap(), "products");
    assert_ne!(spread().within(HOUR, 1), other.within(HOUR, 1));
    assert_eq!(spread().within(Duration::ZERO, 1), Duration::ZERO);
}

#[test]
fn a_read_goes_on_at_the_cursor_of_the_page_before() {
    let mut state = begun(&ONLY_WHOLE, at(0));
    assert_eq!(state.take_page(&page(100, Some("two")), &ONLY_WHOLE, spread(), at(1)), None);
    let read = state.read.clone().unwrap();
    assert_eq!((read.cursor.as_deref(), read.pages, read.seen), (Some("two"), 1, 100));
    assert_eq!(state.begin(&ONLY_WHOLE, at(2)), None, "no other read begins meanwhile");
    assert_eq!(state.read, Some(read));
    state.take_page(&page(7, None), &ONLY_WHOLE, spread(), at(3));
    let read = state.read.as_ref().unwrap();
    assert_eq!((read.phase, read.seen, &read.cursor), (ReadPhase::Comparing, 107, &None));
}

#[test]
fn pages_that_shift_make_a_list_incomplete() {
    let total = |seen, total, next| PageCounts { total: Some(total), ..page(seen, next) };
    let repeats = PageCounts { has_repeats: true, ..page(2, None) };
    for (what, pages) in [
        ("an object on two pages", vec![page(2, Some("b")), repeats]),
        ("a total that changes", vec![total(2, 4, Some("b")), total(2, 3, None)]),
        ("fewer objects than the total", vec![total(2, 4, Some("b")), total(1, 4, None)]),
        ("more objects than the total", vec![total(2, 3, Some("b")), total(2, 3, None)]),
    ] {
        let mut state = begun(&BOTH, at(0));
        let ended = pages.iter().find_map(|page| state.take_page(page, &BOTH, spread(), at(1)));
        assert_eq!(ended.map(|ended| ended.outcome), Some(ReadOutcome::Shifted), "{what}");
        assert_eq!(state.changes_since, None, "{what}: what was passed over would never be read");
        assert_eq!(state.complete_at, None, "{what}");
    }
    let mut state = begun(&BOTH, at(0));
    state.take_page(&total(2, 4, Some("b")), &BOTH, spread(), at(1));
    state.take_page(&PageCounts { total: None, ..page(2, None) }, &BOTH, spread(), at(1));
    assert_eq!(state.read.unwrap().phase, ReadPhase::Comparing, "a page without a total says nothing");
}

#[test]
fn changes_that_always_shift_are_left_to_the_next_whole_read() {
    let mut state = CollectionState::default();
    read(&mut state, &BOTH, &page(1, None), at(0));
    let shifted = PageCounts { has_repeats: true, ..page(2, None) };
    let since = |minutes| {
        assert_eq!(read(&mut state, &BOTH, &shifted, at(minutes)), ReadOutcome::Shifted);
        state.changes_since
    };
    assert_eq!([20, 40, 60].map(since), [Some(at(0)), Some(at(0)), Some(at(60))]);
}

#[test]
fn a_requested_read_takes_the_place_of_the_scheduled_one() {
    let mut state = begun(&BOTH, at(0));
    state.take_page(&page(2, Some("b")), &BOTH, spread(), at(1));
    let request = ReadRequest { requested: Requested::Whole, accepts_missing: true };
    let superseded = state.begin_requested(&request, &BOTH, at(2)).unwrap();
    assert_eq!((superseded.outcome, superseded.read.number), (ReadOutcome::Superseded, 1));
    let read = state.read.as_ref().unwrap();
    assert_eq!((read.number, read.pages, read.reports_all, read.accepts_missing), (2, 0, true, true));
}

#[test]
fn a_backfill_reads_its_range_and_moves_no_time() {
    let mut state = CollectionState::default();
    read(&mut state, &ONLY_CHANGES, &page(1, None), at(500));
    let before = state.changes_since;
    let requested = Requested::Between { since: at(0), until: at(100) };
    let request = ReadRequest { requested, accepts_missing: false };
    state.begin_requested(&request, &ONLY_CHANGES, at(600));
    assert_eq!(range(&state), ReadRange::Changed { since: at(0), until: Some(at(100)) });
    state.take_page(&page(1, None), &ONLY_CHANGES, spread(), at(601));
    assert_eq!((state.changes_since, state.read.as_ref()), (before, None));
    assert_eq!(state.complete_at, Some(at(500)), "the collection isn't younger for it");
    assert!(request.suits(&BOTH) && !request.suits(&ONLY_WHOLE));
}

#[test]
fn a_read_that_never_ends_gives_way_after_a_day() {
    let mut state = begun(&ONLY_WHOLE, at(0));
    assert_eq!(state.begin(&ONLY_WHOLE, at(24 * 60)), None);
    let superseded = state.begin(&ONLY_WHOLE, at(24 * 60 + 1)).unwrap();
    assert_eq!((superseded.outcome, state.reads), (ReadOutcome::Superseded, 2));
}

#[test]
fn an_outage_is_waited_out_with_growing_pauses_and_then_given_up() {
    let mut state = begun(&BOTH, at(0));
    let mut pauses = Vec::new();
    let ended = loop {
        let ended = state.fail(&PageFailure::Outage, "status 503", (&BOTH, spread()), at(0));
        if ended.is_some() {
            break ended;
        }
        pauses.push(state.due_at.micros_since(at(0)));
    };
    assert_eq!(ended.unwrap().outcome, ReadOutcome::GivenUp);
    assert_eq!(pauses.len(), PAGE_ATTEMPTS_MAX as usize - 1);
    assert!(pauses[0] >= 5_000_000 && pauses.windows(2).all(|two| two[0] < two[1]), "{pauses:?}");
    assert_eq!((state.changes_since, state.failure.as_deref()), (None, Some("status 503")));
    let first = state.due_at;
    state.begin(&BOTH, at(0));
    state.fail(&PageFailure::Refused, "no such list", (&BOTH, spread()), at(0));
    assert!(state.due_at > first, "each further one waits longer");
    read(&mut state, &BOTH, &page(1, None), at(0));
    assert_eq!((state.given_up, state.failure), (0, None));
}

#[test]
fn limits_of_calls_and_outages_of_our_own_never_end_a_read() {
    let mut state = begun(&BOTH, at(0));
    let after = Some(HOUR);
    state.fail(&PageFailure::RateLimited { after }, "429", (&BOTH, spread()), at(0));
    assert_eq!(state.due_at, at(60), "not before the platform allows it");
    for _ in 0..100 {
        let limited = PageFailure::RateLimited { after: None };
        assert_eq!(state.fail(&limited, "429", (&BOTH, spread()), at(0)), None);
        assert_eq!(state.fail(&PageFailure::OwnOutage, "full", (&BOTH, spread()), at(0)), None);
    }
    assert!(state.read.is_some() && state.due_at > at(0) && state.due_at < at(30));
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let mut state = begun(&BOTH, at(0));
    for _ in 1..PAGES_MAX {
        assert_eq!(state.take_page(&page(1, Some("again")), &BOTH, spread(), at(0)), None);
    }
    let ended = state.take_page(&page(1, Some("again")), &BOTH, spread(), at(0)).unwrap();
    assert_eq!((ended.outcome, state.read), (ReadOutcome::GivenUp, None));
}

#[test]
fn one_of_seven_whole_reads_reports_objects_that_have_not_changed() {
    let mut state = CollectionState::default();
    let reports: Vec<bool> = (0..15)
        .map(|number| {
            state.begin(&ONLY_WHOLE, at(number));
            let all = state.read.as_ref().unwrap().reports_all;
            read(&mut state, &ONLY_WHOLE, &page(1, None), at(number));
            all
        })
        .collect();
    let all: Vec<usize> = (0..15).filter(|number| reports[*number]).collect();
    assert_eq!(all, [0, 7, 14]);
}

#[test]
fn missing_objects_count_only_up_to_a_share_of_the_list() {
    let verdict = |known, missing, missing_again| {
        missing_verdict(MissingCounts { known, missing, missing_again }, false)
    };
    for (counts, gone) in
        [((0, 0, 0), 0), ((100, 0, 0), 0), ((5, 3, 0), 0), ((5, 3, 2), 2), ((1000, 100, 100), 100)]
    {
        assert_eq!(verdict(counts.0, counts.1, counts.2), MissingVerdict::Counted { gone }, "{counts:?}");
    }
    for (counts, limit) in
        [((1000, 101, 101), 100), ((20, 4, 4), 3), ((3, 3, 3), 2), ((1, 1, 1), 0), ((1000, 1000, 0), 100)]
    {
        assert_eq!(verdict(counts.0, counts.1, counts.2), MissingVerdict::TooMany { limit }, "{counts:?}");
    }
    let all = MissingCounts { known: 1000, missing: 1000, missing_again: 0 };
    assert_eq!(missing_verdict(all, true), MissingVerdict::Counted { gone: 1000 });
}

#[test]
fn a_state_survives_its_storage() {
    let mut state = begun(&BOTH, at(0));
    state.take_page(&page(2, Some("b")), &BOTH, spread(), at(1));
    state.begin_requested(&ReadRequest { requested: Requested::Due, accepts_missing: false }, &BOTH, at(2));
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<CollectionState>(&text).unwrap(), state);
    assert_eq!(serde_json::from_str::<CollectionState>("{}").unwrap(), CollectionState::default());
}

/// Anything that happens to a collection.
#[derive(Debug, Clone)]
enum Happens {
    Due,
    Requested(Requested),
    Page(PageCounts),
    Compared(MissingCounts),
    Failed(PageFailure),
}

fn happens() -> impl Strategy<Value = Happens> {
    let counts = (0_u64..50, 0_u64..50, 0_u64..50);
    let next = prop_oneof![Just(None), Just(Some(("x".to_owned(), Duration::ZERO)))];
    let page = (0_u64..20, any::<bool>(), proptest::option::of(0_u64..40), next).prop_map(
        |(seen, has_repeats, total, next)| PageCounts { seen, reported: seen, has_repeats, total, next },
    );
    prop_oneof![
        2 => Just(Happens::Due),
        1 => prop_oneof![Just(Requested::Due), Just(Requested::Whole),
            Just(Requested::Between { since: at(0), until: at(9) })].prop_map(Happens::Requested),
        6 => page.prop_map(Happens::Page),
        3 => counts.prop_map(|(a, b, c)| {
            let (known, missing) = (a + b + c, b + c);
            Happens::Compared(MissingCounts { known, missing, missing_again: c })
        }),
        3 => prop_oneof![Just(PageFailure::Outage), Just(PageFailure::OwnOutage), Just(PageFailure::Refused),
            Just(PageFailure::RateLimited { after: None })].prop_map(Happens::Failed),
    ]
}

proptest! {
    #[test]
    fn changes_are_passed_over_only_by_reads_that_saw_them(
        history in proptest::collection::vec(happens(), 1..60),
        plan in prop_oneof![Just(BOTH), Just(ONLY_WHOLE), Just(ONLY_CHANGES)],
    ) {
        let (mut state, mut minutes) = (CollectionState::default(), 0);
        for happening in history {
            minutes += 1;
            let (now, before) = (at(minutes), state.clone());
            let phase = state.read.as_ref().map(|read| read.phase);
            let ended = match happening {
                Happens::Due => state.begin(&plan, now),
                Happens::Requested(requested) => {
                    state.begin_requested(&ReadRequest { requested, accepts_missing: false }, &plan, now)
                }
                Happens::Page(page) if phase == Some(ReadPhase::Listing) => {
                    state.take_page(&page, &plan, spread(), now)
                }
                Happens::Compared(counts) if phase == Some(ReadPhase::Comparing) => {
                    let verdict = missing_verdict(counts, false);
                    state.compare(counts, verdict, &plan, spread(), now)
                }
                Happens::Compared(_) if phase == Some(ReadPhase::Retiring) => state.finish(&plan, spread(), now),
                Happens::Failed(failure) if phase.is_some() => {
                    state.fail(&failure, "no", (&plan, spread()), now)
                }
                Happens::Page(_) | Happens::Compared(_) | Happens::Failed(_) => None,
            };
            prop_assert!(state.changes_since >= before.changes_since);
            if state.changes_since != before.changes_since {
                let ended = ended.clone().unwrap();
                prop_assert!(matches!(ended.outcome, ReadOutcome::Complete | ReadOutcome::Shifted));
                prop_assert_eq!(state.changes_since, Some(ended.read.began_at));
            }
            if let Some(ReadPhase::Comparing | ReadPhase::Retiring) = state.read.as_ref().map(|read| read.phase) {
                let read = state.read.as_ref().unwrap();
                prop_assert!(read.range == ReadRange::Whole && !read.is_shifted, "absence was read from {:?}", read);
            }
            prop_assert!(state.reads >= before.reads && state.due_at >= before.due_at.min(now));
        }
    }

    #[test]
    fn no_list_retires_more_than_a_tenth_or_three(known in 1_u64..5000, missing in 0_u64..5000, again in 0_u64..5000) {
        let missing = missing.min(known);
        let counts = MissingCounts { known, missing, missing_again: again.min(missing) };
        if let MissingVerdict::Counted { gone } = missing_verdict(counts, false) {
            prop_assert!(gone <= (known / 10).max(3) && gone < known);
        }
    }
}

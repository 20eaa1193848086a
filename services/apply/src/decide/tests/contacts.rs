//! First contacts: every combination of the store's level, other mirrors that count the item, the reported number and
//! the rule.

use super::{record::Record, *};
use model::Gate;

/// The result of a first number of `b`: `count` moves the store to it, `agree` changes neither, `store` makes the
/// store's level due at the platform, `ask` opens a conflict, `wait` leaves the platform unchanged until it reports
/// another number.
const TABLE: &str = "
store      others count it  reports  ask      store    platform
no level   no               0        count 0  count 0  count 0
no level   no               3        count 3  count 3  count 3
zeros      no               0        agree    agree    agree
zeros      no               3        count 3  count 3  count 3
equal      no               0        agree    agree    agree
equal      no               3        agree    agree    agree
equal      yes              0        agree    agree    agree
equal      yes              3        agree    agree    agree
different  no               0        ask      store    wait
different  no               3        count 3  count 3  count 3
different  yes              0        ask      store    wait
different  yes              3        ask      store    count 3
";

/// Earlier reports of `a`.
fn before(store: &str, is_witnessed: bool, reports: i32) -> Vec<Option<i32>> {
    let mut reported = match (store, reports) {
        ("no level", _) => vec![],
        ("zeros", _) => vec![Some(0)],
        ("equal", 0) => vec![Some(5), Some(0)],
        ("equal", number) => vec![Some(number)],
        ("different", _) => vec![Some(5)],
        _ => panic!("{store}"),
    };
    let is_counted = !matches!(store, "no level" | "zeros");
    reported.extend((is_counted && !is_witnessed).then_some(None));
    reported
}

fn comes_to(store: &str, is_witnessed: bool, reports: i32, rule: BaselineRule) -> String {
    let mut record = Record::of(with_rule(linked(), rule));
    for (number, available) in (10..).zip(before(store, is_witnessed, reports)) {
        record.commit(vec![counted("a", number, available)]);
    }
    let level = record.level(&location());
    record.commit(vec![counted("b", 20, Some(reports))]);
    let mirror = &record.tables.mirrors.levels[&key("b")];
    let now = record.level(&location());
    let is_open = record
        .conflicts
        .iter()
        .any(|it| it.kind == ConflictKind::FirstContact && it.connection == connection("b"));
    assert_eq!(is_open, mirror.gate == Gate::Asked, "a conflict is open while nobody said which one stands");
    match mirror.gate {
        Gate::Asked => "ask".to_owned(),
        Gate::Unproven => "wait".to_owned(),
        Gate::Stopped => panic!("nothing was written"),
        Gate::Open if now != level => format!("count {}", now.unwrap()),
        Gate::Open if now == Some(Quantity::pieces(reports)) => "agree".to_owned(),
        Gate::Open => "store".to_owned(),
    }
}

/// A level of the item as `from` reports it.
pub(super) fn counted(from: &str, number: u64, available: Option<i32>) -> Event {
    let payload = Payload::Inventory(InventoryReport {
        item: external("item"),
        location: Some(external("L")),
        available: available.map(Quantity::pieces),
    });
    event(from, number, Some(i64::try_from(number).unwrap()), payload)
}

#[test]
fn every_first_contact_comes_to_what_the_table_says() {
    for line in TABLE.trim().lines().skip(1) {
        let words: Vec<&str> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        let [store, others, reports, ask, stands, follows] = words[..] else { panic!("{line}") };
        let (is_witnessed, reports) = (others == "yes", reports.parse().unwrap());
        let found = [BaselineRule::Ask, BaselineRule::Store, BaselineRule::Platform]
            .map(|rule| comes_to(store, is_witnessed, reports, rule));
        assert_eq!(found, [ask, stands, follows], "{line}");
    }
}

#[test]
fn after_null_the_next_number_is_a_first_contact_and_no_movement() {
    let mut record = Record::of(linked());
    let reports = [("a", Some(10)), ("b", Some(10)), ("a", None), ("a", Some(0))];
    for (number, (from, available)) in (10..).zip(reports) {
        record.commit(vec![counted(from, number, available)]);
    }
    assert_eq!(record.level(&location()), Some(Quantity::pieces(10)), "b still counts ten");
    let mirror = &record.tables.mirrors.levels[&key("a")];
    assert_eq!(mirror.baseline.known(), Some(&Quantity::ZERO));
}

#[test]
fn stocking_that_ended_and_began_moves_nothing_in_whichever_order_the_two_reports_come() {
    for is_swapped in [false, true] {
        let mut record = Record::of(with_rule(linked(), BaselineRule::Ask));
        record.commit(vec![counted("a", 10, Some(10))]);
        record.commit(vec![counted("b", 11, Some(10))]);
        let ended = counted("a", 20, None);
        let began = Event { action: Action::Created, ..counted("a", 21, Some(0)) };
        for event in if is_swapped { [began, ended] } else { [ended, began] } {
            record.commit(vec![event]);
        }
        assert_eq!(record.level(&location()), Some(Quantity::pieces(10)), "swapped: {is_swapped}");
        let mirror = &record.tables.mirrors.levels[&key("a")];
        assert_eq!(
            (mirror.baseline.known(), mirror.gate),
            (Some(&Quantity::ZERO), Gate::Asked),
            "swapped: {is_swapped}"
        );
    }
}

#[test]
fn a_zero_that_nothing_stands_behind_yields_to_the_first_number_and_is_asked_about() {
    for (rule, gate) in [
        (BaselineRule::Ask, Gate::Asked),
        (BaselineRule::Store, Gate::Open),
        (BaselineRule::Platform, Gate::Unproven),
    ] {
        let mut record = Record::of(with_rule(linked(), rule));
        record.commit(vec![counted("a", 10, Some(0))]);
        record.commit(vec![counted("b", 11, Some(7))]);
        assert_eq!(record.level(&location()), Some(Quantity::pieces(7)), "{rule:?}");
        assert_eq!(record.tables.mirrors.levels[&key("a")].gate, gate, "{rule:?}");
        record.assert_balanced();
    }
}

#[test]
fn an_answer_to_a_first_contact_ends_its_conflict_and_the_rule_answers_all_that_wait() {
    let adopt = |side| model::Instruction::Adopt { item: external("item"), location: location(), side };
    let responses = [
        (adopt(model::Side::Store), 10),
        (adopt(model::Side::Platform), 4),
        (model::Instruction::Baseline(BaselineRule::Store), 10),
        (model::Instruction::Baseline(BaselineRule::Platform), 4),
    ];
    for (instruction, left) in responses {
        let mut record = Record::of(with_rule(linked(), BaselineRule::Ask));
        record.commit(vec![counted("a", 10, Some(10))]);
        record.commit(vec![counted("b", 11, Some(4))]);
        assert_eq!(record.conflicts.len(), 1);
        let payload = Payload::Instruction { external: external("b"), instruction: instruction.clone() };
        record.commit(vec![event("b", 12, None, payload)]);
        assert_eq!(record.level(&location()), Some(Quantity::pieces(left)), "{instruction:?}");
        assert_eq!(record.conflicts, [], "{instruction:?}");
        assert_eq!(record.tables.mirrors.levels[&key("b")].gate, Gate::Open);
        record.assert_balanced();
    }
}

#[test]
fn a_persons_count_asks_again_about_an_unproven_zero_of_another_connection_however_batches_fall() {
    let adopt = |from, number, side| {
        let instruction = model::Instruction::Adopt { item: external("item"), location: location(), side };
        event(from, number, None, Payload::Instruction { external: external(from), instruction })
    };
    let events = [
        counted("a", 10, Some(10)),
        counted("b", 11, Some(0)),
        adopt("b", 12, model::Side::Store),
        adopt("a", 13, model::Side::Platform),
    ];
    let committed = |batches: &[&[Event]]| {
        let mut record = Record::of(with_rule(linked(), BaselineRule::Ask));
        for batch in batches {
            record.commit(batch.to_vec());
        }
        let open: Vec<_> = record.conflicts.iter().map(|it| (it.kind, it.connection.clone())).collect();
        (open, record.tables.mirrors.levels[&key("b")].gate, record.level(&location()))
    };
    let together = committed(&[&events]);
    let asked = vec![(ConflictKind::FirstContact, connection("b"))];
    assert_eq!(together, (asked, Gate::Asked, Some(Quantity::pieces(10))));
    let one_by_one: Vec<&[Event]> = events.chunks(1).collect();
    assert_eq!(committed(&one_by_one), together);
}

/// The instruction `instruction` about `b`.
pub(super) fn instructed(number: u64, instruction: model::Instruction) -> Event {
    event("b", number, None, Payload::Instruction { external: external("b"), instruction })
}

#[test]
fn no_rule_takes_a_zero_that_nothing_stands_behind_and_a_persons_word_does() {
    let rule = model::Instruction::Baseline;
    let adopt = model::Instruction::Adopt {
        item: external("item"),
        location: location(),
        side: model::Side::Platform,
    };
    let asked = || {
        let mut record = Record::of(with_rule(linked(), BaselineRule::Ask));
        record.commit(vec![counted("a", 10, Some(10))]);
        record.commit(vec![counted("b", 11, Some(0))]);
        assert_eq!(record.conflicts.len(), 1);
        record
    };
    let comes_to = |record: &Record| {
        let gate = record.tables.mirrors.levels[&key("b")].gate;
        (record.level(&location()).unwrap(), gate, record.conflicts.len())
    };
    let mut record = asked();
    record.commit(vec![instructed(12, adopt.clone())]);
    assert_eq!(comes_to(&record), (Quantity::ZERO, Gate::Open, 0), "a person's word");

    let mut record = asked();
    for number in [12, 13] {
        record.commit(vec![instructed(number, rule(BaselineRule::Platform))]);
        assert_eq!(comes_to(&record), (Quantity::pieces(10), Gate::Unproven, 0), "said {}", number - 11);
    }
    let mut counts = record.clone();
    counts.commit(vec![counted("b", 14, Some(4))]);
    assert_eq!(comes_to(&counts), (Quantity::pieces(4), Gate::Open, 0), "another number comes first");
    let mut reported = record.clone();
    reported.commit(vec![instructed(14, adopt)]);
    assert_eq!(comes_to(&reported), (Quantity::ZERO, Gate::Open, 0), "or a person's word");

    record.commit(vec![instructed(14, rule(BaselineRule::Ask))]);
    assert_eq!(comes_to(&record), (Quantity::pieces(10), Gate::Asked, 1), "it is asked about again");
    record.commit(vec![instructed(15, rule(BaselineRule::Store))]);
    assert_eq!(comes_to(&record), (Quantity::pieces(10), Gate::Open, 0));
    for record in [&record, &counts, &reported] {
        record.assert_balanced();
    }
}

#[test]
fn the_text_of_a_product_whose_variants_were_linked_by_hand_is_due_there_once_it_is_reported() {
    let mut other = shirt("Chemise", 1000);
    other.variants[0].sku = Patch::Set("OTHER".to_owned());
    let other = |number| event("b", number, Some(1), Payload::Product(other.clone()));
    let first = vec![event("a", 1, Some(1), Payload::Product(shirt("Shirt", 1000))), other(2)];
    let facts = facts_after(with_rule(Facts::default(), BaselineRule::Store), first);
    let variant = VariantId::derive(&connection("a"), &external("variant"));
    let instruction = model::Instruction::Link { variant: external("variant"), to: variant };
    let linked = Payload::Instruction { external: external("b"), instruction };
    let facts = facts_after(facts, vec![event("b", 3, None, linked)]);
    let product = model::ProductId::derive(&connection("a"), &external("product"));
    let (_, folded) = fold(facts, vec![other(4)]);
    let effects = folded.changes.applied.iter().flat_map(|(_, applied)| &applied.effects);
    assert!(effects.clone().any(|effect| *effect == Effect::Text { product: product.clone() }));
    let link = folded.changes.links.products.get(&(connection("b"), external("product")));
    assert_eq!(link, Some(&Some(product)));
}

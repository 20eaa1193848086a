//! Conflicts that end by themselves once their cause is gone.

use super::{contacts::counted, record::Record, *};

fn kinds(record: &Record) -> Vec<ConflictKind> {
    record.conflicts.iter().map(|conflict| conflict.kind).collect()
}

/// A conflict of `b`.
fn open(kind: ConflictKind, subject: String) -> Conflict {
    let Origin { tenant, store, connection, .. } = counted("b", 9, None).origin;
    Conflict { tenant, store, connection, event: None, kind, subject, detail: String::new() }
}

/// Both connections and the store have one.
fn one_left() -> Record {
    let mut record = Record::of(with_rule(linked(), BaselineRule::Store));
    record.commit(vec![counted("a", 10, Some(1))]);
    record.commit(vec![counted("b", 11, Some(1))]);
    record
}

#[test]
fn oversell_is_an_open_conflict_until_there_is_enough_again_whoever_restocks() {
    for restocking in ["a", "b"] {
        let mut record = one_left();
        record.commit(vec![counted("a", 12, Some(0))]);
        record.commit(vec![counted("b", 13, Some(0))]);
        assert_eq!(record.level(&location()), Some(Quantity::pieces(-1)));
        assert_eq!(kinds(&record), [ConflictKind::Oversold]);
        let mut more = record.clone();
        more.commit(vec![counted("a", 14, Some(-1)), counted("b", 15, Some(-1))]);
        more.commit(vec![counted("a", 16, Some(1)), counted("b", 17, Some(1))]);
        assert_eq!(kinds(&more), [], "however many sold");
        record.commit(vec![counted(restocking, 14, Some(1))]);
        assert_eq!(record.level(&location()), Some(Quantity::ZERO));
        assert_eq!(kinds(&record), [], "{restocking} restocks");
        record.assert_balanced();
    }
}

#[test]
fn a_refused_value_is_an_open_conflict_until_its_platform_reports_another_number() {
    for (reported, left) in [(1, 1), (7, 0)] {
        let mut record = one_left();
        record.commit(vec![counted("a", 12, Some(5))]);
        let subject = key("b").subject();
        let write = model::Write {
            value: Quantity::pieces(5),
            from: Quantity::pieces(1),
            key: "write".to_owned(),
            begun_at: Timestamp::default(),
            attempts: 1,
            trace: None,
            batched: false,
        };
        if let Some(mirror) = record.tables.mirrors.levels.get_mut(&key("b")) {
            (mirror.desired, mirror.phase) = (Some(write.value), Phase::Refused { write });
        }
        record.conflicts.push(open(ConflictKind::WriteRefused, subject));
        record.commit(vec![counted("b", 13, Some(reported))]);
        assert_eq!(record.conflicts.len(), left, "{reported} is reported");
    }
}

#[test]
fn a_count_that_decides_a_first_contact_ends_oversell() {
    let mut record = one_left();
    record.commit(vec![counted("a", 12, Some(0)), counted("b", 13, Some(0))]);
    assert_eq!(kinds(&record), [ConflictKind::Oversold]);
    record.commit(vec![counted("a", 14, None), counted("b", 15, None)]);
    assert_eq!(kinds(&record), [ConflictKind::Oversold], "null is no count");
    record.commit(vec![counted("a", 16, Some(3))]);
    assert_eq!((record.level(&location()), kinds(&record)), (Some(Quantity::pieces(3)), vec![]));
    record.assert_balanced();
}

#[test]
fn writes_that_stopped_start_again_by_an_instruction_that_ends_their_conflict() {
    let mut record = one_left();
    let stopped = record.tables.mirrors.levels.get_mut(&key("b")).unwrap();
    (stopped.gate, stopped.desired) = (model::Gate::Stopped, Some(Quantity::pieces(5)));
    stopped.schedule.rounds = model::ROUNDS_MAX + model::RESTARTS_MAX + 1;
    record.conflicts.push(open(ConflictKind::Flapping, key("b").subject()));
    record.commit(vec![counted("b", 12, Some(1))]);
    assert_eq!(kinds(&record), [ConflictKind::Flapping], "a report starts nothing");
    let start =
        model::Instruction::Adopt { item: external("item"), location: location(), side: model::Side::Store };
    for number in [13, 14] {
        record.commit(vec![super::contacts::instructed(number, start.clone())]);
        assert_eq!(kinds(&record), []);
        let mirror = mirror(&record.tables, "b");
        assert_eq!(mirror.attention(), Some(model::Attention::Write), "what differs is due");
    }
    assert_eq!(record.level(&location()), Some(Quantity::pieces(1)), "the store's level stands");
}

#[test]
fn a_reading_that_comes_ends_the_conflict_about_those_that_did_not() {
    let mut record = one_left();
    let unread = record.tables.mirrors.levels.get_mut(&key("b")).unwrap();
    unread.phase = Phase::Reading { after: None, attempts: model::READINGS_MAX + 1 };
    record.conflicts.push(open(ConflictKind::Unreadable, key("b").subject()));
    record.commit(vec![counted("a", 12, Some(1))]);
    assert_eq!(kinds(&record), [ConflictKind::Unreadable], "another platform says nothing of it");
    record.commit(vec![Event { is_read_back: true, ..counted("b", 13, Some(1)) }]);
    assert_eq!(kinds(&record), []);
}

#[test]
fn a_clock_that_leads_is_a_conflict_until_the_connection_reports_a_plausible_time() {
    let leads = |number| {
        let event = counted("b", number, Some(1));
        Event { occurred_at: Some(event.received_at.after(Duration::from_hours(1))), ..event }
    };
    let mut record = one_left();
    record.commit(vec![leads(12), leads(13)]);
    let of_kind = |record: &Record| kinds(record).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(of_kind(&record), [ConflictKind::ClockSkew].into());
    record.commit(vec![counted("a", 14, Some(1))]);
    record.commit(vec![Event { occurred_at: None, ..counted("b", 15, Some(1)) }]);
    record.commit(vec![Event { is_read_back: true, ..counted("b", 16, Some(1)) }]);
    assert_eq!(of_kind(&record), [ConflictKind::ClockSkew].into(), "none of these is a time of its clock");
    record.commit(vec![counted("b", 17, Some(1)), leads(18)]);
    assert_eq!(of_kind(&record), [ConflictKind::ClockSkew].into(), "it leads again");
    record.commit(vec![leads(19), counted("b", 20, Some(1))]);
    assert_eq!(of_kind(&record), [].into());
}

/// The shirt as `b` has it, with these prices.
fn priced(number: u64, price: Patch<Money>, compare_at_price: Patch<Money>) -> Event {
    let mut product = shirt("Shirt", 1000);
    let variant = Variant { price, compare_at_price, ..product.variants[0].clone() };
    product.variants = vec![variant];
    event("b", number, Some(i64::try_from(number).unwrap()), Payload::Product(product))
}

#[test]
fn a_currency_of_another_kind_is_a_conflict_until_no_amount_is_in_it() {
    let euros = |minor| Patch::Set(Money { minor, currency: Currency::new("EUR").unwrap() });
    let dollars = |minor| Patch::Set(dollars(minor));
    let mut facts = with_rule(linked(), BaselineRule::Store);
    for found in facts.connections.values_mut() {
        found.currency = Some(Currency::new("USD").unwrap());
    }
    let mut record = Record::of(facts);
    let mismatch = |record: &Record| kinds(record).contains(&ConflictKind::CurrencyMismatch);
    let reports = [
        (dollars(900), euros(1_200), true, "the price before counts as well"),
        (Patch::Keep, Patch::Keep, true, "nothing is said of prices"),
        (euros(900), dollars(1_200), true, "the price"),
        (dollars(900), dollars(1_200), false, "both are the store's"),
        (euros(900), Patch::Keep, true, "the price alone"),
        (Patch::Clear, Patch::Keep, false, "there is no price"),
    ];
    record.commit(vec![priced(27, dollars(900), euros(1_200))]);
    record.commit(vec![Event { is_read_back: true, ..priced(28, dollars(900), Patch::Keep) }]);
    assert!(mismatch(&record), "a reading may name one amount of two");
    for (number, (price, compare_at_price, is_open, why)) in (30..).zip(reports) {
        record.commit(vec![priced(number, price, compare_at_price)]);
        assert_eq!(mismatch(&record), is_open, "{why}");
    }
    let variant = record.tables.variants.values().next().unwrap();
    let currencies =
        variant.compare_at_price.iter().filter_map(|price| price.value).map(|price| price.currency);
    assert!(currencies.into_iter().all(|currency| currency == Currency::new("USD").unwrap()));
    record.commit(vec![priced(40, euros(900), Patch::Keep)]);
    record.commit(vec![deleted("b", 41, "product")]);
    assert!(!mismatch(&record), "what is gone has no price");
}

fn deleted(from: &str, number: u64, product: &str) -> Event {
    let payload = Payload::Deleted { entity: model::EntityKind::Product, external: external(product) };
    event(from, number, Some(i64::try_from(number).unwrap()), payload)
}

/// The shirt of `from` with that number, as one more product of its own if it is a twin.
fn numbered(from: &str, number: u64, sku: &str, is_twin: bool) -> Event {
    let mut product = shirt("Shirt", 1000);
    let mut variant = Variant { sku: Patch::Set(sku.to_owned()), ..product.variants[0].clone() };
    if is_twin {
        (variant.external, variant.item) = (external("twin-variant"), Some(external("twin-item")));
        product.external = external("twin");
    }
    product.variants = vec![variant];
    event(from, number, Some(i64::try_from(number).unwrap()), Payload::Product(product))
}

#[test]
fn a_number_of_several_variants_is_a_conflict_until_it_is_one_of_its_own() {
    let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
    record.commit(vec![numbered("a", 1, "SKU-1", false), numbered("a", 2, "SKU-1", true)]);
    record.commit(vec![numbered("b", 3, "SKU-1", false)]);
    assert_eq!(kinds(&record), [ConflictKind::SkuAmbiguous]);
    record.commit(vec![numbered("b", 4, "SKU-1", false)]);
    assert_eq!(kinds(&record), [ConflictKind::SkuAmbiguous], "nothing has changed");
    let mut silent = record.clone();
    let mut product = shirt("Shirt", 1000);
    product.variants[0].sku = Patch::Keep;
    silent.commit(vec![event("b", 5, Some(5), Payload::Product(product))]);
    assert_eq!(kinds(&silent), [ConflictKind::SkuAmbiguous], "nothing is said of numbers");

    let mut another = record.clone();
    another.commit(vec![numbered("b", 5, "SKU-2", false)]);
    assert_eq!(kinds(&another), [], "it has another number");

    let mut gone = record.clone();
    gone.commit(vec![deleted("b", 5, "product")]);
    assert_eq!(kinds(&gone), [], "it is gone");

    record.commit(vec![deleted("a", 5, "product"), numbered("b", 6, "SKU-1", false)]);
    assert_eq!(kinds(&record), [ConflictKind::SkuAmbiguous], "one other is left");
    record.commit(vec![deleted("a", 7, "twin"), numbered("b", 8, "SKU-1", false)]);
    assert_eq!(kinds(&record), [], "no other platform has one");
}

#[test]
fn what_is_reported_in_the_second_of_an_implausible_time_is_read_and_not_stale() {
    let mut record = one_left();
    let far_ahead = Some(SourceVersion::coarse(i64::MAX));
    record.commit(vec![Event { version: far_ahead, ..counted("b", 12, Some(1)) }]);
    let same_second = Some(SourceVersion::coarse(received(13).as_micros() / 1_000_000 * 1_000_000));
    let sold = Event { version: same_second, ..counted("b", 13, Some(0)) };
    assert_eq!(record.commit(vec![sold]), [Some(Outcome::Unchanged)]);
    assert_eq!(mirror(&record.tables, "b").attention(), Some(model::Attention::Read));
}

#[test]
fn a_price_in_another_currency_is_a_conflict_and_nothing_is_due_or_read_there() {
    let euros = || {
        let mut shirt = shirt("Shirt", 900);
        shirt.variants[0].price = Patch::Set(Money { minor: 900, currency: Currency::new("EUR").unwrap() });
        Payload::Product(shirt)
    };
    for is_read in [false, true] {
        let mut facts = linked();
        for from in ["a", "b"] {
            facts.connections.entry(connection(from)).or_default().currency = Currency::new("USD").ok();
        }
        let known = facts.mirrors.prices.get_mut(&price_key("b")).unwrap();
        if is_read {
            known.baseline = model::Baseline::Unheard;
        }
        known.set_desired(dollars(1100), received(0), None);
        assert!(known.attention().is_some());
        known.read(received(0));
        let report = Event { is_read_back: is_read, ..event("b", 20, Some(2), euros()) };
        let (_, folded) = fold(facts, vec![report]);
        let kinds: Vec<_> = folded.changes.conflicts.iter().map(|conflict| conflict.kind).collect();
        assert_eq!(kinds, [ConflictKind::CurrencyMismatch]);
        let mirror = &folded.changes.mirrors.prices[&price_key("b")];
        assert_eq!((&mirror.baseline, mirror.attention()), (&model::Baseline::Absent, None));
        assert!(folded.changes.variants.is_empty(), "the store's price is left alone");
    }
}

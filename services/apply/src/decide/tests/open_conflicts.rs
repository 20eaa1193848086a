//! Conflicts that end by themselves once what they are about is no longer so.

use super::{contacts::counted, record::Record, *};

fn kinds(record: &Record) -> Vec<ConflictKind> {
    record.conflicts.iter().map(|conflict| conflict.kind).collect()
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
        assert_eq!(record.level(&place()), Some(Quantity::pieces(-1)));
        assert_eq!(kinds(&record), [ConflictKind::Oversold]);
        record.commit(vec![counted(restocking, 14, Some(1))]);
        assert_eq!(record.level(&place()), Some(Quantity::ZERO));
        assert_eq!(kinds(&record), [], "{restocking} restocks");
        record.assert_balanced();
    }
}

#[test]
fn a_refused_value_is_an_open_conflict_until_its_platform_reports_another_number() {
    for (reported, open) in [(1, 1), (7, 0)] {
        let mut record = one_left();
        let subject = key("b").subject();
        let write = model::Write {
            value: Quantity::pieces(5),
            from: Quantity::pieces(1),
            key: "write".to_owned(),
            begun_at: Timestamp::default(),
            attempts: 1,
            trace: None,
        };
        if let Some(mirror) = record.tables.mirrors.levels.get_mut(&key("b")) {
            mirror.phase = Phase::Refused { write };
        }
        let refused = counted("b", 9, None);
        record.conflicts.push(Conflict {
            tenant: refused.origin.tenant,
            store: refused.origin.store,
            connection: connection("b"),
            event: None,
            kind: ConflictKind::WriteRefused,
            subject,
            detail: String::new(),
        });
        record.commit(vec![counted("b", 12, Some(reported))]);
        assert_eq!(record.conflicts.len(), open, "{reported} is reported");
    }
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
        known.want(dollars(1100), received(0), None);
        assert!(known.attention().is_some());
        known.read(received(0));
        let report = Event { hops: u8::from(is_read), ..event("b", 20, Some(2), euros()) };
        let (_, folded) = fold(facts, vec![report]);
        let kinds: Vec<_> = folded.changes.conflicts.iter().map(|conflict| conflict.kind).collect();
        assert_eq!(kinds, [ConflictKind::CurrencyMismatch]);
        let mirror = &folded.changes.mirrors.prices[&price_key("b")];
        assert_eq!((&mirror.baseline, mirror.attention()), (&model::Baseline::Absent, None));
        assert!(folded.changes.variants.is_empty(), "the store's price is left alone");
    }
}

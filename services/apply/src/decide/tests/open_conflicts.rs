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

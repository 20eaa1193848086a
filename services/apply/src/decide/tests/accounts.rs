//! Duties about accounts, and prices of variants that their platform no longer has.

use super::{record::Record, *};
use model::{AccountNotice, Attention, Duty, EntityKind};

fn customer(from: &str, number: u64, version: i64, of: &str) -> Event {
    let payload = Payload::Customer(Customer {
        email: Patch::Set(format!("{of}@tea.example")),
        ..Customer::bare(external(of))
    });
    event(from, number, Some(version), payload)
}

fn employee(from: &str, number: u64, version: i64, of: &str) -> Event {
    let payload = Payload::Employee(Employee {
        name: Patch::Set(of.to_owned()),
        is_active: Some(true),
        ..Employee::bare(external(of))
    });
    event(from, number, Some(version), payload)
}

fn erase(number: u64) -> Event {
    let notice = AccountNotice { external: external("shop"), duty: Duty::EraseAccount };
    event("a", number, None, Payload::Account(notice))
}

/// Customers whose addresses are known.
fn known(record: &Record) -> BTreeSet<(String, String)> {
    let rows = record.tables.customers.values().filter(|row| row.customer.email != Patch::Keep);
    rows.map(|row| (row.connection.to_string(), row.customer.external.to_string())).collect()
}

#[test]
fn an_accounts_customers_are_erased_and_no_older_report_brings_them_back() {
    for is_one_batch in [false, true] {
        let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
        record.commit(vec![
            customer("a", 1, 1, "ada"),
            customer("a", 2, 2, "bob"),
            customer("b", 3, 3, "eve"),
        ]);
        // The batch has the first, only the record has the second.
        let events = vec![erase(4), customer("a", 5, 1, "ada"), customer("a", 6, 2, "ada")];
        if is_one_batch {
            record.commit(events);
        } else {
            for event in events {
                record.commit(vec![event]);
            }
        }
        let left = BTreeSet::from([("b".to_owned(), "eve".to_owned())]);
        assert_eq!(known(&record), left, "one batch: {is_one_batch}");
        assert_eq!(record.conflicts.len(), 1, "a person confirms it");
        let before = record.tables.customers.clone();
        record.commit(vec![customer("a", 7, 2, "bob")]);
        assert_eq!(record.tables.customers, before, "one batch: {is_one_batch}");

        // Reports received after it are not affected.
        let late = RECEIVED + 100;
        record.commit(vec![customer("a", 100, late, "bob")]);
        assert_eq!(known(&record).len(), 2);
    }
}

#[test]
fn an_accounts_employees_are_erased_and_no_older_report_brings_them_back() {
    let named = |record: &Record| {
        let rows = record.tables.employees.values().filter(|row| row.employee.name != Patch::Keep);
        rows.map(|row| row.employee.external.to_string()).collect::<Vec<_>>()
    };
    for is_one_batch in [false, true] {
        let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
        record.commit(vec![
            employee("a", 1, 1, "ada"),
            employee("a", 2, 2, "bob"),
            employee("b", 3, 3, "eve"),
        ]);
        let events = vec![employee("a", 4, 2, "ada"), erase(5), employee("a", 6, 2, "ada")];
        if is_one_batch {
            record.commit(events);
        } else {
            for event in events {
                record.commit(vec![event]);
            }
        }
        assert_eq!(named(&record), ["eve"], "one batch: {is_one_batch}");
        assert_eq!(record.commit(vec![employee("a", 7, 2, "bob")]), [Some(Outcome::Stale)]);
        record.commit(vec![employee("a", 100, RECEIVED + 100, "bob")]);
        assert_eq!(named(&record).len(), 2, "later reports are not affected");
    }
}

#[test]
fn a_deleted_employee_is_an_id_that_no_older_report_fills() {
    let gone = |number, version| {
        let payload = Payload::Deleted { entity: EntityKind::Employee, external: external("ada") };
        event("a", number, Some(version), payload)
    };
    let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
    let reports = vec![employee("a", 1, 1, "ada"), gone(2, 5), employee("a", 3, 4, "ada"), gone(4, 5)];
    let outcomes = record.commit(reports);
    let expected = [Outcome::Applied, Outcome::Applied, Outcome::Stale, Outcome::Unchanged].map(Some);
    assert_eq!(outcomes, expected);
    let row = record.tables.employees.values().next().unwrap();
    assert_eq!(row.employee, Employee::bare(external("ada")));
    assert!(row.deleted_at.is_some());
    record.commit(vec![employee("a", 5, 6, "ada")]);
    let row = record.tables.employees.values().next().unwrap();
    assert_eq!((&row.employee.name, row.deleted_at), (&Patch::Set("ada".to_owned()), None));

    // One that was never reported is a tombstone too.
    let mut record = Record::of(with_rule(Facts::default(), BaselineRule::Store));
    assert_eq!(
        record.commit(vec![gone(1, 5), employee("a", 2, 4, "ada")]),
        [Outcome::Applied, Outcome::Stale].map(Some)
    );
}

#[test]
fn a_price_of_what_its_platform_no_longer_has_is_read_no_more() {
    type Goes = fn(u64) -> Event;
    let deleted: Goes = |number| {
        let payload = Payload::Deleted { entity: EntityKind::Product, external: external("product") };
        event("b", number, Some(50), payload)
    };
    let unlisted: Goes = |number| {
        let product = Product { variants: Vec::new(), ..shirt("Shirt", 1000) };
        Event { is_read_back: true, ..event("b", number, Some(50), Payload::Product(product)) }
    };
    // Another product of the connection is linked to the same one: which of the two has the variant isn't known.
    let beside: Goes = |number| {
        let product = Product { external: external("beside"), variants: Vec::new(), ..shirt("Shirt", 1000) };
        Event { is_read_back: true, ..event("b", number, Some(50), Payload::Product(product)) }
    };
    for (why, goes, is_beside) in
        [("deleted", deleted, false), ("unlisted", unlisted, false), ("beside", beside, true)]
    {
        let mut facts = linked();
        if is_beside {
            let product = facts.links.products[&(connection("b"), external("product"))].clone();
            facts.links.products.insert((connection("b"), external("beside")), product);
        }
        let mirror = facts.mirrors.prices.get_mut(&price_key("b")).unwrap();
        mirror.phase = Phase::Reading { after: None, attempts: 3 };
        assert_eq!(mirror.attention(), Some(Attention::Read));
        let mut record = Record::of(facts);
        record.commit(vec![goes(10)]);
        let mirror = &record.tables.mirrors.prices[&price_key("b")];
        assert_eq!((&mirror.baseline, mirror.attention()), (&model::Baseline::Absent, None), "{why}");
    }
}

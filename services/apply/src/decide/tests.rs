//! Decisions as tables, and inventory against a model of two platforms that sell while we write.

mod accounts;
mod agreement;
mod batches;
mod contacts;
mod details;
mod edits;
mod late;
mod ledger;
mod listings;
mod locations;
mod matched;
mod open_conflicts;
mod orders;
mod promotions;
mod rebuild;
mod record;
mod stale;

use super::{Fold, Folded, first_keys, row_keys};
use model::{
    Action, BaselineRule, Begun, CallResult, Conflict, ConflictKind, ConnectionId, Currency, Customer,
    DeliveryId, Employee, Event, EventId, ExternalId, FieldKey, FieldMirror, FieldValue, InventoryReport,
    LevelKey, LevelMirror, Link, LinkedRef, LocationId, LocationRef, Meanwhile, Mirror, MirrorKey, Money,
    Order, OrderStatus, Origin, Outcome, Partition, Patch, Payload, Phase, PlatformName, Position, Product,
    ProductText, Quantity, RawDigest, Settled, SourceVersion, StoreId, TenantId, Timestamp, TraceParent,
    Variant, VariantId, VersionNumber,
    record::{Changes, ConnectionFacts, Effect, Facts, Links, RowKeys, WriteLogEntry},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Time for which no other worker repeats a call.
const LEASE: Duration = Duration::from_mins(1);
/// Base of the times of receipt: an event is received its number of microseconds after this, and so later than the
/// times on platforms' clocks.
const RECEIVED: i64 = 1_000_000_000;

const P: Partition = Partition(0);

fn external(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn location() -> LocationId {
    LocationId::new("main").unwrap()
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId::new(name).unwrap()
}

/// Time of receipt of the event with that number.
fn received(number: u64) -> Timestamp {
    Timestamp::from_micros(RECEIVED + i64::try_from(number).unwrap())
}

fn event(from: &str, number: u64, version: Option<i64>, payload: Payload) -> Event {
    let delivery = DeliveryId::from_bytes([0; 16]);
    let mut links = Vec::new();
    if let Payload::Inventory(report) = &payload {
        let at = report.location.clone().unwrap();
        let of = LinkedRef::Location(LocationRef::Named(at));
        links.push(Link { of, internal: "main".to_owned() });
    }
    Event {
        id: EventId::derive(&connection(from), &[&number.to_le_bytes()]),
        correlation: delivery,
        delivery,
        origin: Origin {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new("s").unwrap(),
            connection: connection(from),
            platform: PlatformName::new("shopify").unwrap(),
        },
        action: Action::Updated,
        occurred_at: version.map(Timestamp::from_micros),
        received_at: received(number),
        version: version.map(SourceVersion::coarse),
        payload,
        links,
        raw_digest: RawDigest::of(b""),
        is_read_back: false,
        asked_by: None,
        attempt: 0,
        trace: TraceParent::from_delivery(DeliveryId::from_bytes([1; 16])),
        position: Position { raw_sequence: number, delivery: 0, event: 0 },
    }
}

/// The event, with a version that names exactly one state.
fn exact(event: Event) -> Event {
    Event { version: event.version_number().map(SourceVersion::exact), ..event }
}

fn level(available: i32) -> Payload {
    Payload::Inventory(InventoryReport {
        item: external("item"),
        location: Some(external("L")),
        available: Some(Quantity::pieces(available)),
    })
}

fn shirt(title: &str, cents: i64) -> Product {
    let variant = Variant {
        external: external("variant"),
        item: Some(external("item")),
        title: None,
        sku: Patch::Set("SKU-1".to_owned()),
        barcode: Patch::Keep,
        price: Patch::Set(Money { minor: cents, currency: Currency::new("USD").unwrap() }),
        compare_at_price: Patch::Keep,
        details: model::VariantDetails::default(),
    };
    Product {
        external: external("product"),
        title: Some(title.to_owned()),
        description: Patch::Keep,
        vendor: Patch::Keep,
        category: Patch::Keep,
        status: None,
        tags: None,
        variants: vec![variant],
        variants_complete: true,
        details: model::ProductDetails::default(),
    }
}

fn fold(facts: Facts, events: Vec<Event>) -> (Vec<Outcome>, Folded) {
    let mut fold = Fold::new(facts, BTreeMap::new());
    for event in events {
        fold.event(P, event);
    }
    let folded = fold.finish();
    (folded.changes.event_outcomes.iter().map(|event_outcome| event_outcome.outcome).collect(), folded)
}

fn level_of(folded: &Folded) -> Option<String> {
    folded.changes.levels.values().next().map(ToString::to_string)
}

/// One shirt that both connections know; on a first contact, the store's level stands.
fn linked() -> Facts {
    let events = vec![
        event("a", 1, Some(1), Payload::Product(shirt("Shirt", 1000))),
        event("b", 2, Some(1), Payload::Product(shirt("Shirt", 1000))),
    ];
    facts_after(with_rule(Facts::default(), BaselineRule::Store), events)
}

/// The facts with that rule for first contacts of both connections.
fn with_rule(mut facts: Facts, baseline: BaselineRule) -> Facts {
    for from in ["a", "b"] {
        let found = ConnectionFacts { baseline, ..ConnectionFacts::default() };
        facts.connections.insert(connection(from), found);
    }
    facts
}

/// The facts of the record after the batch is committed.
fn facts_after(facts: Facts, events: Vec<Event>) -> Facts {
    let mut fold = Fold::new(facts, BTreeMap::new());
    for event in events {
        fold.event(P, event);
    }
    Facts { seen: BTreeMap::new(), ..fold.facts }
}

fn mirror(facts: &Facts, from: &str) -> LevelMirror {
    facts.mirrors.levels[&key(from)].clone()
}

fn key(from: &str) -> LevelKey {
    LevelKey { connection: connection(from), item: external("item"), location: location() }
}

fn text_key(from: &str) -> FieldKey {
    FieldKey { connection: connection(from), external: external("product") }
}

fn price_key(from: &str) -> FieldKey {
    FieldKey { connection: connection(from), external: external("variant") }
}

fn dollars(minor: i64) -> Money {
    Money { minor, currency: Currency::new("USD").unwrap() }
}

fn titled(title: &str) -> ProductText {
    ProductText { title: Some(title.to_owned()), description: None }
}

/// Begins a write of that level.
fn begin_level(mirror: &mut LevelMirror, count: i32) {
    mirror.set_desired(Quantity::pieces(count), 0, received(0), None);
    assert!(matches!(mirror.begin("key", received(0), LEASE, None), Begun::New(_)), "{mirror:?}");
}

/// Begins a write of that value.
fn begin_field<V: FieldValue>(mirror: &mut FieldMirror<V>, value: V) {
    mirror.set_desired(value, received(0), None);
    assert!(matches!(mirror.begin("key", received(0), LEASE, None), Begun::New(_)), "nothing is due");
}

/// The platform accepts the pending write and returns that version.
fn take_field<V: FieldValue>(mirror: &mut FieldMirror<V>, version: Option<i64>) -> Settled {
    let result = CallResult::Taken { version: version.map(VersionNumber), rendered: None };
    mirror.settle("key", result, received(0))
}

#[test]
fn products_of_two_platforms_with_one_number_are_one_variant() {
    let facts = linked();
    assert_eq!((facts.products.len(), facts.variants.len()), (1, 1));
    let links = &facts.links;
    assert_eq!((links.products.len(), links.variants.len(), links.items.len()), (2, 2, 2));
}

#[test]
fn a_number_that_a_connection_has_given_twice_reports_nothing() {
    let twin = Product {
        external: external("twin"),
        variants: vec![Variant {
            external: external("twin-variant"),
            item: Some(external("twin-item")),
            ..shirt("Twin", 1000).variants[0].clone()
        }],
        ..shirt("Twin", 1000)
    };
    let facts = facts_after(linked(), vec![event("a", 3, Some(2), Payload::Product(twin))]);
    assert_eq!((facts.products.len(), facts.variants.len()), (2, 2));
}

#[test]
fn two_platforms_that_each_sell_one_of_ten_leave_eight() {
    let events = vec![
        event("a", 1, Some(1), level(10)),
        event("b", 2, Some(1), level(10)),
        event("a", 3, Some(2), level(9)),
        event("b", 4, Some(2), level(9)),
    ];
    let (outcomes, folded) = fold(linked(), events);
    assert_eq!(outcomes, [Outcome::Applied; 4]);
    assert_eq!(level_of(&folded).unwrap(), "8");
    let lines = folded.changes.movements.iter();
    let sum = lines.fold(Quantity::ZERO, |sum, line| sum.plus(line.delta).unwrap());
    assert_eq!(sum.to_string(), "8");
}

#[test]
fn the_same_event_changes_one_row_and_an_older_one_none() {
    let again = event("a", 1, Some(5), level(10));
    let redelivered =
        |raw_sequence| Event { position: Position { raw_sequence, ..again.position }, ..again.clone() };
    let events = vec![
        again.clone(),
        redelivered(8),
        redelivered(9),
        event("a", 2, Some(4), level(3)),
        event("a", 3, Some(6), level(10)),
    ];
    let (outcomes, folded) = fold(linked(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Stale, Outcome::Unchanged]);
    let duplicates =
        folded.changes.dropped_inputs.iter().filter(|ended| ended.outcome == Outcome::Duplicate).count();
    assert_eq!((duplicates, folded.changes.movements.len()), (2, 1));
    assert_eq!(folded.changes.applied.iter().map(|(_, applied)| applied.sequence).collect::<Vec<_>>(), [3]);
}

#[test]
fn our_own_write_that_comes_back_is_an_echo_and_moves_nothing() {
    let mut facts =
        facts_after(linked(), vec![event("a", 1, Some(1), level(10)), event("b", 2, Some(1), level(10))]);
    begin_level(facts.mirrors.levels.get_mut(&key("b")).unwrap(), 9);
    let (outcomes, folded) =
        fold(facts, vec![event("b", 3, Some(2), level(9)), event("b", 4, Some(3), level(9))]);
    assert_eq!(outcomes, [Outcome::Echo, Outcome::Unchanged]);
    assert!(folded.changes.movements.is_empty() && folded.changes.applied.is_empty());
    let phase = &folded.changes.mirrors.levels[&key("b")].phase;
    assert!(matches!(phase, Phase::Writing { meanwhile: Meanwhile::Echo, .. }), "{phase:?}");
}

#[test]
fn a_level_reported_before_its_product_counts_once_the_product_is_known() {
    let events = vec![
        event("a", 1, Some(1), level(7)),
        event("a", 2, Some(1), Payload::Product(shirt("Shirt", 1000))),
    ];
    let (outcomes, folded) = fold(Facts::default(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied]);
    assert_eq!(level_of(&folded).unwrap(), "7");
}

#[test]
fn an_unlinked_location_is_filtered_with_one_conflict_and_the_next_event_goes_on() {
    let lost = |number, version| {
        let elsewhere = InventoryReport {
            item: external("item"),
            location: Some(external("elsewhere")),
            available: Some(Quantity::pieces(7)),
        };
        let mut lost = event("a", number, Some(version), Payload::Inventory(elsewhere));
        lost.links.clear();
        lost
    };
    let events = vec![lost(1, 1), lost(2, 2), event("a", 3, Some(3), level(6))];
    let (outcomes, folded) = fold(linked(), events);
    assert_eq!(outcomes, [Outcome::Filtered, Outcome::Filtered, Outcome::Applied]);
    assert!(folded.rejected.is_empty());
    let conflicts = folded.changes.conflicts.iter();
    let subjects: BTreeSet<_> = conflicts.map(|it| (it.kind, it.subject.as_str())).collect();
    let expected = (ConflictKind::UnlinkedLocation, "location elsewhere");
    assert_eq!(subjects, BTreeSet::from([expected]), "of one subject, one is open");
}

#[test]
fn only_the_field_that_a_platform_changed_wins_over_anothers_later_change() {
    // b renames at 20; a, which still has the old name, changes the price at 30.
    let events = vec![
        event("b", 3, Some(20), Payload::Product(shirt("Better shirt", 1000))),
        event("a", 4, Some(30), Payload::Product(shirt("Shirt", 1200))),
    ];
    let facts = facts_after(linked(), events);
    let product = facts.products.values().next().unwrap();
    assert_eq!(product.title.as_ref().unwrap().value, "Better shirt");
    assert_eq!(facts.variants.values().next().unwrap().price.as_ref().unwrap().value.minor, 1200);
}

#[test]
fn an_older_product_is_stale_and_our_own_text_come_back_is_an_echo() {
    let mut facts = linked();
    let awaited = facts.mirrors.texts.get_mut(&text_key("b")).unwrap();
    begin_field(awaited, titled("New name"));
    assert_eq!(take_field(awaited, None), Settled::Done);
    let renamed = vec![event("a", 3, Some(5), Payload::Product(shirt("New name", 1000)))];
    let facts = facts_after(facts, renamed);
    let events = vec![
        event("b", 4, Some(9), Payload::Product(shirt("New name", 1000))),
        event("b", 5, Some(8), Payload::Product(shirt("Old name", 1000))),
    ];
    let (outcomes, folded) = fold(facts, events);
    assert_eq!(outcomes, [Outcome::Echo, Outcome::Stale]);
    assert!(folded.changes.products.is_empty());
}

#[test]
fn a_late_echo_does_not_undo_what_was_changed_since() {
    let mut facts = linked();
    let awaited = facts.mirrors.texts.get_mut(&text_key("b")).unwrap();
    begin_field(awaited, titled("First"));
    assert_eq!(take_field(awaited, None), Settled::Done);
    let events = vec![
        event("a", 3, Some(5), Payload::Product(shirt("First", 1000))),
        event("a", 4, Some(8), Payload::Product(shirt("Second", 1000))),
        event("b", 5, Some(9), Payload::Product(shirt("First", 1000))),
    ];
    let facts = facts_after(facts, events);
    assert_eq!(facts.products.values().next().unwrap().title.as_ref().unwrap().value, "Second");
}

#[test]
fn the_echo_of_a_write_that_comes_when_the_next_is_under_way_undoes_nothing() {
    let mut facts = linked();
    let changes = [(3, 5, 1100), (4, 8, 1200), (5, 9, 1300)];
    let changed = |(number, at, cents)| event("a", number, Some(at), Payload::Product(shirt("Shirt", cents)));
    facts = facts_after(facts, changes.map(changed).to_vec());
    // 11 was written and accepted, 12 is under way, and 13 waits; then the report of 11 arrives.
    let mirror = facts.mirrors.prices.get_mut(&price_key("b")).unwrap();
    begin_field(mirror, dollars(1100));
    assert_eq!(take_field(mirror, None), Settled::Done);
    begin_field(mirror, dollars(1200));
    let facts = facts_after(facts, vec![event("b", 6, Some(10), Payload::Product(shirt("Shirt", 1100)))]);
    assert_eq!(facts.variants.values().next().unwrap().price.as_ref().unwrap().value.minor, 1300);
}

/// An order in that status.
fn order_in(status: OrderStatus) -> Order {
    Order { status, ..Order::cancelled(external("order")) }
}

#[test]
fn a_completed_order_changes_to_cancelled_alone_and_says_so() {
    let reported =
        |number, version, status| event("a", number, Some(version), Payload::Order(order_in(status)));
    let events = vec![
        reported(1, 1, OrderStatus::Open),
        reported(2, 3, OrderStatus::Completed),
        reported(3, 2, OrderStatus::Open),
        reported(4, 4, OrderStatus::Open),
    ];
    let (outcomes, folded) = fold(Facts::default(), events.clone());
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied, Outcome::Stale, Outcome::Unchanged]);
    assert_eq!(folded.changes.orders.values().next().unwrap().order.status, OrderStatus::Completed);
    assert_eq!(folded.changes.conflicts.len(), 1);

    let since = vec![
        reported(5, 5, OrderStatus::Cancelled),
        reported(6, 6, OrderStatus::Completed),
        reported(7, 7, OrderStatus::Open),
    ];
    let (outcomes, folded) = fold(facts_after(Facts::default(), events), since);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Unchanged, Outcome::Unchanged]);
    assert_eq!(folded.changes.orders.values().next().unwrap().order.status, OrderStatus::Cancelled);
}

#[test]
fn personal_data_reaches_the_customers_row_and_nothing_else() {
    let canary = "canary@example.com";
    let customer = Customer {
        external: external("c1"),
        first_name: Patch::Keep,
        last_name: Patch::Keep,
        email: Patch::Set(canary.to_owned()),
        phone: Patch::Keep,
        tags: None,
        merged_into: None,
    };
    let (_, folded) = fold(Facts::default(), vec![event("a", 1, Some(1), Payload::Customer(customer))]);
    let row = folded.changes.customers.values().next().unwrap();
    assert_eq!(row.customer.email, Patch::Set(canary.to_owned()));
    let Payload::Customer(published) = &folded.changes.applied[0].1.event.payload else {
        panic!("not a customer")
    };
    assert_eq!(published.email, Patch::Keep);

    let employee = Employee {
        name: Patch::Set(canary.to_owned()),
        roles: Some(vec![canary.to_owned()]),
        is_active: Some(true),
        ..Employee::bare(external("e1"))
    };
    let (_, folded) =
        fold(Facts::default(), vec![event("a", 1, Some(1), Payload::Employee(employee.clone()))]);
    assert_eq!(folded.changes.employees.values().next().unwrap().employee, employee);
    let Payload::Employee(published) = &folded.changes.applied[0].1.event.payload else {
        panic!("not an employee")
    };
    assert_eq!(*published, Employee { is_active: Some(true), ..Employee::bare(external("e1")) });
}

#[test]
fn the_rows_of_a_batch_are_named_before_it_is_decided() {
    let events =
        [event("a", 1, Some(1), Payload::Product(shirt("Shirt", 1))), event("a", 2, Some(1), level(1))];
    let first = first_keys(&events, &[]);
    let links = &first.links;
    assert_eq!((links.products.len(), links.variants.len(), links.items.len()), (1, 1, 1));
    assert_eq!((first.events.len(), first.skus.len(), first.stores.len()), (2, 1, 1));
    let rows = row_keys(&events, &Facts::default(), &RowKeys::default());
    let variant = VariantId::derive(&connection("a"), &external("variant"));
    let at = (variant.clone(), location());
    assert!(rows.levels.contains(&at), "the level that the product's link leads to");
    assert!(rows.contacts.contains(&at), "and who else has it");
    assert!(rows.variants.contains(&variant) && rows.mirrors.contains(&MirrorKey::Level(key("a"))));
}

#[test]
fn a_first_level_from_a_second_platform_leaves_the_stores_own_and_makes_it_due_there() {
    let events = vec![event("a", 1, Some(1), level(10)), event("b", 2, Some(1), level(4))];
    let (outcomes, folded) = fold(linked(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied]);
    assert_eq!(level_of(&folded).unwrap(), "10");
    assert!(matches!(folded.changes.applied[1].1.effects[..], [Effect::Linked { .. }]));
}

#[test]
fn a_replay_of_what_is_recorded_changes_nothing_and_a_dead_event_ends_anew_only_when_it_comes_again() {
    let first = event("a", 1, Some(5), level(10));
    let identity = (first.origin.connection.clone(), first.id);
    let recorded = |dead: bool| {
        let positions = BTreeMap::from([(identity.clone(), first.position)]);
        let (seen, dead) = if dead { (BTreeMap::new(), positions) } else { (positions, BTreeMap::new()) };
        Facts { seen, dead, ..linked() }
    };
    let again =
        Event { position: Position { raw_sequence: 7, ..first.position }, attempt: 1, ..first.clone() };
    for dead in [false, true] {
        let (outcomes, folded) = fold(recorded(dead), vec![first.clone()]);
        assert_eq!((outcomes, folded.changes), (vec![], Changes::default()), "this very arrival is recorded");
    }
    let (outcomes, folded) = fold(recorded(false), vec![again.clone()]);
    assert!(outcomes.is_empty() && folded.changes.dropped_inputs[0].outcome == Outcome::Duplicate);
    let (outcomes, folded) = fold(recorded(true), vec![again]);
    assert_eq!(outcomes, [Outcome::Applied]);
    assert!(folded.changes.revived.contains(&identity));
}

#[test]
fn a_replay_meets_each_mirror_as_propagate_had_left_it() {
    // The store wrote 8 to `a` after its first report, and `a` reported 8: an echo, and no movement.
    let (reported, echo) = (event("a", 1, Some(1), level(10)), event("a", 2, Some(2), level(8)));
    let mut facts = linked();
    let (outcomes, _) = fold(facts.clone(), vec![reported.clone(), echo.clone()]);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied], "without the write log, it is a sale");
    let mut written = mirror(&facts_after(facts.clone(), vec![reported.clone()]), "a");
    begin_level(&mut written, 8);
    let entry = WriteLogEntry { after: reported.position, mirror: Mirror::Level(key("a"), written.clone()) };
    facts.write_log.insert(P, [entry].into());
    let (outcomes, folded) = fold(facts, vec![reported, echo]);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Echo]);
    assert_eq!(folded.changes.movements.len(), 1);
    let now = &folded.changes.mirrors.levels[&key("a")];
    assert_eq!(now.phase.write(), written.phase.write());
    assert!(matches!(now.phase, Phase::Writing { meanwhile: Meanwhile::Echo, .. }));
}

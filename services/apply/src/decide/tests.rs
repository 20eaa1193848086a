//! Decisions as tables, and inventory against a model of two platforms that sell while we write.

mod agreement;
mod edits;
mod late;
mod ledger;
mod rebuild;
mod record;
mod stale;

use super::{Fold, Folded, first_keys, row_keys};
use model::{
    Action, ConnectionId, Currency, Customer, DeliveryId, Event, EventId, ExternalId, InventoryReport, Link,
    LinkKind, LocationId, Mirror, MirrorKey, MirrorKind, MirrorValue, Money, Order, OrderStatus, Origin,
    Outcome, Partition, Patch, Payload, PlatformName, Position, Product, ProductText, Quantity, RawDigest,
    SendState, Sent, SourceVersion, StoreId, TenantId, Timestamp, TraceParent, Variant, VariantId,
    record::{Changes, Effect, Facts, SendMark},
};
use std::collections::BTreeMap;

const P: Partition = Partition(0);

fn external(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn place() -> LocationId {
    LocationId::new("main").unwrap()
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId::new(name).unwrap()
}

fn event(from: &str, number: u64, version: Option<i64>, payload: Payload) -> Event {
    let delivery = DeliveryId::from_bytes([0; 16]);
    let mut links = Vec::new();
    if let Payload::Inventory(report) = &payload {
        let at = report.location.clone().unwrap();
        links.push(Link { kind: LinkKind::Location, external: at, internal: "main".to_owned() });
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
        received_at: Timestamp::from_micros(i64::try_from(number).unwrap()),
        version: version.map(SourceVersion),
        payload,
        links,
        raw_digest: RawDigest::of(b""),
        hops: 0,
        attempt: 0,
        trace: TraceParent::from_delivery(DeliveryId::from_bytes([1; 16])),
        position: Position { raw_sequence: number, delivery: 0, event: 0 },
    }
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
    }
}

fn fold(facts: Facts, events: Vec<Event>) -> (Vec<Outcome>, Folded) {
    let mut fold = Fold::new(facts, BTreeMap::new());
    for event in events {
        fold.event(P, event);
    }
    let folded = fold.finish();
    (folded.changes.endings.iter().map(|ending| ending.outcome).collect(), folded)
}

fn level_of(folded: &Folded) -> Option<String> {
    folded.changes.levels.values().next().map(ToString::to_string)
}

fn linked() -> Facts {
    let events = vec![
        event("a", 1, Some(1), Payload::Product(shirt("Shirt", 1000))),
        event("b", 2, Some(1), Payload::Product(shirt("Shirt", 1000))),
    ];
    facts_after(Facts::default(), events)
}

/// What the record knows once the batch is committed.
fn facts_after(facts: Facts, events: Vec<Event>) -> Facts {
    let mut fold = Fold::new(facts, BTreeMap::new());
    for event in events {
        fold.event(P, event);
    }
    Facts { seen: BTreeMap::new(), ..fold.facts }
}

fn mirror(facts: &Facts, from: &str) -> Mirror {
    facts.mirrors[&key(from)].clone()
}

fn key(from: &str) -> MirrorKey {
    MirrorKey {
        connection: connection(from),
        kind: MirrorKind::Inventory,
        external: external("item"),
        place: Some(place()),
    }
}

fn pieces(count: i32) -> MirrorValue {
    MirrorValue::Quantity(Quantity::pieces(count))
}

#[test]
fn products_of_two_platforms_with_one_number_are_one_variant() {
    let facts = linked();
    assert_eq!((facts.products.len(), facts.variants.len()), (1, 1));
    assert_eq!(facts.links.len(), 6);
}

#[test]
fn a_number_that_a_connection_has_given_twice_tells_nothing() {
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
    let sum: Quantity = folded.changes.movements.iter().fold(Quantity::ZERO, |sum, line| sum + line.delta);
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
        folded.changes.dismissals.iter().filter(|ended| ended.outcome == Outcome::Duplicate).count();
    assert_eq!((duplicates, folded.changes.movements.len()), (2, 1));
    assert_eq!(folded.changes.applied.iter().map(|(_, applied)| applied.sequence).collect::<Vec<_>>(), [3]);
}

#[test]
fn our_own_write_that_comes_back_is_an_echo_and_moves_nothing() {
    let mut facts =
        facts_after(linked(), vec![event("a", 1, Some(1), level(10)), event("b", 2, Some(1), level(10))]);
    let mut awaited = mirror(&facts, "b");
    awaited.sent = Some(Sent { value: pieces(9), from: Some(pieces(10)), state: SendState::Pending });
    facts.mirrors.insert(key("b"), awaited);
    let (outcomes, folded) =
        fold(facts, vec![event("b", 3, Some(2), level(9)), event("b", 4, Some(3), level(9))]);
    assert_eq!(outcomes, [Outcome::Echo, Outcome::Unchanged]);
    assert!(folded.changes.movements.is_empty() && folded.changes.applied.is_empty());
    assert_eq!(folded.changes.mirrors[&key("b")].sent.as_ref().unwrap().state, SendState::Echoed);
}

#[test]
fn a_level_told_before_its_product_counts_once_the_product_is_known() {
    let events = vec![
        event("a", 1, Some(1), level(7)),
        event("a", 2, Some(1), Payload::Product(shirt("Shirt", 1000))),
    ];
    let (outcomes, folded) = fold(Facts::default(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied]);
    assert_eq!(level_of(&folded).unwrap(), "7");
}

#[test]
fn an_unlinked_location_is_refused_and_the_next_event_goes_on() {
    let mut lost = event("a", 1, Some(1), level(7));
    lost.links.clear();
    let (outcomes, folded) = fold(linked(), vec![lost, event("a", 2, Some(2), level(6))]);
    assert_eq!(outcomes, [Outcome::Dead, Outcome::Applied]);
    assert_eq!(folded.rejected.len(), 1);
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
    let text_key = MirrorKey {
        connection: connection("b"),
        kind: MirrorKind::Product,
        external: external("product"),
        place: None,
    };
    let wrote = MirrorValue::Text(ProductText { title: Some("New name".to_owned()), description: None });
    let mut awaited = facts.mirrors[&text_key].clone();
    awaited.sent = Some(Sent { value: wrote, from: awaited.held.clone(), state: SendState::Acknowledged });
    facts.mirrors.insert(text_key, awaited);
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
    let text_key = MirrorKey {
        connection: connection("b"),
        kind: MirrorKind::Product,
        external: external("product"),
        place: None,
    };
    let wrote = MirrorValue::Text(ProductText { title: Some("First".to_owned()), description: None });
    facts.mirrors.get_mut(&text_key).unwrap().sent =
        Some(Sent { value: wrote, from: None, state: SendState::Acknowledged });
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
    let price_key = MirrorKey {
        connection: connection("b"),
        kind: MirrorKind::Price,
        external: external("variant"),
        place: None,
    };
    let dollars = |minor| MirrorValue::Price(Money { minor, currency: Currency::new("USD").unwrap() });
    let changes = [(3, 5, 1100), (4, 8, 1200), (5, 9, 1300)];
    let changed = |(number, at, cents)| event("a", number, Some(at), Payload::Product(shirt("Shirt", cents)));
    facts = facts_after(facts, changes.map(changed).to_vec());
    // 11 was written and taken, 12 is on its way, and 13 waits; then the report of 11 comes.
    let mirror = facts.mirrors.get_mut(&price_key).unwrap();
    mirror.held = Some(dollars(1100));
    mirror.sent = Some(Sent { value: dollars(1200), from: Some(dollars(1100)), state: SendState::Pending });
    let facts = facts_after(facts, vec![event("b", 6, Some(10), Payload::Product(shirt("Shirt", 1100)))]);
    assert_eq!(facts.variants.values().next().unwrap().price.as_ref().unwrap().value.minor, 1300);
}

#[test]
fn a_completed_order_does_not_change_and_says_so() {
    let order = |status| Order {
        external: external("order"),
        number: None,
        status,
        total: None,
        tax: None,
        discount: None,
        placed_at: None,
        closed_at: None,
        customer: None,
        location: None,
        employee: None,
        refund_of: None,
        lines: Vec::new(),
    };
    let told = |number, version, status| event("a", number, Some(version), Payload::Order(order(status)));
    let events = vec![
        told(1, 1, OrderStatus::Open),
        told(2, 3, OrderStatus::Completed),
        told(3, 2, OrderStatus::Open),
        told(4, 4, OrderStatus::Open),
    ];
    let (outcomes, folded) = fold(Facts::default(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied, Outcome::Stale, Outcome::Unchanged]);
    assert_eq!(folded.changes.orders.values().next().unwrap().order.status, OrderStatus::Completed);
    assert_eq!(folded.changes.conflicts.len(), 1);
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
}

#[test]
fn the_rows_of_a_batch_are_named_before_it_is_decided() {
    let events =
        [event("a", 1, Some(1), Payload::Product(shirt("Shirt", 1))), event("a", 2, Some(1), level(1))];
    let first = first_keys(&events, &[]);
    assert_eq!((first.events.len(), first.links.len(), first.skus.len(), first.stores.len()), (2, 3, 1, 1));
    let rows = row_keys(&events, &Facts::default());
    let variant = VariantId::derive(&connection("a"), &external("variant"));
    assert!(rows.levels.contains(&(variant.clone(), place())), "the level that the product's link leads to");
    assert!(rows.variants.contains(&variant) && rows.mirrors.contains(&key("a")));
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
        let places = BTreeMap::from([(identity.clone(), first.position)]);
        let (seen, dead) = if dead { (BTreeMap::new(), places) } else { (places, BTreeMap::new()) };
        Facts { seen, dead, ..linked() }
    };
    let again =
        Event { position: Position { raw_sequence: 7, ..first.position }, attempt: 1, ..first.clone() };
    for dead in [false, true] {
        let (outcomes, folded) = fold(recorded(dead), vec![first.clone()]);
        assert_eq!((outcomes, folded.changes), (vec![], Changes::default()), "this very arrival is recorded");
    }
    let (outcomes, folded) = fold(recorded(false), vec![again.clone()]);
    assert!(outcomes.is_empty() && folded.changes.dismissals[0].outcome == Outcome::Duplicate);
    let (outcomes, folded) = fold(recorded(true), vec![again]);
    assert_eq!(outcomes, [Outcome::Applied]);
    assert!(folded.changes.revived.contains(&identity));
}

#[test]
fn a_replay_meets_each_mirror_as_propagate_had_left_it() {
    // The store wrote 8 to `a` after its first report, and `a` reported 8: an echo, and no movement.
    let (told, echo) = (event("a", 1, Some(1), level(10)), event("a", 2, Some(2), level(8)));
    let mut facts = linked();
    let (outcomes, _) = fold(facts.clone(), vec![told.clone(), echo.clone()]);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Applied], "without the mark, it is a sale");
    let sent = Sent {
        value: MirrorValue::Quantity(Quantity::pieces(8)),
        from: Some(MirrorValue::Quantity(Quantity::pieces(10))),
        state: SendState::Pending,
    };
    let mark = SendMark {
        after: told.position,
        key: super::inventory::key(&told, &external("item"), place()),
        internal: None,
        held: Some(MirrorValue::Quantity(Quantity::pieces(10))),
        version: None,
        sent: sent.clone(),
    };
    facts.marks.insert(P, [mark.clone()].into());
    let (outcomes, folded) = fold(facts, vec![told, echo]);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Echo]);
    assert_eq!(folded.changes.movements.len(), 1);
    assert_eq!(folded.changes.sent[&mark.key], Sent { state: SendState::Echoed, ..sent });
}

//! A small sound record and ways to break it: one for each violation that a check has to find.

use crate::{
    evidence::{
        Account, Change, Compared, DeadLetter, EventOutcome, Evidence, Kept, Level, Meaning, MirrorRow, Thing,
    },
    ledger::Reported,
    plan::{self, OrderStage, OrderState, Poison, Refusal, What},
};
use model::{DeliveryId, EventId, Position, RawDigest};

const STORE: &str = "s";
const CONNECTION: &str = "s-shopify";
const TOPIC: &str = "a/topic";

fn delivery(number: u8) -> DeliveryId {
    DeliveryId::from_bytes([number; 16])
}

fn event(number: u8) -> EventId {
    EventId::from_bytes([number; 16])
}

fn position(raw_sequence: u64) -> Position {
    Position { raw_sequence, delivery: 0, event: 0 }
}

/// Adds one delivery to the ledger and to RAW; its number is also its sequence in RAW.
fn reported(evidence: &mut Evidence, number: u8, what: What, meaning: Meaning) {
    let at = u64::from(number);
    let reported = Reported {
        number: at,
        twin: false,
        store: 0,
        what,
        sent: at * 2,
        kept: Some(at * 2 + 1),
        digest: RawDigest::of(&[number]),
    };
    evidence.ledger.reported.insert(delivery(number), reported);
    let kept = Kept {
        position: position(at),
        times: 1,
        store: STORE.to_owned(),
        connection: CONNECTION.to_owned(),
        topic: TOPIC.to_owned(),
        fetched: false,
        meaning,
    };
    evidence.raw.insert(delivery(number), kept);
}

fn ended(evidence: &mut Evidence, number: u8, outcome: &str, sequence: Option<i64>) {
    evidence.event_outcomes.push(EventOutcome {
        store: STORE.to_owned(),
        connection: CONNECTION.to_owned(),
        event: event(number),
        delivery: delivery(number),
        outcome: outcome.to_owned(),
        reason: String::new(),
        raw_sequence: u64::from(number),
        delivery_index: 0,
        event_index: 0,
        sequence,
        attempts: 1,
    });
}

fn applied(evidence: &mut Evidence, number: u8, sequence: i64, object: &str, version: i64) {
    ended(evidence, number, "applied", Some(sequence));
    evidence.changes.push(Change {
        store: STORE.to_owned(),
        sequence,
        partition: 0,
        number: sequence,
        connection: CONNECTION.to_owned(),
        event: event(number),
        object: object.to_owned(),
        version: Some(version),
    });
}

fn level(version: u32, level: i64) -> What {
    What::Level { product: 0, version, level }
}

/// One store with a product, three levels of which one is late, an order, a thin notification, one poisoned delivery
/// and one refused delivery.
pub(super) fn sound() -> Evidence {
    let mut evidence = Evidence::default();
    let all = &mut evidence;
    all.stores = vec![(STORE.to_owned(), CONNECTION.to_owned()), ("t".to_owned(), "t-shopify".to_owned())];
    all.predictable = [0, 1].into();
    let events = |number| Meaning::Events(vec![event(number)]);
    let state = OrderState { stage: OrderStage::Open, total_minor: 500 };
    reported(all, 1, What::Product { product: 0, version: 0 }, events(1));
    applied(all, 1, 1, "product 1 ", 0);
    reported(all, 2, level(1, 10), events(2));
    applied(all, 2, 2, "inventory 2 place", 1);
    reported(all, 3, level(3, 12), events(3));
    applied(all, 3, 3, "inventory 2 place", 3);
    reported(all, 4, level(2, 11), events(4));
    ended(all, 4, "stale", None);
    reported(all, 5, What::Order { order: 0, version: 1, state }, events(5));
    applied(all, 5, 4, "order 3 ", 1);
    reported(all, 6, What::Poison(Poison::Nul), Meaning::Rejected);
    all.dead_letters.push(DeadLetter {
        stage: "normalize".to_owned(),
        class: "data".to_owned(),
        reason: "a reason".to_owned(),
        delivery: delivery(6),
        event: None,
        digest: Some(RawDigest::of(&[6])),
    });
    reported(all, 7, What::Refused(Refusal::BadSignature), Meaning::Rejected);
    all.raw.remove(&delivery(7));
    all.ledger.reported.entry(delivery(7)).and_modify(|reported| reported.kept = None);
    reported(all, 8, What::Thin { order: 0 }, Meaning::Filtered);
    all.accounts.push(Account {
        store: STORE.to_owned(),
        accepted: 7,
        further: 0,
        outcomes: 7,
        in_flight: 0,
    });
    all.levels.push(Level {
        store: STORE.to_owned(),
        variant: "v".to_owned(),
        location: "l".to_owned(),
        sku: Some(plan::sku(0, 0)),
        quantity: Some("12".to_owned()),
        ledger: Some("12".to_owned()),
        last: Some("12".to_owned()),
        broken_lines: 0,
    });
    all.mirrors.push(MirrorRow {
        connection: CONNECTION.to_owned(),
        kind: "inventory".to_owned(),
        external: "2".to_owned(),
        location: "l".to_owned(),
        attention: None,
        phase: "idle".to_owned(),
        last_error: None,
        ours: Some("12".to_owned()),
        observed_version: Some(3),
    });
    let thing = |external: u64, text: String, total_minor| Thing {
        connection: CONNECTION.to_owned(),
        external: external.to_string(),
        text: Some(text),
        total_minor,
    };
    all.products.push(thing(plan::product_id(0, 0), plan::title(0, 0, 0), None));
    all.orders.push(thing(plan::order_id(0, 0), "open".to_owned(), Some(500)));
    let same = Some("12".to_owned());
    all.compared.push(Compared { what: "a level".to_owned(), ours: same.clone(), theirs: same });
    all.compared_min = 1;
    all.stillness.calls.insert("c".to_owned(), (5, 5));
    evidence
}

type Corruption = fn(&mut Evidence);

/// Ways to break the record, each with the `holds` of the check that must find it.
pub(super) const BROKEN: &[(&str, Corruption)] = &[
    ("every 2xx is in RAW", |all| drop(all.raw.remove(&delivery(3)))),
    ("every 2xx has an outcome", |all| {
        all.event_outcomes.retain(|event_outcome| event_outcome.delivery != delivery(4));
    }),
    ("every 2xx has an outcome", |all| all.dead_letters.clear()),
    ("every 2xx has an outcome", |all| drop(all.raw.remove(&delivery(8)))),
    ("all that is in RAW has an outcome", |all| drop(all.event_outcomes.pop())),
    ("all that is in RAW has an outcome", |all| all.dead_letters.clear()),
    ("all that is in RAW has an outcome", |all| {
        let kept = all.raw.get_mut(&delivery(2)).expect("it is there");
        kept.meaning = Meaning::Events(vec![event(2), event(99)]);
    }),
    ("the record accounts for all of RAW", |all| all.accounts[0].accepted = 6),
    ("the record accounts for all of RAW", |all| all.accounts[0].in_flight = 1),
    ("the record accounts for all of RAW", |all| all.accounts[0].outcomes = 6),
    ("the record accounts for all of RAW", |all| all.accounts[0].further = 1),
    ("the record accounts for all of RAW", |all| all.accounts.clear()),
    ("tillflow audit finds nothing", |all| all.audit.push("missing".to_owned())),
    ("nothing comes from nowhere", |all| {
        all.ledger.reported.remove(&delivery(2));
    }),
    ("nothing comes from nowhere", |all| {
        all.raw.get_mut(&delivery(2)).expect("it is there").store = "t".to_owned();
    }),
    ("nothing comes from nowhere", |all| all.event_outcomes[0].delivery = delivery(77)),
    ("nothing comes from nowhere", |all| all.event_outcomes[0].store = "t".to_owned()),
    ("nothing comes from nowhere", |all| all.dead_letters[0].delivery = delivery(77)),
    ("what was refused got nowhere", |all| {
        let kept = all.raw[&delivery(6)].clone();
        all.raw.insert(delivery(7), kept);
    }),
    ("what was refused got nowhere", |all| {
        all.ledger.reported.get_mut(&delivery(7)).expect("it is there").kept = Some(1);
    }),
    ("poison is dead, whole, and alone", |all| ended(all, 6, "applied", Some(5))),
    ("poison is dead, whole, and alone", |all| all.dead_letters.clear()),
    ("poison is dead, whole, and alone", |all| all.dead_letters[0].delivery = delivery(2)),
    ("poison is dead, whole, and alone", |all| all.dead_letters[0].digest = Some(RawDigest::of(b"other"))),
    ("poison is dead, whole, and alone", |all| all.dead_letters[0].class = "bug".to_owned()),
    ("poison is dead, whole, and alone", |all| all.dead_letters[0].delivery = delivery(77)),
    ("every event has one outcome", |all| {
        let again = all.event_outcomes[0].clone();
        all.event_outcomes.push(again);
    }),
    ("every event has one outcome", |all| all.event_outcomes[0].attempts = 2),
    ("every event has one outcome", |all| {
        all.dead_letters[0].event = Some(event(2));
        all.dead_letters[0].stage = "enrich".to_owned();
    }),
    ("every event has one outcome", |all| {
        all.ledger.reported.get_mut(&delivery(4)).expect("it is there").number = 3;
    }),
    ("every event has at most one effect", |all| {
        let again = Change { sequence: 5, ..all.changes[1].clone() };
        all.changes.push(again);
    }),
    ("every event has at most one effect", |all| all.event_outcomes[0].sequence = Some(9)),
    ("every event has at most one effect", |all| drop(all.changes.pop())),
    ("every event has at most one effect", |all| {
        all.event_outcomes.retain(|event_outcome| event_outcome.event != event(1));
    }),
    ("every event has at most one effect", |all| all.orphans.push("s 9 v".to_owned())),
    ("a store's sequence is 1..n", |all| drop(all.changes.remove(0))),
    ("a store's sequence is 1..n", |all| all.changes[1].sequence = 1),
    ("changes stand in the order of RAW", |all| {
        all.changes[1].sequence = 3;
        all.changes[2].sequence = 2;
    }),
    ("changes stand in the order of RAW", |all| {
        all.raw.get_mut(&delivery(4)).expect("it is there").position = position(1);
    }),
    ("RAW stands in the order of the 2xx", |all| {
        all.raw.get_mut(&delivery(2)).expect("it is there").position = position(20);
    }),
    ("the ledger sums up to the levels", |all| all.levels[0].ledger = Some("11".to_owned())),
    ("the ledger sums up to the levels", |all| all.levels[0].last = Some("11".to_owned())),
    ("the ledger sums up to the levels", |all| all.levels[0].quantity = None),
    ("the ledger sums up to the levels", |all| all.levels[0].broken_lines = 1),
    ("outcomes are those of the reference", |all| all.event_outcomes[3].outcome = "applied".to_owned()),
    ("outcomes are those of the reference", |all| all.event_outcomes[2].outcome = "unchanged".to_owned()),
    ("values are those of the reference", |all| all.levels[0].quantity = Some("11".to_owned())),
    ("values are those of the reference", |all| all.levels.clear()),
    ("values are those of the reference", |all| all.products[0].text = Some("Tea".to_owned())),
    ("values are those of the reference", |all| all.orders[0].total_minor = Some(1)),
    ("values are those of the reference", |all| all.orders[0].text = Some("completed".to_owned())),
    ("versions never go back", |all| all.changes[1].version = Some(4)),
    ("versions never go back", |all| all.mirrors[0].observed_version = Some(2)),
    ("nothing is due at any platform", |all| all.mirrors[0].attention = Some("write".to_owned())),
    ("nothing is due at any platform", |all| all.mirrors[0].phase = "refused".to_owned()),
    ("platforms hold our values", |all| all.compared[0].theirs = Some("13".to_owned())),
    ("platforms hold our values", |all| all.compared[0].theirs = None),
    ("platforms hold our values", |all| all.compared[0].ours = None),
    ("platforms hold our values", |all| all.compared.clear()),
    ("calls stop when nothing changes", |all| {
        all.stillness.calls.insert("c".to_owned(), (5, 6));
    }),
    ("everything comes to rest and is ready", |all| all.activity = Some("a mirror".to_owned())),
    ("everything comes to rest and is ready", |all| all.not_ready.push("apply-0".to_owned())),
    ("everything comes to rest and is ready", |all| all.uncovered.push("Unique".to_owned())),
    ("everything comes to rest and is ready", |all| all.unpublished.push("1".to_owned())),
    ("everything comes to rest and is ready", |all| all.stuck.push("after a kill".to_owned())),
    ("everything comes to rest and is ready", |all| all.late_senders = 1),
    ("everything comes to rest and is ready", |all| {
        all.journal.in_hand.push("apply-0 has 3".to_owned());
    }),
    ("the intake answers as it should", |all| all.ledger.surprises.push("a 404".to_owned())),
    ("nobody gets in who isn't ours", |all| all.let_in = 1),
    ("nobody gets in who isn't ours", |all| all.foreign.push("pos.raw.0".to_owned())),
    ("nothing broke inside", |all| all.journal.broken.push("panicked at".to_owned())),
];

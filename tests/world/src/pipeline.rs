//! From deliveries to the record: what normalize, dedupe and enrich do to an event, then the fold, then what is desired.

use crate::record::{PARTITION, Record, place_link};
use apply::decide::{Fold, first_keys, row_keys};
use model::{
    AskedBy, ConnectionId, DeliveryId, Event, EventId, Origin, Payload, Position, RawDigest, Timestamp,
    TraceParent,
    record::{Facts, Movement, RowKeys},
};
use platforms::Mapped;
use stage::{RejectClass, Window};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The number of rounds of loading that a batch takes at most, as in `apply`.
const ROUNDS_MAX: usize = 6;
/// How long dedupe remembers.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);

/// What comes in by one delivery.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) connection: ConnectionId,
    pub(crate) distinct: String,
    pub(crate) mapped: Vec<Mapped>,
    pub(crate) received_at: Timestamp,
    /// True if we fetched it.
    pub(crate) is_fetched: bool,
    /// The mirror that we read it for, if we did.
    pub(crate) asked_by: Option<AskedBy>,
}

/// What a batch did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) movements: Vec<(Movement, Option<Event>)>,
    pub(crate) bugs: Vec<String>,
}

/// The stages with their memories.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) record: Record,
    pub(crate) origins: BTreeMap<ConnectionId, Origin>,
    pub(crate) paused: BTreeSet<ConnectionId>,
    window: Window<EventId>,
    /// What reached the fold, in order.
    pub(crate) raw: Vec<Event>,
    sequence: u64,
}

impl Pipeline {
    pub(crate) fn new() -> Self {
        Self {
            record: Record::default(),
            origins: BTreeMap::new(),
            paused: BTreeSet::new(),
            window: Window::new(REMEMBERED_FOR, 10_000),
            raw: Vec::new(),
            sequence: 0,
        }
    }

    /// Forgets what dedupe remembers.
    pub(crate) fn forget(&mut self) {
        self.window = Window::new(REMEMBERED_FOR, 10_000);
    }

    /// Takes a batch through all stages.
    pub(crate) fn take(&mut self, batch: &[Delivered], now: Timestamp) -> Done {
        self.sequence += 1;
        let mut events = Vec::new();
        for (index, delivered) in batch.iter().enumerate() {
            let delivery = u32::try_from(index).unwrap_or(u32::MAX);
            let at = Position { raw_sequence: self.sequence, delivery, event: 0 };
            let Some(origin) = self.origins.get(&delivered.connection) else { continue };
            let normalized = delivered.mapped.iter().enumerate().map(|(index, mapped)| {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                event(origin, delivered, mapped, Position { event: index, ..at })
            });
            for mut event in normalized.collect::<Vec<_>>() {
                // A pause stops calls, not what is told.
                if self.window.first_seen(event.id, event.received_at) {
                    event.links = links(&event);
                    events.push(event);
                }
            }
        }
        self.raw.extend(events.iter().cloned());
        let reached = Position { raw_sequence: self.sequence, delivery: u32::MAX, event: u32::MAX };
        fold(&mut self.record, events, BTreeMap::new(), reached, now)
    }

    /// Takes a person's instruction.
    pub(crate) fn instruct(&mut self, event: Event, now: Timestamp) -> Done {
        self.sequence += 1;
        let position = Position { raw_sequence: self.sequence, delivery: 0, event: 0 };
        let event = Event { position, ..event };
        self.raw.push(event.clone());
        fold(&mut self.record, vec![event], BTreeMap::new(), position, now)
    }

    /// The record that a replay of everything makes of an empty one.
    pub(crate) fn replayed(
        &self,
        connections: BTreeMap<ConnectionId, model::record::ConnectionFacts>,
    ) -> Record {
        let mut empty = Record { connections, ..Record::default() };
        fold(
            &mut empty,
            self.raw.clone(),
            self.record.replay_marks(),
            self.record.position,
            Timestamp::default(),
        );
        empty
    }
}

fn fold(
    record: &mut Record,
    events: Vec<Event>,
    marks: BTreeMap<model::Partition, std::collections::VecDeque<model::record::SendMark>>,
    reached: Position,
    now: Timestamp,
) -> Done {
    let mut facts = Facts { marks, ..Facts::default() };
    record.first(&first_keys(&events, []), &mut facts);
    let mut asked = RowKeys::default();
    for _ in 0..ROUNDS_MAX {
        let mut keys = row_keys(&events, &facts);
        keys.mirrors.extend(facts.marks.values().flatten().map(|mark| mark.mirror.key()));
        let more = keys.without(&asked);
        if more.is_empty() {
            break;
        }
        record.rows(&more, &mut facts);
        asked = keys;
    }
    let mut fold = Fold::new(facts, BTreeMap::from([(PARTITION, record.number)]));
    for event in events {
        fold.event(PARTITION, event);
    }
    let folded = fold.finish();
    let mut done = Done::default();
    for (_, _, reject) in folded.rejected.iter().filter(|(_, _, reject)| reject.class == RejectClass::Bug) {
        done.bugs.push(reject.to_string());
    }
    let of = |sequence: i64| {
        let applied = folded.changes.applied.iter().find(|(_, applied)| applied.sequence == sequence);
        applied.map(|(_, applied)| applied.event.clone())
    };
    done.movements =
        folded.changes.movements.iter().map(|movement| (movement.clone(), of(movement.sequence))).collect();
    let effects: Vec<_> =
        folded.changes.applied.iter().flat_map(|(_, applied)| applied.effects.clone()).collect();
    let number = folded.numbers.get(&PARTITION).copied().unwrap_or(record.number);
    record.commit(folded.changes, number, reached);
    record.set_desired(&effects, now);
    done
}

/// The event as normalize makes it.
fn event(origin: &Origin, delivered: &Delivered, mapped: &Mapped, position: Position) -> Event {
    let delivery = DeliveryId::derive(&origin.connection, "world", delivered.distinct.as_bytes());
    let mut identity: Vec<&[u8]> = mapped.identity.iter().map(String::as_bytes).collect();
    if delivered.is_fetched {
        identity.push(delivery.as_bytes());
    }
    Event {
        id: EventId::derive(&origin.connection, &identity),
        correlation: delivery,
        delivery,
        origin: origin.clone(),
        action: mapped.action,
        occurred_at: mapped.occurred_at,
        received_at: delivered.received_at,
        version: mapped.version,
        payload: mapped.payload.clone(),
        links: Vec::new(),
        raw_digest: RawDigest::from_bytes([0; 32]),
        hops: delivered.asked_by.is_some().into(),
        asked_by: delivered.asked_by.clone(),
        attempt: 0,
        trace: TraceParent::from_delivery(delivery),
        position,
    }
}

/// The links of places, as enrich adds them; all others are the record's to know.
fn links(event: &Event) -> Vec<model::Link> {
    match &event.payload {
        Payload::Inventory(report) => report.location.iter().filter_map(place_link).collect(),
        Payload::Stocked(stocked) => stocked.locations.iter().filter_map(place_link).collect(),
        _ => Vec::new(),
    }
}

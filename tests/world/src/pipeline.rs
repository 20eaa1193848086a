//! The path from deliveries to the record: the shipped stages normalize, dedupe and enrich, then the fold and, if the
//! database refuses its rows, the halving; then the desired values.

mod commit;

use crate::record::{Record, location_id};
use crate::shop::{PLACES_MAX, place_id};
use bytes::Bytes;
use dedupe::Dedupe;
use enrich::{Enrich, Known, LinkKey, PartitionState};
use model::{
    AskedBy, ConnectionId, Currency, Delivery, DeliveryId, DeliveryKind, Event, EventId, LinkKind, Origin,
    Position, RawDigest, Source, SourceVersion, Timestamp, TraceParent, VersionNumber, record::Movement,
};
use normalize::Normalize;
use platforms::{Mapped, Signed, VerifyContext};
use simulator::MachineWebhook;
use stage::{Stage as _, Verdict, Window};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

/// Length of dedupe's window.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);
/// Greatest version that is a counter; greater ones are times in microseconds.
const COUNTERS_MAX: i64 = 100_000_000_000_000;
/// The schemas are compiled once for all worlds.
static NORMALIZE: LazyLock<Option<Normalize>> = LazyLock::new(|| Normalize::new().ok());

/// Content of a delivery.
#[derive(Debug, Clone)]
pub(crate) enum Reported {
    /// Reports in the types of `model`, as normalize would map them.
    Words(Vec<Mapped>),
    /// A webhook as the platform sent it.
    Webhook(MachineWebhook),
    /// A fetched object: topic, body, and the bytes that distinguish it from others with the same body.
    Object(&'static str, Bytes, Vec<u8>),
}

/// One delivery.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) connection: ConnectionId,
    pub(crate) dedupe_key: String,
    pub(crate) reported: Reported,
    pub(crate) received_at: Timestamp,
    pub(crate) source: Source,
    /// The mirror that it was read for, if any.
    pub(crate) asked_by: Option<AskedBy>,
    /// Lead of the report's clock.
    pub(crate) leads_by: Duration,
    /// True if the database refuses its events permanently.
    pub(crate) is_refused: bool,
}

/// Result of a batch.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) movements: Vec<(Movement, Option<Event>)>,
    pub(crate) bugs: Vec<String>,
}

/// Settings that verify and complete the webhooks of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub(crate) secrets: Vec<String>,
    pub(crate) url: String,
    pub(crate) currency: Option<Currency>,
}

/// The stages with their state.
pub(crate) struct Pipeline {
    pub(crate) record: Record,
    pub(crate) origins: BTreeMap<ConnectionId, Origin>,
    pub(crate) intakes: BTreeMap<ConnectionId, Intake>,
    enrich_state: PartitionState,
    window: Window<EventId>,
    /// Events that reached the fold, in order.
    pub(crate) raw: Vec<Event>,
    sequence: u64,
}

impl Pipeline {
    pub(crate) fn new() -> Self {
        Self {
            record: Record::default(),
            origins: BTreeMap::new(),
            intakes: BTreeMap::new(),
            enrich_state: PartitionState::default(),
            window: Window::new(REMEMBERED_FOR, 10_000),
            raw: Vec::new(),
            sequence: 0,
        }
    }

    /// Adds a connection.
    pub(crate) fn connect(&mut self, origin: Origin, intake: Intake) {
        let id = origin.connection.clone();
        let known = Known { origin: origin.clone(), default_location: None };
        self.enrich_state.connections.insert(id.clone(), Arc::new(known));
        for place in 0..PLACES_MAX {
            let key = LinkKey { connection: id.clone(), kind: LinkKind::Location, external: place_id(place) };
            self.enrich_state.links.insert(key, location_id(place).as_str().into());
        }
        self.intakes.insert(id.clone(), intake);
        self.origins.insert(id, origin);
    }

    /// Clears dedupe's window.
    pub(crate) fn forget(&mut self) {
        self.window = Window::new(REMEMBERED_FOR, 10_000);
    }

    /// Passes a batch through all stages.
    pub(crate) fn take(&mut self, batch: &[Delivered], now: Timestamp) -> Done {
        self.sequence += 1;
        let (mut events, mut bugs) = (Vec::new(), Vec::new());
        for (index, delivered) in batch.iter().enumerate() {
            let delivery = u32::try_from(index).unwrap_or(u32::MAX);
            let at = Position { raw_sequence: self.sequence, delivery, event: 0 };
            let Some(origin) = self.origins.get(&delivered.connection) else { continue };
            let normalized = match &delivered.reported {
                Reported::Words(mapped) => Ok(mapped
                    .iter()
                    .enumerate()
                    .map(|(index, mapped)| {
                        let index = u32::try_from(index).unwrap_or(u32::MAX);
                        event(origin, delivered, mapped, Position { event: index, ..at })
                    })
                    .collect()),
                Reported::Webhook(_) | Reported::Object(..) => {
                    self.delivery(delivered, origin).and_then(|delivery| read(at, delivery))
                }
            };
            match normalized {
                Ok(normalized) => {
                    for mut event in normalized {
                        lead(&mut event, delivered.leads_by);
                        let key = (event.origin.connection.clone(), event.id);
                        // An event that is already known is no longer refused.
                        let is_known = self.record.seen.contains_key(&key)
                            || events.iter().any(|known: &Event| known.id == event.id);
                        if delivered.is_refused && !is_known {
                            self.record.refuses.insert(event.id);
                        }
                        events.push(event);
                    }
                }
                Err(bug) => bugs.push(bug),
            }
        }
        let events = self.through(events, &mut bugs);
        let reached = Position { raw_sequence: self.sequence, delivery: u32::MAX, event: u32::MAX };
        let mut done = commit::commit(&mut self.record, events, Vec::new(), reached, now);
        done.bugs.extend(bugs);
        done
    }

    /// Passes events through dedupe and enrich.
    fn through(&mut self, events: Vec<Event>, bugs: &mut Vec<String>) -> Vec<Event> {
        let mut enriched = Vec::new();
        for event in events {
            let at = event.position;
            let Verdict::Emit(unique) = Dedupe::<Event>::default().decide(at, event, &mut self.window) else {
                continue;
            };
            for event in unique {
                match Enrich.decide(at, event, &mut self.enrich_state) {
                    Verdict::Emit(events) => enriched.extend(events),
                    Verdict::Reject(reject) => bugs.push(format!("enrich refused an event: {reject}")),
                    Verdict::Skip(_) | Verdict::Rows(_) => {}
                }
            }
        }
        self.raw.extend(enriched.iter().cloned());
        enriched
    }

    /// Builds the delivery as the intake does.
    fn delivery(&self, delivered: &Delivered, origin: &Origin) -> Result<Delivery, String> {
        let platform = platforms::find(origin.platform.as_str()).ok_or("there is no such platform")?;
        let intake = self.intakes.get(&delivered.connection).ok_or("there is no such connection")?;
        let (topic, key, body, headers) = match &delivered.reported {
            Reported::Words(_) => return Err("words are no delivery".to_owned()),
            Reported::Object(topic, body, key) => {
                ((*topic).to_owned(), key.clone(), body.clone(), Vec::new())
            }
            Reported::Webhook((headers, body)) => {
                let headers: Vec<(String, String)> =
                    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
                let signed = Signed { headers: &headers, body };
                let context = VerifyContext::new(&intake.secrets, &intake.url, Timestamp::default());
                let webhooks = platform.webhooks().ok_or("the platform sends no webhooks")?;
                webhooks
                    .verify(&signed, &context)
                    .map_err(|unverified| format!("a webhook of the platform's own: {unverified}"))?;
                let envelope = webhooks.split(&signed).pop();
                let found = envelope.ok_or("a webhook of the platform's own has no topic")?;
                let key =
                    found.key.map_or_else(|| RawDigest::of(body).as_bytes().to_vec(), String::into_bytes);
                let kept = webhooks.kept_headers();
                let headers = headers.into_iter().filter(|(name, _)| kept.contains(&name.as_str())).collect();
                (found.topic, key, body.clone(), headers)
            }
        };
        let id = DeliveryId::derive(&delivered.connection, &topic, &key);
        Ok(Delivery {
            id,
            origin: origin.clone(),
            kind: DeliveryKind::Platform(topic.as_str().into()),
            received_at: delivered.received_at,
            source: delivered.source,
            cause: None,
            asked_by: delivered.asked_by.clone(),
            attempt: 0,
            currency: intake.currency,
            account: None,
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                .collect(),
            trace: TraceParent::from_delivery(id),
            body,
        })
    }

    /// Applies a person's instruction.
    pub(crate) fn instruct(&mut self, event: Event, now: Timestamp) -> Done {
        self.sequence += 1;
        let position = Position { raw_sequence: self.sequence, delivery: 0, event: 0 };
        let mut bugs = Vec::new();
        let events = self.through(vec![Event { position, ..event }], &mut bugs);
        let mut done = commit::commit(&mut self.record, events, Vec::new(), position, now);
        done.bugs.extend(bugs);
        done
    }

    /// Re-ingests all dead letters; the database no longer refuses them.
    pub(crate) fn take_again(&mut self, now: Timestamp) -> Done {
        self.sequence += 1;
        let dead: BTreeSet<EventId> = self.record.dead.keys().map(|(_, event)| *event).collect();
        let mut again = BTreeMap::new();
        for event in self.raw.iter().filter(|event| dead.contains(&event.id)) {
            let delivery =
                DeliveryId::derive(&event.origin.connection, wire_topic(), &self.sequence.to_le_bytes());
            let index = u32::try_from(again.len()).unwrap_or(u32::MAX);
            let position = Position { raw_sequence: self.sequence, delivery: index, event: 0 };
            again.entry(event.id).or_insert_with(|| Event {
                delivery,
                attempt: 1,
                links: Vec::new(),
                position,
                ..event.clone()
            });
        }
        let mut again: Vec<Event> = again.into_values().collect();
        again.sort_by_key(|event| event.position);
        let mut bugs = Vec::new();
        let events = self.through(again, &mut bugs);
        let reached = Position { raw_sequence: self.sequence, delivery: u32::MAX, event: u32::MAX };
        let mut done = commit::commit(&mut self.record, events, Vec::new(), reached, now);
        done.bugs.extend(bugs);
        done
    }

    /// Returns the record that results from replaying everything into an empty one.
    pub(crate) fn replayed(
        &self,
        connections: BTreeMap<ConnectionId, model::record::ConnectionFacts>,
    ) -> Record {
        let refuses = self.record.refuses.clone();
        let mut empty = Record { connections, refuses, ..Record::default() };
        let (write_log, reached) = (self.record.write_log.clone(), self.record.position);
        commit::commit(&mut empty, self.raw.clone(), write_log, reached, Timestamp::default());
        empty
    }
}

/// Topic of re-ingested events.
const fn wire_topic() -> &'static str {
    "again"
}

/// Returns the events that normalize makes of a delivery.
fn read(at: Position, delivery: Delivery) -> Result<Vec<Event>, String> {
    let normalize = NORMALIZE.as_ref().ok_or("a schema is invalid")?;
    let topic = delivery.kind.to_string();
    match normalize.decide(at, delivery, &mut ()) {
        Verdict::Emit(events) => Ok(events),
        Verdict::Rows(rows) => {
            rows.into_iter().collect::<Result<_, _>>().map_err(|reject| format!("a row of {topic}: {reject}"))
        }
        Verdict::Skip(_) => Ok(Vec::new()),
        Verdict::Reject(reject) => Err(format!("a body of {topic}: {reject}")),
    }
}

/// Moves the clock of a report ahead.
fn lead(event: &mut Event, by: Duration) {
    if by.is_zero() {
        return;
    }
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    event.occurred_at = event.occurred_at.map(|at| at.after(by));
    // A counter isn't a time.
    if let Some(SourceVersion { number: VersionNumber(number), .. }) = &mut event.version
        && *number > COUNTERS_MAX
    {
        *number = number.saturating_add(micros);
    }
}

/// Returns the event as normalize makes it.
fn event(origin: &Origin, delivered: &Delivered, mapped: &Mapped, position: Position) -> Event {
    let delivery = DeliveryId::derive(&origin.connection, "world", delivered.dedupe_key.as_bytes());
    let mut identity: Vec<&[u8]> = mapped.identity.iter().map(String::as_bytes).collect();
    if delivered.source.is_ours() {
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
        is_read_back: delivered.source == Source::ReadBack,
        asked_by: delivered.asked_by.clone(),
        attempt: 0,
        trace: TraceParent::from_delivery(delivery),
        position,
    }
}

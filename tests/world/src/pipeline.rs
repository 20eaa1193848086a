//! The path from deliveries to the record: the shipped stages normalize, dedupe and enrich, then the fold and, if the
//! database refuses its rows, the halving; then the desired values.

mod commit;

use crate::record::{Record, location_id};
use crate::shop::place_id;
use bytes::Bytes;
use dedupe::Dedupe;
use enrich::{Enrich, Known, LinkKey, PartitionState};
use model::{
    AskedBy, ConnectionId, Currency, Delivery, DeliveryId, DeliveryKind, Event, EventId, LinkKind, Origin,
    Position, RawDigest, Source, SourceVersion, Timestamp, TraceParent, VersionNumber, record::Movement,
};
use normalize::Normalize;
use platforms::{Envelope, Mapped, Platform, Signed, VerifyContext};
use simulator::MachineWebhook;
use stage::{Stage as _, Verdict, Window};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

/// Length of dedupe's window.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);
/// Length of the intake's window, as in `ingest`.
const KEPT_FOR: Duration = Duration::from_mins(5);
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

impl Reported {
    /// The object with the id of its delivery as its key. Reports in the types of `model` have it besides.
    pub(crate) fn with_id(self, id: &DeliveryId) -> Self {
        match self {
            Self::Object(topic, body, _) => Self::Object(topic, body, id.as_bytes().to_vec()),
            other => other,
        }
    }
}

/// A delivery within a request of a platform.
#[derive(Debug, Clone)]
pub(crate) struct Enclosed {
    pub(crate) topic: String,
    pub(crate) id: DeliveryId,
    pub(crate) body: Bytes,
}

/// The deliveries within a request of a platform, of the topics that the intake keeps.
pub(crate) fn enclosed(
    platform: &dyn Platform,
    connection: &ConnectionId,
    (headers, body): &MachineWebhook,
) -> Vec<Enclosed> {
    let headers = lower_case(headers);
    let envelopes = platform.webhooks().map(|webhooks| webhooks.split(&Signed { headers: &headers, body }));
    let known = envelopes.into_iter().flatten().filter(|found| platform.topic(&found.topic).is_some());
    let enclosed = |Envelope { topic, key, body: own }| {
        let body: Bytes = own.unwrap_or_else(|| body.clone());
        let key: Vec<u8> = key.map_or_else(|| RawDigest::of(&body).as_bytes().to_vec(), String::into_bytes);
        Enclosed { id: DeliveryId::derive(connection, &topic, &key), topic, body }
    };
    known.map(enclosed).collect()
}

fn lower_case(headers: &[(&'static str, String)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
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
    /// The deliveries that the intake kept.
    kept: Window<DeliveryId>,
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
            kept: Window::new(KEPT_FOR, 10_000),
            window: Window::new(REMEMBERED_FOR, 10_000),
            raw: Vec::new(),
            sequence: 0,
        }
    }

    /// Adds a connection of a platform that has `places`; what is at the only one names no location.
    pub(crate) fn connect(&mut self, origin: Origin, intake: Intake, places: usize) {
        let id = origin.connection.clone();
        let default_location = (places == 1).then(|| location_id(0));
        let known = Known { origin: origin.clone(), default_location };
        self.enrich_state.connections.insert(id.clone(), Arc::new(known));
        self.record.linked_places.insert(id.clone(), (0..places).map(location_id).collect());
        for place in 0..places {
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
        let mut count = 0;
        for delivered in batch {
            let at = Position { raw_sequence: self.sequence, delivery: count, event: 0 };
            count += 1;
            let Some(origin) = self.origins.get(&delivered.connection).cloned() else { continue };
            let normalized = match &delivered.reported {
                Reported::Words(mapped) => words(&origin, delivered, mapped, at),
                Reported::Webhook(_) | Reported::Object(..) => {
                    let deliveries = self.deliveries(delivered, &origin);
                    let deliveries = deliveries.map_err(|bug| bugs.push(bug)).unwrap_or_default();
                    let mut normalized = Vec::new();
                    for delivery in deliveries {
                        // A repeat of a delivery that was just kept has no position.
                        if !self.kept.first_seen(delivery.id, now) {
                            continue;
                        }
                        let at = Position { delivery: count, ..at };
                        count += 1;
                        match read(at, delivery) {
                            Ok(events) => normalized.extend(events),
                            Err(bug) => bugs.push(bug),
                        }
                    }
                    normalized
                }
            };
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

    /// Builds the deliveries as the intake does: several if the request has several.
    fn deliveries(&self, delivered: &Delivered, origin: &Origin) -> Result<Vec<Delivery>, String> {
        let platform = platforms::find(origin.platform.as_str()).ok_or("there is no such platform")?;
        let intake = self.intakes.get(&delivered.connection).ok_or("there is no such connection")?;
        let (found, headers) = match &delivered.reported {
            Reported::Words(_) => return Err("words are no delivery".to_owned()),
            Reported::Object(topic, body, key) => {
                let id = DeliveryId::derive(&delivered.connection, topic, key);
                (vec![Enclosed { topic: (*topic).to_owned(), id, body: body.clone() }], Vec::new())
            }
            Reported::Webhook(webhook) => {
                let headers = lower_case(&webhook.0);
                let signed = Signed { headers: &headers, body: &webhook.1 };
                let context = VerifyContext::new(&intake.secrets, &intake.url, Timestamp::default());
                let webhooks = platform.webhooks().ok_or("the platform sends no webhooks")?;
                webhooks
                    .verify(&signed, &context)
                    .map_err(|unverified| format!("a webhook of the platform's own: {unverified}"))?;
                let found = enclosed(platform, &delivered.connection, webhook);
                if found.is_empty() {
                    return Err("a webhook of the platform's own has no topic".to_owned());
                }
                let kept = webhooks.kept_headers();
                (found, headers.into_iter().filter(|(name, _)| kept.contains(&name.as_str())).collect())
            }
        };
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
        let delivery = |Enclosed { topic, id, body }: Enclosed| Delivery {
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
            headers: headers.clone(),
            trace: TraceParent::from_delivery(id),
            body,
        };
        Ok(found.into_iter().map(delivery).collect())
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

/// Returns the events of reports in the types of `model`.
fn words(origin: &Origin, delivered: &Delivered, mapped: &[Mapped], at: Position) -> Vec<Event> {
    let event_of = |(index, mapped): (usize, &Mapped)| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        event(origin, delivered, mapped, Position { event: index, ..at })
    };
    mapped.iter().enumerate().map(event_of).collect()
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

//! The decisions of all stages, one after the other, in one process.

use apply::decide::{Fold, Folded, first_keys, row_keys};
use dedupe::Dedupe;
use enrich::{Enrich, Known, LinkKey, PartitionState};
use model::{
    ConnectionId, Currency, Delivery, DeliveryId, DeliveryKind, Event, EventId, LinkKind, LocationId, Origin,
    Outcome, Partition, Payload, PlatformName, Position, RawDigest, Source, StoreId, TenantId, Timestamp,
    TraceParent,
    record::{Applied, CatalogRow, Facts, RowKeys},
};
use normalize::Normalize;
use platforms::{Signed, VerifyContext};
use stage::{RejectClass, Skip, Stage as _, Verdict, Window};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use testkit::{Account, Example};

const SECRET: &str = "a-secret-of-the-suite";
const URL: &str = "https://hooks.example.com/webhook/suite";
/// The topic that ingest assigns to a body without one.
const PARTITION: Partition = Partition(0);
/// Upper limit of a payload's bytes in a failure message.
const SHOWN: usize = 600;

/// Number of payloads and events by result.
#[derive(Debug, Default)]
pub struct Tally {
    unknown_topics: u64,
    rejected: u64,
    skipped: u64,
    events: u64,
    applied: u64,
    otherwise: u64,
}

impl Tally {
    /// Returns true if each result occurred.
    pub fn reaches_everything(&self) -> bool {
        [self.unknown_topics, self.rejected, self.skipped, self.events, self.applied, self.otherwise]
            .iter()
            .all(|count| *count > 0)
    }
}

/// The stages, and a store with a connection of every platform.
pub struct Pipeline {
    normalize: Normalize,
    enrich: PartitionState,
}

impl Pipeline {
    /// Creates a pipeline with the locations of these examples linked.
    pub fn new(examples: &[Example]) -> Self {
        let normalize = Normalize::new().expect("the schemas are schemas");
        let main = LocationId::new("main").expect("a location's id");
        let mut enrich = PartitionState::default();
        for example in examples {
            let origin = origin_of(example.platform.name());
            let known = Known { origin: origin.clone(), default_location: Some(main.clone()) };
            enrich.connections.insert(origin.connection.clone(), Arc::new(known));
            let delivery = delivery(example, &example.body).expect("an example has its topic");
            let Verdict::Emit(events) = normalize.decide(Position::default(), delivery, &mut ()) else {
                continue;
            };
            for event in events {
                if let Payload::Inventory(report) = &event.payload
                    && let Some(location) = &report.location
                {
                    let key = LinkKey {
                        connection: origin.connection.clone(),
                        kind: LinkKind::Location,
                        external: location.clone(),
                    };
                    enrich.links.insert(key, "main".into());
                }
            }
        }
        Self { normalize, enrich }
    }

    /// Runs the payloads through all stages and returns the failures.
    pub fn run(&self, payloads: &[(&Example, Vec<u8>)], tally: &mut Tally) -> Vec<String> {
        let mut failures = Vec::new();
        let mut window: Window<EventId> = dedupe::Config::default().window();
        let mut events = Vec::new();
        for ((example, body), number) in payloads.iter().zip(1..) {
            let at = Position { raw_sequence: number, delivery: 0, event: 0 };
            let through = || {
                let Some(delivery) = delivery(example, body) else {
                    tally.unknown_topics += 1;
                    return Ok(Vec::new());
                };
                self.one(delivery, at, &mut window, tally)
            };
            let outcome = catch_unwind(AssertUnwindSafe(through));
            match outcome.unwrap_or_else(|_| Err("panicked".to_owned())) {
                Ok(emitted) => events.extend(emitted),
                Err(error) => {
                    let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
                    failures.push(format!("{}: {error}: {shown}", example.label()));
                }
            }
        }
        let folded = catch_unwind(AssertUnwindSafe(|| self::folded(&events, tally)));
        failures.extend(folded.unwrap_or_else(|_| vec!["the fold panicked".to_owned()]));
        failures
    }

    /// Returns the events that normalize makes of a delivery.
    pub fn events(&self, delivery: Delivery) -> Vec<Event> {
        match self.normalize.decide(Position::default(), delivery, &mut ()) {
            Verdict::Emit(events) => events,
            Verdict::Rows(rows) => rows.into_iter().flatten().collect(),
            Verdict::Skip(_) | Verdict::Reject(_) => Vec::new(),
        }
    }

    /// Returns the changes that apply makes of an event, on an empty record.
    pub fn changes(&self, event: Event) -> Vec<Applied> {
        let mut state =
            PartitionState { connections: self.enrich.connections.clone(), links: self.enrich.links.clone() };
        let Verdict::Emit(enriched) = Enrich.decide(event.position, event, &mut state) else {
            return Vec::new();
        };
        fold(&enriched).changes.applied.into_iter().map(|(_, applied)| applied).collect()
    }

    /// Runs deliveries through all stages, one after the other on one state of the record, and returns the failures. A
    /// panic is not caught.
    pub fn decide(&self, deliveries: Vec<Delivery>) -> Vec<String> {
        let mut tally = Tally::default();
        let mut window: Window<EventId> = dedupe::Config::default().window();
        let (mut failures, mut events) = (Vec::new(), Vec::new());
        for (delivery, raw_sequence) in deliveries.into_iter().zip(1..) {
            let at = Position { raw_sequence, delivery: 0, event: 0 };
            match self.one(delivery, at, &mut window, &mut tally) {
                Ok(emitted) => events.extend(emitted),
                Err(error) => failures.push(error),
            }
        }
        failures.extend(self::folded(&events, &mut tally));
        failures
    }

    /// Runs one delivery through the stages before the fold.
    fn one(
        &self,
        delivery: Delivery,
        at: Position,
        window: &mut Window<EventId>,
        tally: &mut Tally,
    ) -> Result<Vec<Event>, String> {
        let read = wire::decode_delivery(wire::encode_delivery(&delivery));
        if read.ok().as_ref() != Some(&delivery) {
            return Err("the delivery is read back otherwise".to_owned());
        }
        let source = delivery.source;
        let verdict = self.normalize.decide(at, delivery.clone(), &mut ());
        if verdict != self.normalize.decide(at, delivery, &mut ()) {
            return Err("normalize decides twice and otherwise".to_owned());
        }
        let normalized = match verdict {
            Verdict::Emit(events) if events.is_empty() => return Err("nothing is emitted".to_owned()),
            Verdict::Emit(events) => events,
            Verdict::Skip(_) => {
                tally.skipped += 1;
                return Ok(Vec::new());
            }
            Verdict::Reject(reject) if reject.class == RejectClass::Bug => return Err(reject.to_string()),
            Verdict::Reject(_) => {
                tally.rejected += 1;
                return Ok(Vec::new());
            }
            Verdict::Rows(rows) if rows.is_empty() => return Err("no row is decided".to_owned()),
            Verdict::Rows(rows) => {
                let mut events = Vec::new();
                for row in rows {
                    match row {
                        Ok(event) => events.push(event),
                        Err(reject) if reject.class == RejectClass::Bug => return Err(reject.to_string()),
                        Err(_) => tally.rejected += 1,
                    }
                }
                events
            }
        };
        let mut enriched = Vec::new();
        for event in normalized {
            tally.events += 1;
            fits(&event, source)?;
            let read = wire::decode_event(wire::encode_event(&event));
            match read {
                Ok(read) if read == event => {}
                Ok(_) => return Err("the event is read back otherwise".to_owned()),
                Err(error) => return Err(format!("the event can't be read back: {error}")),
            }
            enriched.extend(self.pass_on(event, window)?);
        }
        Ok(enriched)
    }

    /// Runs an event through dedupe and enrich.
    fn pass_on(&self, event: Event, window: &mut Window<EventId>) -> Result<Vec<Event>, String> {
        let at = event.position;
        let distinct = match Dedupe::default().decide(at, event, window) {
            Verdict::Emit(events) => events,
            Verdict::Skip(Skip::Duplicate) => return Ok(Vec::new()),
            Verdict::Skip(other) => return Err(format!("dedupe skips as {other:?}")),
            Verdict::Reject(reject) => return Err(format!("dedupe rejects: {reject}")),
            Verdict::Rows(_) => return Err("dedupe decides about rows".to_owned()),
        };
        let mut passed = Vec::new();
        for event in distinct {
            let again = Dedupe::default().decide(at, event.clone(), window);
            if again != Verdict::Skip(Skip::Duplicate) {
                return Err("dedupe lets the same event through twice".to_owned());
            }
            let mut state = PartitionState {
                connections: self.enrich.connections.clone(),
                links: self.enrich.links.clone(),
            };
            match Enrich.decide(at, event, &mut state) {
                Verdict::Emit(events) => passed.extend(events),
                Verdict::Reject(reject) if reject.class == RejectClass::Bug => {
                    return Err(format!("enrich rejects: {reject}"));
                }
                Verdict::Rows(_) => return Err("enrich decides about rows".to_owned()),
                Verdict::Skip(_) | Verdict::Reject(_) => {}
            }
        }
        Ok(passed)
    }
}

/// Folds the events on an empty record, twice, and returns the failures.
fn folded(events: &[Event], tally: &mut Tally) -> Vec<String> {
    let mut failures = Vec::new();
    let read = wire::decode_events(wire::encode_events(events, &[]));
    if read.is_ok_and(|read| read.events != events) {
        failures.push("the batch is read back otherwise".to_owned());
    }
    let (once, again) = (fold(events), fold(events));
    if once.changes != again.changes {
        failures.push("the fold decides twice and otherwise".to_owned());
    }
    for rejected in once.rejected.iter().filter(|rejected| rejected.reject.class == RejectClass::Bug) {
        failures.push(format!("{}: {:?}", rejected.reject, rejected.event));
    }
    let duplicates =
        once.changes.dropped_inputs.iter().filter(|ended| ended.outcome == Outcome::Duplicate).count();
    if once.changes.event_outcomes.len() + duplicates != events.len() {
        let ended = once.changes.event_outcomes.len();
        failures.push(format!("of {} events {ended} ended and {duplicates} were duplicates", events.len()));
    }
    for (_, applied) in &once.changes.applied {
        failures.extend(beyond(applied));
        match wire::encode_applied(applied).and_then(wire::decode_applied) {
            Ok(read) if read == *applied => {}
            Ok(_) => failures.push(format!("a change is read back otherwise: {applied:?}")),
            Err(error) => failures.push(format!("a change can't be read back: {error}: {applied:?}")),
        }
    }
    tally.applied += once.changes.applied.len() as u64;
    tally.otherwise += (events.len() - once.changes.applied.len()) as u64;
    failures
}

/// Checks that an event can be stored, and that it is no instruction unless its source may send one.
fn fits(event: &Event, source: Source) -> Result<(), String> {
    event.payload.check().map_err(|beyond| format!("an event is beyond its limits: {beyond}"))?;
    if event.occurred_at.is_some_and(|at| !at.is_storable()) {
        return Err("an event is of a time that can't be stored".to_owned());
    }
    if matches!(event.payload, Payload::Instruction { .. }) && !source.is_ours() {
        return Err("an instruction came from without".to_owned());
    }
    Ok(())
}

/// Returns a failure if a row of a change can't be stored.
fn beyond(applied: &Applied) -> Option<String> {
    let is_storable = |row: &CatalogRow| match row {
        CatalogRow::Product(row) => {
            let texts = [&row.title, &row.description, &row.vendor, &row.category];
            let mut times = texts.into_iter().flatten().map(|text| text.at);
            times.all(Timestamp::is_storable) && row.deleted_at.is_none_or(Timestamp::is_storable)
        }
        CatalogRow::Variant(row) => {
            let texts = [&row.title, &row.sku, &row.barcode].into_iter().flatten().map(|text| text.at);
            texts.chain(row.price.as_ref().map(|price| price.at)).all(Timestamp::is_storable)
        }
    };
    let fits = applied.rows.iter().all(is_storable);
    (!fits).then(|| format!("a row is of a time that can't be stored: {applied:?}"))
}

fn fold(events: &[Event]) -> Folded {
    drop(first_keys(events, &[]));
    drop(row_keys(events, &Facts::default(), &RowKeys::default()));
    let mut fold = Fold::new(Facts::default(), BTreeMap::new());
    for event in events {
        fold.event(PARTITION, event.clone());
    }
    fold.finish()
}

/// The origin of a delivery on the connection to this platform.
pub(crate) fn origin_of(platform: &str) -> Origin {
    Origin {
        tenant: TenantId::new("t").expect("a tenant's id"),
        store: StoreId::new("s").expect("a store's id"),
        connection: ConnectionId::new(&format!("c-{platform}")).expect("a connection's id"),
        platform: PlatformName::new(platform).expect("a platform's name"),
    }
}

/// The kind that ingest gives to a payload in these headers; `None` if its topic is unknown or it is empty. A payload that
/// is fetched has its example's topic.
fn kind(account: &Account, example: &Example, received: &Signed<'_>) -> Option<DeliveryKind> {
    let fetched = DeliveryKind::Platform(example.topic.into());
    let Some(webhooks) = example.platform.webhooks() else { return Some(fetched) };
    let secrets = [SECRET.to_owned()];
    let context = VerifyContext::new(&secrets, URL, Timestamp::default());
    if webhooks.verify(received, &context).is_err() {
        assert!(received.body.is_empty(), "what is signed is verified, unless it is nothing");
        return None;
    }
    let sound = account.sign(example.topic, "sound", example.body.clone());
    if !example.is_webhook(&sound.headers) {
        return Some(fetched);
    }
    match webhooks.split(received).into_iter().next() {
        Some(envelope) => Some(DeliveryKind::Platform(example.platform.topic(&envelope.topic)?.name.into())),
        None => Some(DeliveryKind::Unreadable),
    }
}

/// Makes a delivery of a payload as ingest does; `None` if its topic is unknown or it is empty.
pub fn delivery(example: &Example, body: &[u8]) -> Option<Delivery> {
    let (platform, origin) = (example.platform, origin_of(example.platform.name()));
    let account = Account {
        connection: origin.connection.clone(),
        platform: platform.name(),
        name: "tests".to_owned(),
        webhook_url: URL.to_owned(),
        secret: SECRET.to_owned(),
        simulator: None,
    };
    let digest = RawDigest::of(body);
    let signed = account.sign(example.topic, &digest.to_string(), body.to_vec());
    let kind = kind(&account, example, &Signed { headers: &signed.headers, body })?;
    let id = DeliveryId::derive(&origin.connection, kind.topic(), digest.as_bytes());
    let kept = platform.webhooks().map_or(&[][..], |webhooks| webhooks.kept_headers());
    let headers = signed.headers.iter().filter(|(name, _)| kept.contains(&name.as_str()));
    Some(Delivery {
        id,
        origin,
        kind,
        received_at: Timestamp::parse("2026-11-26T00:00:00Z").expect("a time"),
        source: Source::Webhook,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: Currency::new("USD").ok(),
        account: None,
        headers: headers.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
        trace: TraceParent::from_delivery(id),
        body: body.to_vec().into(),
    })
}

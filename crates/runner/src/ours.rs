//! Judgement of messages by their content: ours or foreign. Without a clock or I/O.
//!
//! All readers of a feed use the same validator. A message that one counted as progress and another as foreign would be
//! lost between them.

use crate::{Batch, Input, Positioned, chain};
use bus::{
    AppliedMessage, Bus, BusConfig, BusError, DeadMessage, Feed, Foreign, Message, MessageValidator, User,
};
use model::{Delivery, Event, Origin, Partition, PartitionCount, Position, record::Applied};
use wire::{DecodeError, EventRecord};

/// Connects to the broker; only messages validated as ours are accepted as such.
pub async fn connect(config: &BusConfig) -> Result<Bus, BusError> {
    Ok(Bus::connect(config).await?.validated_by(Ours))
}

/// Connects as the user of a service, checks that the server is fit, and declares the streams or waits for them,
/// depending on that user's rights.
pub(crate) async fn open(config: BusConfig, service: &str) -> Result<Bus, BusError> {
    let user = User::of_service(service).ok_or(BusError::Token { what: "a service with a user" })?;
    let bus = connect(&config.of(&user)).await?;
    bus.check().await?;
    if user.declares_streams() {
        bus.declare().await?;
    } else {
        bus.await_declared(&user).await?;
    }
    Ok(bus)
}

/// Decodes a batch of a feed, or describes the reason for which it is foreign.
pub fn batch_of<T: Input>(
    bus: &Bus,
    feed: Feed,
    partition: Partition,
    message: &Message,
) -> Result<Batch<T>, Foreign> {
    batch(bus.partitions(), partition, message)
        .map_err(|reason| bus.foreign_batch(feed, partition, message, &reason))
}

/// Decodes a batch, or returns the reason for which it isn't one of that partition: it can't be decoded, or contains a
/// number of records other than in its header, another partition's stores, or positions beyond those that it covers.
fn batch<T: Input>(
    partitions: PartitionCount,
    partition: Partition,
    message: &Message,
) -> Result<Batch<T>, String> {
    let batch = T::decode(message.payload.clone(), message.sequence)
        .map_err(|error| format!("it can't be decoded: {}", chain(&error)))?;
    if u64::try_from(batch.records.len()).ok() != Some(message.records.into()) {
        return Err(format!("it holds {} records and says {}", batch.records.len(), message.records));
    }
    let dropped =
        batch.dropped_inputs.iter().map(|dropped_input| (&dropped_input.origin, dropped_input.position));
    let positioned = batch.records.iter().map(|it| (it.value.head().origin, it.position)).chain(dropped);
    for (Origin { store, .. }, position) in positioned {
        if partitions.of(store) != partition {
            return Err("it holds a store of another partition".to_owned());
        }
        // Positions before its beginning are allowed: they have no effect any more, and may occur after a gap.
        if let Some(covers) = message.covers.filter(|covers| position > *covers) {
            return Err(format!("it covers up to {covers} and holds {position}"));
        }
    }
    batch.records.iter().try_for_each(|Positioned { position, value }| value.check(*position))?;
    Ok(batch)
}

/// Decodes a committed change, or returns the reason for which it isn't one: it can't be decoded, or differs from its
/// subject and headers.
pub fn change_of(partitions: PartitionCount, message: &AppliedMessage) -> Result<Applied, String> {
    let applied = wire::decode_applied(message.payload.clone())
        .map_err(|error| format!("it can't be decoded: {}", chain(&error)))?;
    let event = &applied.event;
    let agrees = applied.number == message.number
        && event.origin.store == message.store
        && partitions.of(&message.store) == message.partition
        && event.payload.entity().as_str() == message.entity
        && event.action.as_str() == message.change
        && event.id.to_string() == message.event.id;
    if agrees {
        Ok(applied)
    } else {
        Err("its subject and headers say another change than it holds".to_owned())
    }
}

/// The pipeline's validation of its own messages.
#[derive(Debug, Clone, Copy)]
pub struct Ours;

impl MessageValidator for Ours {
    fn batch(
        &self,
        feed: Feed,
        partition: Partition,
        partitions: PartitionCount,
        message: &Message,
    ) -> Result<(), String> {
        match feed {
            Feed::Raw => batch::<Delivery>(partitions, partition, message).map(drop),
            Feed::Normalized | Feed::Unique | Feed::Enriched => {
                batch::<Event>(partitions, partition, message).map(drop)
            }
        }
    }

    fn applied(&self, partitions: PartitionCount, message: &AppliedMessage) -> Result<(), String> {
        change_of(partitions, message).map(drop)
    }

    fn dead(&self, message: &DeadMessage) -> Result<(), String> {
        let dead_letter = wire::decode_dead(message.payload.clone())
            .map_err(|error| format!("it can't be decoded: {}", chain(&error)))?;
        let agrees = dead_letter.stage == message.stage
            && dead_letter.reject.class.as_str() == message.class
            && dead_letter.original.origin().store == message.store;
        if agrees { Ok(()) } else { Err("its subject says another dead letter than it holds".to_owned()) }
    }
}

/// Describes a record of ours that can't be decoded though its batch can.
pub(crate) fn undecodable(position: Position, error: &DecodeError) -> String {
    format!("the event at {position} can't be decoded: {}", chain(error))
}

/// Checks the whole of a record of which only the head was decoded: otherwise the next reader would refuse
/// its whole batch.
pub(crate) fn check_record(position: Position, record: &EventRecord) -> Result<(), String> {
    record.event().map(drop).map_err(|error| undecodable(position, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{
        Action, ConnectionId, DeliveryId, DeliveryKind, DroppedInput, EntityKind, EventId, ExternalId,
        Outcome, Payload, PlatformName, RawDigest, Source, StoreId, TenantId, Timestamp, TraceParent,
    };

    const STORE: &str = "shop";

    fn partitions() -> PartitionCount {
        PartitionCount::new(16).unwrap()
    }

    fn here() -> Partition {
        partitions().of(&StoreId::new(STORE).unwrap())
    }

    fn origin(store: &str) -> Origin {
        Origin {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new(store).unwrap(),
            connection: ConnectionId::new("c").unwrap(),
            platform: PlatformName::new("p").unwrap(),
        }
    }

    fn at(raw_sequence: u64) -> Position {
        Position { raw_sequence, delivery: 0, event: 0 }
    }

    fn event(store: &str, raw_sequence: u64) -> Event {
        let delivery = DeliveryId::from_bytes([1; 16]);
        Event {
            id: EventId::from_bytes([1; 16]),
            correlation: delivery,
            delivery,
            origin: origin(store),
            action: Action::Deleted,
            occurred_at: None,
            received_at: Timestamp::from_micros(1),
            version: None,
            payload: Payload::Deleted {
                entity: EntityKind::Product,
                external: ExternalId::new("x").unwrap(),
            },
            links: Vec::new(),
            raw_digest: RawDigest::of(b""),
            is_read_back: false,
            asked_by: None,
            attempt: 0,
            trace: TraceParent::from_delivery(delivery),
            position: at(raw_sequence),
        }
    }

    fn dropped_input(store: &str, raw_sequence: u64) -> DroppedInput {
        DroppedInput {
            position: at(raw_sequence),
            origin: origin(store),
            delivery: DeliveryId::from_bytes([1; 16]),
            event: None,
            stage: "normalize".into(),
            outcome: Outcome::Filtered,
            reason: "".into(),
            received_at: Timestamp::from_micros(1),
        }
    }

    fn delivery(store: &str) -> Delivery {
        let id = DeliveryId::from_bytes([1; 16]);
        Delivery {
            id,
            origin: origin(store),
            kind: DeliveryKind::Platform("t".into()),
            received_at: Timestamp::from_micros(1),
            source: Source::Webhook,
            cause: None,
            asked_by: None,
            attempt: 0,
            currency: None,
            account: None,
            headers: Vec::new(),
            trace: TraceParent::from_delivery(id),
            body: Bytes::new(),
        }
    }

    /// Returns a message that covers the positions 3 to 7.
    fn message(payload: Bytes, records: u32) -> Message {
        Message {
            sequence: 9,
            payload,
            from: Some(at(3)),
            covers: Some(at(7)),
            input_sequence: Some(7),
            records,
            records_total: Some(20),
            published_at: Timestamp::from_micros(1),
        }
    }

    fn validated<T: Input>(payload: Bytes, records: u32) -> Result<usize, String> {
        batch::<T>(partitions(), here(), &message(payload, records)).map(|batch| batch.records.len())
    }

    #[test]
    fn a_batch_is_ours_if_it_holds_what_its_header_says_of_its_own_partition_up_to_what_it_covers() {
        let events = [event(STORE, 4), event(STORE, 7)];
        let good = wire::encode_events(&events, &[dropped_input(STORE, 5)]);
        assert_eq!(validated::<Event>(good.clone(), 2), Ok(2));
        assert_eq!(validated::<EventRecord>(good.clone(), 2), Ok(2));
        assert_eq!(validated::<Event>(Bytes::new(), 0), Ok(0), "only a position");
        for (what, payload, records) in [
            ("another number", good.clone(), 3),
            ("none at all", Bytes::new(), 1),
            ("an event behind", wire::encode_events(&[event(STORE, 8)], &[]), 1),
            ("a dropped input behind", wire::encode_events(&[], &[dropped_input(STORE, 8)]), 0),
            ("another store's event", wire::encode_events(&[event("shop-7", 4)], &[]), 1),
            ("another store's dropped input", wire::encode_events(&[], &[dropped_input("shop-7", 4)]), 0),
            ("cut off", good.slice(..good.len() - 1), 2),
            ("a response of ours", Bytes::from_static(b"{\"stream\":\"RAW\"}"), 0),
        ] {
            assert!(validated::<Event>(payload.clone(), records).is_err(), "{what}");
            assert!(validated::<EventRecord>(payload, records).is_err(), "{what}, by its heads");
        }
    }

    #[test]
    fn a_batch_of_raw_holds_its_own_partitions_deliveries() {
        let raw = |store: &str, records| {
            let message = Message {
                from: None,
                covers: None,
                input_sequence: None,
                records_total: None,
                ..message(wire::encode_deliveries([&delivery(store)]), records)
            };
            batch::<Delivery>(partitions(), here(), &message)
        };
        assert_eq!(raw(STORE, 1).unwrap().records.len(), 1);
        assert!(raw(STORE, 2).is_err());
        assert!(raw("shop-7", 1).is_err(), "another partition's store");
    }

    #[test]
    fn a_record_whose_head_can_be_read_and_whose_rest_cannot_makes_its_batch_foreign() {
        // A second `traceparent` (field 17), which is invalid: the last one counts.
        let mut whole = wire::encode_event(&event(STORE, 4)).to_vec();
        whole.extend([0x8a, 0x01, 0x01, b'x']);
        // As field 1 of a batch, with its length as a varint of two bytes.
        let length = u8::try_from(whole.len() & 0x7f).unwrap() | 0x80;
        let mut batch = vec![0x0a, length, u8::try_from(whole.len() >> 7).unwrap()];
        batch.extend(whole);
        assert_eq!(
            wire::decode_records(batch.clone().into()).unwrap().events.len(),
            1,
            "its head can be read"
        );
        assert!(validated::<Event>(batch.clone().into(), 1).is_err());
        assert!(validated::<EventRecord>(batch.into(), 1).is_err());
    }

    #[test]
    fn a_dead_letter_is_ours_if_its_subject_says_what_it_holds() {
        use stage::{Reject, RejectClass};
        let dead_letter = wire::DeadLetter {
            stage: "normalize".to_owned(),
            reject: Reject::new(RejectClass::Schema, "no"),
            rejected_at: Timestamp::from_micros(7),
            position: at(1),
            original: wire::Original::Delivery(Box::new(delivery(STORE))),
            body_in_raw: None,
        };
        let dead = |stage: &str, class: &str, store: &str| {
            let store = StoreId::new(store).unwrap();
            let message =
                DeadMessage::new(stage, class, store, "id".to_owned(), wire::encode_dead(&dead_letter));
            Ours.dead(&message)
        };
        assert_eq!(dead("normalize", "schema", STORE), Ok(()));
        assert!(dead("apply", "schema", STORE).is_err());
        assert!(dead("normalize", "data", STORE).is_err());
        assert!(dead("normalize", "schema", "shop-7").is_err());
    }

    #[test]
    fn a_change_is_ours_if_its_subject_and_headers_say_what_it_holds() {
        use bus::CloudEvent;
        use model::record::Applied;
        let held =
            Applied { number: 7, sequence: 3, event: event(STORE, 4), effects: Vec::new(), rows: Vec::new() };
        let good = AppliedMessage {
            partition: here(),
            number: 7,
            store: StoreId::new(STORE).unwrap(),
            entity: "product".to_owned(),
            change: "deleted".to_owned(),
            message_id: "id".to_owned(),
            event: CloudEvent {
                id: held.event.id.to_string(),
                kind: "kind".to_owned(),
                source: "source".to_owned(),
                time: Timestamp::from_micros(1),
                trace: None,
            },
            payload: wire::encode_applied(&held).unwrap(),
            sequence: 1,
            stored_at: Timestamp::from_micros(1),
        };
        let validated = |message: &AppliedMessage| Ours.applied(partitions(), message);
        let mut neighbours = (0..).map(|number| StoreId::new(&format!("neighbour-{number}")).unwrap());
        let neighbour = neighbours.find(|store| partitions().of(store) == here()).unwrap();
        assert_eq!(validated(&good), Ok(()));
        let (other, elsewhere) = ("other".to_owned(), event("shop-7", 4));
        let moved = Applied { event: elsewhere, ..held };
        for (what, bad) in [
            ("the number", AppliedMessage { number: 8, ..good.clone() }),
            ("the store", AppliedMessage { store: neighbour, ..good.clone() }),
            (
                "the partition",
                AppliedMessage {
                    store: StoreId::new("shop-7").unwrap(),
                    payload: wire::encode_applied(&moved).unwrap(),
                    ..good.clone()
                },
            ),
            ("the entity", AppliedMessage { entity: other.clone(), ..good.clone() }),
            ("the change", AppliedMessage { change: other.clone(), ..good.clone() }),
            (
                "the id",
                AppliedMessage { event: CloudEvent { id: other, ..good.event.clone() }, ..good.clone() },
            ),
            ("what it holds", AppliedMessage { payload: Bytes::from_static(b"\xff"), ..good.clone() }),
        ] {
            assert!(validated(&bad).is_err(), "{what}");
        }
    }
}

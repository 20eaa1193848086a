//! Reads of the event store.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{action, entity_kind, hash_id, id, partition, time, time_or_null, unreadable},
    statement::{query, statements},
};
use model::{
    Action, ConnectionId, DeliveryId, EntityKind, EventId, ExternalId, Partition, StoreId, TenantId,
    Timestamp, TraceParent,
};
use sqlx::{Row as _, postgres::PgRow};

/// A row of the event store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The partition that it was committed in.
    pub partition: Partition,
    /// The partition's number of the change.
    pub number: i64,
    /// The tenant.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The store's sequence number of the change.
    pub sequence: i64,
    /// The connection that it came through.
    pub connection: ConnectionId,
    /// The event.
    pub event: EventId,
    /// The delivery that contained it.
    pub delivery: DeliveryId,
    /// The first delivery of the causal chain.
    pub correlation: DeliveryId,
    /// The kind of entity.
    pub entity: EntityKind,
    /// The action.
    pub action: Action,
    /// The platform's id of the entity.
    pub external: ExternalId,
    /// Time of the event, as the platform reports it.
    pub occurred_at: Option<Timestamp>,
    /// Time of receipt by the intake.
    pub received_at: Timestamp,
    /// Time of the commit.
    pub recorded_at: Timestamp,
    /// The committed change, in the wire format.
    pub payload: Vec<u8>,
    /// The trace that it belongs to.
    pub trace: TraceParent,
}

impl Store {
    /// Returns the changes committed in a partition after `number`, in order: the outbox of APPLIED. At most `limit`.
    pub async fn applied_after(
        &self,
        of: Partition,
        number: i64,
        limit: i64,
    ) -> Result<Vec<EventRow>, StoreError> {
        let statement = query(AFTER_NUMBER).bind(partition(of)?).bind(number).bind(limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns the changes of a store after `sequence`, in order. At most `limit`.
    pub async fn events_of(
        &self,
        store: &StoreId,
        sequence: i64,
        limit: i64,
    ) -> Result<Vec<EventRow>, StoreError> {
        let statement =
            query(AFTER_SEQUENCE).bind(store.as_str().to_owned()).bind(sequence).bind(limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }
}

fn read(row: &PgRow) -> Result<EventRow, StoreError> {
    let columns = EventColumns::read(row)?;
    let of = u16::try_from(row.try_get::<i16, _>("partition")?).map_err(|_| unreadable("partition"))?;
    Ok(EventRow {
        partition: Partition(of),
        number: row.try_get("number")?,
        tenant: columns.tenant,
        store: columns.store,
        sequence: row.try_get("sequence")?,
        connection: columns.connection,
        event: columns.event,
        delivery: columns.delivery,
        correlation: hash_id(row, "correlation")?,
        entity: columns.entity,
        action: columns.action,
        external: columns.external,
        occurred_at: time_or_null(row, "occurred_at")?,
        received_at: columns.received_at,
        recorded_at: columns.recorded_at,
        payload: row.try_get("payload")?,
        trace: TraceParent::parse(row.try_get("trace")?).ok_or_else(|| unreadable("trace"))?,
    })
}

/// The columns that the tables `events` and `event_outcomes` have in common.
pub(crate) struct EventColumns {
    pub(crate) tenant: TenantId,
    pub(crate) store: StoreId,
    pub(crate) connection: ConnectionId,
    pub(crate) event: EventId,
    pub(crate) delivery: DeliveryId,
    pub(crate) entity: EntityKind,
    pub(crate) action: Action,
    pub(crate) external: ExternalId,
    pub(crate) received_at: Timestamp,
    pub(crate) recorded_at: Timestamp,
}

impl EventColumns {
    pub(crate) fn read(row: &PgRow) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: id(row, "tenant")?,
            store: id(row, "store")?,
            connection: id(row, "connection")?,
            event: hash_id(row, "event_id")?,
            delivery: hash_id(row, "delivery_id")?,
            entity: entity_kind(row, "entity")?,
            action: action(row, "action")?,
            external: id(row, "external")?,
            received_at: time(row, "received_at")?,
            recorded_at: time(row, "recorded_at")?,
        })
    }
}

statements! {
    const AFTER_NUMBER: ByKey(int2, int8, int8) =
        "SELECT * FROM events WHERE partition = $1 AND number > $2 ORDER BY number LIMIT $3";

    const AFTER_SEQUENCE: ByKey(text, int8, int8) =
        "SELECT * FROM events WHERE store = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
}

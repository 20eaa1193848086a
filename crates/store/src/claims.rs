//! Writes that are due: claimed before the call, settled after it.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, id_or_null, mirror_key, mirror_value, partition, place, send_state, time, unreadable},
    error::within,
};
use model::{
    ConnectionId, ExternalId, MirrorKey, MirrorKind, MirrorValue, Partition, SendState, SourceVersion,
    Timestamp, TraceParent,
};
use sqlx::{Row as _, postgres::PgRow};
use std::time::Duration;

/// How long a read-back is waited for before the platform is asked again.
const READ_BACK_PATIENCE: Duration = Duration::from_mins(1);
/// How many characters of an error a mirror keeps.
const ERROR_CHARACTERS: usize = 500;

/// A write that the caller has claimed: it is marked as under way and must be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueWrite {
    /// Which mirror.
    pub key: MirrorKey,
    /// Our id of the variant or product, for the trace and the log.
    pub internal: Option<String>,
    /// The platform's id of the place of a level; `None` on platforms without locations.
    pub location: Option<ExternalId>,
    /// The platform's id of the product that a price's variant is of.
    pub product: Option<ExternalId>,
    /// What to write.
    pub value: MirrorValue,
    /// What the platform held when the write was decided, as far as was known.
    pub from: Option<MirrorValue>,
    /// The idempotency key: the same for every attempt of this write.
    pub sent_key: String,
    /// How far the write has come: `Pending`, or `Unsure` or `Echoed` if something was reported meanwhile.
    pub state: SendState,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// When the first attempt began.
    pub begun_at: Timestamp,
    /// The trace of the change that made it due.
    pub trace: Option<TraceParent>,
}

/// A level, price or text that has to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRead {
    /// Which mirror.
    pub key: MirrorKey,
    /// The platform's id of the place of a level; `None` on platforms without locations.
    pub location: Option<ExternalId>,
    /// The platform's id of the product that a price's variant is of.
    pub product: Option<ExternalId>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteResult {
    /// The platform took it, or held it already.
    Acknowledged {
        /// The version of the object there, as far as the platform told it.
        version: Option<SourceVersion>,
    },
    /// The platform refused the comparison: it holds something else and has to be read.
    ReadBack,
    /// Not now; the same write again, not before then.
    RetryAt {
        /// When.
        at: Timestamp,
        /// How it showed, without payload.
        error: String,
    },
    /// Never; the next value that is wanted is tried again.
    Refused {
        /// Why, without payload.
        error: String,
    },
}

/// What follows from how a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nothing.
    Done,
    /// The platform has to be read; nothing is written there until its report has come.
    NeedsReadBack,
    /// The write isn't under way any more: its report was first, or someone else has it.
    Passed,
}

impl Store {
    /// Those of the connections that have a write due.
    pub async fn due_connections(
        &self,
        connections: &[ConnectionId],
        now: Timestamp,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let statement = sqlx::query(
            "SELECT u.connection FROM unnest($1::text[]) AS u(connection)
             WHERE EXISTS (SELECT FROM mirrors m WHERE m.connection = u.connection AND m.attention = 'write'
                           AND m.next_attempt_at <= $2)",
        )
        .bind(connections.iter().map(ConnectionId::as_str).collect::<Vec<_>>())
        .bind(now.as_chrono());
        self.fetch_all(statement).await?.iter().map(|row| id(row, "connection")).collect()
    }

    /// Claims at most `limit` writes of a connection, those that have been due longest first: each is marked as under way
    /// until `lease` has passed, then it is due again with the same value and key. What is written is the store's value
    /// of this moment; a mirror that turns out to hold it already is not claimed. Gives nothing while the connection is
    /// switched off, and no new writes of what its rules keep back. `of` is the partition of the connection's store.
    pub async fn claim_due(
        &self,
        of: Partition,
        connection: &ConnectionId,
        now: Timestamp,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<DueWrite>, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            // Two statements, since only what is read after the rows are locked is sure to be as new as they are: a
            // platform's report moves its mirror and the level in one commit, and between them no value may be chosen.
            let locked = sqlx::query(LOCK_DUE)
                .bind(connection.as_str())
                .bind(now.as_chrono())
                .bind(limit.min(LISTED_ROWS))
                .fetch_all(&mut *transaction)
                .await?;
            if locked.is_empty() {
                return Ok(locked);
            }
            let keys = locked.iter().map(mirror_key).collect::<Result<Vec<_>, _>>()?;
            let rows = sqlx::query(CLAIM)
                .bind(connection.as_str())
                .bind(keys.iter().map(|key| key.kind.as_str()).collect::<Vec<_>>())
                .bind(keys.iter().map(|key| key.external.as_str()).collect::<Vec<_>>())
                .bind(keys.iter().map(place).collect::<Vec<_>>())
                .bind(now.as_chrono())
                .bind(now.as_chrono() + lease)
                .bind(model::DEFAULT_LOCATION)
                .bind(partition(of)?)
                .fetch_all(&mut *transaction)
                .await?;
            Ok::<_, StoreError>(rows)
        };
        let rows = within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await?;
        let claimed = |row: &&PgRow| row.try_get::<bool, _>("claimed").unwrap_or(true);
        rows.iter().filter(claimed).map(read_write).collect()
    }

    /// Records how the call of a claimed write ended, if that write is still the one under way. `of` is the partition of
    /// the connection's store.
    pub async fn settle_write(
        &self,
        of: Partition,
        key: &MirrorKey,
        sent_key: &str,
        result: &WriteResult,
        now: Timestamp,
    ) -> Result<Settled, StoreError> {
        let (sql, at, error) = match result {
            WriteResult::Acknowledged { .. } => (ACKNOWLEDGE, now.as_chrono() + READ_BACK_PATIENCE, None),
            WriteResult::ReadBack => (READ_BACK, now.as_chrono() + READ_BACK_PATIENCE, None),
            WriteResult::RetryAt { at, error } => (RETRY, at.as_chrono(), Some(error)),
            WriteResult::Refused { error } => (REFUSE, now.as_chrono() + READ_BACK_PATIENCE, Some(error)),
        };
        let error = error.map(|error| error.chars().take(ERROR_CHARACTERS).collect::<String>());
        let mut statement = sqlx::query(sql)
            .bind(key.connection.as_str())
            .bind(key.kind.as_str())
            .bind(key.external.as_str())
            .bind(place(key))
            .bind(sent_key)
            .bind(at)
            .bind(error)
            .bind(partition(of)?);
        if let WriteResult::Acknowledged { version } = result {
            statement = statement.bind(version.map(|version| version.0));
        }
        let row = self.bounded(statement.fetch_optional(&self.pool)).await?;
        match row.map(|row| send_state(&row, "sent_state")).transpose()?.flatten() {
            None => Ok(Settled::Passed),
            Some(SendState::Reading) => Ok(Settled::NeedsReadBack),
            Some(_) => Ok(Settled::Done),
        }
    }

    /// Mirrors that have to be read, or whose read-back hasn't come within a minute: each is given once, then not before
    /// another minute has passed. At most `limit`.
    pub async fn claim_reads(
        &self,
        connections: &[ConnectionId],
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<DueRead>, StoreError> {
        let statement = sqlx::query(CLAIM_READS)
            .bind(connections.iter().map(ConnectionId::as_str).collect::<Vec<_>>())
            .bind(now.as_chrono())
            .bind(now.as_chrono() + READ_BACK_PATIENCE)
            .bind(limit.min(LISTED_ROWS))
            .bind(model::DEFAULT_LOCATION);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(|row| {
                let (location, product) = (id_or_null(row, "location")?, id_or_null(row, "product")?);
                Ok(DueRead { key: mirror_key(row)?, location, product })
            })
            .collect()
    }
}

fn read_write(row: &PgRow) -> Result<DueWrite, StoreError> {
    let key = mirror_key(row)?;
    let product = match key.kind {
        MirrorKind::Price => id_or_null(row, "product")?,
        MirrorKind::Inventory | MirrorKind::Product => None,
    };
    Ok(DueWrite {
        key,
        internal: row.try_get("internal")?,
        location: id_or_null(row, "location")?,
        product,
        value: mirror_value(row, "sent")?.ok_or_else(|| unreadable("sent"))?,
        from: mirror_value(row, "sent_from")?,
        sent_key: row.try_get("sent_key")?,
        state: send_state(row, "sent_state")?.ok_or_else(|| unreadable("sent_state"))?,
        attempt: row.try_get("attempts")?,
        begun_at: time(row, "sent_at")?,
        trace: row.try_get::<Option<String>, _>("sent_trace")?.as_deref().and_then(TraceParent::parse),
    })
}

// A row that apply holds is skipped: what it is about to hold isn't known.
const LOCK_DUE: &str = "
SELECT m.connection, m.kind, m.external, m.place
FROM mirrors m
JOIN connections c ON c.id = m.connection
WHERE m.connection = $1 AND m.attention = 'write' AND m.next_attempt_at <= $2 AND c.enabled
  AND (m.sent_state IN ('pending', 'unsure', 'echoed') OR coalesce((c.rules ->> CASE m.kind
          WHEN 'inventory' THEN 'propagate_inventory'
          WHEN 'price' THEN 'propagate_prices'
          ELSE 'propagate_products' END)::boolean, true))
ORDER BY m.next_attempt_at
LIMIT $3
FOR NO KEY UPDATE OF m SKIP LOCKED";

/// Notes what was made of the mirrors in `marked`, and behind which place of the partition.
macro_rules! mark {
    ($partition:literal, $which:literal) => {
        concat!(
            "INSERT INTO send_marks (partition, raw_sequence, delivery, event, tenant, store, connection, kind,
                 external, place, internal, held, observed_version, sent, sent_from, sent_state, sent_key, last_error)
             SELECT ",
            $partition,
            ", at.raw_sequence, at.delivery, at.event, m.tenant, m.store, m.connection, m.kind, m.external, m.place,
                 m.internal, m.held, m.observed_version, m.sent, m.sent_from, m.sent_state, m.sent_key, m.last_error
             FROM marked m CROSS JOIN LATERAL applied_position(",
            $partition,
            ", m.external) AS at ",
            $which
        )
    };
}

// A write that is under way keeps its value, what it was compared with, and its key. Another one takes the store's value
// of this moment, unless the platform holds that already or has refused it for good. Mirrors are looked up by their whole
// key, whenever the plan was made: see the note in `desired.rs`.
const CLAIM: &str = concat!(
    "
WITH marked AS (
UPDATE mirrors m
SET desired = f.wanted,
    sent = CASE WHEN f.begins THEN f.wanted ELSE m.sent END,
    sent_from = CASE WHEN f.begins THEN m.held ELSE m.sent_from END,
    sent_state = CASE WHEN f.begins THEN 'pending' ELSE m.sent_state END,
    sent_key = CASE WHEN f.begins THEN gen_random_uuid()::text ELSE m.sent_key END,
    sent_at = CASE WHEN f.begins THEN $5 ELSE m.sent_at END,
    sent_trace = CASE WHEN f.begins THEN m.desired_trace ELSE m.sent_trace END,
    attempts = CASE WHEN f.begins THEN 1 WHEN f.under_way THEN m.attempts + 1 ELSE m.attempts END,
    next_attempt_at = CASE WHEN f.begins OR f.under_way THEN $6 ELSE m.next_attempt_at END,
    last_error = CASE WHEN f.begins THEN NULL ELSE m.last_error END
FROM (
    SELECT w.*, NOT w.under_way AND w.wanted IS DISTINCT FROM w.held
            AND NOT (w.sent_state IS NOT DISTINCT FROM 'refused' AND w.wanted = w.sent) AS begins
    FROM (
        SELECT d.connection, d.kind, d.external, d.place, d.held, d.sent, d.sent_state,
            coalesce(d.sent_state IN ('pending', 'unsure', 'echoed'), false) AS under_way,
            coalesce(CASE d.kind
                WHEN 'inventory' THEN (SELECT mirror_quantity(l.quantity) FROM inventory_levels l
                                       WHERE l.variant = d.internal AND l.location = d.place)
                WHEN 'price' THEN (SELECT mirror_price(v.price_minor, v.price_currency) FROM variants v
                                   WHERE v.id = d.internal AND v.price_minor IS NOT NULL)
                ELSE (SELECT mirror_text(d.held, p.title, p.description) FROM products p WHERE p.id = d.internal)
            END, d.desired) AS wanted
        FROM unnest($2::text[], $3::text[], $4::text[]) AS u(kind, external, place)
        CROSS JOIN LATERAL (SELECT * FROM mirrors k WHERE k.connection = $1 AND k.kind = u.kind
                                AND k.external = u.external AND k.place = u.place OFFSET 0) AS d
    ) AS w
) AS f
WHERE m.connection = f.connection AND m.kind = f.kind AND m.external = f.external AND m.place = f.place
RETURNING m.*, f.begins, f.begins OR f.under_way AS claimed
), noted AS (",
    mark!("$8", "WHERE m.begins"),
    ")
SELECT m.connection, m.kind, m.external, m.place, m.internal, m.sent, m.sent_from, m.sent_state, m.sent_key, m.sent_at,
    m.sent_trace, m.attempts, m.claimed,
    (SELECT min(l.external) FROM links l WHERE l.internal = m.place AND l.kind = 'location'
        AND l.connection = m.connection AND l.external <> $7) AS location,
    (SELECT min(l.external) FROM variants v JOIN links l ON l.internal = v.product AND l.kind = 'product'
        AND l.connection = m.connection WHERE v.id = m.internal AND m.kind = 'price') AS product
FROM marked m"
);

const CLAIM_READS: &str = "
UPDATE mirrors m
SET next_attempt_at = $3
FROM (SELECT r.connection, r.kind, r.external, r.place
      FROM mirrors r
      WHERE r.connection = ANY($1) AND r.attention = 'read' AND r.next_attempt_at <= $2
      ORDER BY r.next_attempt_at
      LIMIT $4
      FOR NO KEY UPDATE SKIP LOCKED) AS due
WHERE m.connection = due.connection AND m.kind = due.kind AND m.external = due.external AND m.place = due.place
RETURNING m.connection, m.kind, m.external, m.place,
    (SELECT min(l.external) FROM links l WHERE l.internal = m.place AND l.kind = 'location'
        AND l.connection = m.connection AND l.external <> $5) AS location,
    (SELECT min(l.external) FROM variants v JOIN links l ON l.internal = v.product AND l.kind = 'product'
        AND l.connection = m.connection WHERE v.id = m.internal AND m.kind = 'price') AS product";

macro_rules! settle {
    ($($set:expr),+) => {
        concat!(
            "WITH marked AS (UPDATE mirrors SET ",
            $($set,)+
            " WHERE connection = $1 AND kind = $2 AND external = $3 AND place = $4 AND sent_key = $5
                AND sent_state IN ('pending', 'unsure', 'echoed') RETURNING *
             ), noted AS (",
            mark!("$8", ""),
            ") SELECT sent_state FROM marked"
        )
    };
}

// Whether something else was told while the write was under way, and has the very version that the write made ($9).
macro_rules! told_at_once {
    () => {
        "sent_state = 'pending' AND $9 = observed_version AND held IS DISTINCT FROM sent_from"
    };
}

/// By how much a write of a level that came from a known one moves it.
macro_rules! moved_by_us {
    () => {
        "((sent ->> 'quantity')::numeric - (sent_from ->> 'quantity')::numeric)"
    };
}

// Taken, but something else was reported meanwhile: which of the two came last is found by reading. If its report was
// first, what the platform holds is known already. A level that is unsure is what it held without our write. Where the
// reply tells the version that the write made, that says which came last, and what is reported of before is old. Of what was never observed no version is kept.
const ACKNOWLEDGE: &str = settle!(
    "held = CASE WHEN $9::bigint > observed_version THEN sent
                 WHEN $9 < observed_version OR sent_state = 'echoed' OR ",
    told_at_once!(),
    " THEN held
                 WHEN sent_state = 'unsure' AND kind = 'inventory' AND sent_from IS NOT NULL AND held IS NOT NULL
                 THEN mirror_quantity((held ->> 'quantity')::numeric + ",
    moved_by_us!(),
    ") ELSE sent END,
     observed_version = CASE WHEN observed IS NOT NULL THEN greatest(observed_version, $9) END,
     attempts = 0, last_error = $7,
     sent_state = CASE WHEN sent_state = 'unsure' OR ",
    told_at_once!(),
    " THEN 'reading' WHEN sent_state = 'echoed' OR $9 < observed_version THEN 'settled' ELSE 'acknowledged' END,
     next_attempt_at = CASE WHEN sent_state = 'unsure' OR ",
    told_at_once!(),
    " THEN $6 ELSE 'epoch' END"
);

// Not taken: what the platform tells is a movement from what it held before. A report that was taken for the echo
// wasn't one, so what it moved is given back.
macro_rules! held_if_refused {
    () => {
        concat!(
            "CASE WHEN sent_state = 'echoed' AND kind = 'inventory' AND sent_from IS NOT NULL
                  THEN mirror_quantity((held ->> 'quantity')::numeric - ",
            moved_by_us!(),
            ") ELSE held END"
        )
    };
}
const READ_BACK: &str = settle!(
    "held = ",
    held_if_refused!(),
    ", attempts = 0, last_error = $7, sent_state = 'reading', next_attempt_at = $6"
);
// Changes nothing that an event meets; the partition is bound all the same.
const RETRY: &str = "
UPDATE mirrors SET last_error = $7, next_attempt_at = $6
WHERE connection = $1 AND kind = $2 AND external = $3 AND place = $4 AND sent_key = $5
  AND sent_state IN ('pending', 'unsure', 'echoed') AND $8::int2 IS NOT NULL
RETURNING sent_state";
const REFUSE: &str = settle!(
    "last_error = $7, held = ",
    held_if_refused!(),
    ", sent_state = CASE sent_state WHEN 'pending' THEN 'refused' ELSE 'reading' END,
     next_attempt_at = CASE sent_state WHEN 'pending' THEN 'epoch' ELSE $6 END"
);

//! Calls that are due: begun before they are made, ended after.
//!
//! The mirror decides (`model::mirror`); this file locks rows, hands them to it and stores what comes out, with a note
//! for replays of everything that an event could meet.

mod reads;
mod settle;
mod targets;

use crate::{
    LISTED_ROWS, Store, StoreError,
    apply::write_log,
    columns::id,
    conflicts,
    error::within,
    mirrors::{self, KeyColumns},
};
use model::{
    Attention, Begun, ConnectionId, ExternalId, Mirror, MirrorKey, MirrorKind, Money, Partition, ProductText,
    Quantity, Timestamp, TraceParent,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use targets::Target;

pub use reads::DueRead;

/// A write that the caller has begun: its call has to be made, and settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueWrite {
    /// Which mirror.
    pub key: MirrorKey,
    /// Our id of the variant or product, for the trace and the log.
    pub internal: Option<String>,
    /// The platform's id of the location of a level; `None` on platforms without locations.
    pub location: Option<ExternalId>,
    /// The platform's id of the product that a price's variant is of.
    pub product: Option<ExternalId>,
    /// The change.
    pub change: DueChange,
    /// The idempotency key: the same for every attempt of this write.
    pub sent_key: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When the first attempt began.
    pub begun_at: Timestamp,
    /// The trace of the change that made it due.
    pub trace: Option<TraceParent>,
}

/// The change that a write makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueChange {
    /// Of a level.
    Level {
        /// What the platform held when the write was begun.
        from: Quantity,
        /// What it shall hold.
        to: Quantity,
    },
    /// Of a price.
    Price(Money),
    /// Of a text.
    Text(ProductText),
}

/// What is claimed of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The connection.
    pub connection: &'a ConnectionId,
    /// The partition of its store.
    pub partition: Partition,
    /// The kinds of which new writes may be begun: those that the platform takes and the connection's rules let out.
    pub kinds: &'a BTreeSet<MirrorKind>,
    /// The number of decimals the platform's quantities have.
    pub decimals: u32,
    /// How long after its first attempt a write of a kind may be repeated; no bound for a kind that isn't there.
    pub repeatable_for: &'a BTreeMap<MirrorKind, Duration>,
    /// For how long nobody else makes the call again.
    pub lease: Duration,
    /// The number of writes that are claimed at most.
    pub limit: i64,
}

impl Store {
    /// Those of the connections that have a write due.
    pub async fn due_connections(
        &self,
        connections: &[ConnectionId],
        now: Timestamp,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        self.connections_with(Attention::Write, connections, now).await
    }

    /// Those of the connections that have something due for reading.
    pub async fn connections_to_read(
        &self,
        connections: &[ConnectionId],
        now: Timestamp,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        self.connections_with(Attention::Read, connections, now).await
    }

    async fn connections_with(
        &self,
        attention: Attention,
        connections: &[ConnectionId],
        now: Timestamp,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let statement = sqlx::query(
            "SELECT u.connection FROM unnest($1::text[]) AS u(connection)
             WHERE EXISTS (SELECT FROM mirrors m WHERE m.connection = u.connection AND m.attention = $3
                           AND m.next_attempt_at <= $2)",
        )
        .bind(connections.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>())
        .bind(now.as_chrono())
        .bind(attention.as_str());
        self.fetch_all(statement).await?.iter().map(|row| id(row, "connection")).collect()
    }

    /// Begins writes of a connection, those that have been due longest first. What is written is the store's value of
    /// this moment; a mirror that turns out to hold it already is not claimed. A write that is too old to be repeated
    /// is given up, and its mirror is due for reading.
    pub async fn claim_due(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Vec<DueWrite>, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            // Two statements, since only what is read after the rows are locked is sure to be as new as they are: a
            // platform's report moves its mirror and the level in one commit, and between them no value may be chosen.
            let rows = sqlx::query(LOCK_DUE)
                .bind(claim.connection.as_str())
                .bind(now.as_chrono())
                .bind(claim.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
                .bind(claim.limit.min(LISTED_ROWS))
                .fetch_all(&mut *transaction)
                .await?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let locked = rows.iter().map(mirrors::read).collect::<Result<Vec<_>, StoreError>>()?;
            let targets = targets::load(&mut transaction, claim.connection, &locked).await?;
            let (mut changed, mut noted, mut due, mut ended) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for ((row, mut mirror), target) in rows.iter().zip(locked).zip(targets) {
                let before = mirror.clone();
                let (write, is_noted) = begin(&mut mirror, target, claim, now);
                due.extend(write);
                ended.extend(conflicts::ended_about(&id(row, "store")?, &before, &mirror));
                if is_noted {
                    noted.push(mirror.clone());
                }
                if mirror != before {
                    changed.push(mirror);
                }
            }
            mirrors::update(&mut transaction, &changed).await?;
            write_log::note(&mut transaction, claim.partition, &noted).await?;
            if !ended.is_empty() {
                conflicts::end(&mut transaction, &ended, conflicts::NO_LONGER_SO).await?;
            }
            Ok::<_, StoreError>(due)
        };
        let due = within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(due)
    }
}

/// Gives the mirror the store's value of this moment and begins what is due. Says whether an event could meet what came
/// of it.
fn begin(mirror: &mut Mirror, target: Target, claim: &Claim<'_>, now: Timestamp) -> (Option<DueWrite>, bool) {
    let Target { quantity, price, text, location, product, fresh_key } = target;
    let repeatable_for = claim.repeatable_for.get(&mirror.key().kind()).copied();
    let (key, internal) = (mirror.key(), mirror.internal().map(ToOwned::to_owned));
    let due = |write: BegunWrite| DueWrite {
        key,
        internal,
        location,
        product,
        change: write.change,
        sent_key: write.key,
        attempt: write.attempts,
        begun_at: write.begun_at,
        trace: write.trace,
    };
    let (begun, is_noted) = match mirror {
        Mirror::Level(_, mirror) => {
            if let Some(level) = quantity {
                let cause = mirror.cause;
                mirror.want(level, claim.decimals, now, cause);
            }
            let begun = mirror.begin(&fresh_key, now, claim.lease, repeatable_for);
            outcome(begun, |write| DueChange::Level { from: write.from, to: write.value })
        }
        Mirror::Price(_, mirror) => {
            if let Some(price) = price {
                let cause = mirror.cause;
                mirror.want(price, now, cause);
            }
            outcome(mirror.begin(&fresh_key, now, claim.lease, repeatable_for), |write| {
                DueChange::Price(write.value)
            })
        }
        Mirror::Text(_, mirror) => {
            if let Some(text) = text {
                let (cause, text) = (mirror.cause, text.over(mirror.held().map(|held| &held.value)));
                mirror.want(text, now, cause);
            }
            outcome(mirror.begin(&fresh_key, now, claim.lease, repeatable_for), |write| {
                DueChange::Text(write.value.clone())
            })
        }
    };
    (begun.map(due), is_noted)
}

/// A write that was begun, whatever its value's kind.
struct BegunWrite {
    change: DueChange,
    key: String,
    attempts: u32,
    begun_at: Timestamp,
    trace: Option<TraceParent>,
}

fn outcome<V>(begun: Begun<V>, change: impl Fn(&model::Write<V>) -> DueChange) -> (Option<BegunWrite>, bool) {
    let is_noted = matches!(begun, Begun::New(_) | Begun::TooOld);
    let write = match begun {
        Begun::New(write) | Begun::Again(write) => Some(write),
        Begun::TooOld | Begun::Nothing => None,
    };
    let begun = write.map(|write| BegunWrite {
        change: change(&write),
        key: write.key,
        attempts: write.attempts,
        begun_at: write.begun_at,
        trace: write.trace,
    });
    (begun, is_noted)
}

// A row that apply holds is skipped: what it is about to hold isn't known. A write that is under way goes on, whatever
// the rules say by now.
const LOCK_DUE: &str = "
SELECT m.store, m.connection, m.kind, m.external, m.place, m.state
FROM mirrors m
WHERE m.connection = $1 AND m.attention = 'write' AND m.next_attempt_at <= $2
  AND (m.kind = ANY($3) OR m.state -> 'phase' ? 'writing')
ORDER BY m.next_attempt_at
LIMIT $4
FOR NO KEY UPDATE OF m SKIP LOCKED";

//! Due calls: claimed before they are made, settled afterwards.
//!
//! The mirror decides (`model::mirror`); this file locks rows, passes them to it and stores the result, and logs for
//! replays everything that an event could meet.

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
    statement::{query, statements},
};
use model::{
    Attention, Begun, ConnectionId, ExternalId, Mirror, MirrorKey, MirrorKind, Money, Partition, ProductText,
    Quantity, StoreId, Timestamp, TraceParent,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use targets::{Locked, Target};

pub use reads::DueRead;

/// A write that the caller has claimed and now has to make and settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueWrite {
    /// The mirror.
    pub key: MirrorKey,
    /// Our id of the variant or product, for traces and logs.
    pub internal: Option<String>,
    /// The platform's id of the location of a level; `None` on platforms without locations.
    pub location: Option<ExternalId>,
    /// The platform's id of the product of a price's variant.
    pub product: Option<ExternalId>,
    /// The change.
    pub change: DueChange,
    /// The idempotency key: the same for every attempt of this write.
    pub sent_key: String,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Time at which the first attempt began.
    pub begun_at: Timestamp,
    /// The trace of the change that made it due.
    pub trace: Option<TraceParent>,
}

/// The change that a write makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueChange {
    /// A level.
    Level {
        /// The platform's quantity when the write was begun.
        from: Quantity,
        /// The quantity to write.
        to: Quantity,
    },
    /// A price.
    Price(Money),
    /// A text.
    Text(ProductText),
}

/// Parameters of a claim of a connection's due writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The connection.
    pub connection: &'a ConnectionId,
    /// The partition of its store.
    pub partition: Partition,
    /// The kinds of which new writes may be begun: those that the platform accepts and the connection's rules allow.
    pub kinds: &'a BTreeSet<MirrorKind>,
    /// Number of decimals of the platform's quantities.
    pub decimals: u32,
    /// Time after its first attempt in which a write of a kind may be repeated; a kind without an entry has no limit.
    pub repeatable_for: &'a BTreeMap<MirrorKind, Duration>,
    /// The kinds of which several writes are made in one request.
    pub batched: &'a BTreeSet<MirrorKind>,
    /// Time for which nobody else makes the same call.
    pub lease: Duration,
    /// Upper limit of claimed writes.
    pub limit: i64,
}

impl Store {
    /// Returns those of the connections that have a due write.
    pub async fn due_connections(
        &self,
        connections: &[ConnectionId],
        now: Timestamp,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        self.connections_with(Attention::Write, connections, now).await
    }

    /// Returns those of the connections that have a due reading.
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
        let statement = query(DUE_CONNECTIONS)
            .bind(connections.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>())
            .bind(now.as_chrono())
            .bind(attention.as_str());
        self.fetch_all(statement).await?.iter().map(|row| id(row, "connection")).collect()
    }

    /// Begins writes of a connection, those that have been due longest first. Each writes the store's present value; a
    /// mirror that already holds it is not claimed. A write that is too old to be repeated is discarded, and its mirror
    /// becomes due for reading.
    pub async fn claim_due(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Vec<DueWrite>, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            // Two statements, because only rows read after the lock are certain to be as new as the locked
            // ones: a platform's report moves its mirror and the level in one commit, and no value may be
            // chosen from between them.
            let rows = query(LOCK_DUE)
                .bind(claim.connection.as_str())
                .bind(now.as_chrono())
                .bind(claim.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
                .bind(claim.limit.min(LISTED_ROWS))
                .fetch_all(&mut *transaction)
                .await?;
            let Some(first) = rows.first() else { return Ok(Vec::new()) };
            // A connection is of one store.
            let store: StoreId = id(first, "store")?;
            let locked = rows.iter().map(mirrors::read).collect::<Result<Vec<_>, StoreError>>()?;
            let locked = targets::load(&mut transaction, claim.connection, locked).await?;
            let (mut changed, mut noted, mut due, mut ended) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let together = together(&locked, claim.batched);
            for Locked { mut mirror, target } in locked {
                let before = mirror.clone();
                let (write, is_logged) = begin(&mut mirror, target, claim, now);
                if together.contains(&mirror.key().kind()) {
                    mirror.joins_batch();
                }
                due.extend(write);
                ended.extend(conflicts::ended_about(&store, &before, &mirror));
                if is_logged {
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

/// The kinds of which several writes begin together and are made in one request.
fn together(locked: &[Locked], batched: &BTreeSet<MirrorKind>) -> BTreeSet<MirrorKind> {
    let count = |kind| locked.iter().filter(|locked| locked.mirror.key().kind() == kind).count();
    batched.iter().copied().filter(|kind| count(*kind) > 1).collect()
}

/// Sets the mirror to the store's present value and begins the due write. The flag is true if an event could
/// meet the result.
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
    let (begun, is_logged) = match mirror {
        Mirror::Level(_, mirror) => {
            if let Some(level) = quantity {
                let cause = mirror.cause;
                mirror.set_desired(level, claim.decimals, now, cause);
            }
            let begun = mirror.begin(&fresh_key, now, claim.lease, repeatable_for);
            outcome(begun, |write| DueChange::Level { from: write.from, to: write.value })
        }
        Mirror::Price(_, mirror) => {
            if let Some(price) = price {
                let cause = mirror.cause;
                mirror.set_desired(price, now, cause);
            }
            outcome(mirror.begin(&fresh_key, now, claim.lease, repeatable_for), |write| {
                DueChange::Price(write.value)
            })
        }
        Mirror::Text(_, mirror) => {
            if let Some(text) = text {
                let (cause, text) =
                    (mirror.cause, text.over(mirror.platform_value().map(|held| &held.value)));
                mirror.set_desired(text, now, cause);
            }
            outcome(mirror.begin(&fresh_key, now, claim.lease, repeatable_for), |write| {
                DueChange::Text(write.value.clone())
            })
        }
    };
    (begun.map(due), is_logged)
}

/// A begun write of any kind of value.
struct BegunWrite {
    change: DueChange,
    key: String,
    attempts: u32,
    begun_at: Timestamp,
    trace: Option<TraceParent>,
}

fn outcome<V>(begun: Begun<V>, change: impl Fn(&model::Write<V>) -> DueChange) -> (Option<BegunWrite>, bool) {
    let is_logged = matches!(begun, Begun::New(_) | Begun::TooOld);
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
    (begun, is_logged)
}

/// Returns the statements of claims and settlements.
#[cfg(test)]
pub(crate) fn all_statements() -> Vec<crate::statement::Declared> {
    [statements(), reads::statements(), targets::statements()].concat()
}

statements! {
    const DUE_CONNECTIONS: ByKey(text[], timestamptz, text) = "
        SELECT u.connection FROM unnest($1::text[]) AS u(connection)
        WHERE EXISTS (SELECT FROM mirrors m WHERE m.connection = u.connection AND m.attention = $3
                      AND m.next_attempt_at <= $2)";

    // A row that apply has locked is skipped: its next value isn't known. A write that is under way goes on, even
    // if the rules have changed.
    const LOCK_DUE: ByKey(text, timestamptz, text[], int8) = "
        SELECT m.store, m.connection, m.kind, m.external, m.place, m.state
        FROM mirrors m
        WHERE m.connection = $1 AND m.attention = 'write' AND m.next_attempt_at <= $2
          AND (m.kind = ANY($3) OR m.state -> 'phase' ? 'writing')
        ORDER BY m.next_attempt_at
        LIMIT $4
        FOR NO KEY UPDATE OF m SKIP LOCKED";
}

//! Results of calls.

use crate::{Store, StoreError, apply::write_log, conflicts, error::within, mirrors};
use model::{
    AskedBy, CallResult, Conflict, ConflictKind, FieldMirror, FieldValue, Mirror, MirrorKey, MirrorValue,
    Origin, Partition, Settled, Timestamp, Waiting,
};
use sqlx::PgConnection;

/// Number of characters of an error that a mirror keeps.
const ERROR_CHARACTERS: usize = 500;

impl Store {
    /// Records the result of a claimed write's call, if that write is still the one under way. A refused value and a
    /// comparison that is refused repeatedly are conflicts; an accepted write ends them. `of` is the partition of
    /// the connection's store.
    pub async fn settle_write(
        &self,
        of: Partition,
        origin: &Origin,
        key: &MirrorKey,
        sent_key: &str,
        result: CallResult<MirrorValue>,
        now: Timestamp,
    ) -> Result<Settled, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            let Some(mut mirror) = mirrors::lock(&mut transaction, [key]).await?.pop() else {
                return Ok(Settled::Passed);
            };
            let (before, is_retry) = (mirror.clone(), matches!(result, CallResult::Retry { .. }));
            let error = error(&result);
            let settled = settle(&mut mirror, sent_key, result, now);
            if settled == Settled::Passed {
                return Ok(settled);
            }
            mirrors::update(&mut transaction, std::slice::from_ref(&mirror)).await?;
            if !is_retry {
                write_log::note(&mut transaction, of, std::slice::from_ref(&mirror)).await?;
            }
            conflicts::end_about(&mut transaction, &origin.store, &before, &mirror).await?;
            note(&mut transaction, origin, key, settled, error).await?;
            Ok::<_, StoreError>(settled)
        };
        let settled = within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(settled)
    }
}

impl Store {
    /// Records that the platform was asked and lacks the object of the mirror, if the mirror still waits for that
    /// reading. `of` is the partition of the connection's store.
    pub async fn note_gone(
        &self,
        of: Partition,
        origin: &Origin,
        asked_by: &AskedBy,
    ) -> Result<(), StoreError> {
        self.change_asking(of, origin, asked_by, |mirror, waiting| match mirror {
            Mirror::Level(_, mirror) => mirror.is_gone(waiting),
            Mirror::Price(_, mirror) => mirror.is_gone(waiting),
            Mirror::Text(_, mirror) => mirror.is_gone(waiting),
        })
        .await
    }

    /// Releases a claimed reading that was not made, so that this owner or another one can claim it again at once. `of`
    /// is the partition of the connection's store.
    pub async fn give_back_reading(
        &self,
        of: Partition,
        origin: &Origin,
        asked_by: &AskedBy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.change_asking(of, origin, asked_by, |mirror, waiting| match mirror {
            Mirror::Level(_, mirror) => mirror.give_back_reading(waiting, now),
            Mirror::Price(_, mirror) => mirror.give_back_reading(waiting, now),
            Mirror::Text(_, mirror) => mirror.give_back_reading(waiting, now),
        })
        .await
    }

    /// Changes the mirror that asked for a reading, and ends the conflicts that no longer apply.
    async fn change_asking(
        &self,
        of: Partition,
        origin: &Origin,
        asked_by: &AskedBy,
        change: impl FnOnce(&mut Mirror, Waiting),
    ) -> Result<(), StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            let Some(mut mirror) = mirrors::lock(&mut transaction, [&asked_by.mirror]).await?.pop() else {
                return Ok(());
            };
            let before = mirror.clone();
            change(&mut mirror, asked_by.waiting);
            mirrors::update(&mut transaction, std::slice::from_ref(&mirror)).await?;
            conflicts::end_about(&mut transaction, &origin.store, &before, &mirror).await?;
            write_log::note(&mut transaction, of, std::slice::from_ref(&mirror)).await
        };
        within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await
    }
}

fn settle(mirror: &mut Mirror, key: &str, result: CallResult<MirrorValue>, now: Timestamp) -> Settled {
    match mirror {
        Mirror::Level(_, mirror) => {
            let quantity = |value| match value {
                MirrorValue::Quantity(quantity) => Some(quantity),
                MirrorValue::Price(_) | MirrorValue::Text(_) => None,
            };
            mirror.settle(key, of_kind(result, quantity), now)
        }
        Mirror::Price(_, mirror) => {
            let price = |value| match value {
                MirrorValue::Price(price) => Some(price),
                MirrorValue::Quantity(_) | MirrorValue::Text(_) => None,
            };
            field(mirror, key, of_kind(result, price), now)
        }
        Mirror::Text(_, mirror) => {
            let text = |value| match value {
                MirrorValue::Text(text) => Some(text),
                MirrorValue::Quantity(_) | MirrorValue::Price(_) => None,
            };
            field(mirror, key, of_kind(result, text), now)
        }
    }
}

fn field<V: FieldValue>(
    mirror: &mut FieldMirror<V>,
    key: &str,
    result: CallResult<V>,
    now: Timestamp,
) -> Settled {
    mirror.settle(key, result, now)
}

/// Converts the result to a value of the mirror's own kind and cuts errors to the stored length.
fn of_kind<V>(result: CallResult<MirrorValue>, value: impl Fn(MirrorValue) -> Option<V>) -> CallResult<V> {
    let cut = |error: String| error.chars().take(ERROR_CHARACTERS).collect::<String>();
    match result {
        CallResult::Taken { version, rendered } => {
            CallResult::Taken { version, rendered: rendered.and_then(value) }
        }
        CallResult::Conflict => CallResult::Conflict,
        CallResult::Retry { at, error } => CallResult::Retry { at, error: cut(error) },
        CallResult::TooOld { error } => CallResult::TooOld { error: cut(error) },
        CallResult::AccountRefused { error } => CallResult::AccountRefused { error: cut(error) },
        CallResult::Gone => CallResult::Gone,
        CallResult::Refused { error } => CallResult::Refused { error: cut(error) },
    }
}

fn error(result: &CallResult<MirrorValue>) -> Option<String> {
    match result {
        CallResult::Refused { error } | CallResult::TooOld { error } => Some(error.clone()),
        _ => None,
    }
}

async fn note(
    connection: &mut PgConnection,
    origin: &Origin,
    key: &MirrorKey,
    settled: Settled,
    error: Option<String>,
) -> Result<(), StoreError> {
    let (kind, detail) = match settled {
        Settled::Refused => (ConflictKind::WriteRefused, error.unwrap_or_default()),
        Settled::Flapping => (
            ConflictKind::Flapping,
            "the platform had another value each time; its writes are stopped".to_owned(),
        ),
        Settled::Done | Settled::NeedsReading | Settled::Passed => return Ok(()),
    };
    let conflict = Conflict {
        tenant: origin.tenant.clone(),
        store: origin.store.clone(),
        connection: origin.connection.clone(),
        event: None,
        kind,
        subject: key.subject(),
        detail,
    };
    conflicts::open(connection, &[conflict]).await
}

//! Conversions between columns and types of `model`.

use crate::{
    Health, StoreError,
    row::{Row, Value},
};
use chrono::{DateTime, Utc};
use model::{
    Action, BaselineRule, ConflictKind, Currency, EntityKind, Money, Outcome, Position, Quantity, Timestamp,
};
use rust_decimal::Decimal;

/// Error about a value that the database can't contain unless there is a bug of ours.
pub(crate) fn unreadable(column: &str) -> StoreError {
    StoreError::refused(format!("column {column} has a value that it can't have"))
}

/// Reads an id.
pub(crate) fn id<T: TryFrom<String>>(row: &impl Row, column: &str) -> Result<T, StoreError> {
    T::try_from(row.value(column)?).map_err(|_| unreadable(column))
}

/// Reads an id that may be null.
pub(crate) fn id_or_null<T: TryFrom<String>>(row: &impl Row, column: &str) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.value(column)?;
    text.map(|text| T::try_from(text).map_err(|_| unreadable(column))).transpose()
}

/// Reads an id that is a hash.
pub(crate) fn hash_id<T: for<'a> TryFrom<&'a [u8]>>(row: &impl Row, column: &str) -> Result<T, StoreError> {
    let bytes: &[u8] = row.value(column)?;
    T::try_from(bytes).map_err(|_| unreadable(column))
}

pub(crate) fn time(row: &impl Row, column: &str) -> Result<Timestamp, StoreError> {
    Ok(row.value::<DateTime<Utc>>(column)?.into())
}

pub(crate) fn time_or_null(row: &impl Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.value::<Option<DateTime<Utc>>>(column)?.map(Timestamp::from))
}

pub(crate) fn quantity(row: &impl Row, column: &str) -> Result<Quantity, StoreError> {
    Quantity::recorded(row.value::<Decimal>(column)?).map_err(|_| unreadable(column))
}

pub(crate) fn currency(code: &str, column: &str) -> Result<Currency, StoreError> {
    Currency::new(code).map_err(|_| unreadable(column))
}

/// Reads money in two columns; both are null or neither.
pub(crate) fn money(row: &impl Row, minor: &str, code: &str) -> Result<Option<Money>, StoreError> {
    let amount: Option<i64> = row.value(minor)?;
    let code_text: Option<&str> = row.value(code)?;
    match (amount, code_text) {
        (Some(minor), Some(text)) => Ok(Some(Money { minor, currency: currency(text, code)? })),
        (None, None) => Ok(None),
        _ => Err(unreadable(minor)),
    }
}

pub(crate) fn entity_kind(row: &impl Row, column: &str) -> Result<EntityKind, StoreError> {
    let text: &str = row.value(column)?;
    EntityKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| unreadable(column))
}

pub(crate) fn action(row: &impl Row, column: &str) -> Result<Action, StoreError> {
    let text: &str = row.value(column)?;
    Action::ALL.into_iter().find(|action| action.as_str() == text).ok_or_else(|| unreadable(column))
}

pub(crate) fn outcome(row: &impl Row, column: &str) -> Result<Outcome, StoreError> {
    let text: &str = row.value(column)?;
    Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| unreadable(column))
}

pub(crate) fn health(row: &impl Row, column: &str) -> Result<Health, StoreError> {
    let text: &str = row.value(column)?;
    Health::ALL.into_iter().find(|health| health.as_str() == text).ok_or_else(|| unreadable(column))
}

pub(crate) fn baseline_rule(row: &impl Row, column: &str) -> Result<BaselineRule, StoreError> {
    BaselineRule::parse(row.value(column)?).ok_or_else(|| unreadable(column))
}

pub(crate) fn conflict_kind(row: &impl Row, column: &str) -> Result<ConflictKind, StoreError> {
    match row.value(column)? {
        // The name that services of the first version wrote.
        "final_order_changed" => Ok(ConflictKind::OrderChanged),
        text => ConflictKind::parse(text).ok_or_else(|| unreadable(column)),
    }
}

/// Reads the columns `raw_sequence`, `delivery_index` and `event_index`.
pub(crate) fn position<Index>(row: &impl Row) -> Result<Position, StoreError>
where
    Index: for<'r> Value<'r>,
    u32: TryFrom<Index>,
{
    let index = |column: &str| -> Result<u32, StoreError> {
        u32::try_from(row.value::<Index>(column)?).map_err(|_| unreadable(column))
    };
    let raw_sequence = u64::try_from(row.value::<i64>("raw_sequence")?);
    Ok(Position {
        raw_sequence: raw_sequence.map_err(|_| unreadable("raw_sequence"))?,
        delivery: index("delivery_index")?,
        event: index("event_index")?,
    })
}

/// Returns a value as JSON text.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::refused("a value can't be written as JSON"))
}

/// Converts a count to the signed number that the database stores.
pub(crate) fn signed<T>(count: T) -> Result<i64, StoreError>
where
    i64: TryFrom<T>,
{
    i64::try_from(count).map_err(|_| StoreError::refused("a count is too large"))
}

/// Converts a partition's number; there are at most 1,024.
pub(crate) fn partition(partition: model::Partition) -> Result<i16, StoreError> {
    i16::try_from(partition.0).map_err(|_| StoreError::refused("a partition's number is too large"))
}

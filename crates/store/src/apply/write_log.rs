//! The write log: states of mirrors as propagate left them, for replays.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{partition, position, signed},
    mirrors::{self, KeyColumns, state_json},
    statement::{query, statements},
};
use model::{Mirror, MirrorKey, Partition, Position, record::WriteLogEntry};
use sqlx::{PgConnection, postgres::PgRow};

impl Store {
    /// Returns the write log of a partition after `after` and up to `up_to`, in order. It is complete up to the
    /// position that is returned with it: `up_to`, or an earlier one if there are very many entries.
    pub async fn write_log(
        &self,
        of: Partition,
        after: Option<Position>,
        up_to: Position,
    ) -> Result<(Vec<WriteLogEntry>, Position), StoreError> {
        let from = after.unwrap_or_default();
        let statement = query(BETWEEN)
            .bind(partition(of)?)
            .bind(signed(from.raw_sequence)?)
            .bind(i64::from(from.delivery))
            .bind(i64::from(from.event))
            .bind(signed(up_to.raw_sequence)?)
            .bind(i64::from(up_to.delivery))
            .bind(i64::from(up_to.event))
            .bind(after.is_none())
            .bind(LISTED_ROWS);
        let rows = self.fetch_all(statement).await?;
        let mut write_log = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if signed(write_log.len())? < LISTED_ROWS {
            return Ok((write_log, up_to));
        }
        // The last position may have more entries: the next call returns them all.
        let last = write_log.last().map(|entry| entry.after).unwrap_or_default();
        write_log.retain(|entry| entry.after < last);
        match write_log.last().map(|entry| entry.after) {
            Some(reached) => Ok((write_log, reached)),
            None => Err(StoreError::refused("the write log has too many entries at one position")),
        }
    }
}

fn read(row: &PgRow) -> Result<WriteLogEntry, StoreError> {
    Ok(WriteLogEntry { after: position::<i64>(row)?, mirror: mirrors::read(row)? })
}

/// Logs the new states of mirrors, each with the position of the partition after which it holds: the applied position
/// when the rows were locked, or the beginning if nothing about it was ever applied.
pub(crate) async fn note(
    connection: &mut PgConnection,
    of: Partition,
    changed: &[Mirror],
) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let keys: Vec<MirrorKey> = changed.iter().map(Mirror::key).collect();
    let columns = KeyColumns::of(&keys);
    query(NOTE)
        .bind(partition(of)?)
        .bind(columns.connections)
        .bind(columns.kinds)
        .bind(columns.externals)
        .bind(columns.locations)
        .bind(changed.iter().map(Mirror::internal).collect::<Vec<_>>())
        .bind(changed.iter().map(state_json).collect::<Result<Vec<_>, _>>()?)
        .execute(connection)
        .await?;
    Ok(())
}

statements! {
    const BETWEEN: ByKey(int2, int8, int8, int8, int8, int8, int8, bool, int8) = "
        SELECT m.*, m.delivery AS delivery_index, m.event AS event_index FROM write_log m
        WHERE m.partition = $1 AND (m.raw_sequence, m.delivery, m.event) >= ($2, $3, $4)
          AND (m.raw_sequence, m.delivery, m.event) <= ($5, $6, $7)
          AND ($8 OR (m.raw_sequence, m.delivery, m.event) > ($2, $3, $4))
        ORDER BY m.raw_sequence, m.delivery, m.event, m.id LIMIT $9";

    const NOTE: ByKey(int2, text[], text[], text[], text[], text[], text[]) = "
        INSERT INTO write_log (partition, raw_sequence, delivery, event, tenant, store, connection, kind, external,
            place, internal, state)
        SELECT $1, coalesce(at.raw_sequence, 0), coalesce(at.delivery, 0), coalesce(at.event, 0), c.tenant,
            c.store, u.connection, u.kind, u.external, u.place, u.internal, u.state::jsonb
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
            AS u(connection, kind, external, place, internal, state)
        JOIN connections c ON c.id = u.connection
        CROSS JOIN LATERAL applied_position($1, u.external) AS at";
}

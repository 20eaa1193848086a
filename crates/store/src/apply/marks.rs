//! What propagate made of mirrors, for replays.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{
        json, json_or_null, mirror_key, mirror_value, partition, place, position, send_state, signed,
        unreadable,
    },
};
use model::{MirrorKey, Partition, Position, Sent, SourceVersion, record::SendMark};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::BTreeMap;

impl Store {
    /// The marks of a partition behind `after` and up to `up_to`, in order. There are no others up to the position that
    /// comes with them: `up_to`, or one before it if there are very many.
    pub async fn send_marks(
        &self,
        of: Partition,
        after: Option<Position>,
        up_to: Position,
    ) -> Result<(Vec<SendMark>, Position), StoreError> {
        let from = after.unwrap_or_default();
        let statement = sqlx::query(
            "SELECT m.*, m.delivery AS delivery_index, m.event AS event_index FROM send_marks m
             WHERE m.partition = $1 AND (m.raw_sequence, m.delivery, m.event) >= ($2, $3, $4)
               AND (m.raw_sequence, m.delivery, m.event) <= ($5, $6, $7)
               AND ($8 OR (m.raw_sequence, m.delivery, m.event) > ($2, $3, $4))
             ORDER BY m.raw_sequence, m.delivery, m.event, m.id LIMIT $9",
        )
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
        let mut marks = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if signed(marks.len())? < LISTED_ROWS {
            return Ok((marks, up_to));
        }
        // The last place may have more of them: those come with the next question.
        let last = marks.last().map(|mark| mark.after).unwrap_or_default();
        marks.retain(|mark| mark.after < last);
        match marks.last().map(|mark| mark.after) {
            Some(reached) => Ok((marks, reached)),
            None => Err(StoreError::refused("too many writes were marked at one place")),
        }
    }
}

fn read(row: &PgRow) -> Result<SendMark, StoreError> {
    let sent = Sent {
        value: mirror_value(row, "sent")?.ok_or_else(|| unreadable("sent"))?,
        from: mirror_value(row, "sent_from")?,
        state: send_state(row, "sent_state")?.ok_or_else(|| unreadable("sent_state"))?,
    };
    Ok(SendMark {
        after: position::<i64>(row)?,
        key: mirror_key(row)?,
        internal: row.try_get("internal")?,
        held: mirror_value(row, "held")?,
        version: row.try_get::<Option<i64>, _>("observed_version")?.map(SourceVersion),
        sent,
    })
}

/// Writes what belongs to propagate, as it was when the events were first decided. The mirrors are written already.
pub(super) async fn write(
    connection: &mut PgConnection,
    sent: &BTreeMap<MirrorKey, Sent>,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "UPDATE mirrors m SET sent = u.sent::jsonb, sent_from = u.sent_from::jsonb, sent_state = u.sent_state
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
             AS u(connection, kind, external, place, sent, sent_from, sent_state)
         WHERE m.connection = u.connection AND m.kind = u.kind AND m.external = u.external AND m.place = u.place",
    )
    .bind(sent.keys().map(|key| key.connection.as_str()).collect::<Vec<_>>())
    .bind(sent.keys().map(|key| key.kind.as_str()).collect::<Vec<_>>())
    .bind(sent.keys().map(|key| key.external.as_str()).collect::<Vec<_>>())
    .bind(sent.keys().map(place).collect::<Vec<_>>())
    .bind(sent.values().map(|sent| json(&sent.value)).collect::<Result<Vec<_>, _>>()?)
    .bind(sent.values().map(|sent| json_or_null(sent.from.as_ref())).collect::<Result<Vec<_>, _>>()?)
    .bind(sent.values().map(|sent| sent.state.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    super::commit::complete(&written, sent.len(), "a mirror that was written to isn't there")
}

//! Position of each consumer in each partition, moved by compare-and-set.

use crate::{
    Store, StoreError,
    columns::{partition, signed, time, unreadable},
    statement::{Bound, query, statements},
};
use model::{Partition, Position, Timestamp};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

/// A consumer that keeps a cursor in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consumer {
    /// Its cursor is the position in RAW and the number of the last committed change.
    Apply,
    /// Its cursor is the number of the last change whose desired values are set.
    Propagate,
    /// Its cursor is the position in RAW of the last notification that was fetched for.
    Fetch,
    /// Its cursor is the position in RAW up to which deliveries were counted.
    Accepted,
}

impl Consumer {
    /// All consumers.
    pub const ALL: [Self; 4] = [Self::Apply, Self::Propagate, Self::Fetch, Self::Accepted];

    /// Returns the name that is stored in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Propagate => "propagate",
            Self::Fetch => "fetch",
            Self::Accepted => "accepted",
        }
    }
}

/// Progress of a consumer. A field that the consumer doesn't use keeps its initial value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The last completed position.
    pub position: Position,
    /// The last completed number.
    pub number: i64,
    /// The fence: raised by each new owner, compared by each commit.
    pub epoch: i64,
}

/// A cursor and the time of its last move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorMoved {
    /// The consumer.
    pub consumer: Consumer,
    /// The partition.
    pub partition: Partition,
    /// The cursor.
    pub cursor: Cursor,
    /// Time of the last move; a new owner alone doesn't move it.
    pub moved_at: Timestamp,
}

/// One cursor's step. The commit succeeds only if the stored cursor is `from`, including its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorMove {
    /// The partition.
    pub partition: Partition,
    /// The cursor before the step.
    pub from: Cursor,
    /// The position after the step.
    pub position: Position,
    /// The number after the step.
    pub number: i64,
}

impl CursorMove {
    /// Returns the cursor after the commit.
    pub const fn to(&self) -> Cursor {
        Cursor { position: self.position, number: self.number, epoch: self.from.epoch }
    }
}

impl Store {
    /// Returns the cursor of `consumer` in a partition; a new one is at the beginning.
    pub async fn cursor(&self, consumer: Consumer, of: Partition) -> Result<Cursor, StoreError> {
        self.touch_cursor(consumer, of, 0).await
    }

    /// Returns the cursor of `apply`.
    pub async fn apply_cursor(&self, of: Partition) -> Result<Cursor, StoreError> {
        self.cursor(Consumer::Apply, of).await
    }

    /// Makes the caller the partition's owner in the database: raises the epoch, so that nothing the former owner has
    /// begun can be committed any more. Returns the cursor to continue from.
    pub async fn take_epoch(&self, consumer: Consumer, of: Partition) -> Result<Cursor, StoreError> {
        self.touch_cursor(consumer, of, 1).await
    }

    /// Moves a cursor on its own; [`StoreError::Fenced`] if it isn't at the beginning of the step.
    pub async fn move_cursor(&self, consumer: Consumer, step: CursorMove) -> Result<(), StoreError> {
        let mut connection = self.bounded(self.pool.acquire()).await?;
        crate::error::within(self.limit, advance(&mut connection, consumer, &[step])).await
    }

    /// Returns every consumer's cursors with the time of their last move, without those of consumers that only another
    /// version has.
    pub async fn cursors_moved(&self) -> Result<Vec<CursorMoved>, StoreError> {
        let statement = query(MOVED).bind(Consumer::ALL.map(Consumer::as_str).as_slice());
        let rows = self.fetch_all(statement).await?;
        rows.iter()
            .map(|row| {
                let name: &str = row.try_get("name")?;
                let consumer = Consumer::ALL.into_iter().find(|consumer| consumer.as_str() == name);
                let of = u16::try_from(row.try_get::<i16, _>("partition")?);
                Ok(CursorMoved {
                    consumer: consumer.ok_or_else(|| unreadable("name"))?,
                    partition: Partition(of.map_err(|_| unreadable("partition"))?),
                    cursor: read(row)?,
                    moved_at: time(row, "moved_at")?,
                })
            })
            .collect()
    }

    async fn touch_cursor(
        &self,
        consumer: Consumer,
        of: Partition,
        raise: i64,
    ) -> Result<Cursor, StoreError> {
        let statement = query(TOUCH).bind(consumer.as_str()).bind(partition(of)?).bind(raise);
        read(&self.fetch_one(statement).await?)
    }
}

fn read(row: &PgRow) -> Result<Cursor, StoreError> {
    let unsigned = |column: &str| -> Result<u64, StoreError> {
        u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| unreadable(column))
    };
    let index = |column: &str| u32::try_from(unsigned(column)?).map_err(|_| unreadable(column));
    let position = Position {
        raw_sequence: unsigned("raw_sequence")?,
        delivery: index("delivery")?,
        event: index("event")?,
    };
    Ok(Cursor { position, number: row.try_get("number")?, epoch: row.try_get("epoch")? })
}

/// Moves cursors inside a transaction; each must be at the beginning of its step.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    consumer: Consumer,
    steps: &[CursorMove],
) -> Result<(), StoreError> {
    let done = moves(consumer, steps)?.execute(connection).await?;
    if done.rows_affected() == signed(steps.len())?.unsigned_abs() { Ok(()) } else { Err(StoreError::Fenced) }
}

/// Returns the statement that moves cursors; it changes a row for each one that is at the beginning of its step.
pub(crate) fn moves(consumer: Consumer, steps: &[CursorMove]) -> Result<Bound, StoreError> {
    let partitions = steps.iter().map(|step| partition(step.partition)).collect::<Result<Vec<_>, _>>()?;
    let from = Positions::of(steps.iter().map(|step| step.from.position))?;
    let to = Positions::of(steps.iter().map(|step| step.position))?;
    Ok(query(ADVANCE)
        .bind(consumer.as_str())
        .bind(partitions)
        .bind(from.raw_sequences)
        .bind(from.deliveries)
        .bind(from.events)
        .bind(steps.iter().map(|step| step.from.number).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.from.epoch).collect::<Vec<_>>())
        .bind(to.raw_sequences)
        .bind(to.deliveries)
        .bind(to.events)
        .bind(steps.iter().map(|step| step.number).collect::<Vec<_>>()))
}

struct Positions {
    raw_sequences: Vec<i64>,
    deliveries: Vec<i64>,
    events: Vec<i64>,
}

impl Positions {
    fn of(positions: impl Iterator<Item = Position> + Clone) -> Result<Self, StoreError> {
        Ok(Self {
            raw_sequences: positions.clone().map(|at| signed(at.raw_sequence)).collect::<Result<_, _>>()?,
            deliveries: positions.clone().map(|at| i64::from(at.delivery)).collect(),
            events: positions.map(|at| i64::from(at.event)).collect(),
        })
    }
}

statements! {
    const MOVED: Any(text[]) = "
        SELECT name, partition, raw_sequence, delivery, event, number, epoch, moved_at FROM cursors
        WHERE name = ANY($1) ORDER BY name, partition";

    const TOUCH: ByKey(text, int2, int8) = "
        INSERT INTO cursors AS c (name, partition, epoch) VALUES ($1, $2, $3)
        ON CONFLICT (name, partition) DO UPDATE SET epoch = c.epoch + $3
        RETURNING raw_sequence, delivery, event, number, epoch";

    const ADVANCE: ByKey(text, int2[], int8[], int8[], int8[], int8[], int8[], int8[], int8[], int8[], int8[]) = "
        UPDATE cursors c
        SET raw_sequence = u.raw_sequence, delivery = u.delivery, event = u.event, number = u.number,
            moved_at = now()
        FROM unnest($2::int2[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[],
                    $8::int8[], $9::int8[], $10::int8[], $11::int8[])
            AS u(partition, old_raw_sequence, old_delivery, old_event, old_number, epoch,
                 raw_sequence, delivery, event, number)
        WHERE c.name = $1 AND c.partition = u.partition AND c.epoch = u.epoch AND c.number = u.old_number
          AND c.raw_sequence = u.old_raw_sequence AND c.delivery = u.old_delivery AND c.event = u.old_event";
}

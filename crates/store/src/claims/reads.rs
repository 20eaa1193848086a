//! Due readings.

use super::targets::{self, Locked};
use crate::{
    LISTED_ROWS, Store, StoreError,
    apply::write_log,
    conflicts,
    error::within,
    mirrors,
    statement::{query, statements},
};
use model::{AskedBy, Conflict, ConflictKind, ExternalId, Mirror, MirrorKey, Origin, Partition, Timestamp};

/// A level, price or text that has to be read; the reading names the mirror that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRead {
    /// The mirror that asked, and its waiting number.
    pub asked_by: AskedBy,
    /// The platform's id of the location of a level; `None` on platforms without locations.
    pub location: Option<ExternalId>,
    /// The platform's id of the product of a price's variant.
    pub product: Option<ExternalId>,
}

impl Store {
    /// Claims mirrors of a connection that have to be read, or whose reading hasn't arrived in time. Each is returned
    /// once, and again only after more time has passed. A mirror that was returned too often is an open conflict and is
    /// returned seldom. At most `limit`. `of` is the partition of the connection's store.
    pub async fn claim_reads(
        &self,
        of: Partition,
        origin: &Origin,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<DueRead>, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            let rows = query(LOCK_READS)
                .bind(origin.connection.as_str())
                .bind(now.as_chrono())
                .bind(limit.min(LISTED_ROWS))
                .fetch_all(&mut *transaction)
                .await?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let locked = rows.iter().map(mirrors::read).collect::<Result<Vec<_>, StoreError>>()?;
            let locked = targets::load(&mut transaction, &origin.connection, locked).await?;
            let (mut changed, mut due, mut stuck) = (Vec::new(), Vec::new(), Vec::new());
            for Locked { mut mirror, target } in locked {
                let asked = match &mut mirror {
                    Mirror::Level(_, mirror) => mirror.read(now),
                    Mirror::Price(_, mirror) => mirror.read(now),
                    Mirror::Text(_, mirror) => mirror.read(now),
                };
                let Some(asked) = asked else { continue };
                let asked_by = AskedBy { mirror: mirror.key(), waiting: asked.waiting };
                if asked.is_stuck {
                    stuck.push(unreadable(origin, &asked_by.mirror));
                }
                due.push(DueRead { asked_by, location: target.location, product: target.product });
                changed.push(mirror);
            }
            mirrors::update(&mut transaction, &changed).await?;
            write_log::note(&mut transaction, of, &changed).await?;
            if !stuck.is_empty() {
                conflicts::open(&mut transaction, &stuck).await?;
            }
            Ok::<_, StoreError>(due)
        };
        let due = within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(due)
    }
}

fn unreadable(origin: &Origin, key: &MirrorKey) -> Conflict {
    Conflict {
        tenant: origin.tenant.clone(),
        store: origin.store.clone(),
        connection: origin.connection.clone(),
        event: None,
        kind: ConflictKind::Unreadable,
        subject: key.subject(),
        detail: "the platform was read several times and reported no value".to_owned(),
    }
}

statements! {
    const LOCK_READS: ByKey(text, timestamptz, int8) = "
        SELECT m.connection, m.kind, m.external, m.place, m.state
        FROM mirrors m
        WHERE m.connection = $1 AND m.attention = 'read' AND m.next_attempt_at <= $2
        ORDER BY m.next_attempt_at
        LIMIT $3
        FOR NO KEY UPDATE OF m SKIP LOCKED";
}

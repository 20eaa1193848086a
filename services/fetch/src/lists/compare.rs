//! Compares a complete list with former ones, and reports objects that are gone.

use super::{Due, Lists};
use crate::STAGE;
use model::{
    CollectionState, Conflict, ConflictEnd, ConflictKind, Connection, MissingCounts, MissingVerdict,
    PageFailure, absences, missing_verdict,
};
use runner::now;
use store::StoreError;

impl Lists {
    /// Counts the objects that the complete list lacks. Too many of them are a conflict, and nothing follows from them.
    pub(super) async fn compare(&self, due: &Due<'_>, mut state: CollectionState) -> Result<(), StoreError> {
        let Some(read) = &state.read else { return Ok(()) };
        let (store, number, accepts) = (&self.shared.store, read.number, read.accepts_missing);
        let counts = store.missing_counts(&self.connection, due.name(), number).await?;
        let verdict = missing_verdict(counts, accepts);
        let ended = state.compare(counts, verdict, &due.plan, due.spread, now());
        let saved = match verdict {
            MissingVerdict::TooMany { limit } => {
                store.note_conflict(&many_missing(due.connection, due.name(), counts, limit)).await?;
                store.save_collection(due.row, &state).await?
            }
            MissingVerdict::Counted { .. } => {
                store.note_conflict_ended(&no_longer_many(due.connection, due.name())).await?;
                store.save_missing(due.row, &state, number, absences(accepts)).await?
            }
        };
        if saved {
            self.shared.measure.missing(due.platform.name(), due.name(), counts.missing);
            self.note_ended(due, ended);
        }
        runner::kill_point(STAGE, "compared");
        Ok(())
    }

    /// Reports some of the objects that are gone; after the last, the read ends.
    pub(super) async fn retire(&self, due: &Due<'_>, mut state: CollectionState) -> Result<(), StoreError> {
        let Some(read) = state.read.clone() else { return Ok(()) };
        let (store, number, began_at) = (&self.shared.store, read.number, read.began_at);
        let gone = store.gone_objects(&self.connection, due.name(), number).await?;
        if gone.is_empty() {
            let ended = state.finish(&due.plan, due.spread, now());
            if store.save_collection(due.row, &state).await? {
                self.note_ended(due, ended);
            }
            return Ok(());
        }
        let target = due.target();
        for key in &gone {
            let Some(object) = due.collections.missing(due.name(), key, began_at) else { continue };
            let id = read.gone_id(&self.connection, object.topic, key);
            if let Err(error) = self.hand_over(due, &target, (id, object), now()).await {
                return self.failed(due, state, &PageFailure::OwnOutage, &error.to_string()).await.map(drop);
            }
        }
        runner::kill_point(STAGE, "gone_accepted");
        store.forget_objects(&self.connection, due.name(), &gone).await
    }
}

fn many_missing(connection: &Connection, collection: &str, counts: MissingCounts, limit: u64) -> Conflict {
    let MissingCounts { known, missing, .. } = counts;
    Conflict {
        tenant: connection.tenant.clone(),
        store: connection.store.clone(),
        connection: connection.id.clone(),
        event: None,
        kind: ConflictKind::ManyMissing,
        subject: Conflict::about_collection(collection),
        detail: format!(
            "the list lacks {missing} of {known} objects; up to {limit} count as missing, so nothing was retired"
        ),
    }
}

fn no_longer_many(connection: &Connection, collection: &str) -> ConflictEnd {
    ConflictEnd {
        store: connection.store.clone(),
        connection: connection.id.clone(),
        kind: ConflictKind::ManyMissing,
        subject: Conflict::about_collection(collection),
    }
}

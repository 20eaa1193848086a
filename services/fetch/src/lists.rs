//! Reads the lists of one connection: one page at a time, of the collection whose turn it is.

mod compare;
mod page;
mod sort;

use crate::{STAGE, shared::Shared};
use model::{
    CollectionPick, CollectionState, Connection, ConnectionId, DueCollection, EndedRead, PageFailure,
    ReadOutcome, ReadPhase, ReadPlan, Spread, Timestamp, pick_collection,
};
use outlet::Target;
use platforms::{Collection, Collections, Platform};
use runner::{Backoff, now};
use std::{sync::Arc, time::Duration};
use store::{CollectionRow, StoreError};
use tokio::sync::Notify;

/// Longest pause between two looks at a connection; a change of it wakes the worker before.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The lists of one connection.
pub(crate) struct Lists {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: ConnectionId,
    pub(crate) wake: Arc<Notify>,
}

/// The next step of a worker.
enum Next {
    /// There may be more to do.
    Now,
    /// Nothing is due before that.
    At(Timestamp),
    /// A change of the connection.
    Changed,
    /// There is no such connection, or nothing to list.
    Never,
}

/// The collection that is due, with everything that reading it needs.
struct Due<'a> {
    platform: &'static dyn Platform,
    collections: &'static dyn Collections,
    collection: &'static Collection,
    connection: &'a Connection,
    plan: ReadPlan,
    spread: Spread,
    /// The state as it is stored.
    row: &'a CollectionRow,
    /// All collections of the connection.
    rows: &'a [CollectionRow],
}

impl<'a> Due<'a> {
    fn target(&self) -> Target<'a> {
        Target {
            origin: self.connection.origin(),
            connection: self.connection,
            cause: None,
            asked_by: None,
            trace: None,
        }
    }

    fn name(&self) -> &'static str {
        self.collection.name
    }
}

impl Lists {
    /// Works until the partition is released or the connection is gone.
    pub(crate) async fn work(self) {
        let mut backoff = Backoff::default();
        loop {
            let pause = match self.step().await {
                Ok(Next::Now) => {
                    backoff.reset();
                    continue;
                }
                Ok(Next::At(at)) => {
                    backoff.reset();
                    Duration::from_micros(at.micros_since(now())).min(LONGEST_PAUSE)
                }
                Ok(Next::Changed) => LONGEST_PAUSE,
                Ok(Next::Never) => break,
                Err(error) => {
                    tracing::warn!(stage = STAGE, connection.id = %self.connection, %error, "lists wait for the database");
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Does the next step of the collection whose turn it is.
    async fn step(&self) -> Result<Next, StoreError> {
        let Some(connection) = self.shared.store.connection(&self.connection).await? else {
            return Ok(Next::Never);
        };
        let platform = platforms::find(connection.platform.as_str());
        let found = platform.and_then(|platform| Some((platform, platform.collections()?)));
        let Some((platform, collections)) = found else { return Ok(Next::Never) };
        // Also of a connection that isn't called now: its changes are read from here on.
        let rows = self.rows(&connection, collections).await?;
        match connection.call_gate().opens_at() {
            None => return Ok(Next::Changed),
            Some(at) if at > now() => return Ok(Next::At(at)),
            Some(_) => {}
        }
        let row_of = |it: &'static Collection| Some((it, rows.iter().find(|row| row.collection == it.name)?));
        let listed: Vec<_> = collections.all().iter().filter_map(row_of).collect();
        if self.note_whole_due(&listed).await? {
            return Ok(Next::Now);
        }
        let candidate = |(it, row): &(&'static Collection, &CollectionRow)| {
            DueCollection::of(&row.state, &self.plan(it, row), row.request.is_some())
        };
        let candidates: Vec<_> = listed.iter().map(candidate).collect();
        let (collection, row) = match pick_collection(&candidates, now()) {
            CollectionPick::Read(index) => listed[index],
            CollectionPick::Wait(at) => return Ok(Next::At(at)),
            CollectionPick::Nothing => return Ok(Next::Never),
        };
        let (plan, spread) = (self.plan(collection, row), Spread::of(&self.connection, collection.name));
        let connection = &connection;
        let due = Due { platform, collections, collection, connection, plan, spread, row, rows: &rows };
        self.go_on(&due).await
    }

    /// The states of the collections; those that are new are added.
    async fn rows(
        &self,
        connection: &Connection,
        collections: &dyn Collections,
    ) -> Result<Vec<CollectionRow>, StoreError> {
        let store = &self.shared.store;
        let mut rows = store.collections(&self.connection).await?;
        let is_new = |it: &&Collection| rows.iter().all(|row| row.collection != it.name);
        let first = |it: &Collection| {
            let spread = Spread::of(&self.connection, it.name);
            (it.name, CollectionState::first(&self.shared.reads.first(it), spread, now()))
        };
        let added: Vec<_> = collections.all().iter().filter(is_new).map(first).collect();
        if !added.is_empty() {
            store.add_collections(&connection.origin(), &added).await?;
            rows = store.collections(&self.connection).await?;
        }
        for row in &rows {
            self.shared.measure.completed(connection, &row.collection, &row.state);
        }
        Ok(rows)
    }

    fn plan(&self, collection: &Collection, row: &CollectionRow) -> ReadPlan {
        self.shared.reads.plan(collection, row, Spread::of(&self.connection, collection.name))
    }

    /// Stores the times of the next whole reads where they have changed. Returns whether one has.
    async fn note_whole_due(
        &self,
        listed: &[(&'static Collection, &CollectionRow)],
    ) -> Result<bool, StoreError> {
        let mut is_changed = false;
        for (collection, row) in listed {
            let whole_due_at = self.plan(collection, row).whole_due;
            if row.request.is_none() && row.state.whole_due_at != whole_due_at {
                let state = CollectionState { whole_due_at, ..row.state.clone() };
                is_changed |= self.shared.store.save_collection(row, &state).await?;
            }
        }
        Ok(is_changed)
    }

    async fn go_on(&self, due: &Due<'_>) -> Result<Next, StoreError> {
        let mut state = due.row.state.clone();
        let superseded = match &due.row.request {
            Some(request) => state.begin_requested(request, &due.plan, now()),
            None => state.begin(&due.plan, now()),
        };
        if state != due.row.state || due.row.request.is_some() {
            if self.shared.store.save_collection(due.row, &state).await? {
                self.note_ended(due, superseded);
            }
            return Ok(Next::Now);
        }
        match state.read.as_ref().map(|read| read.phase) {
            Some(ReadPhase::Listing) => return Box::pin(self.read_page(due, state)).await,
            Some(ReadPhase::Comparing) => self.compare(due, state).await?,
            Some(ReadPhase::Retiring) => self.retire(due, state).await?,
            None => {}
        }
        Ok(Next::Now)
    }

    /// Stores a failed attempt. A limit of calls is one of the connection: none of its lists is read before.
    async fn failed(
        &self,
        due: &Due<'_>,
        mut state: CollectionState,
        failure: &PageFailure,
        reason: &str,
    ) -> Result<Next, StoreError> {
        let ended = state.fail(failure, reason, (&due.plan, due.spread), now());
        if self.shared.store.save_collection(due.row, &state).await? {
            tracing::debug!(stage = STAGE, connection.id = %self.connection, collection = due.name(), reason, "a page wasn't read");
            self.note_ended(due, ended);
        }
        let is_limited = matches!(failure, PageFailure::RateLimited { .. });
        Ok(if is_limited { Next::At(state.due_at) } else { Next::Now })
    }

    /// Counts and logs the end of a read.
    fn note_ended(&self, due: &Due<'_>, ended: Option<EndedRead>) {
        let Some(EndedRead { read, outcome, .. }) = ended else { return };
        let collection = due.name();
        self.shared.measure.ended(due.platform.name(), collection, &read, outcome);
        let (connection, outcome_text) = (&self.connection, outcome.as_str());
        if outcome == ReadOutcome::GivenUp {
            tracing::warn!(
                stage = STAGE, connection.id = %connection, collection, pages = read.pages, "a list was given up"
            );
        } else {
            tracing::info!(
                stage = STAGE, connection.id = %connection, collection, outcome = outcome_text, pages = read.pages,
                seen = read.seen, reported = read.reported, gone = read.gone, "a list was read"
            );
        }
    }
}

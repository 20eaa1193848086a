//! Rebuilds current state and ledger from the event store alone, compares them with the record, and corrects
//! the record.

mod differences;

use crate::{
    cli::{Output, Rebuild},
    environment::open_store,
    failure::Failed,
    progress::Progress,
    stores,
};
use apply::rebuild::{Broken, Rebuilt};
use bytes::Bytes;
use differences::{Counts, Reported};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::StoreId;
use store::{Difference, RebuildRun, Rebuilding, Store, StoreError, StoreToRebuild};

/// Upper limit of changes that are read at once.
const CHANGES_MAX: i64 = 1000;
/// Number of stores that are rebuilt at once; each has one connection.
const STORES_AT_ONCE: usize = 2;

pub(crate) async fn run(arguments: Rebuild, output: Output) -> Result<(), Failed> {
    let store = open_store(&arguments.target).await?;
    let run = begin(&store, &arguments).await?;
    let progress = Progress::new("the changes");
    progress.expect(run.stores.iter().map(|store| store.last_sequence.unsigned_abs()).sum());
    let reported = Reported { dry_run: arguments.dry_run, output };
    let rebuild = Rebuilds { store, run: &run, reported, progress };
    let stores = stream::iter(&run.stores).map(|store| rebuild.one(store)).buffer_unordered(STORES_AT_ONCE);
    let sum = stores.try_fold(Counts::default(), |sum, one| async move { Ok(sum + one) }).await?;
    rebuild.progress.finish();
    reported.summary(&run, &sum)
}

async fn begin(store: &Store, arguments: &Rebuild) -> Result<RebuildRun, Failed> {
    let wanted = stores::find_any(store, arguments.store.as_deref()).await?;
    if wanted.is_none() && !arguments.dry_run {
        return Ok(store.begin_rebuild(arguments.restart).await?);
    }
    Ok(store.look_over(wanted.as_ref()).await?)
}

/// The reason for which the rebuild of a store ends early.
enum Ended {
    /// Its changes don't result in its state, for this reason.
    Broken(String),
    /// The record can't be reached, or refuses the statement.
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Broken> for Ended {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken.to_string())
    }
}

struct Rebuilds<'a> {
    store: Store,
    run: &'a RebuildRun,
    reported: Reported,
    progress: Progress,
}

impl Rebuilds<'_> {
    async fn one(&self, of: &StoreToRebuild) -> Result<Counts, Failed> {
        let mut counts = Counts { stores: 1, ..Counts::default() };
        let mut rebuilt = Rebuilt::default();
        match self.history(&of.store, &mut rebuilt, &mut counts).await {
            Ok(()) => {}
            Err(Ended::Failed(error)) => return Err(error.into()),
            Err(Ended::Broken(why)) => {
                counts.left_alone += 1;
                self.reported.broken(&of.store, &why);
                let step = self.step(&of.store).await?;
                step.finish(self.run, rebuilt.sequence, counts.left_alone).await?;
            }
        }
        counts.changes = rebuilt.sequence.unsigned_abs();
        Ok(counts)
    }

    async fn step(&self, store: &StoreId) -> Result<Rebuilding, StoreError> {
        self.store.rebuilding(store, !self.reported.dry_run).await
    }

    /// Folds the changes with the ledger page by page, while the store is in use; locks it only to fold the last ones
    /// and to correct its state.
    async fn history(
        &self,
        store: &StoreId,
        rebuilt: &mut Rebuilt,
        counts: &mut Counts,
    ) -> Result<(), Ended> {
        loop {
            let mut step = self.step(store).await?;
            let Some(found) = self.page(&mut step, store, rebuilt).await? else { break };
            step.commit().await?;
            self.reported.differences(store, &found, counts);
        }
        let mut step = self.step(store).await?;
        let (tenant, last_sequence) = step.hold().await?;
        let mut found = Vec::new();
        while let Some(more) = self.page(&mut step, store, rebuilt).await? {
            found.extend(more);
        }
        if rebuilt.sequence != last_sequence {
            let came = rebuilt.sequence;
            return Err(Ended::Broken(format!("its changes end at {came}, its sequence at {last_sequence}")));
        }
        found.extend(step.ledger(&[], behind(rebuilt.sequence), i64::MAX).await?);
        found.extend(step.state(&tenant, &rebuilt.state).await?);
        let left_alone = counts.left_alone + differences::left_alone(&found) + rebuilt.recounted.len() as u64;
        step.finish(self.run, rebuilt.sequence, left_alone).await?;
        self.reported.differences(store, &found, counts);
        self.reported.recounted(store, &rebuilt.recounted, counts);
        Ok(())
    }

    /// Folds the next changes, and compares the ledger with them; `None` if there are no more.
    async fn page(
        &self,
        step: &mut Rebuilding,
        store: &StoreId,
        rebuilt: &mut Rebuilt,
    ) -> Result<Option<Vec<Difference>>, Ended> {
        let after = rebuilt.sequence;
        let changes = step.changes(after, CHANGES_MAX).await?;
        if changes.is_empty() {
            return Ok(None);
        }
        let count = changes.len() as u64;
        let mut lines = Vec::new();
        for change in changes {
            let applied = wire::decode_applied(Bytes::from(change));
            let unreadable =
                |error| Ended::Broken(format!("what follows change {}: {error}", rebuilt.sequence));
            let applied = applied.map_err(unreadable)?;
            if applied.event.origin.store != *store {
                return Err(Ended::Broken(format!("change {} is another store's", applied.sequence)));
            }
            lines.extend(rebuilt.take(applied)?);
        }
        let found = step.ledger(&lines, behind(after), rebuilt.sequence).await?;
        self.progress.add(count);
        Ok(Some(found))
    }
}

/// Lines before the first change are compared with the first changes.
const fn behind(sequence: i64) -> i64 {
    if sequence == 0 { i64::MIN } else { sequence }
}

//! Rate limits of calls: one budget for each connection, shared with all processes that call its platform.
//!
//! The record has the budgets. A process takes a lease of some calls, and asks again when they are used up. While the
//! record can't be reached it makes a share of the calls.

mod line;

use crate::CallsConfig;
use line::{Line, Slots};
use model::{CallBudget, CallClass, CallGrant, CallRate, CallWant, ConnectionId, Timestamp};
use platforms::{CallError, Platform, Rate};
use std::{sync::Arc, time::Duration};
use store::{CallBudgetRow, Connection, Store, StoreError};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Upper limit of connections counted at once.
const COUNTED_MAX: u64 = 100_000;
/// Time after which an idle connection is forgotten; the record remembers it.
const QUIET_FOR: Duration = Duration::from_mins(10);
/// Time limit for taking a lease.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for which the record isn't asked after it couldn't be reached.
const ALONE_FOR: Duration = Duration::from_secs(5);
/// Upper limit of attempts to take a lease; each fails only because another process took one meanwhile.
const ATTEMPTS_MAX: usize = 20;
/// Longest wait for a platform that accepts no calls; whoever would wait longer gets the error that its own call would
/// have got.
const HELD_WAIT_MAX: Duration = Duration::from_secs(2);

/// The budgets of all connections; cheap to clone.
#[derive(Clone)]
pub struct Budgets {
    store: Store,
    percent: u32,
    lines: moka::sync::Cache<ConnectionId, Arc<Line>>,
}

/// The reason why the record wasn't asked.
#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the record didn't answer in time")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("other processes took {ATTEMPTS_MAX} leases meanwhile")]
    Contended,
}

impl Budgets {
    /// The budgets in `store`; with the share of platforms' rates that the settings allow.
    pub fn new(store: Store, calls: &CallsConfig) -> Self {
        let lines = moka::sync::Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(QUIET_FOR).build();
        Self { store, percent: calls.rate_percent, lines }
    }

    /// Waits until the connection may be called once more for that purpose. Fails as a limited call would if the platform
    /// accepts none for a while.
    pub async fn wait(
        &self,
        connection: &Connection,
        platform: &dyn Platform,
        class: CallClass,
    ) -> Result<(), CallError> {
        let (line, rate) = (self.line(&connection.id), self.rate(platform));
        let waiters = line.join(class);
        // The callers of a class wait here, in the order of their coming.
        let mut slots = line.slots(class).lock().await;
        loop {
            if let Some(left) = line.held_for() {
                if left > HELD_WAIT_MAX {
                    return Err(CallError::RateLimited { after: Some(left) });
                }
                sleep(left).await;
                *slots = Slots::default();
            }
            if let Some(at) = slots.next(Instant::now()) {
                sleep_until(at).await;
                if line.held_for().is_some() {
                    continue;
                }
                return Ok(());
            }
            let want = CallWant { class, calls: slots.wanted(waiters.count()) };
            let (grant, at) = self.grant(&line, connection, rate, want).await;
            match grant {
                CallGrant::Lease(waits) => *slots = Slots::of(&waits, at),
                CallGrant::Later(wait) => sleep(wait).await,
                CallGrant::Held(wait) => line.hold(at + wait),
            }
        }
    }

    /// Passes the result of a call on. A platform that accepts no more calls now isn't called by anybody for a while.
    pub async fn heed<T>(
        &self,
        connection: &Connection,
        platform: &dyn Platform,
        result: Result<T, CallError>,
    ) -> Result<T, CallError> {
        if let Err(CallError::RateLimited { after }) = &result {
            let (line, rate) = (self.line(&connection.id), self.rate(platform));
            let refuse = |budget: &mut CallBudget, now| {
                budget.refuse(rate, *after, now);
                budget.held_for(now)
            };
            let (held_for, at) = self.change(&line, connection, refuse).await;
            line.hold(at + held_for);
        }
        result
    }

    fn line(&self, connection: &ConnectionId) -> Arc<Line> {
        self.lines.get_with(connection.clone(), Arc::default)
    }

    fn rate(&self, platform: &dyn Platform) -> CallRate {
        let Rate { per_second, burst } = platform.spec().rate;
        CallRate::new(per_second, burst).percent(self.percent)
    }

    /// Takes a lease, with the time at which it was granted.
    async fn grant(
        &self,
        line: &Line,
        connection: &Connection,
        rate: CallRate,
        want: CallWant,
    ) -> (CallGrant, Instant) {
        let of_record = self.of_record(line, connection, |budget, now| budget.take(rate, want, now)).await;
        of_record.unwrap_or_else(|| {
            let share = rate.part(model::SHARE_WITHOUT_RECORD);
            line.alone(|budget, now| budget.take(share, want, now))
        })
    }

    /// Changes the budget of the record, or the process's own one while the record can't be reached.
    async fn change<T>(
        &self,
        line: &Line,
        connection: &Connection,
        change: impl Fn(&mut CallBudget, Timestamp) -> T,
    ) -> (T, Instant) {
        let of_record = self.of_record(line, connection, &change).await;
        of_record.unwrap_or_else(|| line.alone(change))
    }

    /// Changes the budget of the record; `None` if it can't be reached.
    async fn of_record<T>(
        &self,
        line: &Line,
        connection: &Connection,
        change: impl Fn(&mut CallBudget, Timestamp) -> T,
    ) -> Option<(T, Instant)> {
        let mut record = line.record().lock().await;
        if record.unreachable_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let changed = timeout(RECORD_TIMEOUT, self.compare_and_set(&mut record.known, connection, change));
        match changed.await.map_err(Unreachable::from).and_then(|changed| changed) {
            Ok(changed) => {
                record.unreachable_until = None;
                Some(changed)
            }
            Err(error) => {
                tracing::debug!(connection.id = %connection.id, %error, "calls are made without the shared budget");
                record.known = None;
                record.unreachable_until = Some(Instant::now() + ALONE_FOR);
                None
            }
        }
    }

    /// Changes the budget as last seen; if another process changed it meanwhile, reads it again. The time is the
    /// database's: its last word, and what passed here since it arrived, which is less than what passed there.
    async fn compare_and_set<T>(
        &self,
        known: &mut Option<(CallBudgetRow, Instant)>,
        connection: &Connection,
        change: impl Fn(&mut CallBudget, Timestamp) -> T,
    ) -> Result<(T, Instant), Unreachable> {
        let origin = connection.origin();
        for _ in 0..ATTEMPTS_MAX {
            let (row, seen_at) = match known.take() {
                Some(known) => known,
                None => (self.store.call_budget(&origin).await?, Instant::now()),
            };
            let mut budget = row.budget.clone();
            let changed = change(&mut budget, row.now.after(seen_at.elapsed()));
            if let Some(saved) = self.store.save_call_budget(&connection.id, &row, budget).await? {
                *known = Some((saved, Instant::now()));
                return Ok((changed, Instant::now()));
            }
        }
        Err(Unreachable::Contended)
    }
}

//! One connection's due writes: claim, call, settle.

use crate::{STAGE, measure::Measure};
use model::{MirrorKind, MirrorValue, Partition, PartitionCount, Timestamp};
use outlet::{Budgets, Client, Fetcher, NotFetched, Target};
use platforms::{Access, Call, CallContext, CallOutcome, Fetch, Platform, Step};
use stage::{Reject, RejectClass};
use std::time::{Duration, Instant};
use store::{Connection, DueRead, DueWrite, Settled, Store, StoreError, WriteResult};
use tokio_util::sync::CancellationToken;

/// How many writes are claimed at once.
const CLAIMED_MAX: i64 = 16;
/// How long a claim holds: beyond it the write is due again, with the same key, since its owner may have died. A write
/// whose owner was killed waits no longer than this.
const LEASE: Duration = Duration::from_secs(30);
/// How long after the claim a call may begin, also by an owner that was paused meanwhile: what is left of the claim is
/// longer than one write takes at its time limits.
const BEGUN_WITHIN: Duration = Duration::from_secs(5);
/// The first pause before a write is tried again; it doubles.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const RETRY_LONGEST: Duration = Duration::from_mins(10);

/// How often something is read again at once, with pauses as between writes, before that is left for later.
const READ_ATTEMPTS: u32 = 5;

/// What calls are made with.
pub(crate) struct Calls {
    pub(crate) store: Store,
    pub(crate) partitions: PartitionCount,
    pub(crate) client: Client,
    pub(crate) budgets: Budgets,
    pub(crate) fetcher: Fetcher,
    pub(crate) measure: Measure,
}

impl Calls {
    /// Makes what is due at the connection, one call at a time, until nothing is, or until `stop`.
    pub(crate) async fn work_off(
        &self,
        connection: &Connection,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let Some(platform) = platforms::find(connection.platform.as_str()) else { return Ok(()) };
        let of = self.partitions.of(&connection.store);
        let mut at_once = CLAIMED_MAX;
        while !stop.is_cancelled() {
            let claimed = Instant::now();
            let due = self.store.claim_due(of, &connection.id, runner::now(), LEASE, at_once).await?;
            if due.is_empty() {
                return Ok(());
            }
            runner::kill_point(STAGE, "marked");
            let (count, mut called) = (due.len(), 0);
            for write in due {
                if stop.is_cancelled() || claimed.elapsed() > BEGUN_WITHIN {
                    self.give_back(of, &write).await?;
                } else {
                    self.write(platform, connection, &write, stop).await?;
                    called += 1;
                }
            }
            // A slow platform gets no more than it does in time.
            at_once = if called < count { i64::try_from(called.max(1)).unwrap_or(1) } else { CLAIMED_MAX };
        }
        Ok(())
    }

    /// Has whoever claims next make the call, this owner or another one.
    async fn give_back(&self, of: Partition, due: &DueWrite) -> Result<(), StoreError> {
        let now = runner::now();
        let result = WriteResult::RetryAt { at: now, error: "given back before the call".to_owned() };
        self.store.settle_write(of, &due.key, &due.sent_key, &result, now).await.map(|_| ())
    }

    async fn write(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        due: &DueWrite,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let began = Instant::now();
        let reply = match call(due) {
            Ok(call) => self.call(platform, connection, due, &call).await,
            Err(reject) => CallOutcome::Rejected(reject),
        };
        runner::kill_point(STAGE, "called");
        let (label, result) = result(due, reply, runner::now(), rand::random_range(0.5..1.0));
        self.measure.called(platform.name(), due.key.kind.as_str(), label, began.elapsed());
        let of = self.partitions.of(&connection.store);
        let settled = self.store.settle_write(of, &due.key, &due.sent_key, &result, runner::now()).await?;
        runner::kill_point(STAGE, "settled");
        tracing::info!(
            stage = STAGE, store.id = %connection.store, connection.id = %connection.id,
            platform.name = platform.name(), kind = due.key.kind.as_str(), external = %due.key.external,
            attempt = due.attempt, result = label, "call"
        );
        if let WriteResult::Refused { error } = &result {
            tracing::warn!(stage = STAGE, connection.id = %connection.id, error, "the platform refused a write");
        }
        if settled == Settled::NeedsReadBack {
            let wanted = DueRead {
                key: due.key.clone(),
                location: due.location.clone(),
                product: due.product.clone(),
            };
            self.read(platform, connection, &wanted, stop).await;
        }
        Ok(())
    }

    async fn call(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        due: &DueWrite,
        call: &Call,
    ) -> CallOutcome {
        let access = access(connection);
        let context = CallContext { access: &access, idempotency_key: &due.sent_key, now: due.begun_at };
        let mut step = platform.call(call, &context, None);
        // At most one read, then the write.
        for _ in 0..2 {
            let (request, is_write) = match step {
                Step::End(outcome) => return outcome,
                Step::Read(request) => (request, false),
                Step::Write(request) => (request, true),
            };
            self.budgets.wait(&connection.id, platform).await;
            let reply = match self.client.call(request, due.trace.as_ref()).await {
                Ok(reply) => reply,
                Err(error) => return CallOutcome::Retry { reason: error.to_string() },
            };
            let meaning = platform.outcome(call, &reply.as_reply());
            if is_write || !matches!(meaning, CallOutcome::Done { .. }) {
                return meaning;
            }
            step = platform.call(call, &context, Some(&reply.as_reply()));
        }
        CallOutcome::Rejected(Reject::new(RejectClass::Bug, "the call wants to read twice"))
    }

    /// Asks the platform for what a mirror reflects and puts the answer into RAW, like any report of it. If that fails a
    /// few times, the mirror becomes due for reading again after a while.
    pub(crate) async fn read(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        due: &DueRead,
        stop: &CancellationToken,
    ) {
        let access = access(connection);
        let target =
            Target { origin: connection.origin(), access: &access, cause: None, hops: 1, trace: None };
        let Some(wanted) = wanted(due) else {
            tracing::warn!(stage = STAGE, connection.id = %connection.id, "the variant's product isn't linked");
            return;
        };
        for attempt in 0..READ_ATTEMPTS {
            let pause = RETRY_FIRST.saturating_mul(1 << attempt).mul_f64(rand::random_range(0.5..1.0));
            match self.fetcher.fetch(platform, &target, &wanted, runner::now()).await {
                Ok(_) | Err(NotFetched::Gone) => return,
                Err(NotFetched::Later { reason, after }) if after.is_none_or(|after| after <= pause) => {
                    tracing::debug!(stage = STAGE, connection.id = %connection.id, reason, "not read back");
                }
                Err(NotFetched::Later { reason, .. }) => {
                    tracing::debug!(stage = STAGE, connection.id = %connection.id, reason, "not read back; later");
                    return;
                }
                Err(NotFetched::Refused(reject) | NotFetched::AccountRefused(_, reject)) => {
                    tracing::warn!(stage = STAGE, connection.id = %connection.id, %reject, "can't be read back");
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

fn access(connection: &Connection) -> Access {
    Access {
        base_url: connection.base_url.clone(),
        token: connection.token.clone(),
        api_version: connection.api_version.clone(),
        account: connection.account.clone(),
    }
}

/// What a mirror's platform is asked for.
fn wanted(due: &DueRead) -> Option<Fetch<'_>> {
    let external = &due.key.external;
    match due.key.kind {
        MirrorKind::Inventory => Some(Fetch::Level { item: external, location: due.location.as_ref() }),
        MirrorKind::Product => Some(Fetch::Product { product: external, variant: None }),
        MirrorKind::Price => Some(Fetch::Product { product: due.product.as_ref()?, variant: Some(external) }),
    }
}

/// The call that makes a due write.
fn call(due: &DueWrite) -> Result<Call, Reject> {
    let bug = |reason: &str| Reject::new(RejectClass::Bug, reason);
    match (due.key.kind, &due.value) {
        (MirrorKind::Inventory, MirrorValue::Quantity(to)) => {
            let Some(MirrorValue::Quantity(from)) = due.from else {
                return Err(bug("a level that isn't known can't be written"));
            };
            Ok(Call::SetLevel {
                item: due.key.external.clone(),
                location: due.location.clone(),
                to: *to,
                from,
            })
        }
        (MirrorKind::Price, MirrorValue::Price(to)) => {
            let product = due.product.clone().ok_or_else(|| bug("the variant's product isn't linked"))?;
            Ok(Call::SetPrice { product, variant: due.key.external.clone(), to: *to })
        }
        (MirrorKind::Product, MirrorValue::Text(to)) => {
            Ok(Call::SetText { product: due.key.external.clone(), to: to.clone() })
        }
        (MirrorKind::Inventory | MirrorKind::Price | MirrorKind::Product, _) => {
            Err(bug("the mirror's value isn't of its kind"))
        }
    }
}

/// What a reply means for the mirror. `jitter` is from 0.5 to 1.
fn result(due: &DueWrite, reply: CallOutcome, now: Timestamp, jitter: f64) -> (&'static str, WriteResult) {
    let doubled = RETRY_FIRST.saturating_mul(1 << u32::try_from(due.attempt - 1).unwrap_or(0).min(16));
    let pause = doubled.min(RETRY_LONGEST).mul_f64(jitter);
    let after = |wait: Duration| {
        Timestamp::from_micros(
            now.as_micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)),
        )
    };
    match reply {
        CallOutcome::Done { version, .. } => ("done", WriteResult::Acknowledged { version }),
        CallOutcome::Conflict | CallOutcome::TooOld(_) if due.key.kind == MirrorKind::Inventory => {
            ("stale", WriteResult::ReadBack)
        }
        // Texts and prices are read anew by the next attempt itself.
        CallOutcome::Conflict | CallOutcome::TooOld(_) => {
            ("stale", WriteResult::RetryAt { at: after(pause), error: "someone else wrote".to_owned() })
        }
        CallOutcome::Throttled { after: wait } => {
            let at = after(wait.unwrap_or_default().max(pause));
            ("throttled", WriteResult::RetryAt { at, error: "too many calls".to_owned() })
        }
        CallOutcome::Retry { reason } => ("retry", WriteResult::RetryAt { at: after(pause), error: reason }),
        // Turned away at the gate: an earlier attempt may have been let in, and only the same key can tell. Taken for
        // refused, its report would count as a sale.
        CallOutcome::AccountRefused(_, reject)
            if due.key.kind == MirrorKind::Inventory && due.attempt > 1 =>
        {
            ("denied", WriteResult::RetryAt { at: after(pause), error: reject.to_string() })
        }
        CallOutcome::Gone => {
            ("refused", WriteResult::Refused { error: "the platform has no such object".to_owned() })
        }
        CallOutcome::AccountRefused(_, reject) | CallOutcome::Rejected(reject) => {
            ("refused", WriteResult::Refused { error: reject.to_string() })
        }
    }
}

#[cfg(test)]
mod tests;

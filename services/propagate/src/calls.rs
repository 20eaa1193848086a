//! One connection's due writes: claim, call, settle.

mod requests;

use crate::{STAGE, limits::Limits, measure::Measure};
use model::{CallResult, MirrorKey, MirrorKind, MirrorValue, Partition, PartitionCount, Settled, Timestamp};
use outlet::{Accounts, Budgets, Client, Fetcher, NotFetched, Target};
use platforms::{AccountRefusal, CallError, Fetch, Platform, Written};
use stage::Reject;
use std::time::{Duration, Instant};
use store::{Claim, Connection, DueRead, DueWrite, Health, Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Upper limit of writes claimed at once, unless a platform accepts more of them in one request.
const CLAIMED_MAX: i64 = 16;
/// Duration of a claim: after it the write is due again, with the same key, since its owner may have died. A write
/// whose owner was killed waits no longer than this.
const LEASE: Duration = Duration::from_secs(30);
/// Time after the claim within which a call may begin, also by an owner that was paused meanwhile: the rest of the
/// claim is longer than one write takes at its time limits.
const BEGUN_WITHIN: Duration = Duration::from_secs(5);
/// First pause before a write is tried again; it doubles.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest pause before a write is tried again.
const RETRY_LONGEST: Duration = Duration::from_mins(10);

/// Upper limit of immediate attempts of one reading, with pauses as between writes; after them it is postponed.
const READ_ATTEMPTS: u32 = 5;

/// The resources for making calls.
pub(crate) struct Calls {
    pub(crate) store: Store,
    pub(crate) partitions: PartitionCount,
    pub(crate) client: Client,
    pub(crate) budgets: Budgets,
    pub(crate) accounts: Accounts,
    pub(crate) fetcher: Fetcher,
    pub(crate) measure: Measure,
}

impl Calls {
    /// Makes the due calls of the connection, one request at a time, until none is due, until the platform refuses the account,
    /// or until `stop`. Returns whether the account was refused.
    pub(crate) async fn work_off(
        &self,
        connection: &Connection,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let Some(platform) = platforms::find(connection.platform.as_str()) else { return Ok(false) };
        let partition = self.partitions.of(&connection.store);
        let limits = Limits::of(platform, connection.rules);
        // For a refused account, one call shows whether it is still refused.
        let claimed_max = CLAIMED_MAX.max(limits.largest_batch());
        let mut at_once = if connection.health == Health::Ok { claimed_max } else { 1 };
        while !stop.is_cancelled() {
            let claimed = Instant::now();
            let claim = Claim {
                connection: &connection.id,
                partition,
                kinds: &limits.kinds,
                decimals: limits.decimals,
                repeatable_for: &limits.repeatable_for,
                batched: &limits.batched(),
                lease: LEASE,
                limit: at_once,
            };
            let due = self.store.claim_due(&claim, runner::now()).await?;
            if due.is_empty() {
                return Ok(false);
            }
            runner::kill_point(STAGE, "marked");
            let (count, mut called, mut refused) = (due.len(), 0, false);
            for batch in batches(due, |kind| limits.batch_max(kind)) {
                if refused || stop.is_cancelled() || claimed.elapsed() > BEGUN_WITHIN {
                    for write in &batch {
                        self.give_back(partition, connection, write).await?;
                    }
                } else {
                    called += batch.len();
                    refused = self.write(platform, connection, &batch, stop).await?;
                }
            }
            if refused {
                return Ok(true);
            }
            // A slow platform gets no more writes than it completes in time.
            at_once = if called < count { i64::try_from(called.max(1)).unwrap_or(1) } else { claimed_max };
        }
        Ok(false)
    }

    /// Returns the claim, so that the next claimant makes the call, this owner or another one.
    async fn give_back(
        &self,
        of: Partition,
        connection: &Connection,
        due: &DueWrite,
    ) -> Result<(), StoreError> {
        let now = runner::now();
        let result = CallResult::Retry { at: now, error: "given back before the call".to_owned() };
        let settled =
            self.store.settle_write(of, &connection.origin(), &due.key, &due.sent_key, result, now).await;
        settled.map(|_| ())
    }

    /// Makes writes of one kind, in one request if they are several, and settles each. Returns whether the platform
    /// refused the account.
    async fn write(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        batch: &[DueWrite],
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let began = Instant::now();
        let results = self.results(platform, connection, batch).await;
        runner::kill_point(STAGE, "called");
        let (mut refusal, mut to_read) = (false, false);
        // One for all, so that they are due again together.
        let (ended, jitter) = (runner::now(), rand::random_range(0.5..1.0));
        for (due, outcome) in batch.iter().zip(results) {
            refusal |= self.note_account(connection, &outcome).await?;
            let (label, result) = result(due, outcome, ended, jitter);
            self.measure.called(platform.name(), due.key.kind().as_str(), label, began.elapsed());
            let settled = self.settle(platform, connection, due, label, result).await?;
            to_read |= settled == Settled::NeedsReading;
        }
        if to_read && !refusal {
            return self.read_due(platform, connection, stop).await;
        }
        Ok(refusal)
    }

    /// Settles a write, and logs its result under `label`.
    async fn settle(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        due: &DueWrite,
        label: &'static str,
        result: CallResult<MirrorValue>,
    ) -> Result<Settled, StoreError> {
        let of = self.partitions.of(&connection.store);
        let settled = self
            .store
            .settle_write(of, &connection.origin(), &due.key, &due.sent_key, result, runner::now())
            .await?;
        runner::kill_point(STAGE, "settled");
        tracing::info!(
            stage = STAGE, store.id = %connection.store, connection.id = %connection.id,
            platform.name = platform.name(), kind = due.key.kind().as_str(), external = %due.key.external(),
            attempt = due.attempt, result = label, "call"
        );
        match settled {
            Settled::Refused => {
                tracing::warn!(stage = STAGE, connection.id = %connection.id, "the platform refused a write");
            }
            Settled::Flapping => {
                tracing::warn!(
                    stage = STAGE, connection.id = %connection.id, kind = due.key.kind().as_str(),
                    "writes stopped: the platform held something else each time"
                );
            }
            Settled::Done | Settled::NeedsReading | Settled::Passed => {}
        }
        Ok(settled)
    }

    /// Records an outcome's effect on the account's health. Returns whether the account was refused.
    async fn note_account(
        &self,
        connection: &Connection,
        outcome: &Result<Written, CallError>,
    ) -> Result<bool, StoreError> {
        match outcome {
            Err(CallError::AccountRefused(refusal, reject)) => {
                self.account_refused(connection, *refusal, reject).await?;
                Ok(true)
            }
            // These outcomes don't depend on the account.
            Err(CallError::RateLimited { .. } | CallError::Transient { .. }) => Ok(false),
            Ok(_)
            | Err(CallError::Conflict | CallError::Gone | CallError::TooOld(_) | CallError::Rejected(_)) => {
                if connection.health != Health::Ok {
                    self.store.note_account_accepted(connection).await?;
                }
                Ok(false)
            }
        }
    }

    async fn account_refused(
        &self,
        connection: &Connection,
        refusal: AccountRefusal,
        reject: &Reject,
    ) -> Result<(), StoreError> {
        let health = Health::from(refusal);
        tracing::warn!(
            stage = STAGE, store.id = %connection.store, connection.id = %connection.id,
            health = health.as_str(), %reject, "account refused by platform"
        );
        let noted =
            self.store.note_account_refused(connection, health, &reject.to_string(), runner::now()).await;
        noted.map(drop)
    }

    /// Makes the due readings of the connection. Returns whether the platform refused the account.
    pub(crate) async fn read_due(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let of = self.partitions.of(&connection.store);
        let limit = if connection.health == Health::Ok { CLAIMED_MAX } else { 1 };
        let reads = self.store.claim_reads(of, &connection.origin(), runner::now(), limit).await?;
        let mut refused = false;
        for read in &reads {
            if refused || stop.is_cancelled() {
                self.store.give_back_reading(of, &connection.origin(), &read.asked_by, runner::now()).await?;
            } else {
                refused = self.read(platform, connection, read, stop).await?;
            }
        }
        Ok(refused)
    }

    /// Fetches the object of a mirror from the platform and puts it into RAW, like any report of it. Returns whether
    /// the platform refused the account. If all attempts fail, the mirror becomes due for reading again later.
    async fn read(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        due: &DueRead,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let target = Target {
            origin: connection.origin(),
            connection,
            cause: None,
            asked_by: Some(due.asked_by.clone()),
            trace: None,
        };
        let Some(wanted) = wanted(due) else {
            // No request is possible until the platform reports the product.
            let of = self.partitions.of(&connection.store);
            self.store.note_gone(of, &connection.origin(), &due.asked_by).await?;
            return Ok(false);
        };
        for attempt in 0..READ_ATTEMPTS {
            let pause = RETRY_FIRST.saturating_mul(1 << attempt).mul_f64(rand::random_range(0.5..1.0));
            match self.fetcher.fetch(platform, &target, &wanted, runner::now()).await {
                Ok(_) => {
                    if connection.health != Health::Ok {
                        self.store.note_account_accepted(connection).await?;
                    }
                    return Ok(false);
                }
                Err(NotFetched::Later { reason, after }) if after.is_none_or(|after| after <= pause) => {
                    tracing::debug!(stage = STAGE, connection.id = %connection.id, reason, "not read back");
                }
                Err(NotFetched::Later { reason, .. }) => {
                    tracing::debug!(stage = STAGE, connection.id = %connection.id, reason, "not read back; later");
                    return Ok(false);
                }
                Err(NotFetched::AccountRefused(refusal, reject)) => {
                    self.account_refused(connection, refusal, &reject).await?;
                    return Ok(true);
                }
                Err(NotFetched::Gone) => {
                    let of = self.partitions.of(&connection.store);
                    self.store.note_gone(of, &connection.origin(), &due.asked_by).await?;
                    return Ok(false);
                }
                Err(NotFetched::Refused(reject)) => {
                    tracing::warn!(stage = STAGE, connection.id = %connection.id, %reject, "can't be read back");
                    return Ok(false);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {
                    let of = self.partitions.of(&connection.store);
                    self.store.give_back_reading(of, &connection.origin(), &due.asked_by, runner::now()).await?;
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }
}

/// The request for the object of a mirror.
fn wanted(due: &DueRead) -> Option<Fetch<'_>> {
    match &due.asked_by.mirror {
        MirrorKey::Level(key) => Some(Fetch::Level { item: &key.item, location: due.location.as_ref() }),
        MirrorKey::Text(key) => Some(Fetch::Product { product: &key.external, variant: None }),
        MirrorKey::Price(key) => {
            Some(Fetch::Product { product: due.product.as_ref()?, variant: Some(&key.external) })
        }
    }
}

/// Groups writes of one kind that began together, up to the limit of the kind, in the order of the first of each group. A
/// group whose reply was lost comes again as it was, if all of it is claimed again.
fn batches(due: Vec<DueWrite>, batch_max: impl Fn(MirrorKind) -> usize) -> Vec<Vec<DueWrite>> {
    let mut batches: Vec<Vec<DueWrite>> = Vec::new();
    for write in due {
        let (kind, begun_at) = (write.key.kind(), write.begun_at);
        let is_alike = |first: &DueWrite| first.key.kind() == kind && first.begun_at == begun_at;
        let has_room =
            |batch: &&mut Vec<DueWrite>| batch.len() < batch_max(kind) && batch.first().is_some_and(is_alike);
        match batches.iter_mut().find(has_room) {
            Some(batch) => batch.push(write),
            None => batches.push(vec![write]),
        }
    }
    for batch in &mut batches {
        batch.sort_by(|one, other| one.sent_key.cmp(&other.sent_key));
    }
    batches
}

/// Returns the metric label and the result for the mirror of an outcome. `jitter` is from 0.5 to 1.
fn result(
    due: &DueWrite,
    outcome: Result<Written, CallError>,
    now: Timestamp,
    jitter: f64,
) -> (&'static str, CallResult<MirrorValue>) {
    let doubled = RETRY_FIRST.saturating_mul(1 << due.attempt.saturating_sub(1).min(16));
    let pause = doubled.min(RETRY_LONGEST).mul_f64(jitter);
    let error = match outcome {
        Ok(Written { version, rendered }) => {
            let version = version.map(|version| version.number);
            return ("done", CallResult::Taken { version, rendered });
        }
        Err(error) => error,
    };
    match error {
        CallError::Conflict if due.key.kind() == MirrorKind::Inventory => ("conflict", CallResult::Conflict),
        // Texts and prices are read anew by the next attempt itself.
        CallError::Conflict => {
            ("conflict", CallResult::Retry { at: now.after(pause), error: "someone else wrote".to_owned() })
        }
        CallError::Gone => ("gone", CallResult::Gone),
        CallError::RateLimited { after } => {
            let at = now.after(after.unwrap_or_default().max(pause));
            ("throttled", CallResult::Retry { at, error: "too many calls".to_owned() })
        }
        CallError::Transient { reason } => {
            ("retry", CallResult::Retry { at: now.after(pause), error: reason })
        }
        CallError::AccountRefused(_, reject) => {
            ("account_refused", CallResult::AccountRefused { error: reject.to_string() })
        }
        CallError::TooOld(reject) => ("too_old", CallResult::TooOld { error: reject.to_string() }),
        CallError::Rejected(reject) => ("refused", CallResult::Refused { error: reject.to_string() }),
    }
}

#[cfg(test)]
mod tests;

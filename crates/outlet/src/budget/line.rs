//! The callers of one connection in this process, and the calls that they may make.

use model::{CallBudget, CallClass, LEASE_FOR, Timestamp};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use store::CallBudgetRow;
use tokio::time::Instant;

/// The calls of a lease that weren't made.
#[derive(Debug, Default)]
pub(super) struct Slots {
    left: VecDeque<Instant>,
    /// Calls of the lease.
    granted: u32,
    /// Time after which the calls that are left are void.
    void_at: Option<Instant>,
}

impl Slots {
    /// The calls of a lease that was granted at `at`.
    pub(super) fn of(waits: &[Duration], at: Instant) -> Self {
        let left: VecDeque<Instant> = waits.iter().map(|wait| at + *wait).collect();
        let void_at = left.back().map(|last| *last + LEASE_FOR);
        Self { granted: u32::try_from(left.len()).unwrap_or(u32::MAX), left, void_at }
    }

    /// The time of the next call, which is taken with it.
    pub(super) fn next(&mut self, now: Instant) -> Option<Instant> {
        if self.void_at.is_some_and(|void_at| now > void_at) {
            return None;
        }
        self.left.pop_front()
    }

    /// The number of calls to ask for: those of all who wait, and as many as are likely to follow. Twice as many as
    /// before where all were made, otherwise as many as were.
    pub(super) fn wanted(&self, waiting: u32) -> u32 {
        let left = u32::try_from(self.left.len()).unwrap_or(u32::MAX);
        let likely =
            if left == 0 { self.granted.saturating_mul(2) } else { self.granted.saturating_sub(left) };
        likely.max(waiting).max(1)
    }
}

/// The budget of the record.
#[derive(Default)]
pub(super) struct Record {
    /// As last seen, and when.
    pub(super) known: Option<(CallBudgetRow, Instant)>,
    /// Time before which it isn't asked.
    pub(super) unreachable_until: Option<Instant>,
}

/// The callers of one class.
#[derive(Default)]
struct Class {
    waiting: AtomicU32,
    slots: tokio::sync::Mutex<Slots>,
}

/// The callers of one connection.
#[derive(Default)]
pub(super) struct Line {
    classes: [Class; CallClass::ALL.len()],
    record: tokio::sync::Mutex<Record>,
    /// The process's own budget, and the time at which it began.
    own: Mutex<Option<(CallBudget, Instant)>>,
    held_until: Mutex<Option<Instant>>,
}

/// A caller that waits; no longer one when this is dropped.
pub(super) struct Joined<'a>(&'a AtomicU32);

impl Joined<'_> {
    /// The number of callers of the class that wait.
    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line {
    pub(super) fn join(&self, class: CallClass) -> Joined<'_> {
        let waiting = &self.classes[class.index()].waiting;
        waiting.fetch_add(1, Ordering::Relaxed);
        Joined(waiting)
    }

    pub(super) const fn slots(&self, class: CallClass) -> &tokio::sync::Mutex<Slots> {
        &self.classes[class.index()].slots
    }

    pub(super) const fn record(&self) -> &tokio::sync::Mutex<Record> {
        &self.record
    }

    /// Changes the process's own budget.
    pub(super) fn alone<T>(&self, change: impl FnOnce(&mut CallBudget, Timestamp) -> T) -> (T, Instant) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let (budget, began) = own.get_or_insert_with(|| (CallBudget::default(), Instant::now()));
        let now = Instant::now();
        // A clock of its own: no other process sees it. It doesn't begin at zero, before which no time is.
        let since = Timestamp::default().after(Duration::from_hours(24) + (now - *began));
        (change(budget, since), now)
    }

    /// Holds all calls of the process until then.
    pub(super) fn hold(&self, until: Instant) {
        let mut held = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (*held).max(Some(until));
    }

    /// The time for which calls are still held.
    pub(super) fn held_for(&self) -> Option<Duration> {
        let held = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        held.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

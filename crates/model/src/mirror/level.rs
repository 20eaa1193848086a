//! The mirror of a level: a platform's absolute number is read as a movement from its baseline.

mod outcome;

pub use outcome::{Contact, ContactOutcome, LevelOutcome};

use super::{
    Attention, Baseline, Begun, CallResult, Meanwhile, Observation, Phase, READINGS_MAX, REFUSED_AGAIN_AFTER,
    Report, Schedule, Settled, Waiting, Write, is_default,
};
use crate::{BaselineRule, Quantity, Side, Timestamp, TraceParent, VariantId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The permission to write to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Writes are allowed.
    #[default]
    Open,
    /// The platform's first number differs from the store's: a person or a rule has to decide which one stands.
    Asked,
    /// The platform's only number is an unconfirmed zero, and its numbers have priority over the store's: another
    /// number has to be reported first.
    Unproven,
    /// Too many comparisons were refused within a minute: writes wait until a pause ends, or, after
    /// [`RESTARTS_MAX`](crate::RESTARTS_MAX) pauses, for a person.
    Stopped,
}

/// The state of one item at one location on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LevelMirror {
    /// Our id of the item's variant, once it is linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantId>,
    /// The last report of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observation<Quantity>>,
    /// The number that the platform holds, as far as is known.
    pub baseline: Baseline<Quantity>,
    /// True if the platform's numbers are confirmed: it held a number other than a zero of its own making. Until then
    /// its zero means unknown, and is no count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proven: bool,
    /// The permission to write to the platform.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gate: Gate,
    /// The number that the platform should hold, in its own scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Quantity>,
    /// The trace of the change that set the desired number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<TraceParent>,
    /// The progress of the last write.
    #[serde(default, skip_serializing_if = "is_default")]
    pub phase: Phase<Quantity>,
    /// The last wait for a reading.
    #[serde(default, skip_serializing_if = "Waiting::is_unnumbered")]
    pub waiting: Waiting,
    /// Due time of the work, and its failures.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: Schedule,
}

impl LevelMirror {
    /// Returns a mirror of an item that is linked to `variant`, if any.
    pub fn of(variant: Option<VariantId>) -> Self {
        Self { variant, ..Self::default() }
    }

    /// Returns a mirror that has to be read from its platform first.
    pub fn to_be_read(variant: Option<VariantId>, now: Timestamp) -> Self {
        let mut mirror = Self::of(variant);
        mirror.read_at(now);
        mirror
    }

    /// Returns whether the baseline is a confirmed number. It is then a witness for the zeros of other mirrors.
    pub const fn is_witness(&self) -> bool {
        self.proven && matches!(self.baseline, Baseline::Known(_))
    }

    /// Returns whether the baseline is an unconfirmed zero.
    pub fn is_unproven_zero(&self) -> bool {
        !self.proven && self.baseline.known().is_some_and(|number| number.is_zero())
    }

    /// Discards the baseline if the platform has started to count the item there since and holds another number, which
    /// is then no movement. Has to be called before [`LevelMirror::observe`] gets the same report, which then is a
    /// first contact. The report that the platform had stopped counting may arrive later, or never.
    pub fn begins(&mut self, report: &Report<Quantity>) {
        let seen = self.observed.as_ref();
        let holds_another = self.baseline.known().is_some_and(|known| Some(*known) != report.value);
        if holds_another && !report.is_stale(seen) && !report.is_no_newer(seen) {
            self.baseline = Baseline::Absent;
        }
    }

    /// Applies a report.
    pub fn observe(&mut self, report: &Report<Quantity>) -> LevelOutcome {
        let was_refused = self.phase.is_refused();
        let outcome = self.apply_report(report);
        // A number that ends the refused phase also ends the refusal.
        self.schedule.refused &= !was_refused || self.phase.is_refused();
        self.end_refusal();
        self.start_again(report.received_at);
        outcome
    }

    fn apply_report(&mut self, report: &Report<Quantity>) -> LevelOutcome {
        if report.is_stale(self.observed.as_ref()) && !self.ends_waiting(report) {
            return LevelOutcome::Stale;
        }
        let Some(number) = report.value else { return self.forget(report) };
        let differs = self.baseline.known().is_some_and(|known| *known != number);
        let (no_newer, awaited) = (self.is_no_newer(report), self.is_awaited(report));
        let is_ambiguous = differs && no_newer && !awaited;
        match &mut self.phase {
            Phase::Writing { write, meanwhile } => match meanwhile {
                Meanwhile::Nothing if write.value == number => {
                    *meanwhile = Meanwhile::Echo;
                    self.confirm(number, report);
                    LevelOutcome::Echo
                }
                Meanwhile::Nothing | Meanwhile::Other => {
                    *meanwhile = Meanwhile::Other;
                    self.set_observed(report);
                    LevelOutcome::Contested
                }
                Meanwhile::Echo if is_ambiguous => {
                    *meanwhile = Meanwhile::Other;
                    self.baseline = moved(&self.baseline, &write.value, &write.from);
                    LevelOutcome::Ambiguous
                }
                Meanwhile::Echo => self.accept(number, report),
            },
            Phase::Acknowledged { write, .. } if write.value == number => {
                self.phase = Phase::Idle;
                self.confirm(number, report);
                LevelOutcome::Echo
            }
            // Another number may be the late report of an earlier write: only a reading distinguishes that
            // from a movement.
            Phase::Acknowledged { .. } => {
                self.set_observed(report);
                self.read_after(report);
                LevelOutcome::Contested
            }
            // A report may be from before the write; only the awaited reading shows the outcome of the write.
            Phase::Reading { after: Some(_), .. } if !awaited => {
                self.set_observed(report);
                LevelOutcome::Contested
            }
            Phase::Reading { after: Some(write), .. } if write.value == number => {
                self.end_wait(report);
                self.confirm(number, report);
                LevelOutcome::Echo
            }
            Phase::Reading { after: Some(write), .. } => {
                let is_unwritten = write.from == number;
                self.end_wait(report);
                match self.accept(number, report) {
                    LevelOutcome::Moved(by) if !is_unwritten => LevelOutcome::MovedUncertain(by),
                    other => other,
                }
            }
            // A reading that shows a new number may be outdated already: another reading has to show the same. A report
            // that wasn't requested ends no wait.
            Phase::Reading { attempts, .. } if no_newer && awaited == differs && *attempts < READINGS_MAX => {
                if differs {
                    self.schedule.due_at = report.received_at;
                } else if report.read_for.is_none() {
                    self.read_after(report);
                }
                self.accept(number, report)
            }
            _ if is_ambiguous => {
                self.read_after(report);
                LevelOutcome::Ambiguous
            }
            // The platform still holds the number that it had at the refusal.
            Phase::Refused { .. } if !differs => self.accept(number, report),
            _ => {
                self.end_wait(report);
                self.accept(number, report)
            }
        }
    }

    /// Ends a wait; a number that differs is due at once.
    fn end_wait(&mut self, report: &Report<Quantity>) {
        if matches!(self.phase, Phase::Reading { .. } | Phase::Refused { .. }) {
            self.schedule.due_at = report.received_at;
        }
        self.phase = Phase::Idle;
    }

    /// Returns whether the report is the awaited reading: one that was requested since the wait began.
    fn is_awaited(&self, report: &Report<Quantity>) -> bool {
        matches!(self.phase, Phase::Reading { .. }) && report.read_for == Some(self.waiting)
    }

    /// Returns whether the report is the awaited reading and counts whatever its version, because versions are coarse
    /// or no reading with a newer version has arrived.
    fn ends_waiting(&self, report: &Report<Quantity>) -> bool {
        let Phase::Reading { attempts, .. } = &self.phase else { return false };
        self.is_awaited(report) && (report.is_coarse() || *attempts >= READINGS_MAX)
    }

    /// Returns whether the report may be older than the last observation, by its version. The same is true of a reading
    /// that isn't awaited, or no longer: its time of receipt doesn't show its age.
    fn is_no_newer(&self, report: &Report<Quantity>) -> bool {
        let (seen, is_late) = (self.observed.as_ref(), report.read_for.is_some() && !self.is_awaited(report));
        report.is_no_newer(seen) || is_late && !report.is_newer(seen)
    }

    /// Applies a report that the platform doesn't count the item there: nothing moves, and nothing is due until
    /// it reports a number. If its version is also that of a known number, only a reading shows which of the
    /// two came last.
    fn forget(&mut self, report: &Report<Quantity>) -> LevelOutcome {
        let is_open = match &self.phase {
            Phase::Idle | Phase::Acknowledged { .. } | Phase::Refused { .. } => {
                self.baseline.known().is_some()
            }
            Phase::Reading { .. } => !self.is_awaited(report),
            Phase::Writing { .. } => false,
        };
        if is_open && self.is_no_newer(report) {
            self.read_after(report);
            return LevelOutcome::Ambiguous;
        }
        self.set_observed(report);
        if let Phase::Writing { meanwhile, .. } = &mut self.phase {
            *meanwhile = Meanwhile::Other;
        } else {
            self.end_wait(report);
        }
        let was_known = self.baseline.known().is_some();
        self.baseline = Baseline::Absent;
        if self.gate != Gate::Stopped {
            self.gate = Gate::Open;
        }
        LevelOutcome::Forgotten(was_known)
    }

    fn set_observed(&mut self, report: &Report<Quantity>) {
        self.observed = Some(report.observation(self.observed.as_ref()));
    }

    fn confirm(&mut self, number: Quantity, report: &Report<Quantity>) {
        self.set_observed(report);
        self.baseline = Baseline::Known(number);
        self.proven = true;
    }

    fn accept(&mut self, number: Quantity, report: &Report<Quantity>) -> LevelOutcome {
        let is_news = self.observed.as_ref().is_none_or(|seen| seen.value != Some(number));
        self.set_observed(report);
        let before = std::mem::replace(&mut self.baseline, Baseline::Known(number));
        let is_first = match before {
            Baseline::Unheard | Baseline::Absent => true,
            Baseline::Known(before) => !self.proven && before.is_zero() && !number.is_zero(),
        };
        let was_proven = self.proven;
        self.proven |= !number.is_zero();
        if self.variant.is_none() {
            return LevelOutcome::Unlinked(is_news);
        }
        match before {
            _ if is_first => {
                // The zero of a platform that never reported another number stays unproven until it is confirmed.
                self.proven = was_proven || !number.is_zero();
                LevelOutcome::FirstContact
            }
            Baseline::Known(before) if before != number => {
                LevelOutcome::Moved(number.minus(before).unwrap_or_default())
            }
            Baseline::Known(_) | Baseline::Unheard | Baseline::Absent => LevelOutcome::Unchanged,
        }
    }

    /// Decides the meaning of the baseline for the store, if it is the platform's first number.
    pub fn contact(&mut self, contact: &Contact) -> ContactOutcome {
        let Some(number) = self.baseline.known().copied() else { return ContactOutcome::Agreed };
        let is_zero = self.is_unproven_zero();
        let agrees = contact.level.is_some_and(|level| level.floored(contact.decimals) == number);
        let (gate, outcome) = match contact.rule {
            _ if contact.level.is_none() => (Gate::Open, ContactOutcome::Counted(number)),
            _ if agrees => {
                self.proven |= contact.is_witnessed;
                (Gate::Open, ContactOutcome::Agreed)
            }
            _ if !contact.is_witnessed && !is_zero => (Gate::Open, ContactOutcome::Counted(number)),
            BaselineRule::Store => (Gate::Open, ContactOutcome::StoreKept),
            BaselineRule::Platform if is_zero => (Gate::Unproven, ContactOutcome::Unproven),
            BaselineRule::Platform => (Gate::Open, ContactOutcome::Counted(number)),
            BaselineRule::Ask => (Gate::Asked, ContactOutcome::Asked),
        };
        self.gate = gate;
        outcome
    }

    /// Applies a person's decision of a first contact, and restarts writes that had stopped. Returns the level that the
    /// store has to adopt, if any.
    pub fn adopt(&mut self, side: Side) -> Option<Quantity> {
        self.end_stop();
        self.gate = Gate::Open;
        match side {
            Side::Store => None,
            Side::Platform => {
                self.proven |= self.baseline.known().is_some();
                self.baseline.known().copied()
            }
        }
    }

    /// Ends that wait: the platform has no such item or location. Nothing is due there until it reports a number.
    pub fn is_gone(&mut self, waiting: Waiting) {
        if matches!(self.phase, Phase::Reading { .. }) && self.waiting == waiting {
            (self.baseline, self.phase) = (Baseline::Absent, Phase::Idle);
            self.end_refusal();
        }
    }

    /// Links the item, or removes its link. The platform is read after a write that is under way.
    pub fn link(&mut self, variant: Option<VariantId>) {
        if self.variant == variant {
            return;
        }
        (self.variant, self.desired, self.gate) = (variant, None, Gate::Open);
        match &mut self.phase {
            Phase::Writing { meanwhile, .. } => *meanwhile = Meanwhile::Other,
            phase => *phase = Phase::Idle,
        }
        self.schedule.refused = false;
    }

    /// Removes the link of an item that the platform no longer has, and forgets the baseline. Nothing is due; once the item
    /// is linked again it is read first, and its number is a first contact.
    pub fn retire(&mut self) {
        self.link(None);
        self.baseline = Baseline::Unheard;
    }

    /// Sets the number that the platform should hold: the store's level, floored to the platform's scale. Returns true
    /// if it changed.
    pub fn set_desired(
        &mut self,
        level: Quantity,
        decimals: u32,
        now: Timestamp,
        cause: Option<TraceParent>,
    ) -> bool {
        let desired = level.floored(decimals);
        if self.desired == Some(desired) {
            return false;
        }
        let was_idle = self.attention().is_none() || matches!(self.phase, Phase::Refused { .. });
        (self.desired, self.cause) = (Some(desired), cause);
        if self.phase.is_refused() {
            (self.phase, self.schedule.refused) = (Phase::Idle, false);
        }
        if was_idle {
            self.schedule.due_at = now;
        }
        self.end_refusal();
        true
    }

    /// Returns the work that is due, if any.
    pub fn attention(&self) -> Option<Attention> {
        let is_open = self.may_write() && self.variant.is_some();
        match (&self.phase, &self.baseline) {
            (Phase::Writing { .. }, _) => Some(Attention::Write),
            (Phase::Reading { .. }, _) => Some(Attention::Read),
            _ if matches!(self.gate, Gate::Asked | Gate::Unproven) => Some(Attention::Decision),
            (_, Baseline::Unheard) if is_open && self.desired.is_some() => Some(Attention::Read),
            (_, Baseline::Known(known)) if is_open => {
                self.desired.is_some_and(|desired| desired != *known).then_some(Attention::Write)
            }
            (_, Baseline::Unheard | Baseline::Absent | Baseline::Known(_)) => None,
        }
    }

    /// Begins the write that is due, or another attempt of the one under way. `key` is the idempotency key of a new
    /// write. No other caller begins it again until `lease` has passed. `repeatable_for` is the upper limit of the age
    /// of a repeated write.
    pub fn begin(
        &mut self,
        key: &str,
        now: Timestamp,
        lease: Duration,
        repeatable_for: Option<Duration>,
    ) -> Begun<Quantity> {
        if let Phase::Writing { write, meanwhile } = &mut self.phase {
            if repeatable_for.is_some_and(|limit| now > write.begun_at.after(limit)) {
                let (write, meanwhile) = (write.clone(), *meanwhile);
                self.is_in_doubt(write, meanwhile, now);
                return Begun::TooOld;
            }
            write.attempts = write.attempts.saturating_add(1);
            self.schedule.due_at = now.after(lease);
            return Begun::Again(write.clone());
        }
        self.start_again(now);
        if self.attention() != Some(Attention::Write) || self.gate == Gate::Stopped {
            return Begun::Nothing;
        }
        let (Some(value), Some(from)) = (self.desired, self.baseline.known().copied()) else {
            return Begun::Nothing;
        };
        let (key, trace) = (key.to_owned(), self.cause);
        let write = Write { value, from, key, begun_at: now, attempts: 1, trace, batched: false };
        self.phase = Phase::Writing { write: write.clone(), meanwhile: Meanwhile::Nothing };
        self.schedule.due_at = now.after(lease);
        Begun::New(write)
    }

    /// Ends the call of the write with that key.
    pub fn settle(&mut self, key: &str, result: CallResult<Quantity>, now: Timestamp) -> Settled {
        if !self.phase.is_under_way(key) {
            return Settled::Passed;
        }
        let Phase::Writing { write, meanwhile } = std::mem::take(&mut self.phase) else {
            return Settled::Passed;
        };
        match result {
            CallResult::Taken { version, .. } => {
                (self.schedule.error, self.schedule.refused) = (None, false);
                self.taken(write, meanwhile, version, now)
            }
            // An earlier attempt may have had another key: the number may be its effect.
            CallResult::Conflict if write.batched && write.attempts > 1 => {
                self.is_in_doubt(write, meanwhile, now);
                Settled::NeedsReading
            }
            CallResult::Conflict => {
                self.undo_echo(&write, meanwhile);
                self.read_at(now);
                if self.schedule.flaps(now) {
                    self.gate = Gate::Stopped;
                    return Settled::Flapping;
                }
                Settled::NeedsReading
            }
            CallResult::Retry { at, error } => {
                self.phase = Phase::Writing { write, meanwhile };
                (self.schedule.due_at, self.schedule.error) = (at, Some(error));
                Settled::Done
            }
            CallResult::TooOld { error } => {
                self.schedule.error = Some(error);
                self.is_in_doubt(write, meanwhile, now);
                Settled::NeedsReading
            }
            CallResult::AccountRefused { error } => {
                self.schedule.error = Some(error);
                self.end_refused_account(write, meanwhile, now)
            }
            CallResult::Gone => {
                (self.baseline, self.schedule.error) = (Baseline::Absent, None);
                self.schedule.refused = false;
                Settled::Done
            }
            CallResult::Refused { error } => {
                self.schedule.error = Some(error);
                if meanwhile != Meanwhile::Nothing {
                    self.undo_echo(&write, meanwhile);
                    self.read_at(now);
                    return Settled::NeedsReading;
                }
                (self.phase, self.schedule.refused) = (Phase::Refused { write }, true);
                self.schedule.due_at = now.after(REFUSED_AGAIN_AFTER);
                Settled::Refused
            }
        }
    }

    fn taken(
        &mut self,
        write: Write<Quantity>,
        meanwhile: Meanwhile,
        version: Option<crate::VersionNumber>,
        now: Timestamp,
    ) -> Settled {
        self.schedule.due_at = now;
        match meanwhile {
            Meanwhile::Nothing => {
                (self.baseline, self.proven) = (Baseline::Known(write.value), true);
                self.phase = Phase::Acknowledged { write, version };
                Settled::Done
            }
            Meanwhile::Echo => Settled::Done,
            Meanwhile::Other => {
                // The baseline doesn't include the write yet.
                self.baseline = moved(&self.baseline, &write.from, &write.value);
                self.read_at(now);
                Settled::NeedsReading
            }
        }
    }

    /// Ends a call whose account was refused: a first attempt had no effect; an earlier attempt of a repeated write may
    /// have had one.
    fn end_refused_account(
        &mut self,
        write: Write<Quantity>,
        meanwhile: Meanwhile,
        now: Timestamp,
    ) -> Settled {
        self.schedule.due_at = now;
        if write.attempts > 1 {
            self.phase = Phase::Writing { write, meanwhile };
            return Settled::Done;
        }
        match meanwhile {
            Meanwhile::Nothing => Settled::Done,
            Meanwhile::Echo | Meanwhile::Other => {
                self.undo_echo(&write, meanwhile);
                self.read_at(now);
                Settled::NeedsReading
            }
        }
    }

    /// Ends a write whose outcome no call shows any more. It is unknown unless its echo was reported.
    fn is_in_doubt(&mut self, write: Write<Quantity>, meanwhile: Meanwhile, now: Timestamp) {
        if meanwhile == Meanwhile::Echo {
            self.phase = Phase::Idle;
        } else {
            self.wait(Some(write));
        }
        self.schedule.due_at = now;
    }

    /// Corrects the baseline after a write that had no effect: the report that was classified as its echo was a
    /// movement from the number before the write.
    fn undo_echo(&mut self, write: &Write<Quantity>, meanwhile: Meanwhile) {
        if meanwhile == Meanwhile::Echo {
            self.baseline = moved(&self.baseline, &write.value, &write.from);
        }
    }
}

/// Returns the baseline, moved by the difference of `to` and `from`.
fn moved(baseline: &Baseline<Quantity>, from: &Quantity, to: &Quantity) -> Baseline<Quantity> {
    match baseline {
        Baseline::Known(known) => {
            let moved = to.minus(*from).and_then(|by| known.plus(by));
            moved.map_or(Baseline::Unheard, Baseline::Known)
        }
        other => other.clone(),
    }
}

mod refusal;
mod stop;
mod wait;

#[cfg(test)]
mod tests;

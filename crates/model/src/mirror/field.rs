//! The mirror of a price or a text: values that aren't additive, so that the later of two stands.

use super::{
    Asked, Attention, Baseline, Begun, CallResult, FieldValue, Meanwhile, Observation, Phase, PlatformValue,
    ProductText, READ_AGAIN_AFTER, READ_AGAIN_SLOWLY, READINGS_MAX, REFUSED_AGAIN_AFTER, Report, Schedule,
    Settled, Waiting, Write, is_default, kinds_of,
};
use crate::{ConflictKind, Money, Timestamp, TraceParent, VersionNumber};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The mirror of a variant's price.
pub type PriceMirror = FieldMirror<Money>;
/// The mirror of a product's text.
pub type TextMirror = FieldMirror<ProductText>;

/// The state of one value on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "V: FieldValue")]
pub struct FieldMirror<V: FieldValue> {
    /// Our id of the object with the value, once it is linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal: Option<V::Internal>,
    /// The last report of the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observation<V>>,
    /// The value that the platform holds, as far as is known.
    pub baseline: Baseline<PlatformValue<V>>,
    /// The value that the platform should hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<V>,
    /// The trace of the change that set the desired value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<TraceParent>,
    /// The progress of the last write.
    #[serde(default, skip_serializing_if = "is_default")]
    pub phase: Phase<V>,
    /// The last wait for a reading.
    #[serde(default, skip_serializing_if = "Waiting::is_unnumbered")]
    pub waiting: Waiting,
    /// Due time of the work, and its failures.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: Schedule,
}

// A derived implementation would require `V: Default`.
impl<V: FieldValue> Default for FieldMirror<V> {
    fn default() -> Self {
        Self {
            internal: None,
            observed: None,
            baseline: Baseline::Unheard,
            desired: None,
            cause: None,
            phase: Phase::Idle,
            waiting: Waiting::default(),
            schedule: Schedule::default(),
        }
    }
}

/// The class of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldOutcome {
    /// Older than the last observation or than a write of ours: it has no effect.
    Stale,
    /// Another value, either with the version of the last observation or possibly the platform's form of a write that
    /// is under way: the platform is read again.
    Ambiguous,
    /// Our own write, reported back: it must not win over a later change elsewhere.
    Echo,
    /// The platform's own value, which may differ from the baseline.
    News,
}

impl<V: FieldValue> FieldMirror<V> {
    /// Returns a mirror that is linked to `internal`.
    pub fn of(internal: V::Internal) -> Self {
        Self { internal: Some(internal), ..Self::default() }
    }

    /// Returns the baseline's value, if the platform ever reported.
    pub fn platform_value(&self) -> Option<&PlatformValue<V>> {
        self.observed.as_ref().and(self.baseline.known())
    }

    /// Returns whether the report is stale.
    pub fn is_stale(&self, report: &Report<V>) -> bool {
        report.is_stale(self.observed.as_ref()) && !self.is_awaited(report)
    }

    /// Returns whether the report is our own reading for the current wait and counts whatever its version, because
    /// versions are too coarse or [`READINGS_MAX`] readings were requested. A reading shows the state at its own time;
    /// one that was requested before this wait may show an earlier state.
    fn is_awaited(&self, report: &Report<V>) -> bool {
        let Phase::Reading { attempts, .. } = &self.phase else { return false };
        report.read_for == Some(self.waiting) && (report.is_coarse() || *attempts >= READINGS_MAX)
    }

    /// Classifies a report without applying it.
    pub fn classify(&self, report: &Report<V>, value: &V) -> FieldOutcome {
        let differs = self.platform_value().is_some_and(|held| !held.shows().is_equivalent(value));
        if self.is_stale(report) {
            FieldOutcome::Stale
        } else if self.is_own_version(report) {
            FieldOutcome::Echo
        } else if differs && report.is_no_newer(self.observed.as_ref()) && !self.is_awaited(report) {
            FieldOutcome::Ambiguous
        } else if self.is_echo(value) {
            FieldOutcome::Echo
        } else if differs && matches!(self.phase, Phase::Writing { .. }) && self.may_be_written(value) {
            FieldOutcome::Ambiguous
        } else {
            FieldOutcome::News
        }
    }

    /// Returns whether the value may be the platform's form of a write whose outcome is unknown, and differs from the
    /// value before the write.
    fn may_be_written(&self, value: &V) -> bool {
        let (Phase::Writing { write, .. } | Phase::Reading { after: Some(write), .. }) = &self.phase else {
            return false;
        };
        V::may_show(value, &write.value) && !write.from.is_equivalent(value)
    }

    /// Returns whether the report has the version in the reply to our write, on a platform where one version stands for
    /// one state: then it is our write, even if its bytes differ.
    fn is_own_version(&self, report: &Report<V>) -> bool {
        let Phase::Acknowledged { version, .. } = &self.phase else { return false };
        !report.is_coarse() && report.version.is_some() && report.number() == *version
    }

    /// Returns whether the value is that of a write that is under way or was accepted. A write under way may be made
    /// twice if its first reply was lost, so each report of its value is its echo. While the platform is read, a value
    /// is an echo if it matches the write, or if it matches the value before the write although the baseline has the
    /// write's value: that reading came too early.
    fn is_echo(&self, value: &V) -> bool {
        match &self.phase {
            Phase::Writing { write, .. } => write.value.is_equivalent(value),
            Phase::Acknowledged { write, .. } => {
                let shown = self.baseline.known().is_some_and(|held| {
                    held.value.is_equivalent(&write.value) && held.shows().is_equivalent(value)
                });
                shown || write.value.is_equivalent(value)
            }
            Phase::Reading { after: Some(write), .. } => {
                let stands = self.baseline.known().is_some_and(|held| held.value.is_equivalent(&write.value));
                self.may_be_written(value)
                    || write.value.is_equivalent(value)
                    || stands && write.from.is_equivalent(value)
            }
            Phase::Reading { after: None, .. } | Phase::Idle | Phase::Refused { .. } => false,
        }
    }

    /// Applies a report. A stale one changes nothing but the wait; see [`FieldOutcome`].
    pub fn observe(&mut self, report: &Report<V>, value: &V) -> FieldOutcome {
        let outcome = self.classify(report, value);
        let was_refused = self.phase.is_refused();
        match outcome {
            FieldOutcome::Stale => {}
            FieldOutcome::Ambiguous => self.read_at(report.received_at),
            FieldOutcome::Echo | FieldOutcome::News => self.accept(report, value),
        }
        // A value that ends the refused phase also ends the refusal.
        self.schedule.refused &= !was_refused || self.phase.is_refused();
        self.end_refusal();
        outcome
    }

    fn accept(&mut self, report: &Report<V>, value: &V) {
        let (own, echo) = (self.is_own_version(report), self.is_echo(value));
        let differs = self.platform_value().is_some_and(|held| !held.shows().is_equivalent(value));
        let no_newer = report.is_no_newer(self.observed.as_ref());
        let awaited = self.is_awaited(report);
        let present = match (&self.phase, self.baseline.known()) {
            (Phase::Acknowledged { write, .. }, _) if own => {
                PlatformValue::shown(write.value.clone(), value.clone())
            }
            (Phase::Reading { after: Some(write), .. }, _) if self.may_be_written(value) => {
                PlatformValue::shown(write.value.clone(), value.clone())
            }
            (_, Some(held)) => PlatformValue::shown(V::unrendered(value, held), value.clone()),
            (_, None) => PlatformValue::plain(value.clone()),
        };
        match &mut self.phase {
            Phase::Writing { meanwhile, .. } => {
                // A later report simply stands; the reply ends the write.
                if echo && *meanwhile == Meanwhile::Nothing {
                    *meanwhile = Meanwhile::Echo;
                }
            }
            Phase::Reading { attempts, .. } if no_newer && awaited == differs && *attempts < READINGS_MAX => {
                if differs {
                    self.schedule.due_at = report.received_at;
                }
            }
            // The platform still holds the value that it had at the refusal.
            Phase::Refused { .. } if !differs => {}
            _ => self.end_wait(report),
        }
        self.baseline = Baseline::Known(present);
        self.observed = Some(report.observation(self.observed.as_ref()));
    }

    /// Ends a wait; a value that differs is due at once.
    fn end_wait(&mut self, report: &Report<V>) {
        if matches!(self.phase, Phase::Reading { .. } | Phase::Refused { .. }) {
            self.schedule.due_at = report.received_at;
        }
        self.phase = Phase::Idle;
    }

    /// Applies a report that the object no longer exists on the platform: nothing is due there until it
    /// is reported again.
    pub fn forget(&mut self, report: &Report<V>) {
        self.observed = Some(report.observation(self.observed.as_ref()));
        self.end_wait(report);
        (self.baseline, self.desired, self.schedule.refused) = (Baseline::Absent, None, false);
    }

    /// Ends that wait: the platform has no such object. Like [`Self::forget`], without a version.
    pub fn is_gone(&mut self, waiting: Waiting) {
        if matches!(self.phase, Phase::Reading { .. }) && self.waiting == waiting {
            (self.baseline, self.desired, self.phase) = (Baseline::Absent, None, Phase::Idle);
            self.schedule.refused = false;
        }
    }

    /// Returns whether the platform refused a value and has accepted none since, while one is still due.
    pub const fn has_refusal(&self) -> bool {
        self.schedule.refused || self.phase.is_refused()
    }

    /// Returns the kinds of conflicts that are open because of the mirror's state.
    pub(crate) fn open_kinds(&self) -> Vec<ConflictKind> {
        kinds_of(self.has_refusal(), self.phase.is_unreadable(), false)
    }

    /// Clears a refusal once nothing is due, like [`super::LevelMirror::end_refusal`].
    fn end_refusal(&mut self) {
        if self.has_refusal() && self.attention().is_none() {
            self.schedule.refused = false;
            if self.phase.is_refused() {
                self.phase = Phase::Idle;
            }
        }
    }

    /// Links the object of the value, or removes its link. A call that is under way is still settled.
    pub fn link(&mut self, internal: Option<V::Internal>) {
        if self.internal == internal {
            return;
        }
        (self.internal, self.desired, self.schedule.refused) = (internal, None, false);
        if !matches!(self.phase, Phase::Writing { .. }) {
            self.phase = Phase::Idle;
        }
    }

    /// Sets the value that the platform should hold. Returns true if it changed.
    pub fn set_desired(&mut self, value: V, now: Timestamp, cause: Option<TraceParent>) -> bool {
        if self.desired.as_ref().is_some_and(|desired| desired.is_equivalent(&value)) {
            return false;
        }
        let was_idle = self.attention().is_none() || matches!(self.phase, Phase::Refused { .. });
        (self.desired, self.cause) = (Some(value), cause);
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
        let is_open = self.internal.is_some();
        match (&self.phase, &self.baseline) {
            (Phase::Writing { .. }, _) => Some(Attention::Write),
            (Phase::Reading { .. }, _) => Some(Attention::Read),
            (_, Baseline::Unheard) if is_open && self.desired.is_some() => Some(Attention::Read),
            (_, Baseline::Known(held)) if is_open => {
                let differs =
                    self.desired.as_ref().is_some_and(|desired| !desired.is_equivalent(&held.value));
                differs.then_some(Attention::Write)
            }
            (_, Baseline::Unheard | Baseline::Absent | Baseline::Known(_)) => None,
        }
    }

    /// Begins the write that is due, or another attempt of the one under way, like [`super::LevelMirror::begin`].
    pub fn begin(
        &mut self,
        key: &str,
        now: Timestamp,
        lease: Duration,
        repeatable_for: Option<Duration>,
    ) -> Begun<V> {
        if let Phase::Writing { write, .. } = &mut self.phase {
            if repeatable_for.is_some_and(|limit| now > write.begun_at.after(limit)) {
                let write = write.clone();
                self.wait(Some(write));
                self.schedule.due_at = now;
                return Begun::TooOld;
            }
            write.attempts = write.attempts.saturating_add(1);
            self.schedule.due_at = now.after(lease);
            return Begun::Again(write.clone());
        }
        if self.attention() != Some(Attention::Write) {
            return Begun::Nothing;
        }
        let (Some(value), Some(held)) = (self.desired.clone(), self.baseline.known()) else {
            return Begun::Nothing;
        };
        let (key, from, trace) = (key.to_owned(), held.value.clone(), self.cause);
        let write = Write { value, from, key, begun_at: now, attempts: 1, trace, batched: false };
        self.phase = Phase::Writing { write: write.clone(), meanwhile: Meanwhile::Nothing };
        self.schedule.due_at = now.after(lease);
        Begun::New(write)
    }

    /// Ends the call of the write with that key.
    pub fn settle(&mut self, key: &str, result: CallResult<V>, now: Timestamp) -> Settled {
        if !self.phase.is_under_way(key) {
            return Settled::Passed;
        }
        let Phase::Writing { write, meanwhile } = std::mem::take(&mut self.phase) else {
            return Settled::Passed;
        };
        match result {
            CallResult::Taken { version, rendered } => {
                (self.schedule.error, self.schedule.refused) = (None, false);
                self.taken(write, meanwhile, version, rendered, now)
            }
            // The next attempt reads the platform again itself.
            CallResult::Conflict => {
                self.phase = Phase::Writing { write, meanwhile };
                self.schedule.due_at = now;
                Settled::Done
            }
            CallResult::Retry { at, error } => {
                self.phase = Phase::Writing { write, meanwhile };
                (self.schedule.due_at, self.schedule.error) = (at, Some(error));
                Settled::Done
            }
            CallResult::TooOld { error } => {
                self.wait(Some(write));
                (self.schedule.due_at, self.schedule.error) = (now, Some(error));
                Settled::NeedsReading
            }
            CallResult::AccountRefused { error } => {
                (self.schedule.due_at, self.schedule.error) = (now, Some(error));
                if write.attempts > 1 {
                    self.phase = Phase::Writing { write, meanwhile };
                } else if meanwhile == Meanwhile::Other {
                    self.wait(None);
                    return Settled::NeedsReading;
                }
                Settled::Done
            }
            CallResult::Gone => {
                (self.baseline, self.schedule.error) = (Baseline::Absent, None);
                self.schedule.refused = false;
                Settled::Done
            }
            CallResult::Refused { error } => {
                self.schedule.error = Some(error);
                if meanwhile == Meanwhile::Nothing {
                    (self.phase, self.schedule.refused) = (Phase::Refused { write }, true);
                    self.schedule.due_at = now.after(REFUSED_AGAIN_AFTER);
                    return Settled::Refused;
                }
                self.wait(Some(write));
                self.schedule.due_at = now;
                Settled::NeedsReading
            }
        }
    }

    /// Ends an accepted write. The version in the reply shows whether the write or a report came last.
    fn taken(
        &mut self,
        write: Write<V>,
        meanwhile: Meanwhile,
        version: Option<VersionNumber>,
        rendered: Option<V>,
        now: Timestamp,
    ) -> Settled {
        let seen = self.observed.as_ref().and_then(|seen| seen.version);
        let order = version.zip(seen).map(|(made, seen)| made.cmp(&seen));
        let stands = self.baseline.known().is_some_and(|held| held.value.is_equivalent(&write.from));
        let at_once = meanwhile == Meanwhile::Nothing && order == Some(std::cmp::Ordering::Equal) && !stands;
        let is_written = self.baseline.known().is_some_and(|held| held.value.is_equivalent(&write.value));
        let is_overtaken = order == Some(std::cmp::Ordering::Less);
        let is_newest = order == Some(std::cmp::Ordering::Greater);
        if is_newest || !(is_overtaken || meanwhile == Meanwhile::Echo || at_once) {
            let rendered = rendered.unwrap_or_else(|| write.value.clone());
            self.baseline = Baseline::Known(PlatformValue::shown(write.value.clone(), rendered));
        }
        if let Some(seen) = &mut self.observed {
            seen.version = seen.version.max(version);
        }
        self.schedule.due_at = now;
        // Another value was reported after the echo, and a repeated call may have been made before or after it.
        let is_doubtful = meanwhile == Meanwhile::Echo && !is_written && !is_overtaken && !is_newest;
        let is_in_question = is_doubtful || is_overtaken && self.is_still_desired(&write);
        if meanwhile == Meanwhile::Other || at_once || is_in_question {
            self.wait(Some(write));
            return Settled::NeedsReading;
        }
        if meanwhile == Meanwhile::Nothing && !is_overtaken {
            self.phase = Phase::Acknowledged { write, version };
        }
        Settled::Done
    }

    /// Returns whether the same write would be made again, as far as is known. A write that changes nothing on the
    /// platform may return a version older than the observed one; then only a reading shows that the platform
    /// holds the value.
    fn is_still_desired(&self, write: &Write<V>) -> bool {
        let is_held = self.baseline.known().is_some_and(|held| held.value.is_equivalent(&write.value));
        !is_held && self.desired.as_ref().is_some_and(|desired| desired.is_equivalent(&write.value))
    }

    fn read_at(&mut self, now: Timestamp) {
        match &mut self.phase {
            Phase::Writing { meanwhile, .. } => *meanwhile = Meanwhile::Other,
            Phase::Reading { .. } => self.schedule.due_at = now,
            phase => {
                let after = match std::mem::take(phase) {
                    Phase::Acknowledged { write, .. } | Phase::Refused { write } => Some(write),
                    _ => None,
                };
                self.wait(after);
                self.schedule.due_at = now;
            }
        }
    }

    /// Begins a wait for a reading. Only a reading that is requested from now on ends it.
    fn wait(&mut self, after: Option<Write<V>>) {
        self.waiting = self.waiting.next();
        self.phase = Phase::Reading { after, attempts: 0 };
    }

    /// Requests a reading, if one is due.
    pub fn read(&mut self, now: Timestamp) -> Option<Asked> {
        if self.attention() != Some(Attention::Read) {
            return None;
        }
        if !matches!(self.phase, Phase::Reading { .. }) {
            self.wait(None);
        }
        let Phase::Reading { attempts, .. } = &mut self.phase else { return None };
        *attempts = attempts.saturating_add(1);
        let is_stuck = *attempts > READINGS_MAX;
        self.schedule.due_at = now.after(if is_stuck { READ_AGAIN_SLOWLY } else { READ_AGAIN_AFTER });
        Some(Asked { waiting: self.waiting, is_stuck })
    }

    /// Withdraws the request of a reading for that wait, because it wasn't made: the reading is due at once.
    pub fn give_back_reading(&mut self, waiting: Waiting, now: Timestamp) {
        if self.waiting != waiting {
            return;
        }
        if let Phase::Reading { attempts, .. } = &mut self.phase {
            *attempts = attempts.saturating_sub(1);
            self.schedule.due_at = now;
        }
    }
}

#[cfg(test)]
mod tests;

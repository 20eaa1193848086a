//! Stop and restart of writes after too many refused comparisons.
//!
//! Another program that synchronises levels between the same platforms reacts to each of our writes with a movement,
//! without end. Many sales within a minute look the same. So writes restart by themselves, after pauses that double:
//! sales end, and such a program continues only for a few restarts until a person has to act.

use super::{Attention, Gate, LevelMirror, Schedule};
use crate::{
    Timestamp,
    mirror::{RESTARTS_MAX, ROUNDS_MAX, ROUNDS_WITHIN, STOPPED_FOR},
};

impl LevelMirror {
    /// Returns whether writes are allowed, now or after a pause.
    pub(super) fn may_write(&self) -> bool {
        match self.gate {
            Gate::Open => true,
            Gate::Stopped => self.schedule.starts_again_at().is_some(),
            Gate::Asked | Gate::Unproven => false,
        }
    }

    /// Ends the pause of stopped writes: a differing level is due at once, and refused comparisons count anew.
    pub(super) fn end_stop(&mut self) {
        if self.gate == Gate::Stopped {
            self.schedule.due_at = Timestamp::default();
        }
        self.schedule.rounds = 0;
    }

    /// Restarts stopped writes once their pause is over. Until then none is due.
    pub(super) fn start_again(&mut self, now: Timestamp) {
        if self.gate != Gate::Stopped {
            return;
        }
        match self.schedule.starts_again_at() {
            Some(at) if now >= at => self.gate = Gate::Open,
            Some(at) if self.attention() == Some(Attention::Write) => self.schedule.due_at = at,
            Some(_) | None => {}
        }
    }
}

impl Schedule {
    /// Counts a refused comparison. Returns true if there were too many: then writes stop, each time in a
    /// row for longer.
    pub(super) fn flaps(&mut self, now: Timestamp) -> bool {
        if self.rounds == 0 || now > self.rounds_since.after(ROUNDS_WITHIN) {
            (self.rounds, self.rounds_since) = (0, now);
        }
        self.rounds = self.rounds.saturating_add(1);
        let Some(restarts) = self.rounds.checked_sub(ROUNDS_MAX + 1) else { return false };
        self.rounds_since = now.after(STOPPED_FOR * (1 << restarts.min(RESTARTS_MAX)));
        true
    }

    /// Returns the time at which stopped writes restart by themselves; `None` if they don't.
    fn starts_again_at(&self) -> Option<Timestamp> {
        (self.rounds <= ROUNDS_MAX + RESTARTS_MAX).then_some(self.rounds_since)
    }
}

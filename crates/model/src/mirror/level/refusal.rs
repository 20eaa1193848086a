//! Refused values, and the conflicts that are open because of a mirror's state.

use super::{Gate, LevelMirror, Phase};
use crate::{ConflictKind, mirror::kinds_of};

impl LevelMirror {
    /// Returns whether the platform refused a value and has accepted none since, while one is still due.
    pub const fn has_refusal(&self) -> bool {
        self.schedule.refused || self.phase.is_refused()
    }

    /// Returns the kinds of conflicts that are open because of the mirror's state.
    pub(crate) fn open_kinds(&self) -> Vec<ConflictKind> {
        kinds_of(self.has_refusal(), self.phase.is_unreadable(), self.gate == Gate::Stopped)
    }

    /// Clears a refusal once nothing is due. Has to be called after a change of the mirror from outside.
    pub fn end_refusal(&mut self) {
        if self.has_refusal() && self.attention().is_none() {
            self.schedule.refused = false;
            if self.phase.is_refused() {
                self.phase = Phase::Idle;
            }
        }
    }
}

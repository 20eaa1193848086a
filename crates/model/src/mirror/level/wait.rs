//! Waits for readings: what begins one, and which reading may end it.

use super::LevelMirror;
use crate::{
    Quantity, Timestamp,
    mirror::{
        Asked, Attention, Phase, READ_AGAIN_AFTER, READ_AGAIN_SLOWLY, READINGS_MAX, Report, Waiting, Write,
    },
};

impl LevelMirror {
    /// Has the platform read, since the report doesn't show what came last. A reading that was requested before a report
    /// arrived may be older than it: another one ends the wait. A late reading never begins the wait anew, as the next
    /// one would be late, too.
    pub(super) fn read_after(&mut self, report: &Report<Quantity>) {
        if let Phase::Reading { after, .. } = &mut self.phase
            && report.read_for.is_none()
        {
            let after = after.take();
            self.wait(after);
        }
        self.read_at(report.received_at);
    }

    /// Has the platform read at once.
    pub(super) fn read_at(&mut self, now: Timestamp) {
        if !matches!(self.phase, Phase::Reading { .. }) {
            self.wait(None);
        }
        self.schedule.due_at = now;
    }

    /// Begins a wait for a reading. Only a reading that is requested from now on ends it.
    pub(super) fn wait(&mut self, after: Option<Write<Quantity>>) {
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

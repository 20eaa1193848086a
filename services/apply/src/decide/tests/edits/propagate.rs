//! Propagate's changes of the mirrors of texts and prices: the shipped state machine, called as `store` calls it.

use super::*;
use model::Attention;

impl World {
    /// The present.
    fn now(&self) -> Timestamp {
        received(self.clock.unsigned_abs())
    }

    /// Sets the platforms' desired values, if a change of the record touched them.
    pub(super) fn apply(&mut self) {
        let now = self.now();
        for effect in std::mem::take(&mut self.record.effects) {
            let field = match effect {
                Effect::Text { .. } => Field::Text,
                Effect::Price { .. } => Field::Price,
                Effect::Level { .. } | Effect::Linked { .. } => continue,
            };
            let stored = self.stored(field);
            for platform in 0..2 {
                on_mirror!(self, platform, field, |mirror| mirror.set_desired(
                    Numbered::of(stored),
                    now,
                    None
                ));
            }
        }
    }

    /// Claims due writes, and calls. A call whose reply is overdue is repeated.
    pub(super) fn call(&mut self, platform: usize, field: Field) {
        let (stored, now) = (self.stored(field), self.now());
        let side = &self.platforms[platform];
        if side.calls.contains_key(&field) || side.responses.contains_key(&field) {
            return;
        }
        let number = on_mirror!(self, platform, field, |mirror| {
            let is_overdue = matches!(mirror.phase, Phase::Writing { .. });
            if mirror.attention() != Some(Attention::Write) || !is_overdue && mirror.schedule.due_at > now {
                return;
            }
            mirror.set_desired(Numbered::of(stored), now, None);
            match mirror.begin(&now.to_string(), now, LEASE, None) {
                Begun::New(write) | Begun::Again(write) => write.value.number(),
                Begun::TooOld | Begun::Nothing => return,
            }
        });
        self.platforms[platform].calls.insert(field, number);
    }

    pub(super) fn execute(&mut self, platform: usize, field: Field, response_lost: bool) {
        let at = self.tick();
        let platform = &mut self.platforms[platform];
        let Some(number) = platform.calls.remove(&field) else { return };
        platform.set(field, number, at);
        if !response_lost {
            platform.responses.insert(field, platform.version(at));
        }
    }

    /// Settles a write with the version that it made.
    pub(super) fn respond(&mut self, platform: usize, field: Field) {
        let Some(version) = self.platforms[platform].responses.remove(&field) else { return };
        let now = self.now();
        let settled = on_mirror!(self, platform, field, |mirror| {
            let key = mirror.phase.write().unwrap().key.clone();
            let version = Some(VersionNumber(version));
            mirror.settle(&key, CallResult::Taken { version, rendered: None }, now)
        });
        assert_ne!(settled, Settled::Passed, "it was under way");
    }

    pub(super) fn read(&mut self, platform: usize, field: Field) {
        let now = self.now();
        if let Some(asked) = on_mirror!(self, platform, field, |mirror| mirror.read(now)) {
            let platform = &mut self.platforms[platform];
            platform.reports.push(Snapshot { read_for: Some((field, asked.waiting)), ..platform.holds });
        }
    }

    /// Returns whether nothing is under way and nothing due.
    pub(super) fn is_at_rest(&mut self, platform: usize, field: Field) -> bool {
        let side = &self.platforms[platform];
        let quiet = side.reports.is_empty() && side.calls.is_empty() && side.responses.is_empty();
        let consumed = self.record.effects.is_empty();
        quiet && consumed && on_mirror!(self, platform, field, |mirror| mirror.attention()).is_none()
    }
}

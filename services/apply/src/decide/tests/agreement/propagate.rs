//! Propagate's changes of mirrors: the shipped state machine, called as `store` calls it.

use super::{
    platform::{Call, Response},
    *,
};

fn number(quantity: Quantity) -> i32 {
    quantity.to_string().parse().unwrap()
}

impl Response {
    fn result(self, now: Timestamp) -> CallResult<Quantity> {
        let error = "as the platform says".to_owned();
        match self {
            Self::Taken => CallResult::Taken { version: None, rendered: None },
            Self::Compared => CallResult::Conflict,
            Self::Busy => CallResult::Retry { at: now, error },
            Self::Denied => CallResult::AccountRefused { error },
            Self::Refused => CallResult::Refused { error },
        }
    }
}

impl World {
    /// The present.
    pub(super) fn now(&self) -> Timestamp {
        received(0).after(STEP * u32::try_from(self.numbers).unwrap()).after(self.waited)
    }

    /// Sets the platforms' desired levels, if a change of the record touched them.
    pub(super) fn apply(&mut self) {
        let effects = &self.record.effects[self.consumed..];
        let touched = effects.iter().any(|it| matches!(it, Effect::Level { .. } | Effect::Linked { .. }));
        self.consumed = self.record.effects.len();
        if let Some(level) = self.record.level(&location()).filter(|_| touched) {
            let now = self.now();
            for platform in 0..2 {
                self.mirror(platform).set_desired(level, 0, now, None);
            }
        }
    }

    /// Claims due writes, and calls. A call whose reply is overdue is repeated.
    pub(super) fn call(&mut self, platform: usize) {
        let level = self.record.level(&location()).unwrap();
        let key = self.next_number();
        let now = self.now();
        let mirror = self.mirror(platform);
        let is_overdue = matches!(mirror.phase, Phase::Writing { .. });
        if mirror.attention() != Some(Attention::Write) || !is_overdue && mirror.schedule.due_at > now {
            return;
        }
        mirror.set_desired(level, 0, now, None);
        if let Begun::New(write) | Begun::Again(write) = mirror.begin(&key.to_string(), now, LEASE, None) {
            let call =
                Call { key: write.key.parse().unwrap(), from: number(write.from), to: number(write.value) };
            self.platforms[platform].calls.push(call);
        }
    }

    /// Settles a write by the platform's reply.
    pub(super) fn respond(&mut self, platform: usize, which: usize) {
        let Some((key, response)) = pick(&mut self.platforms[platform].responses, which) else { return };
        let now = self.now();
        let settled = self.mirror(platform).settle(&key.to_string(), response.result(now), now);
        assert_ne!(settled, Settled::Flapping, "rounds lie too far apart");
    }

    /// Requests a reading, if one is due.
    pub(super) fn asks(&mut self, platform: usize) -> Option<model::Asked> {
        let now = self.now();
        self.mirror(platform).read(now)
    }

    /// Returns whether the desired value was refused.
    pub(super) fn is_refused(&mut self, platform: usize) -> bool {
        matches!(self.mirror(platform).phase, Phase::Refused { .. })
    }

    /// Returns whether nothing is under way and nothing due.
    pub(super) fn is_at_rest(&mut self, platform: usize) -> bool {
        let row = &self.platforms[platform];
        let quiet = row.reports.is_empty() && row.calls.is_empty() && row.responses.is_empty();
        let consumed = self.consumed == self.record.effects.len();
        let now = self.now();
        let mirror = self.mirror(platform);
        let waits = matches!(mirror.phase, Phase::Refused { .. }) && mirror.schedule.due_at > now;
        quiet && consumed && (mirror.attention().is_none() || waits)
    }
}

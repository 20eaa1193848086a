//! What propagate does to the mirrors of texts and prices: wants, claims, answers, reads.

use super::*;

fn is_under_way(mirror: &Mirror) -> bool {
    let state = mirror.sent.as_ref().map(|sent| sent.state);
    matches!(state, Some(SendState::Pending | SendState::Unsure | SendState::Echoed))
}

fn is_reading(mirror: &Mirror) -> bool {
    mirror.sent.as_ref().is_some_and(|sent| sent.state == SendState::Reading)
}

fn is_due(mirror: &Mirror) -> bool {
    mirror.desired.is_some() && mirror.desired != mirror.held
}

impl World {
    /// Sets what the platforms should hold, if a change of the record touched it.
    pub(super) fn take_up(&mut self) {
        for effect in std::mem::take(&mut self.record.effects) {
            let field = match effect {
                Effect::Text { .. } => Field::Text,
                Effect::Price { .. } => Field::Price,
                Effect::Level { .. } | Effect::Linked { .. } => continue,
            };
            let wanted = field.value(self.stored(field));
            (0..2).for_each(|platform| self.mirror(platform, field).desired = Some(wanted.clone()));
        }
    }

    /// Claims what is due, and calls.
    pub(super) fn call(&mut self, platform: usize, field: Field) {
        let stored = field.value(self.stored(field));
        let side = &self.platforms[platform];
        if side.calls.contains_key(&field) || side.answers.contains_key(&field) {
            return;
        }
        let mirror = self.mirror(platform, field);
        if !is_under_way(mirror) {
            if is_reading(mirror) || !is_due(mirror) {
                return;
            }
            mirror.desired = Some(stored.clone());
            if !is_due(mirror) {
                return;
            }
            mirror.sent = Some(Sent { value: stored, from: mirror.held.clone(), state: SendState::Pending });
        }
        let number = Field::number(&mirror.sent.as_ref().unwrap().value);
        self.platforms[platform].calls.insert(field, number);
    }

    pub(super) fn execute(&mut self, platform: usize, field: Field, answer_lost: bool) {
        let at = self.tick();
        let platform = &mut self.platforms[platform];
        let Some(number) = platform.calls.remove(&field) else { return };
        platform.set(field, number, at);
        if !answer_lost {
            platform.answers.insert(field, platform.version(at));
        }
    }

    /// Settles a write with the version that it made.
    pub(super) fn answer(&mut self, platform: usize, field: Field) {
        let Some(version) = self.platforms[platform].answers.remove(&field) else { return };
        let mirror = self.mirror(platform, field);
        let sent = mirror.sent.as_mut().unwrap();
        let observed = mirror.observed.as_mut().unwrap();
        let known = observed.version.unwrap().0;
        let pending = sent.state == SendState::Pending;
        let told_at_once = pending && version == known && mirror.held != sent.from;
        if version > known || version == known && sent.state != SendState::Echoed && !told_at_once {
            mirror.held = Some(sent.value.clone());
        }
        sent.state = match sent.state {
            SendState::Pending if told_at_once => SendState::Reading,
            SendState::Unsure => SendState::Reading,
            SendState::Echoed => SendState::Settled,
            SendState::Pending if version < known => SendState::Settled,
            SendState::Pending => SendState::Acknowledged,
            state => panic!("{state:?} isn't under way"),
        };
        observed.version = Some(SourceVersion(known.max(version)));
    }

    pub(super) fn read(&mut self, platform: usize, field: Field) {
        if is_reading(self.mirror(platform, field)) {
            let platform = &mut self.platforms[platform];
            platform.reports.push(Snapshot { is_read: true, ..platform.holds });
        }
    }

    /// Whether nothing is under way and nothing due.
    pub(super) fn is_at_rest(&mut self, platform: usize, field: Field) -> bool {
        let side = &self.platforms[platform];
        let quiet = side.reports.is_empty() && side.calls.is_empty() && side.answers.is_empty();
        let taken_up = self.record.effects.is_empty();
        let mirror = self.mirror(platform, field);
        quiet && taken_up && !is_under_way(mirror) && !is_reading(mirror) && !is_due(mirror)
    }
}

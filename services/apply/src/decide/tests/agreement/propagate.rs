//! What propagate does to mirrors: wants, claims, answers.

use super::{
    platform::{Answer, Call},
    *,
};

fn number(value: Option<&MirrorValue>) -> i32 {
    let Some(MirrorValue::Quantity(quantity)) = value else { panic!("not a level: {value:?}") };
    quantity.to_string().parse().unwrap()
}

/// A write that is not known to have ended.
fn under_way(mirror: &Mirror) -> Option<&Sent> {
    let open = |state| matches!(state, SendState::Pending | SendState::Unsure | SendState::Echoed);
    mirror.sent.as_ref().filter(|sent| open(sent.state))
}

/// Begins a write of the store's value of this moment, if one is due, nothing is in its way, and it wasn't refused.
fn begin(mirror: &mut Mirror, level: Option<MirrorValue>) -> Option<Sent> {
    let refused = mirror.sent.as_ref().filter(|sent| sent.state == SendState::Refused);
    let refused = refused.map(|sent| sent.value.clone());
    let due = |mirror: &Mirror| {
        mirror.desired.is_some() && mirror.desired != mirror.held && mirror.desired != refused
    };
    if is_in(mirror, SendState::Reading) || !due(mirror) {
        return None;
    }
    mirror.desired = level;
    if !due(mirror) {
        return None;
    }
    let sent = Sent { value: mirror.desired.clone()?, from: mirror.held.clone(), state: SendState::Pending };
    mirror.sent = Some(sent.clone());
    Some(sent)
}

fn is_in(mirror: &Mirror, state: SendState) -> bool {
    mirror.sent.as_ref().is_some_and(|sent| sent.state == state)
}

impl Platform {
    fn send(&mut self, sent: &Sent) {
        let (from, to) = (number(sent.from.as_ref()), number(Some(&sent.value)));
        self.calls.push(Call { key: self.key, from, to });
    }
}

impl World {
    /// Sets what the platforms should hold, if a change of the record touched it.
    pub(super) fn take_up(&mut self) {
        let effects = &self.record.effects[self.taken_up..];
        let touched = effects.iter().any(|it| matches!(it, Effect::Level { .. } | Effect::Linked { .. }));
        self.taken_up = self.record.effects.len();
        if touched {
            let level = self.record.level(&place()).map(MirrorValue::Quantity);
            (0..2).for_each(|platform| self.mirror(platform).desired.clone_from(&level));
        }
    }

    /// Claims what is due, and calls.
    pub(super) fn call(&mut self, platform: usize) {
        let level = self.record.level(&place()).map(MirrorValue::Quantity);
        let key = self.next_number();
        let mirror = self.mirror(platform);
        if let Some(sent) = under_way(mirror).cloned() {
            let row = &mut self.platforms[platform];
            row.attempt += 1;
            row.send(&sent);
        } else if let Some(sent) = begin(mirror, level) {
            let row = &mut self.platforms[platform];
            (row.key, row.attempt) = (key, 1);
            row.send(&sent);
        }
    }

    /// Settles a write by what the platform said of it.
    pub(super) fn answer(&mut self, platform: usize, which: usize) {
        let row = &mut self.platforms[platform];
        let Some((key, answer)) = pick(&mut row.answers, which) else { return };
        let (current, attempt) = (row.key, row.attempt);
        let mirror = self.mirror(platform);
        let Some(sent) = under_way(mirror).filter(|_| key == current).cloned() else { return };
        // A report that was taken for the echo was a change of the platform's own: what it moved is given back.
        let given_back = || {
            let moved = number(Some(&sent.value)) - number(sent.from.as_ref());
            pieces(number(mirror.held.as_ref()) - moved)
        };
        let not_taken =
            if sent.state == SendState::Echoed { Some(given_back()) } else { mirror.held.clone() };
        let (held, state) = match answer {
            Answer::Taken => match sent.state {
                SendState::Pending => (Some(sent.value.clone()), SendState::Acknowledged),
                SendState::Echoed => (mirror.held.clone(), SendState::Settled),
                _ => {
                    let moved = number(Some(&sent.value)) - number(sent.from.as_ref());
                    (Some(pieces(number(mirror.held.as_ref()) + moved)), SendState::Reading)
                }
            },
            Answer::Busy => return,
            // What came of the attempts before isn't known.
            Answer::Denied if attempt > 1 => return,
            Answer::Refused | Answer::Denied if sent.state == SendState::Pending => {
                (not_taken, SendState::Refused)
            }
            Answer::Compared | Answer::Refused | Answer::Denied => (not_taken, SendState::Reading),
        };
        mirror.held = held;
        mirror.sent = Some(Sent { state, ..sent });
    }

    /// Whether the platform has to be read before anything else is sent.
    pub(super) fn is_reading(&mut self, platform: usize) -> bool {
        is_in(self.mirror(platform), SendState::Reading)
    }

    /// Whether the value that the platform should hold was refused for good.
    pub(super) fn is_refused(&mut self, platform: usize) -> bool {
        let mirror = self.mirror(platform);
        let refused = mirror.sent.as_ref().filter(|sent| sent.state == SendState::Refused);
        refused.is_some_and(|sent| Some(&sent.value) == mirror.desired.as_ref())
    }

    /// Whether nothing is under way and nothing due.
    pub(super) fn is_at_rest(&mut self, platform: usize) -> bool {
        let row = &self.platforms[platform];
        let quiet = row.reports.is_empty() && row.calls.is_empty() && row.answers.is_empty();
        let taken_up = self.taken_up == self.record.effects.len();
        let (refused, reading) = (self.is_refused(platform), self.is_reading(platform));
        let mirror = self.mirror(platform);
        let due = mirror.desired.is_some() && mirror.desired != mirror.held && !refused;
        quiet && taken_up && !due && !reading && under_way(mirror).is_none()
    }
}

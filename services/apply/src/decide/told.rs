//! How what a platform tells stands to what its mirror knows of it.
//!
//! Texts and prices don't add up, and of a level all that counts is the last: the later word stands. Which is later, the
//! platform's versions say, those of reports and those that its replies to our writes name. Where one version may be that of two states, and two reports of it
//! differ, the platform is read again.

use super::{inventory, is_stale};
use model::{Event, Mirror, MirrorKey, MirrorValue, Observation, SendState, Sent};

/// Why a report counts only once the platform was read.
pub(super) const EITHER: &str = "of the same version as what is known, and otherwise; read again";

/// What a report of a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Older than what was told since, or than a write of ours: it says nothing any more.
    Old,
    /// A write of ours come back. It is no change of the platform's own, and must not win over what was changed
    /// elsewhere since we wrote.
    Echo,
    /// A word of the platform's own, if it differs from what it held.
    News,
    /// Otherwise than what is known, and of the same version: either may be the later.
    Unsure,
}

/// How `told` stands to what `known` has seen.
pub(super) fn standing(event: &Event, known: Option<&Mirror>, told: &MirrorValue) -> Standing {
    let Some(known) = known else { return Standing::News };
    let differs = held_before(known).is_some_and(|held| held != told);
    if is_old(event, Some(known)) {
        Standing::Old
    } else if differs && is_no_newer(event, known) && !is_awaited(event, known) {
        Standing::Unsure
    } else if is_echo(known, told) {
        Standing::Echo
    } else {
        Standing::News
    }
}

/// Whether the event says nothing any more of what the mirror reflects.
pub(super) fn is_old(event: &Event, known: Option<&Mirror>) -> bool {
    is_stale(event, known) && !known.is_some_and(|mirror| is_awaited(event, mirror))
}

/// Whether the event is our own reading, which the mirror waits for because versions didn't tell what is later: it shows
/// what was there then, whatever its own version. Nothing but what we read back has gone a way through us.
fn is_awaited(event: &Event, mirror: &Mirror) -> bool {
    let is_reading = mirror.sent.as_ref().is_some_and(|sent| sent.state == SendState::Reading);
    is_reading && event.hops > 0 && is_coarse(event)
}

/// Whether the event's version may be that of two states, and isn't beyond the one that is known.
fn is_no_newer(event: &Event, mirror: &Mirror) -> bool {
    let known = mirror.observed.as_ref().and_then(|observed| observed.version);
    event.version.zip(known).is_some_and(|(told, known)| told <= known) && is_coarse(event)
}

fn is_coarse(event: &Event) -> bool {
    platforms::find(event.origin.platform.as_str()).is_some_and(|platform| !platform.versions_are_unique())
}

/// What the platform held as far as we know, if it has ever told anything: what it was told to hold and took counts, so
/// that the report of a write is no change of its own, even if it comes when the next one is under way.
pub(super) fn held_before(mirror: &Mirror) -> Option<&MirrorValue> {
    mirror.observed.as_ref().map(|observed| mirror.held.as_ref().unwrap_or(&observed.value))
}

/// Whether what is told is the value of a write that is under way or was taken. A write under way may be made twice, if
/// its first answer was lost: so each report of its value is its echo. So is what finds it while the platform is read, or
/// finds what was there before it: that was read too early.
fn is_echo(mirror: &Mirror, told: &MirrorValue) -> bool {
    mirror.sent.as_ref().is_some_and(|sent| match sent.state {
        SendState::Pending | SendState::Unsure | SendState::Echoed | SendState::Acknowledged => {
            sent.value == *told
        }
        SendState::Reading => {
            let stands = mirror.held.as_ref() == Some(&sent.value);
            sent.value == *told || stands && sent.from.as_ref() == Some(told)
        }
        SendState::Settled | SendState::Refused => false,
    })
}

/// Whether a mirror that waits for a reading still does, after a report that `differs` from what it holds or doesn't. A
/// reading that shows something new may have been overtaken since: another one must show the same. What was told in the
/// meantime ends no waiting.
pub(super) fn waits(event: &Event, known: &Mirror, differs: bool) -> bool {
    is_no_newer(event, known) && is_awaited(event, known) == differs
}

/// The mirror once it has taken up what was told, which isn't old.
pub(super) fn mirror(
    event: &Event,
    known: Option<&Mirror>,
    key: MirrorKey,
    told: MirrorValue,
    internal: String,
) -> Mirror {
    let mut mirror = known.cloned().unwrap_or_else(|| Mirror::new(key, None));
    let echo = is_echo(&mirror, &told);
    let differs = held_before(&mirror).is_some_and(|held| *held != told);
    let waits = waits(event, &mirror, differs);
    mirror.internal = Some(internal);
    if let Some(sent) = &mut mirror.sent {
        sent.state = match sent.state {
            SendState::Pending if echo => SendState::Echoed,
            // A later report simply stands, and the call's answer ends the write.
            SendState::Pending | SendState::Unsure | SendState::Echoed => sent.state,
            SendState::Reading if waits => SendState::Reading,
            SendState::Acknowledged | SendState::Settled | SendState::Reading | SendState::Refused => {
                SendState::Settled
            }
        };
    }
    mirror.held = Some(told.clone());
    let known = mirror.observed.as_ref().and_then(|observed| observed.version);
    let observed = inventory::observation(event, told);
    mirror.observed = Some(Observation { version: observed.version.max(known), ..observed });
    mirror
}

/// The mirror when the platform has to be read again: at once, or when the write that is under way has ended.
pub(super) fn read_again(known: &Mirror) -> Mirror {
    let mut mirror = known.clone();
    let state = match mirror.sent.as_ref().map(|sent| sent.state) {
        Some(SendState::Pending | SendState::Unsure | SendState::Echoed) => SendState::Unsure,
        Some(SendState::Acknowledged | SendState::Settled | SendState::Reading | SendState::Refused)
        | None => SendState::Reading,
    };
    // What was never written to counts as if what it holds had been.
    let sent = mirror.sent.or_else(|| Some(Sent { value: held_before(known)?.clone(), from: None, state }));
    mirror.sent = sent.map(|sent| Sent { state, ..sent });
    mirror
}

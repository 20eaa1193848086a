//! Clocks of platforms: times and versions too far in the future are replaced.

use super::{View, Write};
use model::{
    CLOCK_LEAD_MAX, Conflict, ConflictKind, Event, Precision, SourceVersion, Timestamp, VersionNumber,
};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Replaces a time or version that is later than the time of receipt by more than [`CLOCK_LEAD_MAX`] with the time of
/// receipt. Returns whether it replaced one.
pub(super) fn replace_implausible(event: &mut Event) -> bool {
    let latest = event.received_at.after(CLOCK_LEAD_MAX);
    let leads = event.occurred_at.is_some_and(|at| at > latest);
    let ahead = event.version.filter(|version| !version.number.is_plausible(event.received_at));
    if leads {
        event.occurred_at = Some(event.received_at);
    }
    if let Some(version) = ahead {
        event.version = Some(stand_in(version.precision, event.received_at));
    }
    leads || ahead.is_some()
}

/// The version that replaces one too far in the future. Where versions are times in whole seconds, so is this one:
/// otherwise a report of the same second would be older.
fn stand_in(precision: Precision, received_at: Timestamp) -> SourceVersion {
    let received = received_at.as_micros();
    let within = match precision {
        Precision::Coarse => received.rem_euclid(MICROS_PER_SECOND),
        Precision::Exact => 0,
    };
    SourceVersion { number: VersionNumber(received - within), precision }
}

/// The conflict about a clock that is ahead; or its end, if one may be open, once the connection reports a plausible
/// time. A reading of our own doesn't end it, because its times are ours.
pub(super) fn conflict(event: &Event, leads: bool, view: &View<'_>) -> Option<Write> {
    const CLOCK: &str = "clock";
    if leads {
        let detail = "a time or version lies in the future; the time of receipt stands in for it";
        return Some(Write::Conflict(Conflict {
            detail: detail.to_owned(),
            ..view.conflict(event, ConflictKind::ClockSkew, CLOCK.to_owned())
        }));
    }
    let is_plausible = event.occurred_at.is_some() && !event.is_read_back;
    let is_over = is_plausible && view.may_be_open(event, ConflictKind::ClockSkew);
    is_over.then(|| Write::ConflictEnd(view.conflict_end(event, ConflictKind::ClockSkew, CLOCK.to_owned())))
}

/// The clock of the fields that the event sets: the time of the change according to the platform, if it reports one,
/// and never after the time of receipt.
pub(crate) fn changed_at(event: &Event) -> Timestamp {
    event.occurred_at.map_or(event.received_at, |at| at.min(event.received_at))
}

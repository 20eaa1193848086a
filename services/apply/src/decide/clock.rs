//! Clocks of platforms: times and versions that lie too far ahead are not believed.

use model::{CLOCK_LEAD_MAX, Event, SourceVersion, Timestamp};

/// Puts the received time in place of a time or version later than received by more than [`CLOCK_LEAD_MAX`]. Says whether
/// it did.
pub(super) fn believe(event: &mut Event) -> bool {
    let latest = event.received_at.after(CLOCK_LEAD_MAX);
    let leads = event.occurred_at.is_some_and(|at| at > latest);
    let version_leads = event.version.is_some_and(|version| !version.is_believed(event.received_at));
    if leads {
        event.occurred_at = Some(event.received_at);
    }
    if version_leads {
        event.version = Some(SourceVersion::from(event.received_at));
    }
    leads || version_leads
}

/// The clock of the fields that the event sets: when the change was made, as far as the platform says, and never after it
/// was received.
pub(crate) fn changed_at(event: &Event) -> Timestamp {
    event.occurred_at.map_or(event.received_at, |at| at.min(event.received_at))
}

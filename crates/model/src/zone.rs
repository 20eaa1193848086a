//! Time zones: the rules by which a shop's local times are instants.

use crate::Timestamp;
use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Error for a text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time zone is a name of the IANA database, such as America/Denver")]
pub struct InvalidZone;

/// A time zone of the IANA database, with the rules that this build knows: no machine's own rules count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(chrono_tz::Tz);

/// Time before a gap in local times that is certainly before its start: no gap is longer than a day.
const BEFORE_A_GAP: TimeDelta = TimeDelta::hours(24);

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(chrono_tz::UTC);

    /// Finds the zone by its name, in the database's own case.
    pub fn parse(name: &str) -> Result<Self, InvalidZone> {
        name.trim().parse().map(Self).map_err(|_| InvalidZone)
    }

    /// The name in the IANA database.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the local date and time of an instant.
    pub fn local(self, at: Timestamp) -> NaiveDateTime {
        at.as_chrono().with_timezone(&self.0).naive_local()
    }

    /// Returns the first instant at which the local clock shows `local` or a later time. A local time that clocks skip
    /// is the instant of the change, one that they show twice the first of the two.
    pub fn instant(self, local: NaiveDateTime) -> Timestamp {
        match self.0.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc().into(),
            LocalResult::None => self.gap_end(local).into(),
        }
    }

    /// Returns the instant of a local time as iCalendar defines it (RFC 5545, section 3.3.5): a local time that clocks
    /// skip is counted with the offset before the change, one that they show twice is the first of the two.
    pub fn calendar_instant(self, local: NaiveDateTime) -> Timestamp {
        match self.0.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc().into(),
            LocalResult::None => self.with_offset_before(local).into(),
        }
    }

    /// Returns the instant at which a local date begins, and that at which the next one does.
    pub fn day(self, date: NaiveDate) -> (Timestamp, Timestamp) {
        let next = date.checked_add_days(Days::new(1)).unwrap_or(date);
        (self.instant(date.into()), self.instant(next.into()))
    }

    fn with_offset_before(self, local: NaiveDateTime) -> DateTime<Utc> {
        let before = local.checked_sub_signed(BEFORE_A_GAP).unwrap_or(local);
        let at = self.0.from_local_datetime(&before).earliest().map_or(before.and_utc(), |at| at.to_utc());
        at.checked_add_signed(BEFORE_A_GAP).unwrap_or(at)
    }

    /// Searches the instant of the change by which clocks skip `local`.
    fn gap_end(self, local: NaiveDateTime) -> DateTime<Utc> {
        let is_past = |at: DateTime<Utc>| at.with_timezone(&self.0).naive_local() >= local;
        let mut past = self.with_offset_before(local);
        let mut before = past.checked_sub_signed(BEFORE_A_GAP).unwrap_or(past);
        while past - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((past - before).num_seconds() / 2);
            if is_past(middle) { past = middle } else { before = middle }
        }
        past
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl TryFrom<String> for Zone {
    type Error = InvalidZone;
    fn try_from(name: String) -> Result<Self, InvalidZone> {
        Self::parse(&name)
    }
}
impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_local_time_is_the_first_instant_at_which_clocks_show_it() {
        for (zone, text, instant) in [
            ("America/New_York", "2026-07-04T12:00:00", "2026-07-04T16:00:00Z"),
            ("America/New_York", "2007-03-11T02:30:00", "2007-03-11T07:00:00Z"),
            ("America/New_York", "2007-11-04T01:30:00", "2007-11-04T05:30:00Z"),
            ("America/Santiago", "2025-09-07T00:00:00", "2025-09-07T04:00:00Z"),
            ("America/Havana", "2025-11-02T00:00:00", "2025-11-02T04:00:00Z"),
            ("Pacific/Apia", "2011-12-30T09:00:00", "2011-12-30T10:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:30:00Z"),
            ("Asia/Kolkata", "2026-01-01T00:00:00", "2025-12-31T18:30:00Z"),
        ] {
            let found = Zone::parse(zone).unwrap().instant(local(text));
            assert_eq!(found.to_string(), instant, "{zone} {text}");
        }
    }

    #[test]
    fn icalendar_counts_a_skipped_time_with_the_offset_before_it() {
        let zone = Zone::parse("America/New_York").unwrap();
        for (text, instant) in [
            // The examples of RFC 5545, section 3.3.5.
            ("2007-11-04T01:30:00", "2007-11-04T05:30:00Z"),
            ("2007-03-11T02:30:00", "2007-03-11T07:30:00Z"),
        ] {
            assert_eq!(zone.calendar_instant(local(text)).to_string(), instant);
        }
    }

    #[test]
    fn a_day_has_as_many_hours_as_its_clocks_show() {
        let hours = |zone: &str, date: &str| {
            let (begins, ends) = Zone::parse(zone).unwrap().day(date.parse().unwrap());
            ends.micros_since(begins) / 3_600_000_000
        };
        assert_eq!(hours("America/Denver", "2026-03-08"), 23);
        assert_eq!(hours("America/Denver", "2026-11-01"), 25);
        assert_eq!(hours("America/Phoenix", "2026-03-08"), 24);
        assert_eq!(hours("Pacific/Apia", "2011-12-30"), 0, "Samoa had no such day");
    }

    #[test]
    fn only_names_of_the_database_are_zones() {
        for name in ["", "MST7MDT2", "America/Springfield", "-07:00", "america/denver"] {
            assert_eq!(Zone::parse(name), Err(InvalidZone), "{name}");
        }
        assert_eq!(Zone::parse(" America/Denver ").unwrap().to_string(), "America/Denver");
    }
}

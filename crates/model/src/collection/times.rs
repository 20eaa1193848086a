//! Times of day at which a list is read as a whole, by the clock of the store.

use super::Spread;
use crate::{Timestamp, Zone};
use chrono::{DateTime, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use std::{fmt, time::Duration};

/// Times at which a list is read as a whole if nobody chose others: a quiet hour of most shops.
pub const QUIET_HOUR: &str = "0 3 * * *";
/// Longest time by which a read is later than the time that was chosen, so that not all lists are read in one minute.
const LATER_MAX: Duration = Duration::from_hours(1);
/// Part of the time until the next read by which one is later at most.
const LATER_PART: u32 = 10;
/// Upper limit of times that are looked at to find the next one: as many as an hour has minutes, twice.
const LOOKS_MAX: usize = 120;
/// Upper limit of a text, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// Error for a text that isn't a pattern of times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "times are a cron pattern of five fields (minute, hour, day, month, weekday) that some day has, such as 0 4 * * *"
)]
pub struct InvalidReadTimes;

/// Times of the local clock, as a cron pattern of five fields.
#[derive(Clone)]
pub struct ReadTimes {
    text: String,
    cron: Box<Cron>,
}

impl ReadTimes {
    /// Parses a pattern; refuses one that no day has.
    pub fn parse(text: &str) -> Result<Self, InvalidReadTimes> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidReadTimes);
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|_| InvalidReadTimes)?;
        let times = Self { text: text.to_owned(), cron: Box::new(cron) };
        times.local_after(DateTime::UNIX_EPOCH, true).map(|_| times).ok_or(InvalidReadTimes)
    }

    /// Returns the pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the first time after `after`, later by the list's spread. A local time that clocks skip is the instant of
    /// the change, one that they show twice is the first of the two. Only a pattern whose next time is beyond the calendar
    /// has none.
    pub fn next(&self, after: Timestamp, zone: Zone, spread: Spread) -> Option<Timestamp> {
        let from = Timestamp::from_micros(after.as_micros().saturating_sub(micros(LATER_MAX)).max(0));
        let mut local = self.local_after(zone.local(from).and_utc(), true)?;
        for _ in 0..LOOKS_MAX {
            let next = self.local_after(local, false)?;
            let [at, until] = [local, next].map(|local| zone.instant(local.naive_utc()));
            let interval = Duration::from_micros(until.micros_since(at));
            let later = spread.within((interval / LATER_PART).min(LATER_MAX), 0);
            // Of two times that one change of clocks skips only the later one counts.
            if !interval.is_zero() && at.after(later) > after {
                return Some(at.after(later));
            }
            local = next;
        }
        None
    }

    /// The next time of a clock that is never changed.
    fn local_after(&self, local: DateTime<Utc>, inclusive: bool) -> Option<DateTime<Utc>> {
        self.cron.find_next_occurrence(&local, inclusive).ok()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Debug for ReadTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl PartialEq for ReadTimes {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for ReadTimes {}
impl TryFrom<String> for ReadTimes {
    type Error = InvalidReadTimes;
    fn try_from(text: String) -> Result<Self, InvalidReadTimes> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectionId;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn times(text: &str) -> ReadTimes {
        ReadTimes::parse(text).unwrap()
    }

    /// The spread whose reads are late by nothing, or by hardly anything.
    fn punctual() -> Spread {
        let spreads =
            (0..10_000).map(|number| Spread::of(&ConnectionId::new(&format!("c-{number}")).unwrap(), "x"));
        spreads.min_by_key(|spread| spread.within(LATER_MAX, 0)).unwrap()
    }

    /// The first times after an instant, without seconds.
    fn following(pattern: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let (times, zone, mut after) = (times(pattern), Zone::parse(zone).unwrap(), at(after));
        let next = |_| {
            after = times.next(after, zone, punctual()).unwrap();
            after.to_string()[..16].to_owned()
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn times_are_those_of_the_stores_clock() {
        for (pattern, zone, after, expected) in [
            ("0 4 * * *", "America/Denver", "2026-01-10T12:00:00Z", ["2026-01-11T11:00", "2026-01-12T11:00"]),
            ("0 4 * * *", "America/Denver", "2026-07-10T09:00:00Z", ["2026-07-10T10:00", "2026-07-11T10:00"]),
            ("0 4 * * *", "Europe/Berlin", "2026-01-10T02:59:00Z", ["2026-01-10T03:00", "2026-01-11T03:00"]),
            ("30 2 * * 0", "UTC", "2026-11-28T00:00:00Z", ["2026-11-29T02:30", "2026-12-06T02:30"]),
            ("0 0 1 1 *", "Asia/Kolkata", "2026-11-28T00:00:00Z", ["2026-12-31T18:30", "2027-12-31T18:30"]),
            ("0 */12 * * *", "Asia/Tokyo", "2026-11-28T00:00:00Z", ["2026-11-28T03:00", "2026-11-28T15:00"]),
        ] {
            assert_eq!(following(pattern, zone, after, 2), expected, "{pattern} {zone}");
        }
    }

    #[test]
    fn a_local_time_that_clocks_skip_is_the_change_and_one_that_they_show_twice_counts_once() {
        // Berlin skips 02:00 to 03:00 on 2026-03-29 and repeats it on 2026-10-25; Denver on 2026-03-08 and 2026-11-01.
        for (pattern, zone, after, expected) in [
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-03-28T00:00:00Z",
                ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
            ),
            (
                "30 2 * * *",
                "Europe/Berlin",
                "2026-10-24T00:00:00Z",
                ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
            ),
            (
                "30 1 * * *",
                "America/Denver",
                "2026-10-31T00:00:00Z",
                ["2026-10-31T07:30", "2026-11-01T07:30", "2026-11-02T08:30"],
            ),
            (
                "0,30 2 * * *",
                "America/Denver",
                "2026-03-08T00:00:00Z",
                ["2026-03-08T09:00", "2026-03-09T08:00", "2026-03-09T08:30"],
            ),
        ] {
            assert_eq!(following(pattern, zone, after, 3), expected, "{pattern} {zone}");
        }
        // Asked between the two: the first was the only one.
        assert_eq!(following("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30"]);
    }

    #[test]
    fn reads_are_spread_over_an_hour_and_each_list_has_its_place() {
        let (daily, zone) = (times("0 3 * * *"), Zone::UTC);
        let later = |number: u32, times: &ReadTimes| {
            let spread = Spread::of(&ConnectionId::new(&format!("c-{number}")).unwrap(), "products");
            let next = times.next(at("2026-11-28T00:00:00Z"), zone, spread).unwrap();
            assert_eq!(times.next(next, zone, spread).unwrap().micros_since(next) % 600_000_000, 0);
            next.micros_since(at("2026-11-28T03:00:00Z")) / 60_000_000
        };
        let minutes: std::collections::BTreeSet<u64> = (0..500).map(|number| later(number, &daily)).collect();
        assert!(minutes.len() > 50 && minutes.last() < Some(&60), "{minutes:?}");
        let often = times("*/10 3 * * *");
        assert!((0..100).all(|number| later(number, &often) < 60), "and never over another time");
    }

    #[test]
    fn what_is_no_pattern_or_has_no_time_is_refused() {
        for text in
            ["", "4", "0 4 * *", "0 0 4 * * *", "60 4 * * *", "0 25 * * *", "0 0 31 2 *", "04:00", "often"]
        {
            assert_eq!(ReadTimes::parse(text), Err(InvalidReadTimes), "{text}");
        }
        assert_eq!(ReadTimes::parse(&format!("0 {} * * *", "4,".repeat(200))), Err(InvalidReadTimes));
        for text in [QUIET_HOUR, " 0 4 * * * ", "0 4 * * MON-FRI", "0 4 L * *", "0 0 29 2 *"] {
            assert!(ReadTimes::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_last_times_of_the_calendar_end_without_a_fault() {
        let last = Timestamp::from_micros(253_402_300_799_000_000);
        times("0 4 * * *").next(last, Zone::UTC, punctual());
        times("* * * * *").next(Timestamp::default(), Zone::UTC, punctual()).unwrap();
    }
}

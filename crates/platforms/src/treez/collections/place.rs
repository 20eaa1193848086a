//! Places in lists, as they are stored between two pages.

use model::Timestamp;
use stage::{Reject, RejectClass};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// Age of the changes of tickets that are listed, less than the 30 days that are documented.
const CHANGES_AGE_MAX: Duration = Duration::from_hours(24 * 29);

/// A refusal of a list or a place that this platform doesn't have.
pub(super) fn refused(reason: &str) -> Reject {
    Reject::new(RejectClass::Bug, reason)
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The list of tickets.
    pub(super) tickets: Tickets,
    /// The page, from 1.
    pub(super) page: u64,
    /// Objects on the pages before.
    pub(super) read: u64,
}

/// The tickets that a list has. Changes of the last weeks are listed; older tickets by the day on which they were closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tickets {
    /// It isn't a list of tickets.
    None,
    /// Closed on the day of this time.
    ClosedOn(Timestamp),
    /// Changed after this time.
    ChangedAfter(Timestamp),
}

impl Tickets {
    /// The first list of tickets since a time. Days are the store's, whose time zone isn't known: they begin one earlier.
    pub(super) fn first(since: Timestamp, now: Timestamp) -> Self {
        if since < earlier(now, CHANGES_AGE_MAX) {
            Self::ClosedOn(earlier(since, DAY))
        } else {
            Self::ChangedAfter(since)
        }
    }

    /// The list after this one; `None` after the last.
    pub(super) fn next(self, until: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let Self::ClosedOn(day) = self else { return None };
        let (next, recent) = (day.after(DAY), earlier(now, CHANGES_AGE_MAX));
        let is_beyond = until.is_some_and(|until| next > until.after(DAY));
        match next {
            _ if is_beyond => None,
            next if next > recent => Some(Self::ChangedAfter(recent)),
            next => Some(Self::ClosedOn(next)),
        }
    }
}

impl Place {
    pub(super) const fn first(tickets: Tickets) -> Self {
        Self { tickets, page: 1, read: 0 }
    }

    pub(super) fn cursor(self) -> String {
        let (kind, at) = match self.tickets {
            Tickets::None => ("all", Timestamp::from_micros(0)),
            Tickets::ClosedOn(day) => ("closed", day),
            Tickets::ChangedAfter(since) => ("changed", since),
        };
        format!("{kind}/{at}/{}/{}", self.page, self.read)
    }

    pub(super) fn parse(cursor: &str) -> Result<Self, Reject> {
        let wrong = || refused("not a place in a list of treez");
        let parts: Vec<&str> = cursor.split('/').collect();
        let &[kind, at, page, read] = parts.as_slice() else { return Err(wrong()) };
        let at = Timestamp::parse(at).map_err(|_| wrong())?;
        let tickets = match kind {
            "all" => Tickets::None,
            "closed" => Tickets::ClosedOn(at),
            "changed" => Tickets::ChangedAfter(at),
            _ => return Err(wrong()),
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        Ok(Self { tickets, page: number(page)?, read: number(read)? })
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(by).max(0))
}

/// A day as lists name it.
pub(super) fn date(day: Timestamp) -> String {
    day.as_chrono().format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_after_it_was_stored() {
        let at = Timestamp::parse("2026-07-02T10:00:00.123Z").unwrap();
        for tickets in [Tickets::None, Tickets::ClosedOn(at), Tickets::ChangedAfter(at)] {
            let place = Place { tickets, page: 7, read: 150 };
            assert_eq!(Place::parse(&place.cursor()), Ok(place));
        }
        for cursor in [
            "",
            "all",
            "all/2026-07-02T10:00:00Z/1",
            "none/2026-07-02T10:00:00Z/1/0",
            "all/x/1/0",
            "all/2026-07-02T10:00:00Z/-1/0",
        ] {
            assert!(Place::parse(cursor).is_err(), "{cursor}");
        }
    }

    #[test]
    fn old_tickets_are_listed_day_by_day_and_then_by_their_change() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let now = at("2026-07-02T10:00:00Z");
        let recent = Tickets::first(at("2026-06-20T00:00:00Z"), now);
        assert_eq!(recent, Tickets::ChangedAfter(at("2026-06-20T00:00:00Z")));
        assert_eq!(recent.next(None, now), None);
        let (mut tickets, mut days) = (Tickets::first(at("2026-06-01T10:00:00Z"), now), Vec::new());
        while let Tickets::ClosedOn(day) = tickets {
            days.push(date(day));
            tickets = tickets.next(None, now).unwrap();
        }
        assert_eq!(days, ["2026-05-31", "2026-06-01", "2026-06-02", "2026-06-03"]);
        assert_eq!(tickets, Tickets::ChangedAfter(at("2026-06-03T10:00:00Z")));
        assert_eq!(tickets.next(None, now), None);
        let until = Some(at("2026-01-02T00:00:00Z"));
        let mut tickets = Some(Tickets::first(at("2026-01-01T00:00:00Z"), now));
        let mut count = 0;
        while let Some(listed) = tickets {
            assert!(matches!(listed, Tickets::ClosedOn(_)), "{listed:?}");
            (tickets, count) = (listed.next(until, now), count + 1);
        }
        assert_eq!(count, 4, "the days before, of, and after it");
    }
}

//! The runs of a schedule as instants: the one that contains an instant, and the next one after it.

use super::{
    Change,
    schedule::{Period, RUN_DAYS_MAX, Recurrence, Schedule, Unit, Window, WindowEnd, date_time},
};
use crate::{Timestamp, Zone};
use chrono::{Datelike, Days, NaiveDate};

/// Days ahead in which a change is searched: about twenty years. One beyond that is none.
pub const SEARCH_DAYS_MAX: u32 = 20 * 366;

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
const EARLIEST: Timestamp = Timestamp::from_micros(i64::MIN);
const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// A span of time without interruption; the end no longer belongs to it.
#[derive(Debug, Clone, Copy)]
struct Run {
    starts: Timestamp,
    ends: Timestamp,
}

impl Run {
    fn contains(&self, at: Timestamp) -> bool {
        self.starts <= at && at < self.ends
    }

    /// The part of the run that lies within another; `None` if there is none.
    fn within(self, outer: Run) -> Option<Run> {
        let both = Run { starts: self.starts.max(outer.starts), ends: self.ends.min(outer.ends) };
        (both.starts < both.ends).then_some(both)
    }
}

impl Schedule {
    /// Returns whether an instant is within any of the periods.
    pub fn is_active(&self, at: Timestamp, zone: Zone) -> bool {
        self.end_of_runs(at, zone).is_some()
    }

    /// Returns the first instant after `after` at which the schedule begins or ceases to be active; `None` if none is
    /// within [`SEARCH_DAYS_MAX`].
    pub fn next_change(&self, after: Timestamp, zone: Zone) -> Option<Change> {
        let horizon = after.as_micros().saturating_add(i64::from(SEARCH_DAYS_MAX) * DAY_MICROS);
        let Some(mut ends) = self.end_of_runs(after, zone) else {
            let starts = self.periods().iter().filter_map(|period| period.next_start(after, zone)).min();
            return starts.map(Change::Starts);
        };
        // Runs that touch or overlap are one: only their common end is a change.
        while let Some(later) = self.end_of_runs(ends, zone) {
            ends = later;
            if ends.as_micros() > horizon {
                return None;
            }
        }
        Some(ends).filter(|ends| *ends < NEVER).map(Change::Ends)
    }

    /// The latest end of the runs that contain an instant.
    fn end_of_runs(&self, at: Timestamp, zone: Zone) -> Option<Timestamp> {
        self.periods().iter().filter_map(|period| period.end_of_run(at, zone)).max()
    }
}

impl Period {
    fn span(&self, zone: Zone) -> Run {
        Run {
            starts: self.from().map_or(EARLIEST, |from| from.instant(zone)),
            ends: self.until().map_or(NEVER, |until| until.instant(zone)),
        }
    }

    fn end_of_run(&self, at: Timestamp, zone: Zone) -> Option<Timestamp> {
        let span = self.span(zone);
        let Some(recurrence) = self.recurrence() else {
            return span.contains(at).then_some(span.ends);
        };
        let today = zone.local(at).date();
        let earliest = recurrence.earliest_for(today);
        let days = u32::try_from(recurrence.days_back()).unwrap_or(RUN_DAYS_MAX) + 2;
        let runs = recurrence.runs(earliest, days, zone).filter_map(|run| run.within(span));
        runs.filter(|run| run.contains(at)).map(|run| run.ends).max()
    }

    /// The first start after an instant that no run of the period contains.
    fn next_start(&self, after: Timestamp, zone: Zone) -> Option<Timestamp> {
        let span = self.span(zone);
        let Some(recurrence) = self.recurrence() else {
            return (span.starts > after && span.starts < span.ends).then_some(span.starts);
        };
        if span.ends <= after {
            return None;
        }
        // Before a period that begins later nothing has to be searched.
        let search_from = after.max(span.starts).max(Timestamp::from_micros(0));
        let earliest = recurrence.earliest_for(zone.local(search_from).date());
        let runs = recurrence.runs(earliest, SEARCH_DAYS_MAX, zone);
        let runs = runs.take_while(|run| run.starts < span.ends).filter_map(|run| run.within(span));
        runs.map(|run| run.starts).find(|starts| *starts > after)
    }
}

impl Recurrence {
    /// Number of days before an instant's own on which a run that contains it may have begun.
    fn days_back(&self) -> u64 {
        let run_days = self.window().duration_seconds().map_or(1, |seconds| seconds / (24 * 60 * 60) + 1);
        // One more, as clocks that are set make a day shorter.
        u64::from(run_days) + 1
    }

    /// The earliest date on which a run that contains an instant of `date` may have begun.
    fn earliest_for(&self, date: NaiveDate) -> NaiveDate {
        date.checked_sub_days(Days::new(self.days_back())).unwrap_or(date)
    }

    /// The runs that begin on the dates from `earliest` on, in order.
    fn runs(&self, earliest: NaiveDate, days: u32, zone: Zone) -> impl Iterator<Item = Run> {
        let dates = earliest.iter_days().take(days as usize);
        dates.filter(|date| self.has_run_on(*date)).filter_map(move |date| self.window().run(date, zone))
    }

    fn has_run_on(&self, date: NaiveDate) -> bool {
        let Some(first) = self.first() else {
            return self.days().contains(date);
        };
        date >= first && self.days().contains(date) && self.is_in_step(first, date)
    }

    /// Returns whether a date is a whole number of intervals after the first one.
    fn is_in_step(&self, first: NaiveDate, date: NaiveDate) -> bool {
        let (unit, interval) = self.interval();
        let monday =
            |date: NaiveDate| date.num_days_from_ce() - date.weekday().num_days_from_monday().cast_signed();
        let months = |date: NaiveDate| date.year() * 12 + date.month0().cast_signed();
        let (is_on_day, passed) = match unit {
            Unit::Day => (true, date.num_days_from_ce() - first.num_days_from_ce()),
            Unit::Week => (true, (monday(date) - monday(first)) / 7),
            Unit::Month => (date.day() == first.day(), months(date) - months(first)),
            Unit::MonthByWeekDay => {
                let is_same = date.weekday() == first.weekday() && date.day0() / 7 == first.day0() / 7;
                (is_same, months(date) - months(first))
            }
            Unit::Year => {
                let is_same = date.month() == first.month() && date.day() == first.day();
                (is_same, date.year() - first.year())
            }
        };
        is_on_day && passed % i32::from(interval) == 0
    }
}

impl Window {
    /// The run that begins on a date; `None` if clocks skip all of it.
    fn run(self, date: NaiveDate, zone: Zone) -> Option<Run> {
        let starts = date_time(date, self.starts);
        let run = match self.ends {
            WindowEnd::Clock(ends) => {
                let ends_on = if ends > self.starts { date } else { date.succ_opt()? };
                Run { starts: zone.instant(starts), ends: zone.instant(date_time(ends_on, ends)) }
            }
            WindowEnd::After { seconds } => {
                let starts = zone.calendar_instant(starts);
                Run { starts, ends: starts.after(std::time::Duration::from_secs(seconds.into())) }
            }
        };
        (run.starts < run.ends).then_some(run)
    }
}

//! The times of a promotion, as a shop states them: bounds, days and times of day in its local time.

use super::{InvalidPromotion, TimeOfDay, WeekDays};
use crate::{Timestamp, Zone};
use chrono::{Datelike, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

/// Upper limit of periods of one schedule.
pub const PERIODS_MAX: usize = 100;
/// Upper limit of days, weeks, months or years between two runs of a recurrence.
pub const INTERVAL_MAX: u16 = 100;
/// Upper limit of the length of one run of a recurrence, in days.
pub const RUN_DAYS_MAX: u32 = 31;

/// The times at which a promotion is active: during any of its periods.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Period>", into = "Vec<Period>")]
pub struct Schedule {
    periods: Vec<Period>,
}

impl Schedule {
    /// Builds a schedule of periods; without any it is never active. Refuses more than [`PERIODS_MAX`].
    pub fn new(periods: Vec<Period>) -> Result<Self, InvalidPromotion> {
        if periods.len() <= PERIODS_MAX { Ok(Self { periods }) } else { Err(InvalidPromotion::Periods) }
    }

    /// Builds a schedule without any limit.
    pub fn always() -> Self {
        Self { periods: vec![Period { from: None, until: None, recurrence: None }] }
    }

    /// The periods.
    pub fn periods(&self) -> &[Period] {
        &self.periods
    }
}

impl TryFrom<Vec<Period>> for Schedule {
    type Error = InvalidPromotion;
    fn try_from(periods: Vec<Period>) -> Result<Self, InvalidPromotion> {
        Self::new(periods)
    }
}
impl From<Schedule> for Vec<Period> {
    fn from(schedule: Schedule) -> Vec<Period> {
        schedule.periods
    }
}

/// One span of time, or the runs of a recurrence within it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    from: Option<Bound>,
    until: Option<Bound>,
    recurrence: Option<Recurrence>,
}

impl Period {
    /// Builds a period from its first instant, the first instant after it, and the recurrence that limits it further.
    pub fn new(from: Option<Bound>, until: Option<Bound>, recurrence: Option<Recurrence>) -> Self {
        // The whole of each day is no limit, and would be searched day by day.
        let recurrence = recurrence.filter(|recurrence| !recurrence.is_always());
        Self { from, until, recurrence }
    }

    /// The first instant; `None` means that the period began before all that is known.
    pub fn from(&self) -> Option<Bound> {
        self.from
    }

    /// The first instant after the period; `None` means that it never ends.
    pub fn until(&self) -> Option<Bound> {
        self.until
    }

    /// The recurrence; `None` means the whole period.
    pub fn recurrence(&self) -> Option<&Recurrence> {
        self.recurrence.as_ref()
    }
}

/// A begin or an end of a period. An end no longer belongs to the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// An instant.
    At(Timestamp),
    /// A local date and time, in the zone of the shop.
    Local(NaiveDateTime),
}

impl Bound {
    /// Parses a local date, with a time of day (`2025-11-24T00:00`, `2024-01-31T23:59:59`) or without (`2025-07-09`,
    /// the begin of the day). Refuses a text with an offset: that is an instant.
    pub fn parse_local(text: &str) -> Result<Self, InvalidPromotion> {
        let (date, time) = match text.trim().split_once(['T', ' ']) {
            Some((date, time)) => (date, TimeOfDay::parse(time)?),
            None => (text.trim(), TimeOfDay::MIDNIGHT),
        };
        Ok(Self::Local(date_time(parse_date(date)?, time)))
    }

    /// Parses the local date that is the last of a period, and returns the begin of the next day.
    pub fn after_local_date(text: &str) -> Result<Self, InvalidPromotion> {
        let next = parse_date(text)?.succ_opt().ok_or(InvalidPromotion::Date)?;
        Ok(Self::Local(next.into()))
    }

    /// Parses the local date and time of a period's last second, such as `2024-01-31T23:59:59`, and returns the second
    /// after it.
    pub fn after_local_second(text: &str) -> Result<Self, InvalidPromotion> {
        match Self::parse_local(text)? {
            Self::Local(last) => Ok(Self::Local(last + chrono::TimeDelta::seconds(1))),
            at @ Self::At(_) => Ok(at),
        }
    }

    /// Returns the local date and time as text, which [`Bound::parse_local`] parses; `None` for an instant.
    pub fn local_text(self) -> Option<String> {
        match self {
            Self::At(_) => None,
            Self::Local(local) => Some(local.format("%Y-%m-%dT%H:%M:%S").to_string()),
        }
    }

    pub(super) fn instant(self, zone: Zone) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Local(local) => zone.instant(local),
        }
    }
}

/// Parses a date of the years 1900 to 9999.
fn parse_date(text: &str) -> Result<NaiveDate, InvalidPromotion> {
    let date: NaiveDate = text.trim().parse().map_err(|_| InvalidPromotion::Date)?;
    if (1900..=9999).contains(&date.year()) { Ok(date) } else { Err(InvalidPromotion::Date) }
}

/// A time of day on a date; 24:00 is the begin of the next day.
pub(super) fn date_time(date: NaiveDate, time: TimeOfDay) -> NaiveDateTime {
    NaiveDateTime::from(date) + chrono::TimeDelta::seconds(time.seconds().into())
}

/// A regular repetition of runs, each of which begins on a local date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RecurrenceParts", into = "RecurrenceParts")]
pub struct Recurrence {
    unit: Unit,
    interval: u16,
    days: WeekDays,
    first: Option<NaiveDate>,
    window: Window,
}

impl Recurrence {
    /// Builds the runs of certain days of each week.
    pub fn weekly(days: WeekDays, window: Window) -> Result<Self, InvalidPromotion> {
        Self::every(Unit::Week, 1, days, None, window)
    }

    /// Builds the runs of every `interval`-th unit, counted from the date `first`, on such of its dates as are one of
    /// `days`. Refuses an interval other than 1 and a unit that refers to the first date (a month, a year) without one,
    /// an interval of 0 or beyond [`INTERVAL_MAX`], and a set of no days.
    pub fn every(
        unit: Unit,
        interval: u16,
        days: WeekDays,
        first: Option<NaiveDate>,
        window: Window,
    ) -> Result<Self, InvalidPromotion> {
        let needs_first = interval != 1 || !matches!(unit, Unit::Day | Unit::Week);
        if interval == 0 || interval > INTERVAL_MAX || needs_first && first.is_none() {
            return Err(InvalidPromotion::Interval);
        }
        if days.is_empty() {
            Err(InvalidPromotion::WeekDay)
        } else {
            Ok(Self { unit, interval, days, first, window })
        }
    }

    /// The part of a day that each run takes.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The unit of the repetition, and the number of them from one run to the next.
    pub fn interval(&self) -> (Unit, u16) {
        (self.unit, self.interval)
    }

    /// The days of the week on which runs begin.
    pub fn days(&self) -> WeekDays {
        self.days
    }

    /// The date of the first run.
    pub fn first(&self) -> Option<NaiveDate> {
        self.first
    }

    /// Returns whether the runs follow one another for ever.
    fn is_always(&self) -> bool {
        let is_each_day = matches!(self.unit, Unit::Day | Unit::Week) && self.interval == 1;
        is_each_day && self.days.is_every_day() && self.first.is_none() && self.window == Window::WHOLE_DAY
    }
}

/// A recurrence as rows have it: it is built, and so checked, again from its parts.
#[derive(Serialize, Deserialize)]
struct RecurrenceParts {
    unit: Unit,
    interval: u16,
    days: WeekDays,
    first: Option<NaiveDate>,
    window: Window,
}

impl TryFrom<RecurrenceParts> for Recurrence {
    type Error = InvalidPromotion;
    fn try_from(parts: RecurrenceParts) -> Result<Self, InvalidPromotion> {
        Self::every(parts.unit, parts.interval, parts.days, parts.first, parts.window)
    }
}
impl From<Recurrence> for RecurrenceParts {
    fn from(recurrence: Recurrence) -> Self {
        let Recurrence { unit, interval, days, first, window } = recurrence;
        Self { unit, interval, days, first, window }
    }
}

/// The unit in which a recurrence counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month, on the first run's day of the month; months without that day have no run.
    Month,
    /// A month, on the first run's day of the week and the same week of the month, as the second Tuesday.
    MonthByWeekDay,
    /// A year, on the first run's day of the month; a 29th of February is in leap years only.
    Year,
}

/// The part of a day that a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WindowParts", into = "WindowParts")]
pub struct Window {
    pub(super) starts: TimeOfDay,
    pub(super) ends: WindowEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowEnd {
    /// The next time that the clock shows this time of day.
    Clock(TimeOfDay),
    /// An exact number of seconds after the start.
    After { seconds: u32 },
}

impl Window {
    /// From the begin of the day to the begin of the next one.
    pub const WHOLE_DAY: Self =
        Self { starts: TimeOfDay::MIDNIGHT, ends: WindowEnd::Clock(TimeOfDay::MIDNIGHT) };

    /// Returns the window between two times of day; the end no longer belongs to it. An end that isn't after the start
    /// is on the next day, and the run is still one of the day on which it began.
    pub fn between(starts: TimeOfDay, ends: TimeOfDay) -> Self {
        Self { starts, ends: WindowEnd::Clock(ends) }
    }

    /// Returns the window of a calendar's event: a start, and an exact duration. Refuses a duration of zero or beyond
    /// [`RUN_DAYS_MAX`].
    pub fn lasting(starts: TimeOfDay, seconds: u32) -> Result<Self, InvalidPromotion> {
        let fits = (1..=RUN_DAYS_MAX * 24 * 60 * 60).contains(&seconds);
        if fits {
            Ok(Self { starts, ends: WindowEnd::After { seconds } })
        } else {
            Err(InvalidPromotion::Duration)
        }
    }

    /// The start.
    pub fn starts(self) -> TimeOfDay {
        self.starts
    }

    /// The end as a time of day, unless the window has a duration.
    pub fn ends(self) -> Option<TimeOfDay> {
        match self.ends {
            WindowEnd::Clock(ends) => Some(ends),
            WindowEnd::After { .. } => None,
        }
    }

    /// The exact duration in seconds, unless the window has an end.
    pub fn duration_seconds(self) -> Option<u32> {
        match self.ends {
            WindowEnd::Clock(_) => None,
            WindowEnd::After { seconds } => Some(seconds),
        }
    }
}

/// A window as rows have it.
#[derive(Serialize, Deserialize)]
struct WindowParts {
    starts: TimeOfDay,
    ends: Option<TimeOfDay>,
    duration_seconds: Option<u32>,
}

impl TryFrom<WindowParts> for Window {
    type Error = InvalidPromotion;
    fn try_from(parts: WindowParts) -> Result<Self, InvalidPromotion> {
        match (parts.ends, parts.duration_seconds) {
            (Some(ends), None) => Ok(Self::between(parts.starts, ends)),
            (None, Some(seconds)) => Self::lasting(parts.starts, seconds),
            _ => Err(InvalidPromotion::Duration),
        }
    }
}
impl From<Window> for WindowParts {
    fn from(window: Window) -> Self {
        Self { starts: window.starts, ends: window.ends(), duration_seconds: window.duration_seconds() }
    }
}

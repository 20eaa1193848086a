//! Days of the week and times of day, as promotions state them.

use super::InvalidPromotion;
use chrono::{Datelike, NaiveDate, NaiveTime, Timelike, Weekday};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A local time of day, to the second: from 00:00 up to and including 24:00, the end of the day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    seconds: u32,
}

impl TimeOfDay {
    /// The begin of a day.
    pub const MIDNIGHT: Self = Self { seconds: 0 };
    const DAY_SECONDS: u32 = 24 * 60 * 60;

    /// Parses `HH:MM` or `HH:MM:SS`; fractions of a second are cut off.
    pub fn parse(text: &str) -> Result<Self, InvalidPromotion> {
        let text = text.trim();
        if ["24:00", "24:00:00"].contains(&text) {
            return Ok(Self { seconds: Self::DAY_SECONDS });
        }
        let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
            .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
            .map_err(|_| InvalidPromotion::Time)?;
        Ok(Self { seconds: time.num_seconds_from_midnight() })
    }

    /// Parses the last second that counts, such as `23:59:59`, and returns the time after it, which no longer does.
    pub fn parse_last_second(text: &str) -> Result<Self, InvalidPromotion> {
        let last = Self::parse(text)?;
        Ok(Self { seconds: (last.seconds + 1).min(Self::DAY_SECONDS) })
    }

    /// Returns the seconds since the begin of the day, by a clock that skips and repeats nothing.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.seconds / 60, self.seconds % 60);
        write!(f, "{:02}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
    }
}
impl TryFrom<String> for TimeOfDay {
    type Error = InvalidPromotion;
    fn try_from(text: String) -> Result<Self, InvalidPromotion> {
        Self::parse(&text)
    }
}
impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> String {
        time.to_string()
    }
}
impl fmt::Debug for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A set of days of the week.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WeekDays([bool; 7]);

impl WeekDays {
    /// Each day.
    pub const EVERY: Self = Self([true; 7]);

    /// Builds a set from a flag for each day, Monday first.
    pub const fn new(monday_first: [bool; 7]) -> Self {
        Self(monday_first)
    }

    /// Builds a set from optional flags, Monday first: no flag at all means each day.
    pub fn from_flags(monday_first: [bool; 7]) -> Self {
        if monday_first.contains(&true) { Self(monday_first) } else { Self::EVERY }
    }

    /// Builds a set from names: `TUESDAY`, `Tue` or iCalendar's `TU`, in any case.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPromotion> {
        let mut days = [false; 7];
        for name in names {
            days[day_index(name).ok_or(InvalidPromotion::WeekDay)?] = true;
        }
        Ok(Self(days))
    }

    /// Returns whether the set contains a date's day.
    pub fn contains(self, date: NaiveDate) -> bool {
        self.0[date.weekday().num_days_from_monday() as usize]
    }

    /// Returns whether the set contains each day.
    pub fn is_every_day(self) -> bool {
        self == Self::EVERY
    }

    /// Returns whether the set contains no day.
    pub fn is_empty(self) -> bool {
        !self.0.contains(&true)
    }

    /// A flag for each day, Monday first.
    pub const fn flags(self) -> [bool; 7] {
        self.0
    }
}

/// Returns the place of a day in the week, from Monday, by its name or the begin of it.
fn day_index(name: &str) -> Option<usize> {
    let name = name.trim();
    let day = match name.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => name.parse().ok()?,
    };
    Some(day.num_days_from_monday() as usize)
}

impl fmt::Debug for WeekDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
        let days: Vec<&str> =
            names.into_iter().zip(self.0).filter_map(|(name, is_set)| is_set.then_some(name)).collect();
        f.write_str(&days.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_parsed_to_the_second() {
        for (text, seconds) in [
            ("00:00", 0),
            ("09:30", 34_200),
            ("17:00:05", 61_205),
            ("17:00:05.999", 61_205),
            ("24:00", 86_400),
            ("24:00:00", 86_400),
        ] {
            assert_eq!(TimeOfDay::parse(text).unwrap().seconds(), seconds, "{text}");
        }
        for text in ["", "9", "24:01", "25:00", "9 am", "-1:00"] {
            assert_eq!(TimeOfDay::parse(text), Err(InvalidPromotion::Time), "{text}");
        }
        assert_eq!(TimeOfDay::parse_last_second("23:59:59").unwrap().to_string(), "24:00:00");
    }

    #[test]
    fn days_are_known_by_name_and_by_flag() {
        let tuesday = WeekDays::new([false, true, false, false, false, false, false]);
        for name in ["TUESDAY", "Tuesday", "Tue", "TUE", "TU", " tu "] {
            assert_eq!(WeekDays::from_names([name]).unwrap(), tuesday, "{name}");
        }
        assert_eq!(WeekDays::from_names(["Tu", "noday"]), Err(InvalidPromotion::WeekDay));
        assert_eq!(WeekDays::from_flags([false; 7]), WeekDays::EVERY);
        assert!(WeekDays::new([false; 7]).is_empty());
        assert!(tuesday.contains("2026-12-01".parse().unwrap()));
        assert!(!tuesday.contains("2026-12-02".parse().unwrap()));
    }
}

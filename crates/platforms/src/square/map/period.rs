//! Time periods: events of iCalendar (RFC 5545) with a local begin, a duration and a rule of repetition.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use model::promotion::{Bound, Period, Recurrence, TimeOfDay, Unit, WeekDays, Window};
use std::collections::BTreeMap;

/// Seconds of a day without a change of clocks.
const DAY_SECONDS: i64 = 24 * 60 * 60;
const BEGIN_FORM: &str = "%Y%m%dT%H%M%S";

/// The lines of an event that are understood, besides those that say nothing of its time.
#[derive(Default)]
struct Lines<'a> {
    begin: Option<&'a str>,
    duration: Option<&'a str>,
    rule: Option<&'a str>,
}

/// Reads an event; `None` if any part of it isn't understood, as a part of a schedule is another schedule.
pub(super) fn read(event: &str) -> Option<Period> {
    // A line that begins with a space continues the one before (section 3.1).
    let unfolded = event.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let lines = lines(&unfolded)?;
    let begin = NaiveDateTime::parse_from_str(lines.begin?, BEGIN_FORM).ok()?;
    let seconds = duration_seconds(lines.duration?)?;
    match lines.rule {
        None => Some(Period::new(
            Some(Bound::Local(begin)),
            Some(Bound::Local(begin.checked_add_signed(TimeDelta::seconds(seconds))?)),
            None,
        )),
        Some(rule) => repeated(begin, seconds, &parts(rule)?),
    }
}

/// Returns the part of a period that lies within two bounds.
pub(super) fn within(period: &Period, from: Option<Bound>, until: Option<Bound>) -> Period {
    let later = pick(period.from(), from, NaiveDateTime::max);
    let earlier = pick(period.until(), until, NaiveDateTime::min);
    Period::new(later, earlier, period.recurrence().cloned())
}

fn pick(
    one: Option<Bound>,
    other: Option<Bound>,
    of: fn(NaiveDateTime, NaiveDateTime) -> NaiveDateTime,
) -> Option<Bound> {
    match (one, other) {
        (Some(Bound::Local(one)), Some(Bound::Local(other))) => Some(Bound::Local(of(one, other))),
        (one, other) => one.or(other),
    }
}

fn lines(event: &str) -> Option<Lines<'_>> {
    let mut lines = Lines::default();
    for line in event.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_uppercase().as_str() {
            "DTSTART" => lines.begin = Some(value),
            "DURATION" => lines.duration = Some(value),
            "RRULE" => lines.rule = Some(value),
            "BEGIN" | "END" | "SUMMARY" => {}
            _ => return None,
        }
    }
    Some(lines)
}

/// The parts of a rule of repetition, each of which may be named once (section 3.3.10).
fn parts(rule: &str) -> Option<BTreeMap<String, &str>> {
    let mut parts = BTreeMap::new();
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        if parts.insert(name.to_ascii_uppercase(), value).is_some() {
            return None;
        }
    }
    Some(parts)
}

fn repeated(begin: NaiveDateTime, seconds: i64, parts: &BTreeMap<String, &str>) -> Option<Period> {
    let known = ["FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "UNTIL", "WKST"];
    if parts.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    let interval: u16 = parts.get("INTERVAL").map_or(Some(1), |text| text.parse().ok())?;
    let by_day = parts.get("BYDAY").map(|days| days.split(',').collect::<Vec<_>>());
    let by_month_day = parts.get("BYMONTHDAY").copied();
    let week_starts = parts.get("WKST").copied().unwrap_or("MO");
    let date = begin.date();
    let (unit, days) = match (*parts.get("FREQ")?, by_month_day) {
        ("DAILY", None) => (Unit::Day, by_day.map_or(Some(WeekDays::EVERY), |days| week_days(&days))?),
        // Weeks of the model begin on Monday, which makes a difference only where some are left out.
        ("WEEKLY", None) if interval == 1 || week_starts == "MO" => {
            let own = [name_of(date.weekday())];
            (Unit::Week, week_days(by_day.as_deref().unwrap_or(&own))?)
        }
        ("MONTHLY", day) => match by_day.as_deref() {
            None => (day.is_none_or(|day| day == date.day().to_string()))
                .then_some((Unit::Month, WeekDays::EVERY))?,
            Some([day]) => (*day == ordinal_of(date)).then_some((Unit::MonthByWeekDay, WeekDays::EVERY))?,
            Some(_) => return None,
        },
        ("YEARLY", None) if by_day.is_none() => (Unit::Year, WeekDays::EVERY),
        _ => return None,
    };
    let starts = TimeOfDay::parse(&begin.time().format("%H:%M:%S").to_string()).ok()?;
    let window = Window::lasting(starts, u32::try_from(seconds).ok()?).ok()?;
    let until = parts.get("UNTIL").map_or(Some(None), |text| last(text, begin.time(), seconds).map(Some))?;
    let recurrence = Recurrence::every(unit, interval, days, Some(date), window).ok()?;
    Some(Period::new(None, until, Some(recurrence)))
}

/// The end of the last run that begins at `until` or before. Runs of more than a day may overlap it: they aren't
/// understood.
fn last(until: &str, starts: NaiveTime, seconds: i64) -> Option<Bound> {
    let until = match NaiveDateTime::parse_from_str(until, BEGIN_FORM) {
        Ok(until) => until,
        Err(_) => NaiveDate::parse_from_str(until, "%Y%m%d").ok()?.and_hms_opt(23, 59, 59)?,
    };
    let date = if until.time() < starts { until.date().pred_opt()? } else { until.date() };
    let last = date.and_time(starts).checked_add_signed(TimeDelta::seconds(seconds))?;
    (seconds <= DAY_SECONDS).then_some(Bound::Local(last))
}

fn week_days(names: &[&str]) -> Option<WeekDays> {
    // A number before a day has a meaning for months and years alone.
    let is_plain = names.iter().all(|name| name.len() == 2);
    is_plain.then(|| WeekDays::from_names(names.iter().copied()).ok()).flatten()
}

const fn name_of(day: Weekday) -> &'static str {
    ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][day.num_days_from_monday() as usize]
}

/// The day of the week with its number within the month, such as `2TU`.
fn ordinal_of(date: NaiveDate) -> String {
    format!("{}{}", date.day0() / 7 + 1, name_of(date.weekday()))
}

/// The seconds of a duration: weeks, days, hours, minutes and seconds. Square's own example lacks the `T` that
/// separates days from hours.
fn duration_seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('P')?.replace('T', "");
    let (mut seconds, mut number) = (0_i64, String::new());
    for character in digits.chars() {
        if character.is_ascii_digit() {
            number.push(character);
            continue;
        }
        let unit = match character {
            'W' => 7 * DAY_SECONDS,
            'D' => DAY_SECONDS,
            'H' => 60 * 60,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && seconds > 0).then_some(seconds)
}

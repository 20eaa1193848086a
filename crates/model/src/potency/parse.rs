//! The forms in which potencies are written.

use super::{InvalidPotency, POTENCY_CHARS_MAX, Potency, PotencyLimit, PotencyRange, PotencyUnit};
use crate::sku_key;
use rust_decimal::Decimal;

/// Words by which an analysis states that it found none, without white space and dots, in lower case.
const NOT_DETECTED: [&str; 4] = ["nd", "notdetected", "nonedetected", "undetected"];
/// Words by which an analysis states that it found less than it can count.
const BELOW_LIMIT: [&str; 5] = ["<loq", "<lod", "bloq", "blq", "belowloq"];
/// Names of what is measured that precede its number in texts, in lower case. Longer ones are before their begins.
const NAMES: [&str; 6] = ["thca", "thc", "cbda", "cbd", "cbg", "cbn"];

pub(super) fn text(text: &str, unit: Option<PotencyUnit>) -> Result<Option<Potency>, InvalidPotency> {
    if text.chars().count() > POTENCY_CHARS_MAX {
        return Err(InvalidPotency::Form);
    }
    let plain = without_name(&text.trim().to_lowercase()).to_owned();
    if let Some(potency) = word(&plain) {
        return Ok(Some(potency));
    }
    // Zeros are looked at below: with a unit they are measured.
    if sku_key(&plain).is_none() && !plain.contains('0') {
        return Ok(None);
    }
    let (is_below, amounts) = match plain.strip_prefix('<') {
        Some(limit) => (true, limit.trim_start()),
        None => (false, plain.as_str()),
    };
    let (low, rest) = number(amounts)?;
    let (low_unit, rest) = unit_before_dash(rest);
    let (high, rest) = match after_dash(rest) {
        Some(rest) if !is_below => {
            let (high, rest) = number(rest)?;
            (Some(high), rest)
        }
        _ => (None, rest),
    };
    let unit = one_unit([low_unit.map(PotencyUnit::parse), stated_unit(rest), unit.map(Ok)])?;
    if !is_below {
        return measured(low, high.unwrap_or(low), unit);
    }
    let unit = unit.ok_or(InvalidPotency::NoUnit)?;
    let limit = PotencyLimit { amount: unit.checked(low)?, unit };
    Ok(Some(Potency::BelowLimit(Some(limit))))
}

pub(super) fn numbers(
    low: Option<Decimal>,
    high: Option<Decimal>,
    unit: Option<&str>,
) -> Result<Option<Potency>, InvalidPotency> {
    let unit = unit.map(str::trim).filter(|unit| sku_key(unit).is_some() || unit.contains('%'));
    if let Some(potency) = unit.and_then(|unit| word(&unit.to_lowercase())) {
        return Ok(Some(potency));
    }
    let unit = unit.map(PotencyUnit::parse).transpose()?;
    match (low.or(high), high.or(low)) {
        (Some(low), Some(high)) => measured(low, high, unit),
        _ => Ok(None),
    }
}

fn measured(
    low: Decimal,
    high: Decimal,
    unit: Option<PotencyUnit>,
) -> Result<Option<Potency>, InvalidPotency> {
    match unit {
        Some(unit) => PotencyRange::new(low, high, unit).map(Potency::Measured).map(Some),
        None if low.is_zero() && high.is_zero() => Ok(None),
        None => Err(InvalidPotency::NoUnit),
    }
}

/// The meaning of a text that is a word.
fn word(text: &str) -> Option<Potency> {
    let bare: String =
        text.chars().filter(|character| !character.is_whitespace() && *character != '.').collect();
    if NOT_DETECTED.contains(&bare.as_str()) {
        Some(Potency::NotDetected)
    } else {
        BELOW_LIMIT.contains(&bare.as_str()).then_some(Potency::BelowLimit(None))
    }
}

/// A text in lower case without the name of what is measured, before or after it.
fn without_name(text: &str) -> &str {
    let before = NAMES.iter().find_map(|name| text.strip_prefix(name));
    let text = before.map_or(text, |rest| rest.trim_start_matches([':', ' ', '=']));
    let after = NAMES.iter().find_map(|name| text.strip_suffix(name));
    after.filter(|rest| !rest.is_empty()).map_or(text, str::trim_end)
}

/// Splits the number at the begin of a text from the rest.
fn number(text: &str) -> Result<(Decimal, &str), InvalidPotency> {
    let end = text.find(|character: char| !character.is_ascii_digit() && !".,".contains(character));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    let plain = without_thousands(number).ok_or(InvalidPotency::Form)?;
    let number = plain.parse().map_err(|_| InvalidPotency::Form)?;
    Ok((number, rest.trim_start()))
}

/// A number without the commas between its thousands; `None` if a comma stands elsewhere, as it may then be a point.
fn without_thousands(number: &str) -> Option<String> {
    let (whole, fraction) =
        number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let is_grouped = groups.clone().next().is_some();
    let are_thousands =
        groups.all(|group| group.len() == 3) && (!is_grouped || (1..=3).contains(&first.len()));
    let is_plain = are_thousands && !(is_grouped && first.starts_with('0'));
    let has_digits =
        !first.is_empty() && fraction.is_none_or(|digits| !digits.is_empty() && !digits.contains(','));
    (is_plain && has_digits).then(|| number.replace(',', ""))
}

/// Splits a unit that stands before the dash of a range, as in `18% - 22%`, from the rest.
fn unit_before_dash(text: &str) -> (Option<&str>, &str) {
    let dash = text.find(['-', '–', '—']).filter(|dash| *dash > 0);
    dash.map_or((None, text), |dash| (Some(text[..dash].trim()), &text[dash..]))
}

fn after_dash(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(['-', '–', '—']).or_else(|| text.strip_prefix("to "));
    rest.map(str::trim_start)
}

fn stated_unit(text: &str) -> Option<Result<PotencyUnit, InvalidPotency>> {
    let text = text.trim();
    (!text.is_empty()).then(|| PotencyUnit::parse(text))
}

/// The one unit that is stated, once or more often.
fn one_unit(
    stated: [Option<Result<PotencyUnit, InvalidPotency>>; 3],
) -> Result<Option<PotencyUnit>, InvalidPotency> {
    let mut one = None;
    for unit in stated.into_iter().flatten() {
        let unit = unit?;
        if one.is_some_and(|one| one != unit) {
            return Err(InvalidPotency::Unit);
        }
        one = Some(unit);
    }
    Ok(one)
}

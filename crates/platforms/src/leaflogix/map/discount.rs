//! A discount of the till. What isn't understood of it is a condition: it then changes no price.

use crate::{
    MapContext, Mapped,
    field::Object,
    promotion::{self, Conditions},
};
use model::{
    ExternalId,
    promotion::{
        Bound, Condition, Percent, Period, Promotion, Recurrence, Reward, Schedule, Scope, Stacking, Target,
        Targets, TimeOfDay, WeekDays, Window,
    },
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// The year from which on an end stands for none.
const NEVER_YEAR: i32 = 3000;
/// The flags of days, Monday first.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The discount.
pub(super) fn discount(root: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let mut conditions = Conditions::default();
    let reward = root.object("reward")?;
    let promotion = Promotion {
        external: root.id("id")?,
        name: name(root)?,
        is_on: root.flag("isActive")? == Some(true),
        schedule: schedule(root, &mut conditions)?,
        reward: reward.as_ref().map_or(Ok(Reward::Other), |reward| amount(reward, context))?,
        targets: targets(reward.as_ref(), &mut conditions),
        stacking: match root.flag("canStackAutomatically")? {
            Some(true) => Stacking::Together,
            _ => Stacking::Alone,
        },
        conditions: {
            of_discount(root, &mut conditions)?;
            of_reward(reward.as_ref(), &mut conditions)?;
            conditions.all()
        },
    };
    Ok(promotion::reported(promotion, None))
}

/// The absence of a discount in complete lists.
pub(super) fn absent(root: &Object<'_>) -> Result<Mapped, Reject> {
    let at = root.time("observedAt")?.ok_or_else(|| root.missing("observedAt"))?;
    Ok(promotion::gone(root.id("id")?, at, None))
}

fn name(root: &Object<'_>) -> Result<Option<String>, Reject> {
    let name = root.stated("onlineName")?;
    let name = name.map_or_else(|| root.stated("discountDescription"), |name| Ok(Some(name)))?;
    Ok(name.map(ToOwned::to_owned))
}

/// The times: dates are instants, days and times of day those of the shop.
fn schedule(root: &Object<'_>, conditions: &mut Conditions) -> Result<Schedule, Reject> {
    let from = root.utc_time("validDateFrom")?.map(Bound::At);
    let until = root.utc_time("validDateTo")?.filter(|at| year(*at) < NEVER_YEAR).map(Bound::At);
    let mut flags = [false; 7];
    for (flag, day) in flags.iter_mut().zip(DAYS) {
        *flag = root.flag(day)? == Some(true);
    }
    let (starts, ends) = (time_of_day(root, "startTime"), time_of_day(root, "endTime"));
    conditions.add(Condition::Other, starts.is_err() || ends.is_err());
    let edge = |time: Result<Option<TimeOfDay>, ()>| time.ok().flatten().unwrap_or(TimeOfDay::MIDNIGHT);
    let window = Window::between(edge(starts), edge(ends));
    let invalid = |error: model::promotion::InvalidPromotion| {
        root.reject(RejectClass::Data, "startTime", error.to_string())
    };
    let recurrence = Recurrence::weekly(WeekDays::from_flags(flags), window).map_err(invalid)?;
    Schedule::new(vec![Period::new(from, until, Some(recurrence))]).map_err(invalid)
}

fn year(at: model::Timestamp) -> i32 {
    at.as_chrono().format("%Y").to_string().parse().unwrap_or(i32::MAX)
}

/// The time of day under `key`; an error if it is in a form that isn't understood. The document calls it an object, a
/// running client reads a text.
fn time_of_day(root: &Object<'_>, key: &str) -> Result<Option<TimeOfDay>, ()> {
    match root.value(key) {
        None => Ok(None),
        Some(Value::String(text)) => TimeOfDay::parse(text).map(Some).map_err(drop),
        Some(_) => Err(()),
    }
}

fn amount(reward: &Object<'_>, context: MapContext) -> Result<Reward, Reject> {
    let value = || reward.amount("discountValue", context.currency);
    Ok(match reward.stated("calculationMethod")? {
        Some("PERCENT_OFF") => {
            let share =
                reward.number("discountValue")?.and_then(|share| share.checked_mul(Decimal::ONE_HUNDRED));
            let percent = share.and_then(|share| Percent::new(share).ok());
            percent.map_or(Reward::Other, |percent| Reward::PercentOff { percent, at_most: None })
        }
        Some("AMOUNT_OFF") => value()?.map_or(Reward::Other, Reward::AmountOff),
        Some("PRICE_TO_AMOUNT") => value()?.map_or(Reward::Other, Reward::PriceTo),
        Some("PRICE_TO_AMOUNT_TOTAL") => match (items(reward)?, value()?) {
            (Some(quantity), Some(total)) => Reward::Bundle { quantity, total },
            _ => Reward::Other,
        },
        _ => Reward::Other,
    })
}

/// The number of items that a price of several is for.
fn items(reward: &Object<'_>) -> Result<Option<u32>, Reject> {
    if reward.stated("thresholdType")? != Some("NUMBER_OF_ITEMS") {
        return Ok(None);
    }
    let number = reward.number("thresholdMin")?.filter(|number| number.fract().is_zero());
    Ok(number.and_then(|number| number.to_u32()).filter(|number| *number > 0))
}

/// The items: those that meet the restriction of each kind. A kind that the model doesn't have, or a restriction without
/// any id, is a condition.
fn targets(reward: Option<&Object<'_>>, conditions: &mut Conditions) -> Targets {
    let restrictions = reward.and_then(|reward| reward.value("restrictions")).and_then(Value::as_object);
    let (mut covered, mut except) = (Vec::new(), Vec::new());
    let mut is_understood = restrictions.is_some_and(|restrictions| !restrictions.is_empty());
    for (kind, restriction) in restrictions.into_iter().flatten().filter(|(_, value)| is_restriction(value)) {
        let named = restricted(kind, restriction);
        is_understood &= named.is_some();
        let is_exclusion = restriction.get("isExclusion").and_then(Value::as_bool);
        is_understood &= is_exclusion.is_some();
        let list = if is_exclusion == Some(true) { &mut except } else { &mut covered };
        list.extend(named.into_iter().flatten());
    }
    conditions.add(Condition::Other, !is_understood);
    let scope = if covered.is_empty() { Scope::Everything } else { Scope::EveryKindOf(covered) };
    Targets { scope, except }
}

/// Returns whether a field among the restrictions is one, of whatever kind.
fn is_restriction(value: &Value) -> bool {
    ["isExclusion", "restrictionIds"].into_iter().any(|field| value.get(field).is_some())
}

/// The targets of one restriction; `None` if it isn't understood.
fn restricted(kind: &str, restriction: &Value) -> Option<Vec<Target>> {
    let target = match kind {
        "Product" => Target::Product,
        "Category" => Target::Category,
        "Brand" => Target::Brand,
        "Vendor" => Target::Vendor,
        _ => return None,
    };
    let ids = restriction.get("restrictionIds").and_then(Value::as_array).filter(|ids| !ids.is_empty())?;
    ids.iter().map(|id| Some(target(ExternalId::new(&id.as_u64()?.to_string()).ok()?))).collect()
}

/// The conditions that the discount states of itself.
fn of_discount(root: &Object<'_>, conditions: &mut Conditions) -> Result<(), Reject> {
    conditions.add(Condition::Code, root.stated("discountCode")?.is_some());
    match root.stated("applicationMethod")? {
        Some(method) if method.eq_ignore_ascii_case("manual") => conditions.add(Condition::ByHand, true),
        Some(method) => conditions.add(Condition::Other, !method.eq_ignore_ascii_case("automatic")),
        None => {}
    }
    let is_for_some = !is_empty(root, "restrictToGroupIds");
    let first_time = root.value("firstTimeCustomerOnly").is_some_and(|value| value.as_u64() != Some(0));
    conditions.add(Condition::Customer, is_for_some || first_time);
    conditions.add(Condition::Location, !is_empty(root, "locationRestrictions"));
    let is_limited = |key| root.value(key).is_some_and(|value| value.as_u64() != Some(0));
    conditions.add(Condition::Uses, is_limited("maxRedemptions") || is_limited("redemptionLimit"));
    let is_bundle = root.flag("isBundledDiscount")? == Some(true);
    conditions.add(Condition::Basket, is_bundle || !is_empty(root, "constraints"));
    let restricted = root.value("paymentRestrictions").and_then(Value::as_object);
    let is_paid_otherwise = |value: &Value| value != &Value::Bool(false) && !value.is_null();
    conditions.add(Condition::Other, restricted.is_some_and(|fields| fields.values().any(is_paid_otherwise)));
    Ok(())
}

/// The conditions of the reward.
fn of_reward(reward: Option<&Object<'_>>, conditions: &mut Conditions) -> Result<(), Reject> {
    let Some(reward) = reward else { return Ok(()) };
    let is_of_several = reward.stated("thresholdType")?.is_some()
        || reward.flag("applyToOnlyOneItem")? == Some(true)
        || reward.stated("highestOrLowest")?.is_some();
    conditions.add(Condition::Basket, is_of_several);
    // The items without cannabis aren't named by any target.
    conditions.add(Condition::Other, reward.flag("includeNonCannabis")? == Some(false));
    Ok(())
}

fn is_empty(root: &Object<'_>, key: &str) -> bool {
    root.value(key).is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
}

#[cfg(test)]
mod tests;

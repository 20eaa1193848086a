//! A pricing rule with its discount, its sets of products and its time periods, as one promotion. What isn't understood
//! is a condition: it then changes no price.

use super::{money, period};
use crate::{
    MapContext, Mapped,
    field::Object,
    promotion::{self, Conditions},
};
use model::{
    ExternalId, SourceVersion,
    promotion::{
        Bound, Condition, InvalidPromotion, Percent, Period, Promotion, Reward, Schedule, Scope, Stacking,
        Target, Targets,
    },
};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// The promotion, or its deletion.
pub(super) fn rule(root: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let rule = root.required_object("rule")?;
    let external = rule.text_id("id")?;
    if rule.flag("is_deleted")? == Some(true) {
        let at = rule.time("updated_at")?.ok_or_else(|| rule.missing("updated_at"))?;
        let version = rule.integer("version")?.map(SourceVersion::exact);
        return Ok(promotion::gone(external, at, version));
    }
    let data = rule.required_object("pricing_rule_data")?;
    let discount = root.object("discount")?;
    let mut conditions = Conditions::default();
    let promotion = Promotion {
        name: name(&data, discount.as_ref())?,
        is_on: true,
        schedule: schedule(root, &data, &mut conditions)?,
        reward: reward(discount.as_ref(), context, &mut conditions)?,
        targets: targets(root, &mut conditions)?,
        conditions: {
            of_rule(&rule, &data, &mut conditions)?;
            conditions.all()
        },
        stacking: Stacking::Alone,
        external,
    };
    let version = version(root, &rule)?;
    Ok(promotion::reported(promotion, Some(version)))
}

/// The newest version among the rule and what it refers to: all versions of a catalog come from one counter.
fn version(root: &Object<'_>, rule: &Object<'_>) -> Result<SourceVersion, Reject> {
    let own = rule.integer("version")?.ok_or_else(|| rule.missing("version"))?;
    let one = ["discount", "match_products", "apply_products", "exclude_products"];
    let objects = one.into_iter().filter_map(|name| root.value(name));
    let periods = root.value("time_periods").and_then(Value::as_array).into_iter().flatten();
    let versions = objects.chain(periods).filter_map(|object| object.get("version").and_then(Value::as_i64));
    Ok(SourceVersion::exact(versions.fold(own, i64::max)))
}

fn name(data: &Object<'_>, discount: Option<&Object<'_>>) -> Result<Option<String>, Reject> {
    if let Some(name) = data.owned("name")? {
        return Ok(Some(name));
    }
    let of_discount = discount.map(|discount| discount.object("discount_data")).transpose()?.flatten();
    Ok(of_discount.map(|data| data.owned("name")).transpose()?.flatten())
}

/// The times: those of any time period, within the dates of the rule; all of the latter without a time period. A time
/// period that isn't known or isn't understood gives none.
fn schedule(root: &Object<'_>, data: &Object<'_>, conditions: &mut Conditions) -> Result<Schedule, Reject> {
    let (from, until) = (from(data)?, until(data)?);
    let ids = data.value("time_period_ids").and_then(Value::as_array).map_or(0, Vec::len);
    let invalid = |key: &'static str| {
        move |error: InvalidPromotion| root.reject(RejectClass::Data, key, error.to_string())
    };
    if ids == 0 {
        return Schedule::new(vec![Period::new(from, until, None)]).map_err(invalid("rule"));
    }
    let mut periods = Vec::new();
    for object in root.objects("time_periods")?.unwrap_or_default() {
        let data = object.object("time_period_data")?;
        let event = data.as_ref().map(|data| data.text("event")).transpose()?.flatten();
        let period = event.and_then(period::read).map(|period| period::within(&period, from, until));
        periods.extend(period);
    }
    conditions.add(Condition::Other, periods.len() != ids);
    Schedule::new(periods).map_err(invalid("time_periods"))
}

/// The first local moment of the rule.
fn from(data: &Object<'_>) -> Result<Option<Bound>, Reject> {
    let Some(date) = data.text("valid_from_date")? else { return Ok(None) };
    let text =
        data.text("valid_from_local_time")?.map_or_else(|| date.to_owned(), |time| format!("{date}T{time}"));
    Bound::parse_local(&text)
        .map(Some)
        .map_err(|error| data.reject(RejectClass::Data, "valid_from_date", error.to_string()))
}

/// The first local moment after the rule. A last date without a time is part of it.
fn until(data: &Object<'_>) -> Result<Option<Bound>, Reject> {
    let Some(date) = data.text("valid_until_date")? else { return Ok(None) };
    let until = match data.text("valid_until_local_time")? {
        Some(time) => Bound::parse_local(&format!("{date}T{time}")),
        None => Bound::after_local_date(date),
    };
    until.map(Some).map_err(|error| data.reject(RejectClass::Data, "valid_until_date", error.to_string()))
}

fn reward(
    discount: Option<&Object<'_>>,
    context: MapContext,
    conditions: &mut Conditions,
) -> Result<Reward, Reject> {
    let data = discount.map(|discount| discount.object("discount_data")).transpose()?.flatten();
    let Some(data) = data else {
        conditions.add(Condition::Other, true);
        return Ok(Reward::Other);
    };
    conditions.add(Condition::ByHand, data.flag("pin_required")? == Some(true));
    let reward = match data.text("discount_type")? {
        Some("FIXED_PERCENTAGE") => {
            let percent = data.text("percentage")?.and_then(|percent| Percent::parse(percent).ok());
            let at_most = money(&data, "maximum_amount_money", context)?;
            percent.map(|percent| Reward::PercentOff { percent, at_most })
        }
        Some("FIXED_AMOUNT") => money(&data, "amount_money", context)?.map(Reward::AmountOff),
        Some("VARIABLE_PERCENTAGE" | "VARIABLE_AMOUNT") => {
            conditions.add(Condition::ByHand, true);
            Some(Reward::Other)
        }
        _ => None,
    };
    conditions.add(Condition::Other, reward.is_none());
    Ok(reward.unwrap_or(Reward::Other))
}

/// The items of the set that is matched. Ids don't show what kind of object they are of, and no two objects of a catalog
/// have one id: each is a target of every kind that it may be.
fn targets(root: &Object<'_>, conditions: &mut Conditions) -> Result<Targets, Reject> {
    let matched = root.object("match_products")?;
    let scope = matched.as_ref().map(|set| covered(set, conditions)).transpose()?.flatten();
    conditions.add(Condition::Other, scope.is_none());
    let excluded = root.object("exclude_products")?;
    let except = excluded.as_ref().map(|set| covered(set, conditions)).transpose()?.flatten();
    let except = match except {
        Some(Scope::AnyOf(targets)) => targets,
        _ => Vec::new(),
    };
    Ok(Targets { scope: scope.unwrap_or(Scope::AnyOf(Vec::new())), except })
}

/// The items of a set; `None` if it states none.
fn covered(set: &Object<'_>, conditions: &mut Conditions) -> Result<Option<Scope>, Reject> {
    let Some(data) = set.object("product_set_data")? else { return Ok(None) };
    let is_beyond_one = |key| data.integer(key).map(|number| number.is_some_and(|number| number > 1));
    // Up to a number of items, or exactly one of them, is a rule for the whole basket.
    let is_counted = data.has("quantity_exact") || data.has("quantity_max") || is_beyond_one("quantity_min")?;
    conditions.add(Condition::Basket, is_counted);
    if data.flag("all_products")? == Some(true) {
        return Ok(Some(Scope::Everything));
    }
    let (any, all) = (ids(&data, "product_ids_any")?, ids(&data, "product_ids_all")?);
    conditions.add(Condition::Basket, all.len() > 1);
    let kinds: [fn(ExternalId) -> Target; 3] = [Target::Product, Target::Variant, Target::Category];
    let targets: Vec<Target> =
        any.into_iter().chain(all).flat_map(|id| kinds.map(|kind| kind(id.clone()))).collect();
    Ok((!targets.is_empty()).then_some(Scope::AnyOf(targets)))
}

fn ids(data: &Object<'_>, key: &'static str) -> Result<Vec<ExternalId>, Reject> {
    let names = data.names(key)?.unwrap_or_default();
    names.iter().map(|name| data.external(key, name)).collect()
}

/// The conditions that the rule states of itself.
fn of_rule(rule: &Object<'_>, data: &Object<'_>, conditions: &mut Conditions) -> Result<(), Reject> {
    let is_list =
        |of: &Object<'_>, key| of.value(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    conditions.add(Condition::Customer, is_list(data, "customer_group_ids_any"));
    let of_basket = ["minimum_order_subtotal_money", "apply_products_id", "exclude_products_id"];
    conditions.add(Condition::Basket, of_basket.into_iter().any(|key| data.value(key).is_some()));
    let is_somewhere =
        rule.flag("present_at_all_locations")? == Some(false) || is_list(rule, "absent_at_location_ids");
    conditions.add(Condition::Location, is_somewhere);
    Ok(())
}

#[cfg(test)]
mod tests;

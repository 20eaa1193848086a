//! Discounts: promotions with a begin and an end, and without days or times of day.

use crate::{MapContext, Mapped, field::Object, promotion, promotion::Conditions};
use model::{
    ExternalId, RawDigest, SourceVersion,
    promotion::{
        Bound, Condition, Percent, Period, Promotion, Reward, Schedule, Scope, Stacking, Target, Targets,
    },
};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

/// The context of a discount for everybody.
const FOR_ALL: &str = "DiscountBuyerSelectionAll";

/// The discount, or its absence in complete lists.
pub(super) fn discount(root: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let external = root.id("id")?;
    let Some(stated) = root.object("discount")? else {
        let at = root.time("observed_at")?.ok_or_else(|| root.missing("observed_at"))?;
        return Ok(promotion::gone(external, at, Some(SourceVersion::coarse(at))));
    };
    let kind = stated.required_text("__typename")?;
    let gets = stated.object("customerGets")?;
    let promotion = Promotion {
        external,
        name: stated.owned("title")?,
        // There is no switch: a discount that is deactivated ends at once.
        is_on: true,
        schedule: schedule(&stated)?,
        reward: gets.as_ref().map_or(Ok(Reward::Other), |gets| reward(gets, context))?,
        targets: gets.as_ref().map_or_else(|| Ok(nothing()), targets)?,
        conditions: conditions(kind, &stated, gets.as_ref())?,
        stacking: stacking(&stated)?,
    };
    let version = stated.time("updatedAt")?.map(SourceVersion::coarse);
    let digest = RawDigest::of(json!(promotion).to_string().as_bytes()).to_string();
    let mut mapped = promotion::reported(promotion, version);
    // Times have whole seconds: two states may have one.
    mapped.identity.push(digest);
    Ok(mapped)
}

fn schedule(stated: &Object<'_>) -> Result<Schedule, Reject> {
    let (from, until) = (stated.time("startsAt")?, stated.time("endsAt")?);
    Schedule::new(vec![Period::new(from.map(Bound::At), until.map(Bound::At), None)])
        .map_err(|error| stated.reject(RejectClass::Data, "startsAt", error.to_string()))
}

/// A share is a fraction of one. An amount that is spread over the items of an order is none of a single item.
fn reward(gets: &Object<'_>, context: MapContext) -> Result<Reward, Reject> {
    let Some(value) = gets.object("value")? else { return Ok(Reward::Other) };
    if let Some(fraction) = value.number("percentage")? {
        let wrong = || value.reject(RejectClass::Data, "percentage", "not a share");
        let percent = fraction
            .checked_mul(Decimal::ONE_HUNDRED)
            .map(|percent| percent.normalize())
            .ok_or_else(wrong)?;
        return Ok(Reward::PercentOff {
            percent: Percent::new(percent).map_err(|_| wrong())?,
            at_most: None,
        });
    }
    let Some(amount) = value.object("amount")? else { return Ok(Reward::Other) };
    if value.flag("appliesOnEachItem")? != Some(true) {
        return Ok(Reward::Other);
    }
    let currency = amount.currency("currencyCode")?.or(context.currency);
    Ok(amount.money("amount", currency)?.map_or(Reward::Other, Reward::AmountOff))
}

fn nothing() -> Targets {
    Targets { scope: Scope::AnyOf(Vec::new()), except: Vec::new() }
}

fn targets(gets: &Object<'_>) -> Result<Targets, Reject> {
    let Some(items) = gets.object("items")? else { return Ok(nothing()) };
    if items.flag("allItems")? == Some(true) {
        return Ok(Targets::everything());
    }
    let mut targets = Vec::new();
    for (list, target) in [
        ("products", Target::Product as fn(ExternalId) -> Target),
        ("productVariants", Target::Variant),
        ("collections", Target::Collection),
    ] {
        let Some(listed) = items.object(list)? else { continue };
        for node in listed.objects("nodes")?.unwrap_or_default() {
            let gid = node.required_text("id")?;
            targets.push(target(node.external("id", gid.rsplit('/').next().unwrap_or(gid))?));
        }
    }
    Ok(Targets { scope: Scope::AnyOf(targets), except: Vec::new() })
}

/// A list that doesn't end covers more than what is known, which is a condition.
fn conditions(kind: &str, stated: &Object<'_>, gets: Option<&Object<'_>>) -> Result<Vec<Condition>, Reject> {
    let mut conditions = Conditions::default();
    conditions.add(Condition::Code, kind.starts_with("DiscountCode"));
    let context = stated.object("context")?;
    let context = context.as_ref().map(|context| context.required_text("__typename")).transpose()?;
    conditions.add(Condition::Customer, context.is_some_and(|context| context != FOR_ALL));
    conditions.add(Condition::Basket, stated.value("minimumRequirement").is_some_and(Value::is_object));
    let Some(gets) = gets else { return Ok(conditions.all()) };
    conditions.add(Condition::Other, gets.flag("appliesOnOneTimePurchase")? == Some(false));
    if let Some(items) = gets.object("items")? {
        for list in ["products", "productVariants", "collections"] {
            let listed = items.object(list)?;
            let info = listed.as_ref().map(|listed| listed.object("pageInfo")).transpose()?.flatten();
            let has_next = info.as_ref().map(|info| info.flag("hasNextPage")).transpose()?.flatten();
            conditions.add(Condition::Other, has_next == Some(true));
        }
    }
    Ok(conditions.all())
}

fn stacking(stated: &Object<'_>) -> Result<Stacking, Reject> {
    let with = stated.object("combinesWith")?;
    let is_together = with.as_ref().map(|with| with.flag("productDiscounts")).transpose()?.flatten();
    Ok(if is_together == Some(true) { Stacking::Together } else { Stacking::Alone })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Currency, EntityKind, Payload, Zone, promotion::is_active};

    fn read(changes: Value) -> (Mapped, Promotion) {
        let mut stated = json!({"__typename": "DiscountAutomaticBasic", "title": "Tea week",
            "startsAt": "2026-06-01T00:00:00Z", "endsAt": "2026-08-01T00:00:00Z", "updatedAt": "2026-05-01T00:00:00Z",
            "combinesWith": {"productDiscounts": false}, "minimumRequirement": null,
            "context": {"__typename": "DiscountBuyerSelectionAll"},
            "customerGets": {"appliesOnOneTimePurchase": true, "value": {"percentage": 0.15},
                "items": {"allItems": true}}});
        if let Value::Object(changes) = changes {
            stated.as_object_mut().unwrap().extend(changes);
        }
        let body = json!({"id": 7, "discount": stated});
        let context = MapContext { currency: Currency::new("USD").ok() };
        let mapped = discount(&Object::root(&body).unwrap(), context).unwrap();
        let Payload::Promotion(promotion) = mapped.payload.clone() else { panic!("a promotion expected") };
        (mapped, promotion)
    }

    fn gets(value: &Value, items: &Value) -> Value {
        json!({"customerGets": {"appliesOnOneTimePurchase": true, "value": value, "items": items}})
    }

    #[test]
    fn a_share_off_everything_is_active_between_its_times() {
        let (mapped, promotion) = read(json!({}));
        let fifteen = Percent::parse("15").unwrap();
        assert_eq!(promotion.reward, Reward::PercentOff { percent: fifteen, at_most: None });
        assert_eq!(
            (promotion.targets.scope.clone(), promotion.conditions.is_empty()),
            (Scope::Everything, true)
        );
        for (at, expected) in [
            ("2026-05-31T23:59:59Z", false),
            ("2026-06-01T00:00:00Z", true),
            ("2026-07-31T23:59:59Z", true),
            ("2026-08-01T00:00:00Z", false),
        ] {
            let at = model::Timestamp::parse(at).unwrap();
            assert_eq!(is_active(&promotion, at, Zone::UTC), expected, "{at}");
        }
        assert_eq!(
            mapped.version.unwrap(),
            SourceVersion::coarse(model::Timestamp::parse("2026-05-01T00:00:00Z").unwrap())
        );
        // Two states of one second.
        assert_ne!(read(json!({"title": "Other"})).0.identity, mapped.identity);
    }

    #[test]
    fn an_amount_counts_if_it_is_off_each_item() {
        let amount = |each: bool| {
            let value =
                json!({"amount": {"amount": "2.50", "currencyCode": "USD"}, "appliesOnEachItem": each});
            read(gets(&value, &json!({"allItems": true}))).1.reward
        };
        let off = model::Money::parse("2.50", Currency::new("USD").unwrap()).unwrap();
        assert_eq!(amount(true), Reward::AmountOff(off));
        assert_eq!(amount(false), Reward::Other);
    }

    #[test]
    fn products_variants_and_collections_are_targets_and_a_list_that_goes_on_is_a_condition() {
        let list = |ids: &[&str], has_next: bool| {
            let nodes: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            json!({"nodes": nodes, "pageInfo": {"hasNextPage": has_next}})
        };
        let items = |has_next: bool| {
            json!({"products": list(&["gid://shopify/Product/1"], has_next),
                "productVariants": list(&["gid://shopify/ProductVariant/2"], false)})
        };
        let (_, promotion) = read(gets(&json!({"percentage": 0.1}), &items(false)));
        let id = |text: &str| ExternalId::new(text).unwrap();
        let targets = vec![Target::Product(id("1")), Target::Variant(id("2"))];
        assert_eq!((promotion.targets.scope, promotion.conditions), (Scope::AnyOf(targets), Vec::new()));
        let (_, cut) = read(gets(&json!({"percentage": 0.1}), &items(true)));
        assert_eq!(cut.conditions, [Condition::Other]);
        let collections = json!({"collections": list(&["gid://shopify/Collection/3"], false)});
        let (_, promotion) = read(gets(&json!({"percentage": 0.1}), &collections));
        assert_eq!(promotion.targets.scope, Scope::AnyOf(vec![Target::Collection(id("3"))]));
    }

    #[test]
    fn a_code_some_customers_and_a_least_basket_are_conditions() {
        for (changes, expected) in [
            (json!({"__typename": "DiscountCodeBasic", "context": null}), vec![Condition::Code]),
            (json!({"context": {"__typename": "DiscountCustomerSegments"}}), vec![Condition::Customer]),
            (
                json!({"minimumRequirement": {"__typename": "DiscountMinimumQuantity"}}),
                vec![Condition::Basket],
            ),
        ] {
            assert_eq!(read(changes.clone()).1.conditions, expected, "{changes}");
        }
        let (_, other) = read(json!({"__typename": "DiscountAutomaticBxgy", "customerGets": null}));
        assert_eq!((other.reward, other.targets), (Reward::Other, nothing()));
        assert_eq!(read(json!({"combinesWith": {"productDiscounts": true}})).1.stacking, Stacking::Together);
    }

    #[test]
    fn a_discount_that_complete_lists_lack_is_gone() {
        let body = json!({"id": 7, "discount": null, "observed_at": "2026-06-01T00:00:00Z"});
        let mapped = discount(&Object::root(&body).unwrap(), MapContext { currency: None }).unwrap();
        assert!(matches!(mapped.payload, Payload::Deleted { entity: EntityKind::Promotion, .. }));
    }
}

use super::*;
use crate::MapContext;
use model::{Currency, Money, Payload, Timestamp, Zone, promotion::is_active};
use serde_json::{Value, json};

const DOLLARS: &str = "USD";

fn usd(text: &str) -> Money {
    Money::parse(text, Currency::new(DOLLARS).unwrap()).unwrap()
}

/// A share of 20 percent on edibles, as in the README of the platform, with some fields replaced.
fn edited(fields: Value, reward: Value) -> Value {
    let mut body = json!({
        "id": 501, "discountDescription": "Edibles", "onlineName": "Tuesday 20% edibles", "isActive": true,
        "validDateFrom": "2025-01-01T05:00:00", "validDateTo": "3000-01-01T05:00:00", "startTime": null,
        "endTime": null, "locationRestrictions": [], "applicationMethod": "Automatic", "maxRedemptions": null,
        "firstTimeCustomerOnly": 0, "canStackAutomatically": false, "isBundledDiscount": false,
        "constraints": [],
        "reward": {"calculationMethod": "PERCENT_OFF", "discountValue": 0.2, "thresholdType": null,
            "includeNonCannabis": true, "applyToOnlyOneItem": false,
            "restrictions": {"Category": {"restrictionIds": [12], "isExclusion": false}}},
    });
    let (Value::Object(fields), Value::Object(reward)) = (fields, reward) else {
        panic!("two objects expected")
    };
    for (key, value) in fields {
        body[key] = value;
    }
    for (key, value) in reward {
        body["reward"][key] = value;
    }
    body
}

fn mapped(body: &Value) -> Promotion {
    let context = MapContext { currency: Currency::new(DOLLARS).ok() };
    let mapped = discount(&Object::root(body).unwrap(), context).unwrap();
    let Payload::Promotion(promotion) = mapped.payload else { panic!("a promotion expected") };
    promotion
}

fn active(promotion: &Promotion, at: &str, zone: &str) -> bool {
    is_active(promotion, Timestamp::parse(at).unwrap(), Zone::parse(zone).unwrap())
}

#[test]
fn days_and_times_of_day_are_those_of_the_shop() {
    let promotion =
        mapped(&edited(json!({"tuesday": true, "startTime": "16:20:00", "endTime": "18:00:00"}), json!({})));
    let (denver, new_york) = ("America/Denver", "America/New_York");
    // Tuesday, 2026-12-01: 16:20 in Denver is 23:20 UTC.
    assert!(!active(&promotion, "2026-12-01T23:19:59Z", denver));
    assert!(active(&promotion, "2026-12-01T23:20:00Z", denver));
    assert!(!active(&promotion, "2026-12-01T23:20:00Z", new_york), "there it is after six");
    assert!(!active(&promotion, "2026-12-02T01:00:00Z", denver), "the end is the first second without it");
    assert!(!active(&promotion, "2026-12-02T23:30:00Z", denver), "a Wednesday");
}

#[test]
fn dates_are_instants_and_some_stand_for_none() {
    let promotion = mapped(&edited(
        json!({"validDateFrom": "2026-10-01T07:00:00.0000000Z", "validDateTo": "2026-11-01T07:00:00"}),
        json!({}),
    ));
    for (at, expected) in [
        ("2026-10-01T06:59:59Z", false),
        ("2026-10-01T07:00:00Z", true),
        ("2026-11-01T06:59:59Z", true),
        ("2026-11-01T07:00:00Z", false),
    ] {
        assert_eq!(active(&promotion, at, "America/Denver"), expected, "{at}");
    }
    for none in [json!("2000-01-01T00:00:00"), json!("0001-01-01T00:00:00"), json!(null), json!("N/A")] {
        let always = mapped(&edited(json!({"validDateFrom": none, "validDateTo": none}), json!({})));
        assert_eq!(always.schedule, Schedule::always(), "{none}");
    }
    let off = mapped(&edited(json!({"isActive": false}), json!({})));
    assert!(!active(&off, "2026-12-01T23:20:00Z", "UTC"));
}

#[test]
fn a_reward_is_a_share_an_amount_a_price_or_one_of_several_items() {
    let reward = |reward: Value| mapped(&edited(json!({}), reward)).reward;
    let percent = |text| Reward::PercentOff { percent: Percent::parse(text).unwrap(), at_most: None };
    for (fields, expected) in [
        (json!({"calculationMethod": "PERCENT_OFF", "discountValue": 0.3}), percent("30")),
        (json!({"calculationMethod": "AMOUNT_OFF", "discountValue": 5}), Reward::AmountOff(usd("5"))),
        (
            json!({"calculationMethod": "PRICE_TO_AMOUNT", "discountValue": 35.5}),
            Reward::PriceTo(usd("35.50")),
        ),
        (
            json!({"calculationMethod": "PRICE_TO_AMOUNT_TOTAL", "discountValue": 30,
                "thresholdType": "NUMBER_OF_ITEMS", "thresholdMin": 3.0}),
            Reward::Bundle { quantity: 3, total: usd("30") },
        ),
        (json!({"calculationMethod": "PRICE_TO_AMOUNT_TOTAL", "discountValue": 30}), Reward::Other),
        (json!({"calculationMethod": "AMOUNT_OFF_TOTAL", "discountValue": 30}), Reward::Other),
        (json!({"calculationMethod": "PERCENT_OFF", "discountValue": 30}), Reward::Other),
        (json!({"calculationMethod": null}), Reward::Other),
    ] {
        assert_eq!(reward(fields.clone()), expected, "{fields}");
    }
}

#[test]
fn restrictions_of_every_kind_have_to_be_met() {
    let targets = |restrictions: Value| {
        let promotion = mapped(&edited(json!({}), json!({ "restrictions": restrictions })));
        (promotion.targets, promotion.conditions)
    };
    let id = |text: &str| ExternalId::new(text).unwrap();
    let both = json!({"Category": {"restrictionIds": [12, 13], "isExclusion": false},
        "Vendor": {"restrictionIds": [4], "isExclusion": false},
        "Brand": {"restrictionIds": [7], "isExclusion": true}});
    let scope = Scope::EveryKindOf(vec![
        Target::Category(id("12")),
        Target::Category(id("13")),
        Target::Vendor(id("4")),
    ]);
    let expected = Targets { scope, except: vec![Target::Brand(id("7"))] };
    assert_eq!(targets(both), (expected, Vec::new()));
    // What the model has no target for, and what names nothing, keeps every price.
    for unknown in [
        json!({"Strain": {"restrictionIds": [1], "isExclusion": false}}),
        json!({"Product": {"restrictionIds": [], "isExclusion": false}}),
        json!({"Product": {"restrictionIds": [1]}}),
        json!({"Product": {"restrictionIds": ["x"], "isExclusion": false}}),
        json!({}),
        json!(null),
    ] {
        assert_eq!(targets(unknown.clone()).1, [Condition::Other], "{unknown}");
    }
}

#[test]
fn what_a_price_alone_does_not_fulfil_is_a_condition() {
    use Condition::{Basket, ByHand, Code, Customer, Location, Other, Uses};
    for (fields, reward, expected) in [
        (json!({}), json!({}), vec![]),
        (json!({"discountCode": "SPRING"}), json!({}), vec![Code]),
        (json!({"applicationMethod": "Manual"}), json!({}), vec![ByHand]),
        (json!({"applicationMethod": "Loyalty"}), json!({}), vec![Other]),
        (json!({"restrictToGroupIds": [3]}), json!({}), vec![Customer]),
        (json!({"firstTimeCustomerOnly": 1}), json!({}), vec![Customer]),
        (json!({"locationRestrictions": [9]}), json!({}), vec![Location]),
        (json!({"maxRedemptions": 100}), json!({}), vec![Uses]),
        (json!({"redemptionLimit": 1}), json!({}), vec![Uses]),
        (json!({"isBundledDiscount": true}), json!({}), vec![Basket]),
        (json!({"constraints": [{"thresholdMin": 2}]}), json!({}), vec![Basket]),
        (json!({"paymentRestrictions": {"payByBankSignupIncentive": true}}), json!({}), vec![Other]),
        (json!({"startTime": {"ticks": 36_000_000_000_u64}}), json!({}), vec![Other]),
        (json!({}), json!({"thresholdType": "NUMBER_OF_ITEMS"}), vec![Basket]),
        (json!({}), json!({"applyToOnlyOneItem": true}), vec![Basket]),
        (json!({}), json!({"includeNonCannabis": false}), vec![Other]),
    ] {
        assert_eq!(mapped(&edited(fields.clone(), reward.clone())).conditions, expected, "{fields} {reward}");
    }
}

#[test]
fn a_discount_without_an_amount_of_a_known_currency_is_refused() {
    let body = edited(json!({}), json!({"calculationMethod": "AMOUNT_OFF", "discountValue": 5}));
    let refused = discount(&Object::root(&body).unwrap(), MapContext { currency: None }).unwrap_err();
    assert_eq!(refused.class, RejectClass::Config);
}

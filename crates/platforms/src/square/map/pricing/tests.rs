use super::*;
use model::{Currency, Payload, Timestamp, Zone, promotion::is_active};
use serde_json::json;

const EVENT: &str =
    "BEGIN:VEVENT\nDTSTART:20190707T180000\nDURATION:PT2H\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR\nEND:VEVENT";

/// A rule of ten percent off two objects during one time period, with some parts replaced.
fn edited(edit: impl FnOnce(&mut Value)) -> Value {
    let mut body = json!({
        "rule": {"type": "PRICING_RULE", "id": "RULE", "version": 20, "updated_at": "2026-07-01T10:00:00Z",
            "is_deleted": false, "present_at_all_locations": true,
            "pricing_rule_data": {"name": "Happy hour", "discount_id": "D", "match_products_id": "S",
                "time_period_ids": ["T"]}},
        "discount": {"type": "DISCOUNT", "id": "D", "version": 35, "discount_data":
            {"name": "Ten", "discount_type": "FIXED_PERCENTAGE", "percentage": "7.5"}},
        "match_products": {"type": "PRODUCT_SET", "id": "S", "version": 21,
            "product_set_data": {"product_ids_any": ["TEA", "CUPS"]}},
        "time_periods": [{"type": "TIME_PERIOD", "id": "T", "version": 22, "time_period_data": {"event": EVENT}}],
    });
    edit(&mut body);
    body
}

fn event(body: &Value) -> Mapped {
    let context = MapContext { currency: Currency::new("USD").ok() };
    rule(&Object::root(body).unwrap(), context).unwrap()
}

fn mapped(edit: impl FnOnce(&mut Value)) -> Promotion {
    let Payload::Promotion(promotion) = event(&edited(edit)).payload else { panic!("a promotion expected") };
    promotion
}

fn active(promotion: &Promotion, at: &str) -> bool {
    is_active(promotion, Timestamp::parse(at).unwrap(), Zone::parse("America/New_York").unwrap())
}

#[test]
fn a_rule_and_what_it_refers_to_are_one_promotion_of_the_newest_version() {
    let body = edited(|_| {});
    let event = event(&body);
    assert_eq!(event.version, Some(SourceVersion::exact(35)));
    let promotion = mapped(|_| {});
    assert_eq!((promotion.name.as_deref(), promotion.is_on), (Some("Happy hour"), true));
    let percent = Percent::parse("7.5").unwrap();
    assert_eq!(promotion.reward, Reward::PercentOff { percent, at_most: None });
    let tea = ExternalId::new("TEA").unwrap();
    for target in [Target::Product(tea.clone()), Target::Variant(tea.clone()), Target::Category(tea)] {
        assert!(promotion.targets.scope.targets().contains(&target), "{target:?}");
    }
    assert_eq!(promotion.conditions, []);
}

#[test]
fn a_time_period_is_in_local_time_and_cut_by_the_dates_of_the_rule() {
    let promotion = mapped(|body| {
        body["rule"]["pricing_rule_data"]["valid_from_date"] = "2026-06-01".into();
        body["rule"]["pricing_rule_data"]["valid_from_local_time"] = "19:00:00".into();
        body["rule"]["pricing_rule_data"]["valid_until_date"] = "2026-06-05".into();
    });
    for (at, expected) in [
        ("2026-06-01T18:30:00-04:00", false),
        ("2026-06-01T19:00:00-04:00", true),
        ("2026-06-03T19:59:59-04:00", true),
        ("2026-06-03T20:00:00-04:00", false),
        ("2026-06-04T18:30:00-04:00", false),
        ("2026-06-05T19:59:59-04:00", true),
        ("2026-06-08T18:30:00-04:00", false),
    ] {
        assert_eq!(active(&promotion, at), expected, "{at}");
    }
    let always = mapped(|body| body["rule"]["pricing_rule_data"]["time_period_ids"] = json!([]));
    assert_eq!(always.schedule, Schedule::always());
}

#[test]
fn a_rule_of_which_a_part_is_not_known_changes_no_price() {
    let without = |name: &'static str| mapped(|body| drop(body.as_object_mut().unwrap().remove(name)));
    assert_eq!(without("discount").conditions, [Condition::Other]);
    let nowhere = without("match_products");
    assert_eq!(
        (nowhere.targets.scope, nowhere.conditions),
        (Scope::AnyOf(Vec::new()), vec![Condition::Other])
    );
    let never = without("time_periods");
    assert_eq!((never.schedule, never.conditions), (Schedule::default(), vec![Condition::Other]));
}

#[test]
fn what_a_price_alone_does_not_fulfil_is_a_condition() {
    use Condition::{Basket, ByHand, Customer, Location, Other};
    let set = |path: &'static str, value: Value| {
        let promotion = mapped(|body| {
            let (parent, key) = path.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[key] = value;
        });
        promotion.conditions
    };
    let (rule, set_data) = ("/rule/pricing_rule_data", "/match_products/product_set_data");
    assert_eq!(set("/rule/pricing_rule_data/customer_group_ids_any", json!(["VIP"])), [Customer]);
    assert_eq!(set("/rule/pricing_rule_data/customer_group_ids_any", json!([])), [], "{rule}");
    let least = json!({"amount": 5000, "currency": "USD"});
    assert_eq!(set("/rule/pricing_rule_data/minimum_order_subtotal_money", least), [Basket]);
    assert_eq!(set("/rule/pricing_rule_data/exclude_products_id", json!("E")), [Basket]);
    assert_eq!(set("/rule/pricing_rule_data/apply_products_id", json!("E")), [Basket]);
    assert_eq!(set("/match_products/product_set_data/quantity_min", json!(3)), [Basket], "{set_data}");
    assert_eq!(set("/match_products/product_set_data/quantity_min", json!(1)), []);
    assert_eq!(set("/match_products/product_set_data/quantity_exact", json!(1)), [Basket]);
    assert_eq!(set("/match_products/product_set_data/product_ids_all", json!(["A", "B"])), [Basket]);
    assert_eq!(set("/rule/present_at_all_locations", json!(false)), [Location]);
    assert_eq!(set("/rule/absent_at_location_ids", json!(["L"])), [Location]);
    assert_eq!(set("/discount/discount_data/pin_required", json!(true)), [ByHand]);
    assert_eq!(set("/discount/discount_data/discount_type", json!("VARIABLE_AMOUNT")), [ByHand]);
    assert_eq!(set("/discount/discount_data/discount_type", json!("NEW")), [Other]);
    assert_eq!(set("/time_periods/0/time_period_data/event", json!("DTSTART:20190707T180000")), [Other]);
}

#[test]
fn amounts_are_in_minor_units_of_their_own_currency() {
    let promotion = mapped(|body| {
        body["discount"]["discount_data"] = json!({"discount_type": "FIXED_AMOUNT",
            "amount_money": {"amount": 100, "currency": "CAD"}});
    });
    assert_eq!(
        promotion.reward,
        Reward::AmountOff(model::Money { minor: 100, currency: Currency::new("CAD").unwrap() })
    );
    let limited = mapped(|body| {
        body["discount"]["discount_data"]["maximum_amount_money"] =
            json!({"amount": 2000, "currency": "USD"});
    });
    assert!(matches!(limited.reward, Reward::PercentOff { at_most: Some(money), .. } if money.minor == 2000));
}

#[test]
fn a_rule_that_is_missing_is_deleted() {
    let body = json!({"rule": {"type": "PRICING_RULE", "id": "RULE", "version": 40,
        "updated_at": "2026-07-02T10:00:00Z", "is_deleted": true}, "time_periods": []});
    let event = event(&body);
    assert!(
        matches!(event.payload, Payload::Deleted { .. }) && event.version == Some(SourceVersion::exact(40))
    );
}

/// Events and moments of New York at which they are, and aren't, active.
#[test]
fn events_of_icalendar_are_understood_or_give_no_time() {
    for (lines, at, expected) in [
        // Square, CatalogTimePeriod: its own example lacks the T.
        (
            "DTSTART:20190707T180000\nDURATION:P2H\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR",
            "2026-06-01T19:59:59-04:00",
            true,
        ),
        (
            "DTSTART:20190707T180000\nDURATION:P2H\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR",
            "2026-06-01T20:00:00-04:00",
            false,
        ),
        // RFC 5545, section 3.3.10: without BYDAY the day of the begin.
        ("DTSTART:20260602T090000\nDURATION:PT30M\nRRULE:FREQ=WEEKLY", "2026-06-09T09:29:59-04:00", true),
        ("DTSTART:20260602T090000\nDURATION:PT30M\nRRULE:FREQ=WEEKLY", "2026-06-10T09:15:00-04:00", false),
        (
            "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;INTERVAL=2",
            "2026-06-09T09:15:00-04:00",
            false,
        ),
        (
            "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;INTERVAL=2",
            "2026-06-16T09:15:00-04:00",
            true,
        ),
        ("DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY", "2026-06-01T09:15:00-04:00", false),
        ("DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY", "2026-06-20T09:15:00-04:00", true),
        ("DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY", "2026-07-02T09:15:00-04:00", true),
        (
            "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYMONTHDAY=2",
            "2026-07-02T09:15:00-04:00",
            true,
        ),
        (
            "DTSTART:20260609T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=2TU",
            "2026-07-14T09:15:00-04:00",
            true,
        ),
        ("DTSTART:20260609T090000\nDURATION:PT1H\nRRULE:FREQ=YEARLY", "2027-06-09T09:15:00-04:00", true),
        // The last run begins at UNTIL at the latest, and lasts as long as the others.
        (
            "DTSTART:20260601T230000\nDURATION:PT2H\nRRULE:FREQ=DAILY;UNTIL=20260603T230000",
            "2026-06-04T00:59:59-04:00",
            true,
        ),
        (
            "DTSTART:20260601T230000\nDURATION:PT2H\nRRULE:FREQ=DAILY;UNTIL=20260603T225959",
            "2026-06-04T00:30:00-04:00",
            false,
        ),
        (
            "DTSTART:20260601T230000\nDURATION:PT2H\nRRULE:FREQ=DAILY;UNTIL=20260603",
            "2026-06-03T23:30:00-04:00",
            true,
        ),
        // One event, and a folded line.
        ("DTSTART:20260601T090000\nDURATION:P1DT1H", "2026-06-02T09:59:59-04:00", true),
        ("DTSTART:20260601T090000\nDURATION:P1DT1H", "2026-06-02T10:00:00-04:00", false),
        (
            "DTSTART:20260602T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;\r\n BYDAY=TU",
            "2026-06-09T09:15:00-04:00",
            true,
        ),
    ] {
        let promotion = mapped(|body| body["time_periods"][0]["time_period_data"]["event"] = lines.into());
        assert_eq!((active(&promotion, at), promotion.conditions), (expected, Vec::new()), "{lines} at {at}");
    }
    for other in [
        "DTSTART:20260602T090000Z\nDURATION:PT1H",
        "DTSTART;TZID=America/Denver:20260602T090000\nDURATION:PT1H",
        "DTSTART;VALUE=DATE:20260602\nDURATION:P1D",
        "DTSTART:20260602T090000\nDURATION:PT0S",
        "DTSTART:20260602T090000\nDURATION:-PT1H",
        "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=3",
        "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=2TU",
        "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1",
        "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260701T000000Z",
        "DTSTART:20260602T090000\nDURATION:PT1H\nRRULE:FREQ=HOURLY",
        "DTSTART:20260602T090000\nDURATION:PT1H\nEXDATE:20260609T090000",
        "",
    ] {
        let promotion = mapped(|body| body["time_periods"][0]["time_period_data"]["event"] = other.into());
        assert_eq!(
            (promotion.schedule, promotion.conditions),
            (Schedule::default(), vec![Condition::Other]),
            "{other}"
        );
    }
}

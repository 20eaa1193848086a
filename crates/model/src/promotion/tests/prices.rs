//! Prices after promotions as platforms document them: one table, each case with its source.

mod combinations;

use super::{at, id, money, promotion, zone};
use crate::promotion::*;

struct Case {
    is: &'static str,
    source: &'static str,
    variant: PricedVariant,
    combining: Combining,
    promotions: Vec<Promotion>,
    price: &'static str,
    reason: PriceReason,
}

fn variant(price: &str) -> PricedVariant {
    PricedVariant {
        product: id("171097"),
        variant: id("171097-1"),
        categories: vec![id("12")],
        brand: Some(id("acme")),
        vendor: Some(id("v1")),
        collections: vec![id("pill")],
        price: money(price),
        discounted: None,
        lowest: None,
        takes_promotions: true,
    }
}

fn percent(external: &str, percent: &str) -> Promotion {
    promotion(external, Reward::PercentOff { percent: Percent::parse(percent).unwrap(), at_most: None })
}

fn amount(external: &str, off: &str) -> Promotion {
    promotion(external, Reward::AmountOff(money(off)))
}

fn targeted(promotion: Promotion, scope: Scope, except: Vec<Target>) -> Promotion {
    Promotion { targets: Targets { scope, except }, ..promotion }
}

fn with(promotion: Promotion, condition: Condition) -> Promotion {
    Promotion { conditions: vec![condition], ..promotion }
}

fn stacking(promotion: Promotion, stacking: Stacking) -> Promotion {
    Promotion { stacking, ..promotion }
}

fn by(ids: &[&str]) -> PriceReason {
    if ids.is_empty() {
        PriceReason::Unreduced
    } else {
        PriceReason::Promotions(ids.iter().map(|name| id(name)).collect())
    }
}

/// A case of one variant of a price, with the lowest price of any one promotion.
fn case(
    is: &'static str,
    source: &'static str,
    base: &str,
    promotions: Vec<Promotion>,
    price: &'static str,
) -> Case {
    let reason = if money(base) == money(price) { PriceReason::Unreduced } else { by(&["a"]) };
    Case { is, source, variant: variant(base), combining: Combining::LowestOnly, promotions, price, reason }
}

fn cases() -> impl Iterator<Item = Case> {
    let tables = [
        rewards(),
        scopes(),
        conditions(),
        combinations::of_one(),
        combinations::of_several(),
        stated_prices(),
    ];
    tables.into_iter().flatten()
}

/// The names of the cases, with their sources.
pub(super) fn sources() -> Vec<(&'static str, &'static str)> {
    cases().map(|case| (case.is, case.source)).collect()
}

#[test]
fn prices_after_promotions_are_those_that_platforms_document() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (at, zone) = (at("2026-11-28T20:00:00Z"), zone("America/Denver"));
        let found = price_after(&case.promotions, case.combining, &case.variant, at, zone);
        let expected = PriceAfter { price: money(case.price), reason: case.reason };
        if found != expected {
            wrong.push(format!("{}: {found:?} instead of {expected:?}", case.is));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_variant_known_by_its_ids_alone_is_covered_isnt_or_is_unclear() {
    let bare = PricedVariant {
        categories: Vec::new(),
        brand: None,
        vendor: None,
        collections: Vec::new(),
        ..variant("10")
    };
    let (own, other) = (Target::Product(id("171097")), Target::Product(id("other")));
    let category = || Target::Category(id("12"));
    for (scope, except, expected) in [
        (Scope::Everything, Vec::new(), Some(true)),
        (Scope::Everything, vec![own.clone()], Some(false)),
        (Scope::Everything, vec![category()], None),
        (Scope::AnyOf(vec![own.clone(), category()]), Vec::new(), Some(true)),
        (Scope::AnyOf(vec![other.clone(), category()]), Vec::new(), None),
        (Scope::AnyOf(vec![other.clone()]), Vec::new(), Some(false)),
        (Scope::AnyOf(Vec::new()), Vec::new(), Some(false)),
        (Scope::EveryKindOf(vec![own.clone(), category()]), Vec::new(), None),
        (Scope::EveryKindOf(vec![other.clone(), category()]), Vec::new(), Some(false)),
        (Scope::EveryKindOf(vec![category(), Target::Brand(id("acme"))]), vec![other], None),
        (Scope::AnyOf(vec![Target::Variant(id("171097-1"))]), vec![own], Some(false)),
    ] {
        let targets = Targets { scope, except };
        assert_eq!(targets.cover_by_ids(&bare), expected, "{targets:?}");
    }
}

fn rewards() -> Vec<Case> {
    let capped = Reward::PercentOff { percent: Percent::parse("50").unwrap(), at_most: Some(money("20")) };
    let third = Reward::PercentOff { percent: Percent::parse_fraction("0.3").unwrap(), at_most: None };
    vec![
        case(
            "a share in percent",
            "SQUARE, api.json CatalogDiscount.percentage: 7.5 corresponds to 7.5%",
            "20",
            vec![percent("a", "7.5")],
            "18.50",
        ),
        case(
            "a share with a largest amount",
            "SQUARE, api.json CatalogDiscount.maximum_amount_money: 50% of $100 up to $20 is a $20 discount",
            "100",
            vec![promotion("a", capped)],
            "80",
        ),
        case(
            "a fixed amount off the item",
            "SQUARE, api.json CatalogDiscountType FIXED_AMOUNT: $1.00 off the item price",
            "8",
            vec![amount("a", "1")],
            "7",
        ),
        case(
            "a share as a fraction of one",
            "LEAFLOGIX, Discounts v2 [TPB, DEALS]: PERCENT_OFF 0.3 = 30 %",
            "50",
            vec![promotion("a", third)],
            "35",
        ),
        case(
            "a new unit price, which is no amount off",
            "LEAFLOGIX, Discounts v2 [TPB, DEALS]: PRICE_TO_AMOUNT is the new unit price",
            "50",
            vec![promotion("a", Reward::PriceTo(money("35")))],
            "35",
        ),
        case(
            "a price of several items leaves that of one",
            "LEAFLOGIX, Discounts v2 [DEALS]: PRICE_TO_AMOUNT_TOTAL is of bundles",
            "14",
            vec![promotion("a", Reward::Bundle { quantity: 3, total: money("30") })],
            "14",
        ),
        case(
            "an amount with four decimals, as text",
            "TREEZ, discount service v3 [AE]: amount is a string, 30.0000",
            "35",
            vec![percent("a", "30.0000")],
            "24.50",
        ),
        case(
            "an amount beyond the price makes it zero, never less",
            "TREEZ, discount service v3 [AE]: DOLLAR 5.0000",
            "3.50",
            vec![amount("a", "5.0000")],
            "0",
        ),
        case(
            "an item for free changes no price of one",
            "TREEZ, discount service v3 [AE]: BOGO, buyCount 3, getCount 1",
            "35",
            vec![promotion("a", Reward::Other)],
            "35",
        ),
        case(
            "a share of a currency without minor units",
            "SQUARE, api.json Money: the smallest denomination; ISO 4217: JPY has none",
            "105 JPY",
            vec![percent("a", "10")],
            "95 JPY",
        ),
        case(
            "an amount in another currency has no effect",
            "BIGCOMMERCE, promotions.v3.yml currency_code: the currency to which the promotion applies",
            "10",
            vec![amount("a", "1 EUR")],
            "10",
        ),
    ]
}

fn scopes() -> Vec<Case> {
    let category = |name: &str| Target::Category(id(name));
    let product = |name: &str| Target::Product(id(name));
    let brand = |name: &str| Target::Brand(id(name));
    let ten = || percent("a", "10");
    vec![
        case(
            "a category contains its items",
            "SQUARE, api.json CatalogProductSet: a category includes all of its items and variations",
            "10",
            vec![targeted(ten(), Scope::AnyOf(vec![category("12")]), Vec::new())],
            "9",
        ),
        case(
            "a set to exclude",
            "SQUARE, api.json CatalogPricingRule.exclude_products_id",
            "10",
            vec![targeted(ten(), Scope::AnyOf(vec![category("12")]), vec![product("171097")])],
            "10",
        ),
        case(
            "all products",
            "SQUARE, api.json CatalogProductSet.all_products",
            "10",
            vec![targeted(ten(), Scope::Everything, Vec::new())],
            "9",
        ),
        case(
            "every kind of restriction has to be met",
            "LEAFLOGIX, Discounts v2 [TPB, DEALS]: AND over the kinds present",
            "10",
            vec![targeted(
                ten(),
                Scope::EveryKindOf(vec![category("12"), category("13"), brand("acme")]),
                Vec::new(),
            )],
            "9",
        ),
        case(
            "one kind that isn't met is enough to be out",
            "LEAFLOGIX, Discounts v2 [TPB, DEALS]: AND over the kinds present",
            "10",
            vec![targeted(ten(), Scope::EveryKindOf(vec![category("12"), brand("other")]), Vec::new())],
            "10",
        ),
        case(
            "isExclusion turns a kind around",
            "LEAFLOGIX, Discounts v2 [TPB, DEALS]: isExclusion flips one kind",
            "10",
            vec![targeted(ten(), Scope::EveryKindOf(vec![category("12")]), vec![brand("acme")])],
            "10",
        ),
        case(
            "any of the lists is enough",
            "BLAZE, Promotions [TPB]: productIds, categoryIds, brandIds or vendorIds",
            "10",
            vec![targeted(
                ten(),
                Scope::AnyOf(vec![product("other"), category("other"), Target::Vendor(id("v1"))]),
                Vec::new(),
            )],
            "9",
        ),
        case(
            "empty lists cover nothing",
            "BLAZE, Promotions [TPB]: matches if any of the four lists contains the id",
            "10",
            vec![targeted(ten(), Scope::AnyOf(Vec::new()), Vec::new())],
            "10",
        ),
        case(
            "targets are collections of products",
            "TREEZ, discount service v3 [AE]: collections[productCollectionId], never product ids",
            "10",
            vec![targeted(ten(), Scope::AnyOf(vec![Target::Collection(id("pill"))]), Vec::new())],
            "9",
        ),
        case(
            "a product or a classification",
            "COVASOFT, Promotions: product guid OR classification id",
            "10",
            vec![targeted(ten(), Scope::AnyOf(vec![product("guid"), category("12")]), Vec::new())],
            "9",
        ),
        case(
            "a variant alone",
            "BIGCOMMERCE, promotions.v3.yml VariantsItemMatcher",
            "10",
            vec![targeted(ten(), Scope::AnyOf(vec![Target::Variant(id("171097-2"))]), Vec::new())],
            "10",
        ),
    ]
}

fn conditions() -> Vec<Case> {
    let ten = || percent("a", "10");
    let restricted = PricedVariant { takes_promotions: false, ..variant("10") };
    let at_cost = |lowest: &str| PricedVariant { lowest: Some(money(lowest)), ..variant("10") };
    let off = Promotion { is_on: false, ..ten() };
    vec![
        case(
            "a group of customers",
            "SQUARE, api.json CatalogPricingRule.customer_group_ids_any",
            "10",
            vec![with(ten(), Condition::Customer)],
            "10",
        ),
        case(
            "a least sum of the order",
            "SQUARE, api.json CatalogPricingRule.minimum_order_subtotal_money",
            "10",
            vec![with(ten(), Condition::Basket)],
            "10",
        ),
        case(
            "a number of items",
            "LEAFLOGIX, Discounts v2 [TPB]: thresholdType set is not a plain unit discount",
            "10",
            vec![with(ten(), Condition::Basket)],
            "10",
        ),
        case(
            "certain locations",
            "LEAFLOGIX, Discounts v2 [OAS]: locationRestrictions",
            "10",
            vec![with(ten(), Condition::Location)],
            "10",
        ),
        case(
            "a condition that isn't a schedule",
            "TREEZ [TPB]: a discount is live for all only if all its conditions are of type Schedule",
            "10",
            vec![with(ten(), Condition::Fulfilment)],
            "10",
        ),
        case(
            "a code",
            "TREEZ, discount service v3 [AE]: requireCoupon",
            "10",
            vec![with(ten(), Condition::Code)],
            "10",
        ),
        case(
            "a switch that is off",
            "LEAFLOGIX, Discounts v2 [DEALS]: isActive is the on/off switch",
            "10",
            vec![off],
            "10",
        ),
        Case {
            variant: restricted,
            ..case(
                "an item that takes no automatic discounts",
                "support.dutchie.com 50255915263379: Allow Automatic Discounts set to No, even if all conditions are met",
                "10",
                vec![ten()],
                "10",
            )
        },
        Case {
            variant: at_cost("0.01"),
            ..case(
                "a least price of a cent",
                "support.dutchie.com 12882595343507: Only Discount Cannabis Items to a Minimum of $0.01",
                "10",
                vec![percent("a", "100")],
                "0.01",
            )
        },
        Case {
            variant: at_cost("9.50"),
            ..case(
                "no price below cost",
                "support.dutchie.com 12882595343507: Only Discount Items to their Cost",
                "10",
                vec![ten()],
                "9.50",
            )
        },
    ]
}

fn stated_prices() -> Vec<Case> {
    let stated = |is, source, base: &str, discounted: &str, price, reason| Case {
        is,
        source,
        variant: PricedVariant { discounted: Some(money(discounted)), ..variant(base) },
        combining: Combining::LowestOnly,
        promotions: vec![percent("a", "50")],
        price,
        reason,
    };
    vec![
        stated(
            "the platform's own verdict is preferred to a lower computed price",
            "TREEZ, pricing.discounted_price 28.0 of 35.0 [WH-P, TPB]: prefer it to evaluating schedules",
            "35.0",
            "28.0",
            "28",
            PriceReason::Platform,
        ),
        stated(
            "salePrice is preferred",
            "BLAZE, priceBreaks[0].salePrice 28.0 of 35.0 [TPB]",
            "35.0",
            "28.0",
            "28",
            PriceReason::Platform,
        ),
        stated(
            "a sale price that isn't lower is no sale",
            "WOOCOMMERCE, abstract-wc-product.php is_on_sale: regular price > sale price",
            "21.99",
            "21.99",
            "10.99",
            by(&["a"]),
        ),
        stated(
            "a sale price in another currency is none",
            "BIGCOMMERCE, promotions.v3.yml currency_code",
            "20",
            "5 EUR",
            "10",
            by(&["a"]),
        ),
    ]
}

//! Strategies for property tests: texts, numbers and times of all kinds, within the limits of events and beyond.

use model::{
    AttributeName, Image, ImageUrl, LabResult, Potency, PriceTier, ProductDetails, Substance, TierBasis,
    TierUnit, VariantDetails,
};
use model::{
    Currency, Customer, Employee, ExternalId, InventoryReport, Money, Order, OrderLine, OrderStatus, Patch,
    Payload, Payment, PaymentKind, PaymentLabel, Product, ProductStatus, Quantity, Refund, RefundLine,
    Settlement, StockedAt, TaxLine, Timestamp, Variant, Workplaces,
    promotion::{
        Bound, Condition, Percent, Period, Promotion, Recurrence, Reward, Schedule, Scope, Stacking, Target,
        Targets, TimeOfDay, Unit, WeekDays, Window,
    },
};
use proptest::{collection::vec, option, prelude::*};
use rust_decimal::Decimal;

/// Platforms' ids.
pub fn external() -> impl Strategy<Value = ExternalId> {
    ".{1,60}".prop_filter_map("an id of a platform", |text| ExternalId::new(&text).ok())
}

/// Texts of any characters, including U+0000 and long ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => any::<String>(), 1 => Just("a\0b".to_owned()), 1 => Just("ü".repeat(300))]
}

fn patch<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Patch<T>> {
    prop_oneof![Just(Patch::Keep), Just(Patch::Clear), value.prop_map(Patch::Set)]
}

/// Amounts, within the limits and beyond.
pub fn money() -> impl Strategy<Value = Money> {
    let minor = prop_oneof![any::<i64>(), -2_000_000_000_000_000..2_000_000_000_000_000_i64];
    (minor, "[A-Z]{3}")
        .prop_map(|(minor, code)| Money { minor, currency: Currency::new(&code).expect("three letters") })
}

/// Quantities in the range of platforms' reports and of their sums.
pub fn quantity() -> impl Strategy<Value = Quantity> {
    (-2_000_000_000_000_000_i64..2_000_000_000_000_000, 0..=6_u32)
        .prop_filter_map("a quantity", |(digits, scale)| Quantity::recorded(Decimal::new(digits, scale)).ok())
}

/// Times, within the limits and beyond.
pub fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), 0..300_000_000_000_000_000_i64].prop_map(Timestamp::from_micros)
}

/// Probability of details and of parts of a settlement: each has texts or amounts beyond the limits, and most payloads shall
/// be within them.
const SELDOM: f64 = 0.05;

fn images() -> impl Strategy<Value = Option<Vec<Image>>> {
    let url =
        "https://[a-z]{1,9}\\.example/[a-z0-9]{0,9}".prop_filter_map("a URL", |url| ImageUrl::new(&url).ok());
    option::weighted(SELDOM, vec((url, option::of(text())).prop_map(|(url, alt)| Image { url, alt }), 0..3))
}

/// The details of products, with any texts.
pub fn product_details() -> impl Strategy<Value = ProductDetails> {
    let name = proptest::sample::select(AttributeName::ALL.to_vec());
    let attributes = option::weighted(SELDOM, proptest::collection::btree_map(name, vec(text(), 0..3), 0..4));
    (images(), attributes).prop_map(|(images, attributes)| ProductDetails { images, attributes })
}

/// The details of variants, with any amounts.
pub fn variant_details() -> impl Strategy<Value = VariantDetails> {
    let potency =
        proptest::sample::select(vec!["18.2 %", "14.75-28.31 %", "0 mg", "n.d.", "<LOQ", "<0.1 mg/g"]);
    let result = ("[A-Z0-9]{1,9}", potency).prop_filter_map("a result", |(substance, potency)| {
        let (substance, potency) = (Substance::new(&substance).ok()?, Potency::parse(potency, None).ok()??);
        Some(LabResult { substance, potency })
    });
    let tier = (quantity(), money()).prop_map(|(from, price)| PriceTier {
        from,
        unit: TierUnit::Gram,
        price,
        basis: TierBasis::Unit,
    });
    (images(), option::weighted(SELDOM, vec(result, 0..3)), option::weighted(SELDOM, vec(tier, 0..3)))
        .prop_map(|(images, lab_results, price_tiers)| VariantDetails { images, lab_results, price_tiers })
}

fn variant() -> impl Strategy<Value = Variant> {
    let texts = (option::of(text()), patch(text()), patch(text()));
    (external(), option::of(external()), texts, patch(money()), patch(money()), variant_details()).prop_map(
        |(external, item, (title, sku, barcode), price, compare_at_price, details)| Variant {
            external,
            item,
            title,
            sku,
            barcode,
            price,
            compare_at_price,
            details,
        },
    )
}

/// Products with any texts, amounts and variants.
pub fn product() -> impl Strategy<Value = Product> {
    let status = option::of(prop_oneof![
        Just(ProductStatus::Active),
        Just(ProductStatus::Draft),
        Just(ProductStatus::Archived)
    ]);
    let texts = (option::of(text()), patch(text()), patch(text()), patch(text()));
    (
        external(),
        texts,
        status,
        option::of(vec(text(), 0..4)),
        (vec(variant(), 0..4), any::<bool>()),
        product_details(),
    )
        .prop_map(
            |(
                external,
                (title, description, vendor, category),
                status,
                tags,
                (variants, variants_complete),
                details,
            )| {
                Product {
                    external,
                    title,
                    description,
                    vendor,
                    category,
                    status,
                    tags,
                    variants,
                    variants_complete,
                    details,
                }
            },
        )
}

fn line() -> impl Strategy<Value = OrderLine> {
    let texts = (option::of(text()), option::of(text()));
    (external(), option::of(external()), texts, quantity(), option::of(money()), option::of(money()))
        .prop_map(|(external, variant, (sku, title), quantity, unit_price, total)| OrderLine {
            external,
            variant,
            sku,
            title,
            quantity,
            unit_price,
            total,
        })
}

/// Orders with any lines, amounts and times.
pub fn order() -> impl Strategy<Value = Order> {
    let status =
        prop_oneof![Just(OrderStatus::Open), Just(OrderStatus::Completed), Just(OrderStatus::Cancelled)];
    let amounts = (option::of(money()), option::of(money()), option::of(money()));
    let ids = vec(option::of(external()), 4);
    let times = (option::of(time()), option::of(time()));
    let lines = (vec(line(), 0..4), settlement());
    (external(), any::<bool>(), option::of(text()), status, amounts, times, ids, lines).prop_map(
        |(
            external,
            is_test,
            number,
            status,
            (total, tax, discount),
            (placed_at, closed_at),
            mut ids,
            (lines, settlement),
        )| Order {
            external,
            is_test,
            number,
            status,
            total,
            tax,
            discount,
            placed_at,
            closed_at,
            customer: ids.pop().flatten(),
            location: ids.pop().flatten(),
            employee: ids.pop().flatten(),
            refund_of: ids.pop().flatten(),
            lines,
            settlement,
        },
    )
}

/// Settlements with any amounts, payments and refunds.
pub fn settlement() -> impl Strategy<Value = Settlement> {
    let kind = prop_oneof![Just(PaymentKind::Cash), Just(PaymentKind::Card), Just(PaymentKind::Other)];
    let label = option::of(prop_oneof![Just("Cash"), Just("VISA"), Just("Debit card")]);
    let payment = (kind, label, option::of(money()), option::of(money()), option::of(time())).prop_map(
        |(kind, label, amount, tip, paid_at)| Payment {
            method: label.and_then(|label| PaymentLabel::new(label).ok()),
            amount,
            tip,
            paid_at,
            ..Payment::of(kind)
        },
    );
    let tax = (option::of(text()), money()).prop_map(|(name, amount)| TaxLine { name, amount });
    let line = (external(), option::of(quantity()), option::of(money()))
        .prop_map(|(line, quantity, amount)| RefundLine { line, quantity, amount });
    let refund = (option::of(external()), option::of(money()), option::of(time()), vec(line, 0..3))
        .prop_map(|(external, amount, refunded_at, lines)| Refund { external, amount, refunded_at, lines });
    let lists = (
        option::weighted(SELDOM, vec(tax, 0..3)),
        option::weighted(SELDOM, vec(payment, 0..3)),
        option::weighted(SELDOM, vec(refund, 0..3)),
    );
    (option::weighted(SELDOM, money()), lists).prop_map(|(tip, (taxes, payments, refunds))| Settlement {
        tip,
        taxes,
        payments,
        refunds,
    })
}

/// Customers with any texts.
pub fn customer() -> impl Strategy<Value = Customer> {
    let names = (patch(text()), patch(text()), patch(text()), patch(text()));
    (external(), names, option::of(vec(text(), 0..4)), option::of(external())).prop_map(
        |(external, (first_name, last_name, email, phone), tags, merged_into)| Customer {
            external,
            first_name,
            last_name,
            email,
            phone,
            tags,
            merged_into,
        },
    )
}

/// Employees with any texts.
pub fn employee() -> impl Strategy<Value = Employee> {
    let texts = (patch(text()), patch(text()), patch(text()));
    let workplaces = prop_oneof![Just(Workplaces::All), vec(external(), 0..4).prop_map(Workplaces::Named),];
    (external(), texts, option::of(vec(text(), 0..4)), option::of(any::<bool>()), option::of(workplaces))
        .prop_map(|(external, (name, email, phone), roles, is_active, workplaces)| Employee {
            external,
            name,
            email,
            phone,
            roles,
            is_active,
            workplaces,
        })
}

fn time_of_day() -> impl Strategy<Value = TimeOfDay> {
    (0..24_u32, 0..60_u32).prop_map(|(hour, minute)| {
        TimeOfDay::parse(&format!("{hour:02}:{minute:02}")).expect("a time of day")
    })
}

fn recurrence() -> impl Strategy<Value = Recurrence> {
    let units = [Unit::Day, Unit::Week, Unit::Month, Unit::MonthByWeekDay, Unit::Year];
    let window = prop_oneof![
        (time_of_day(), time_of_day()).prop_map(|(starts, ends)| Window::between(starts, ends)),
        (time_of_day(), 1..100_000_u32)
            .prop_map(|(starts, seconds)| Window::lasting(starts, seconds).expect("a duration")),
    ];
    let days = any::<[bool; 7]>().prop_map(WeekDays::from_flags);
    let first = (1..=12_u32, 1..=28_u32).prop_map(|(month, day)| format!("2026-{month:02}-{day:02}"));
    (prop::sample::select(units.to_vec()), 1..=100_u16, days, first, window).prop_map(
        |(unit, interval, days, first, window)| {
            let first = first.parse().ok();
            Recurrence::every(unit, interval, days, first, window).expect("a recurrence")
        },
    )
}

fn period() -> impl Strategy<Value = Period> {
    let bound = || {
        let local = (1970..9999_u32, 1..=12_u32, time_of_day()).prop_map(|(year, month, time)| {
            Bound::parse_local(&format!("{year}-{month:02}-28T{time}")).expect("a local time")
        });
        option::of(prop_oneof![time().prop_map(Bound::At), local])
    };
    (bound(), bound(), option::of(recurrence()))
        .prop_map(|(from, until, runs)| Period::new(from, until, runs))
}

fn reward() -> impl Strategy<Value = Reward> {
    let percent =
        (0..=1_000_000_i64).prop_map(|share| Percent::new(Decimal::new(share, 4)).expect("a share"));
    prop_oneof![
        (percent, option::of(money())).prop_map(|(percent, at_most)| Reward::PercentOff { percent, at_most }),
        money().prop_map(Reward::AmountOff),
        money().prop_map(Reward::PriceTo),
        (any::<u32>(), money()).prop_map(|(quantity, total)| Reward::Bundle { quantity, total }),
        Just(Reward::Other),
    ]
}

fn targets() -> impl Strategy<Value = Targets> {
    let target = || {
        prop_oneof![
            external().prop_map(Target::Product),
            external().prop_map(Target::Variant),
            external().prop_map(Target::Category),
            external().prop_map(Target::Brand),
            external().prop_map(Target::Vendor),
            external().prop_map(Target::Collection),
        ]
    };
    let list = move || vec(target(), 0..4);
    let scope = prop_oneof![
        Just(Scope::Everything),
        list().prop_map(Scope::AnyOf),
        list().prop_map(Scope::EveryKindOf)
    ];
    (scope, list()).prop_map(|(scope, except)| Targets { scope, except })
}

/// Promotions with any schedules, rewards and targets.
pub fn promotion() -> impl Strategy<Value = Promotion> {
    use Condition::{Basket, ByHand, Code, Customer, Fulfilment, Location, Other, Uses};
    let conditions = vec![Basket, ByHand, Code, Customer, Fulfilment, Location, Other, Uses];
    let stacking = prop_oneof![Just(Stacking::Alone), Just(Stacking::Together), Just(Stacking::Last)];
    let schedule = vec(period(), 0..3).prop_map(|periods| Schedule::new(periods).expect("few periods"));
    let rules = (vec(prop::sample::select(conditions), 0..4), stacking);
    (external(), option::of(text()), any::<bool>(), schedule, reward(), targets(), rules).prop_map(
        |(external, name, is_on, schedule, reward, targets, (conditions, stacking))| Promotion {
            external,
            name,
            is_on,
            schedule,
            reward,
            targets,
            conditions,
            stacking,
        },
    )
}

/// Payloads of every kind.
pub fn payload() -> impl Strategy<Value = Payload> {
    let level = (external(), option::of(external()), option::of(quantity()))
        .prop_map(|(item, location, available)| InventoryReport { item, location, available });
    let stocked =
        (external(), vec(external(), 0..4)).prop_map(|(item, locations)| StockedAt { item, locations });
    prop_oneof![
        product().prop_map(Payload::Product),
        level.prop_map(Payload::Inventory),
        order().prop_map(Payload::Order),
        customer().prop_map(Payload::Customer),
        promotion().prop_map(Payload::Promotion),
        employee().prop_map(Payload::Employee),
        stocked.prop_map(Payload::Stocked),
    ]
}

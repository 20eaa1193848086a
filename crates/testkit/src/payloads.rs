//! Strategies for property tests: texts, numbers and times of all kinds, within the limits of events and beyond.

use model::{
    Currency, Customer, ExternalId, InventoryReport, Money, Order, OrderLine, OrderStatus, Patch, Payload,
    Product, ProductStatus, Quantity, StockedAt, Timestamp, Variant,
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

fn variant() -> impl Strategy<Value = Variant> {
    let texts = (option::of(text()), patch(text()), patch(text()));
    (external(), option::of(external()), texts, patch(money()), patch(money())).prop_map(
        |(external, item, (title, sku, barcode), price, compare_at_price)| Variant {
            external,
            item,
            title,
            sku,
            barcode,
            price,
            compare_at_price,
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
    (external(), texts, status, option::of(vec(text(), 0..4)), vec(variant(), 0..4), any::<bool>()).prop_map(
        |(external, (title, description, vendor, category), status, tags, variants, variants_complete)| {
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
    (external(), any::<bool>(), option::of(text()), status, amounts, times, ids, vec(line(), 0..4)).prop_map(
        |(
            external,
            is_test,
            number,
            status,
            (total, tax, discount),
            (placed_at, closed_at),
            mut ids,
            lines,
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
        },
    )
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
        stocked.prop_map(Payload::Stocked),
    ]
}

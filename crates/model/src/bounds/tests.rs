use super::*;
use crate::{
    Currency, Employee, ExternalId, OrderStatus, Workplaces,
    promotion::{Condition, Period, Schedule, Scope, Target},
};

fn id() -> ExternalId {
    ExternalId::new("1").unwrap()
}

fn product() -> Product {
    Product {
        external: id(),
        title: None,
        description: Patch::Keep,
        vendor: Patch::Keep,
        category: Patch::Keep,
        status: None,
        tags: None,
        variants: Vec::new(),
        variants_complete: true,
        details: crate::ProductDetails::default(),
    }
}

fn variant() -> Variant {
    let (sku, barcode) = (Patch::Keep, Patch::Keep);
    let (price, compare_at_price) = (Patch::Keep, Patch::Keep);
    let details = crate::VariantDetails::default();
    Variant { external: id(), item: None, title: None, sku, barcode, price, compare_at_price, details }
}

fn order() -> Order {
    Order {
        external: id(),
        is_test: false,
        number: None,
        status: OrderStatus::Open,
        total: None,
        tax: None,
        discount: None,
        placed_at: None,
        closed_at: None,
        customer: None,
        location: None,
        employee: None,
        refund_of: None,
        lines: Vec::new(),
        settlement: crate::Settlement::default(),
    }
}

fn line() -> OrderLine {
    let quantity = Quantity::pieces(1);
    OrderLine {
        external: id(),
        variant: None,
        sku: None,
        title: None,
        quantity,
        unit_price: None,
        total: None,
    }
}

fn set_to(letter: &str, length: usize) -> Patch<String> {
    Patch::Set(letter.repeat(length))
}

/// Returns the first field that is beyond its limit; empty if none is.
fn beyond(payload: &Payload) -> String {
    payload.check().map_or_else(|error| error.field, |()| String::new())
}

fn in_product(change: impl FnOnce(&mut Product)) -> String {
    let mut product = product();
    change(&mut product);
    beyond(&Payload::Product(product))
}

fn in_variant(change: impl FnOnce(&mut Variant)) -> String {
    let mut changed = variant();
    change(&mut changed);
    in_product(|product| product.variants = vec![variant(), changed])
}

fn in_order(change: impl FnOnce(&mut Order)) -> String {
    let mut order = order();
    change(&mut order);
    beyond(&Payload::Order(order))
}

#[test]
fn a_text_of_its_limit_passes_and_one_character_more_does_not() {
    assert_eq!(in_product(|product| product.title = Some("ü".repeat(TITLE_CHARS_MAX))), "");
    assert_eq!(in_product(|product| product.title = Some("ü".repeat(TITLE_CHARS_MAX + 1))), "/title");
    assert_eq!(in_product(|product| product.vendor = set_to("v", NAME_CHARS_MAX + 1)), "/vendor");
    assert_eq!(in_product(|product| product.category = set_to("c", NAME_CHARS_MAX + 1)), "/category");
    assert_eq!(in_variant(|variant| variant.sku = set_to("茶", CODE_CHARS_MAX)), "");
    assert_eq!(in_variant(|variant| variant.sku = set_to("s", CODE_CHARS_MAX + 1)), "/variants/1/sku");
    assert_eq!(in_variant(|variant| variant.barcode = set_to("b", 5_000)), "/variants/1/barcode");
    assert_eq!(in_order(|order| order.number = Some("n".repeat(CODE_CHARS_MAX + 1))), "/number");
}

#[test]
fn a_description_has_room_for_a_picture() {
    assert_eq!(in_product(|product| product.description = set_to("x", 600_000)), "");
    assert_eq!(
        in_product(|product| product.description = set_to("x", DESCRIPTION_BYTES_MAX + 1)),
        "/description"
    );
}

#[test]
fn no_text_holds_the_character_that_postgres_refuses() {
    assert_eq!(in_product(|product| product.title = Some("Te\0a".to_owned())), "/title");
    assert_eq!(in_product(|product| product.description = set_to("\0", 1)), "/description");
    assert_eq!(in_product(|product| product.tags = Some(vec!["a".to_owned(), "\0".to_owned()])), "/tags/1");
    let named = |line: OrderLine| in_order(|order| order.lines = vec![line]);
    assert_eq!(named(OrderLine { title: Some("\0".to_owned()), ..line() }), "/lines/0/title");
    let customer = Customer {
        external: id(),
        first_name: Patch::Keep,
        last_name: Patch::Keep,
        email: set_to("\0", 1),
        phone: Patch::Keep,
        tags: None,
        merged_into: None,
    };
    assert_eq!(beyond(&Payload::Customer(customer)), "/email");
    let employee = Employee { roles: Some(vec!["a".to_owned(), "\0".to_owned()]), ..Employee::bare(id()) };
    assert_eq!(beyond(&Payload::Employee(employee)), "/roles/1");
    let employee = Employee { phone: set_to("\0", 1), ..Employee::bare(id()) };
    assert_eq!(beyond(&Payload::Employee(employee)), "/phone");
}

#[test]
fn lists_are_bounded() {
    let roles = |count| Employee { roles: Some(vec!["r".to_owned(); count]), ..Employee::bare(id()) };
    assert_eq!(beyond(&Payload::Employee(roles(ROLES_MAX))), "");
    assert_eq!(beyond(&Payload::Employee(roles(ROLES_MAX + 1))), "/roles");
    let works = |count| {
        let workplaces = Some(Workplaces::Named(vec![id(); count]));
        Payload::Employee(Employee { workplaces, ..Employee::bare(id()) })
    };
    assert_eq!(beyond(&works(WORKPLACES_MAX)), "");
    assert_eq!(beyond(&works(WORKPLACES_MAX + 1)), "/workplaces");
    let tags = |count| in_product(|product| product.tags = Some(vec!["t".to_owned(); count]));
    assert_eq!((tags(TAGS_MAX), tags(TAGS_MAX + 1)), (String::new(), "/tags".to_owned()));
    let variants = |count| in_product(|product| product.variants = vec![variant(); count]);
    assert_eq!((variants(VARIANTS_MAX), variants(VARIANTS_MAX + 1)), (String::new(), "/variants".to_owned()));
    let lines = |count| in_order(|order| order.lines = vec![line(); count]);
    assert_eq!((lines(LINES_MAX), lines(LINES_MAX + 1)), (String::new(), "/lines".to_owned()));
    let stocked = |count| beyond(&Payload::Stocked(StockedAt { item: id(), locations: vec![id(); count] }));
    assert_eq!(
        (stocked(LOCATIONS_MAX), stocked(LOCATIONS_MAX + 1)),
        (String::new(), "/locations".to_owned())
    );
}

#[test]
fn a_promotion_is_bounded() {
    let beyond_with = |change: fn(&mut Promotion)| {
        let mut promotion = Promotion::bare(id());
        change(&mut promotion);
        beyond(&Payload::Promotion(promotion))
    };
    let at = |micros| Some(Bound::At(Timestamp::from_micros(micros)));
    assert_eq!(beyond_with(|_| ()), "");
    assert_eq!(beyond_with(|promotion| promotion.name = Some("\0".to_owned())), "/name");
    let targets = |count| vec![Target::Product(id()); count];
    let mut promotion = Promotion::bare(id());
    promotion.targets.scope = Scope::AnyOf(targets(TARGETS_MAX));
    assert_eq!(beyond(&Payload::Promotion(promotion.clone())), "");
    promotion.targets.scope = Scope::EveryKindOf(targets(TARGETS_MAX + 1));
    assert_eq!(beyond(&Payload::Promotion(promotion)), "/targets");
    let mut promotion = Promotion::bare(id());
    promotion.targets.except = targets(TARGETS_MAX + 1);
    assert_eq!(beyond(&Payload::Promotion(promotion)), "/except");
    assert_eq!(
        beyond_with(|promotion| promotion.conditions = vec![Condition::Code; CONDITIONS_MAX + 1]),
        "/conditions"
    );
    let mut promotion = Promotion::bare(id());
    promotion.schedule = Schedule::new(vec![Period::new(at(-1), None, None)]).unwrap();
    assert_eq!(beyond(&Payload::Promotion(promotion)), "/schedule");
    let currency = Currency::new("USD").unwrap();
    let mut promotion = Promotion::bare(id());
    promotion.reward = Reward::AmountOff(Money { minor: 1_000_000_000_000_001, currency });
    assert_eq!(beyond(&Payload::Promotion(promotion)), "/reward");
}

#[test]
fn amounts_times_and_quantities_have_limits_and_a_negative_count_is_one() {
    let currency = Currency::new("USD").unwrap();
    let total = |minor| in_order(|order| order.total = Some(Money { minor, currency }));
    assert_eq!(
        (total(-1_000_000_000_000_000), total(1_000_000_000_000_001)),
        (String::new(), "/total".to_owned())
    );
    assert_eq!(total(i64::MIN), "/total");
    let placed = |micros| in_order(|order| order.placed_at = Some(Timestamp::from_micros(micros)));
    assert_eq!((placed(0), placed(-1)), (String::new(), "/placed_at".to_owned()));
    assert_eq!((placed(253_402_300_799_999_999), placed(i64::MAX)), (String::new(), "/placed_at".to_owned()));
    let level =
        |available| beyond(&Payload::Inventory(InventoryReport { item: id(), location: None, available }));
    assert_eq!(level(Some(Quantity::pieces(-1))), "");
    assert_eq!(level(Quantity::parse_recorded("1000000001").ok()), "/available");
}

//! Values within the bounds of an event are stored, and loaded unchanged.

use crate::{
    applying::load,
    fixture::{at, commit_silently, connection_id, external, location, shop, store_id},
};
use model::{
    Customer, CustomerId, Employee, EmployeeId, LevelKey, LevelMirror, Mirror, Order, OrderId, Patch,
    Payload, Product, ProductId, PromotionId, Quantity, TenantId, VariantId, VersionNumber,
    promotion::Promotion,
    record::{
        Changes, Clocked, CustomerRow, EmployeeRow, FirstKeys, KeptProductDetails, KeptVariantDetails,
        OrderRow, ProductRow, PromotionRow, RowKeys, VariantRow,
    },
};
use proptest::{
    strategy::{Strategy, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use testkit::payloads;

/// Number of values of each kind that are stored.
const VALUES: usize = 50;

/// Draws values of a strategy and keeps those within the bounds.
fn within<T: std::fmt::Debug>(values: impl Strategy<Value = T>, fits: impl Fn(&T) -> bool) -> Vec<T> {
    let config = Config { max_local_rejects: u32::MAX, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let drawn = || values.new_tree(&mut runner).unwrap().current();
    std::iter::repeat_with(drawn).filter(fits).take(VALUES).collect()
}

fn clocked<T>(value: T) -> Clocked<T> {
    Clocked { value, at: at(5) }
}

/// Returns the stored value of a field: a cleared one is empty on purpose.
fn text(patch: Patch<String>) -> Option<Clocked<String>> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(clocked(String::new())),
        Patch::Set(text) => Some(clocked(text)),
    }
}

fn tenant() -> TenantId {
    TenantId::new("t1").unwrap()
}

fn add_product(changes: &mut Changes, number: usize, product: Product) {
    let id = ProductId::new(&format!("p{number}")).unwrap();
    for (index, variant) in product.variants.into_iter().enumerate() {
        let row = VariantRow {
            id: VariantId::new(&format!("v{number}-{index}")).unwrap(),
            tenant: tenant(),
            store: store_id(),
            product: id.clone(),
            title: variant.title.map(clocked),
            sku: text(variant.sku),
            barcode: text(variant.barcode),
            price: match variant.price {
                Patch::Set(money) => Some(clocked(money)),
                Patch::Keep | Patch::Clear => None,
            },
            compare_at_price: match variant.compare_at_price {
                Patch::Keep => None,
                Patch::Clear => Some(clocked(None)),
                Patch::Set(money) => Some(clocked(Some(money))),
            },
            details: kept_variant(&variant.details),
        };
        changes.variants.insert(row.id.clone(), row);
    }
    let row = ProductRow {
        id: id.clone(),
        tenant: tenant(),
        store: store_id(),
        title: product.title.map(clocked),
        description: text(product.description),
        vendor: text(product.vendor),
        category: text(product.category),
        status: product.status.map(clocked),
        tags: product.tags.map(clocked),
        details: kept_product(&product.details),
        deleted_at: None,
    };
    changes.products.insert(id, row);
}

fn kept_product(details: &model::ProductDetails) -> KeptProductDetails {
    let mut kept = KeptProductDetails::default();
    kept.take(details, at(1));
    kept
}

fn kept_variant(details: &model::VariantDetails) -> KeptVariantDetails {
    let mut kept = KeptVariantDetails::default();
    kept.take(details, at(1));
    kept
}

fn add_order(changes: &mut Changes, number: usize, order: Order) {
    let row = OrderRow {
        id: OrderId::new(&format!("o{number}")).unwrap(),
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        version: Some(VersionNumber(i64::MAX)),
        order: Order { external: external(&format!("order-{number}")), ..order },
    };
    changes.orders.insert(row.id.clone(), row);
}

fn add_customer(changes: &mut Changes, number: usize, customer: Customer) {
    let row = CustomerRow {
        id: CustomerId::new(&format!("c{number}")).unwrap(),
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        version: Some(VersionNumber(i64::MIN)),
        customer: Customer { external: external(&format!("customer-{number}")), ..customer },
        deleted_at: None,
    };
    changes.customers.insert(row.id.clone(), row);
}

fn add_employee(changes: &mut Changes, number: usize, employee: Employee) {
    let row = EmployeeRow {
        id: EmployeeId::new(&format!("e{number}")).unwrap(),
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        version: None,
        employee: Employee { external: external(&format!("employee-{number}")), ..employee },
        deleted_at: Some(at(7)),
    };
    changes.employees.insert(row.id.clone(), row);
}

fn add_promotion(changes: &mut Changes, number: usize, promotion: Promotion) {
    let row = PromotionRow {
        id: PromotionId::new(&format!("pro{number}")).unwrap(),
        tenant: tenant(),
        store: store_id(),
        connection: connection_id("a"),
        version: None,
        promotion: Promotion { external: external(&format!("promotion-{number}")), ..promotion },
        deleted_at: None,
        activity: None,
        watched_from: at(7),
    };
    changes.promotions.insert(row.id.clone(), row);
}

/// Adds a level. The store's own level is a sum of reports, and has a wider range than a single report.
fn add_level(changes: &mut Changes, number: usize, quantity: Quantity) {
    let variant = VariantId::new(&format!("v{number}-level")).unwrap();
    let item = external(&format!("item-{number}"));
    let key = LevelKey { connection: connection_id("a"), item, location: location() };
    let mirror = LevelMirror {
        baseline: model::Baseline::Known(quantity),
        desired: Some(quantity),
        ..LevelMirror::of(Some(variant.clone()))
    };
    changes.mirrors.insert(Mirror::Level(key, mirror));
    changes.levels.insert((variant, location()), quantity);
}

#[tokio::test]
async fn what_passes_the_bounds_is_stored_and_loaded_as_it_was() {
    let database = shop().await;
    let mut changes = Changes::default();
    let is_within = |payload: Payload| payload.check().is_ok();
    let products = within(payloads::product(), |it| is_within(Payload::Product(it.clone())));
    let orders = within(payloads::order(), |it| is_within(Payload::Order(it.clone())));
    let customers = within(payloads::customer(), |it| is_within(Payload::Customer(it.clone())));
    let employees = within(payloads::employee(), |it| is_within(Payload::Employee(it.clone())));
    let promotions = within(payloads::promotion(), |it| is_within(Payload::Promotion(it.clone())));
    let levels = within(payloads::quantity(), |_| true);
    for (number, product) in products.into_iter().enumerate() {
        add_product(&mut changes, number, product);
    }
    for (number, order) in orders.into_iter().enumerate() {
        add_order(&mut changes, number, order);
    }
    for (number, customer) in customers.into_iter().enumerate() {
        add_customer(&mut changes, number, customer);
    }
    for (number, employee) in employees.into_iter().enumerate() {
        add_employee(&mut changes, number, employee);
    }
    for (number, promotion) in promotions.into_iter().enumerate() {
        add_promotion(&mut changes, number, promotion);
    }
    for (number, quantity) in levels.into_iter().enumerate() {
        add_level(&mut changes, number, quantity);
    }
    assert!(changes.variants.len() > VALUES / 2, "products have variants");
    commit_silently(&database.store, &changes).await;

    let rows = RowKeys {
        mirrors: changes.mirrors.keys().collect(),
        levels: changes.levels.keys().cloned().collect(),
        products: changes.products.keys().cloned().collect(),
        variants: changes.variants.keys().cloned().collect(),
        orders: changes.orders.keys().cloned().collect(),
        customers: changes.customers.keys().cloned().collect(),
        promotions: changes.promotions.keys().cloned().collect(),
        employees: changes.employees.keys().cloned().collect(),
        ..RowKeys::default()
    };
    let found = load(&database, &FirstKeys::default(), &rows).await;
    assert_eq!(found.products, changes.products);
    assert_eq!(found.variants, changes.variants);
    assert_eq!(found.orders, changes.orders);
    assert_eq!(found.customers, changes.customers);
    assert_eq!(found.promotions, changes.promotions);
    assert_eq!(found.employees, changes.employees);
    assert_eq!(found.levels, changes.levels);
    assert_eq!(found.mirrors, changes.mirrors);
}

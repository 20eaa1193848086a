//! Changes that a webhook reports and a list shows: whichever comes first, the second says the same, of the same version.

use crate::open::{Open, lists};
use model::{Customer, Employee, Payload};
use platforms::{Mapped, Platform};
use std::collections::BTreeMap;

/// The contents of events, by their subjects: the version, and the values that both sources have.
type Said = BTreeMap<String, (Option<i64>, String)>;

/// The time by which a creation is older than a change of the same moment, where its versions can't distinguish them.
const CREATION_MICROS: i64 = 1;

/// The platforms that send webhooks and have lists.
fn both() -> Vec<&'static dyn Platform> {
    let platforms = lists().into_iter().map(|(platform, _)| platform);
    let both: Vec<_> = platforms.filter(|platform| platform.webhooks().is_some()).collect();
    assert!(!both.is_empty(), "there is nothing to check");
    both
}

fn said(events: &[Mapped]) -> Said {
    let said = events.iter().filter_map(|event| {
        let (about, what) = match &event.payload {
            Payload::Product(product) => {
                let variants = product.variants.iter();
                let variants: Vec<_> =
                    variants.map(|variant| (&variant.external, &variant.sku, &variant.price)).collect();
                (format!("product {}", product.external), format!("{:?} {variants:?}", product.title))
            }
            Payload::Inventory(report) => {
                (format!("level {} {:?}", report.item, report.location), format!("{:?}", report.available))
            }
            Payload::Order(order) => {
                let lines = order.lines.iter();
                let lines: Vec<_> =
                    lines.map(|line| (&line.variant, line.quantity, &line.unit_price, &line.total)).collect();
                let said = format!("{:?} {:?} {:?} {lines:?}", order.status, order.total, order.tax);
                (format!("order {}", order.external), said)
            }
            Payload::Customer(Customer { external, first_name, last_name, email, phone, .. }) => {
                (format!("customer {external}"), format!("{first_name:?} {last_name:?} {email:?} {phone:?}"))
            }
            Payload::Employee(employee) => {
                let Employee { external, name, email, phone, is_active, workplaces, .. } = employee;
                let said = format!("{name:?} {email:?} {phone:?} {is_active:?} {workplaces:?}");
                (format!("employee {external}"), said)
            }
            Payload::Deleted { entity, external } => (format!("{entity} {external}"), "deleted".to_owned()),
            Payload::Stocked(_)
            | Payload::Promotion(_)
            | Payload::Activity { .. }
            | Payload::Account(_)
            | Payload::Instruction { .. } => {
                return None;
            }
        };
        Some((about, (event.version.map(|version| version.number.0), what)))
    });
    said.collect()
}

/// Compares what webhooks said of a change with what the lists show of it.
fn agree(open: &mut Open, what: &str, collections: &[&str]) {
    let name = open.platform.name();
    let reported = said(&open.reported());
    let all = open.platform.collections().unwrap().all();
    let mut compared = 0;
    for collection in all.iter().map(|list| list.name).filter(|list| collections.contains(list)) {
        for (about, listed) in said(&open.events(collection)) {
            if let Some(reported) = reported.get(&about) {
                assert_eq!(reported.1, listed.1, "{name}: {what}: {about} in {collection}");
                let later = listed.0.zip(reported.0).map(|(listed, reported)| listed - reported);
                let is_same = later.map_or(listed.0 == reported.0, |by| (0..=CREATION_MICROS).contains(&by));
                assert!(is_same, "{name}: {what}: {about} in {collection}: {reported:?} and {listed:?}");
                compared += 1;
            }
        }
    }
    assert!(
        compared > 0,
        "{name}: {what}: the webhooks say {:?}, and no list has any of it",
        reported.keys()
    );
}

#[test]
fn a_new_product_is_listed_as_its_webhook_reports_it() {
    for platform in both() {
        let mut open = Open::new(platform);
        open.add("Green tea", "TEA-1", 9);
        agree(&mut open, "a new product", &["products", "levels"]);
    }
}

#[test]
fn an_edited_price_is_listed_as_its_webhook_reports_it() {
    for platform in both() {
        let mut open = Open::new(platform);
        let tea = open.add("Green tea", "TEA-1", 9);
        open.add("Olive oil", "OIL-1", 5);
        open.reported();
        let now = open.later();
        open.machine.edit_price(&tea.variant, 2_499, now).unwrap();
        agree(&mut open, "a price", &["products"]);
    }
}

#[test]
fn a_sale_is_listed_as_its_webhooks_report_it() {
    for platform in both() {
        let mut open = Open::new(platform);
        let tea = open.add("Green tea", "TEA-1", 9);
        open.reported();
        let (now, location) = (open.later(), open.locations[0].clone());
        open.machine.sell(&tea.item, &location, 2.into(), now).unwrap();
        agree(&mut open, "a sale", &["products", "levels", "orders"]);
    }
}

#[test]
fn a_customer_is_listed_as_its_webhook_reports_it() {
    for platform in both() {
        let mut open = Open::new(platform);
        let now = open.later();
        open.machine.add_customer("Ada", "Lovelace", "ada@example.com", now).unwrap();
        agree(&mut open, "a customer", &["customers"]);
    }
}

#[test]
fn an_employee_is_listed_as_the_webhook_reports_it() {
    let mut compared = 0;
    let lists_employees = |platform: &&'static dyn Platform| {
        let lists = platform.collections();
        lists.is_some_and(|lists| lists.all().iter().any(|list| list.name == "employees"))
    };
    for platform in both().into_iter().filter(lists_employees) {
        let mut open = Open::new(platform);
        let now = open.later();
        open.machine.hire("Ada", "Lovelace", "ada@example.com", "Manager", now).unwrap();
        agree(&mut open, "an employee", &["employees"]);
        compared += 1;
    }
    assert!(compared > 1, "two platforms report employees both ways");
}

//! Lists of every platform that has any, read from its simulated shop as the caller of the contract reads them.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

mod open;
mod overlap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use model::{Action, Employee, OrderStatus, Patch, Payload, Timestamp};
use open::{Open, PAGES_MAX, lists};
use platforms::{
    AccountRefusal, CallError, Collections, HttpReply, HttpRequest, ListPage, Mapped, Object, Range, Reads,
    Wanted,
};
use simulator::{NewPromotion, NewVariant};
use std::collections::{BTreeMap, BTreeSet};

/// Number of promotions of a shop: more than one page of some lists.
const PROMOTIONS: usize = 130;

/// Number of employees of a shop: more than one page of some lists.
const EMPLOYEES: usize = 110;

/// A promotion of a product.
fn promotion(number: usize, product: &str) -> NewPromotion {
    NewPromotion {
        title: format!("Promotion {number}"),
        percent: 10,
        product: Some(product.to_owned()),
        from: Some("2026-06-01T00:00:00Z".parse().unwrap()),
        until: Some("2026-08-01T00:00:00Z".parse().unwrap()),
        daily: None,
    }
}

fn has(lists: &dyn Collections, name: &str) -> bool {
    lists.all().iter().any(|known| known.name == name)
}

#[test]
fn a_request_keeps_the_token_in_a_header() {
    for (platform, lists) in lists() {
        let open = Open::new(platform);
        for known in lists.all() {
            let range = match known.reads {
                Reads::Whole | Reads::ChangesAndWhole { .. } => Range::Whole,
                Reads::Changes { .. } => Range::Changed { since: Timestamp::from_micros(0), until: None },
            };
            let wanted = Wanted { collection: known.name, range, cursor: None };
            let request = lists.request(&wanted, &open.context()).unwrap();
            let HttpRequest { url, headers, body, .. } = &request;
            let label = format!("{} {url}", platform.name());
            let (secret, encoded) = ("token-of-the-suite", STANDARD.encode(&open.access.token));
            assert!(!url.contains(secret) && !String::from_utf8_lossy(body).contains(secret), "{label}");
            let carries = |value: &str| {
                let decoded = value.strip_prefix("Basic ").and_then(|pair| STANDARD.decode(pair).ok());
                let decoded = decoded.and_then(|pair| String::from_utf8(pair).ok()).unwrap_or_default();
                let issued = open.access.access_token.as_ref().is_some_and(|token| value.contains(token));
                value.contains(secret) || value.contains(&encoded) || decoded.contains(secret) || issued
            };
            assert!(headers.iter().any(|(_, value)| carries(value)), "{label}");
            assert!(!format!("{request:?}").contains(secret), "{label}");
        }
    }
}

#[test]
fn an_account_that_is_closed_or_elsewhere_is_misconfigured() {
    for (platform, lists) in lists() {
        let open = Open::new(platform);
        for known in lists.all() {
            let range = Range::Changed { since: Timestamp::from_micros(0), until: None };
            let wanted = Wanted { collection: known.name, range, cursor: None };
            for status in [301, 402, 404, 423] {
                let page = lists.page(&wanted, &open.context(), &HttpReply::new(status, b"{}"));
                let refused =
                    matches!(page, Err(CallError::AccountRefused(AccountRefusal::Misconfigured, _)));
                assert!(refused, "{} {} {status}: {page:?}", platform.name(), known.name);
            }
        }
    }
}

#[test]
fn every_product_of_a_shop_is_listed_with_its_price_and_its_stock() {
    for (platform, lists) in lists().into_iter().filter(|(_, lists)| has(*lists, "products")) {
        let mut open = Open::new(platform);
        let ids = ["A", "B", "C"].map(|sku| open.add(&format!("Tea {sku}"), sku, 7));
        let products: Vec<_> = open
            .events("products")
            .into_iter()
            .filter_map(|mapped| match mapped.payload {
                Payload::Product(product) => Some(product),
                _ => None,
            })
            .collect();
        let variant = |sku: &str| {
            let of = |product: &model::Product| {
                product
                    .variants
                    .iter()
                    .find(|variant| variant.sku.set().is_some_and(|held| held == sku))
                    .cloned()
            };
            products.iter().find_map(of).unwrap_or_else(|| panic!("{}: {sku} isn't listed", platform.name()))
        };
        for ids in &ids {
            let variant = variant(&ids.sku);
            assert_eq!(variant.external.as_str(), ids.variant, "{}", platform.name());
            assert_eq!(variant.item.unwrap().as_str(), ids.item, "{}", platform.name());
            assert_eq!(variant.price.set().unwrap().to_string(), "19.99 USD", "{}", platform.name());
        }
        if has(lists, "levels") {
            let expected: BTreeMap<_, _> = ids.iter().map(|ids| (ids.item.clone(), "7".to_owned())).collect();
            assert_eq!(open.levels(), expected, "{}", platform.name());
        }
    }
}

#[test]
fn a_list_has_each_key_once_and_is_the_same_until_something_changes() {
    for (platform, lists) in lists() {
        let mut open = Open::new(platform);
        for sku in ["A", "B", "C", "D"] {
            let ids = open.add("Tea", sku, 7);
            let now = open.later();
            open.machine.sell(&ids.item, &open.locations[0].clone(), 2.into(), now).unwrap();
        }
        for known in lists.all() {
            let first = open.everything(known.name);
            let keys: BTreeSet<_> = first.iter().map(|listed| &listed.key).collect();
            assert_eq!(keys.len(), first.len(), "{} {}", platform.name(), known.name);
            open.later();
            assert_eq!(open.everything(known.name), first, "{} {}", platform.name(), known.name);
        }
    }
}

#[test]
fn what_is_sold_out_is_at_zero_by_the_list_or_by_its_absence_from_it() {
    for (platform, lists) in lists().into_iter().filter(|(_, lists)| has(*lists, "levels")) {
        let mut open = Open::new(platform);
        let ids = open.add("Tea", "A", 2);
        open.add("Coffee", "B", 5);
        let before = open.everything("levels");
        let (now, location) = (open.later(), open.locations[0].clone());
        open.machine.sell(&ids.item, &location, 2.into(), now).unwrap();
        let after = open.everything("levels");
        let reported: Vec<Mapped> = after.iter().flat_map(|listed| open.mapped(&listed.object)).collect();
        let gone = before.iter().filter(|listed| !after.iter().any(|other| other.key == listed.key));
        let gone: Vec<Object> =
            gone.filter_map(|listed| lists.missing("levels", &listed.key, open.now.into())).collect();
        let missing = gone.iter().flat_map(|object| open.mapped(object));
        let is_zero = |mapped: &Mapped| match &mapped.payload {
            Payload::Inventory(report) => {
                report.item.as_str() == ids.item && report.available.is_some_and(model::Quantity::is_zero)
            }
            Payload::Stocked(stocked) => stocked.item.as_str() == ids.item && stocked.locations.is_empty(),
            _ => false,
        };
        assert_eq!(reported.into_iter().chain(missing).filter(is_zero).count(), 1, "{}", platform.name());
    }
}

#[test]
fn a_level_that_comes_back_to_a_former_number_is_another_event() {
    for (platform, _) in lists().into_iter().filter(|(_, lists)| has(*lists, "levels")) {
        let mut open = Open::new(platform);
        let ids = open.add("Tea", "A", 9);
        let location = open.locations[0].clone();
        let mut identities = BTreeSet::new();
        let mut read = |open: &mut Open| {
            let events = open.events("levels");
            for mapped in events.into_iter().filter(|mapped| matches!(mapped.payload, Payload::Inventory(_)))
            {
                assert!(identities.insert(mapped.identity), "{}", platform.name());
            }
        };
        read(&mut open);
        let now = open.later();
        open.machine.restock(&ids.item, &location, 2.into(), now).unwrap();
        read(&mut open);
        let now = open.later();
        open.machine.sell(&ids.item, &location, 2.into(), now).unwrap();
        open.later();
        read(&mut open);
    }
}

#[test]
fn a_sale_is_a_completed_order_and_a_cancelled_one_is_listed_again() {
    for (platform, _) in lists().into_iter().filter(|(_, lists)| has(*lists, "orders")) {
        let mut open = Open::new(platform);
        let ids = open.add("Tea", "A", 9);
        let (now, location) = (open.later(), open.locations[0].clone());
        let id = open.machine.sell(&ids.item, &location, 2.into(), now).unwrap();
        let order = |open: &mut Open| {
            let orders: Vec<_> = open
                .events("orders")
                .into_iter()
                .filter_map(|mapped| match mapped.payload {
                    Payload::Order(order) => Some((mapped.identity, order)),
                    _ => None,
                })
                .collect();
            let [order] = orders.as_slice() else { panic!("{}: {orders:?}", platform.name()) };
            order.clone()
        };
        let (sold, held) = order(&mut open);
        assert_eq!((held.external.as_str(), held.status), (id.as_str(), OrderStatus::Completed));
        assert_eq!(held.total.unwrap().to_string(), "39.98 USD", "{}", platform.name());
        assert_eq!(held.lines[0].variant.as_ref().unwrap().as_str(), ids.variant, "{}", platform.name());
        let now = open.later();
        // Some platforms' orders are cancelled before they are paid only.
        if open.machine.cancel_order(&id, true, now).is_err() {
            continue;
        }
        let (cancelled, held) = order(&mut open);
        assert_eq!(held.status, OrderStatus::Cancelled, "{}", platform.name());
        assert_ne!(cancelled, sold, "{}", platform.name());
    }
}

#[test]
fn a_read_of_changes_lists_what_changed_since() {
    for (platform, lists) in lists() {
        for known in lists.all().iter().filter(|known| known.name == "products") {
            let Reads::ChangesAndWhole { .. } = known.reads else { continue };
            let mut open = Open::new(platform);
            open.add("Tea", "A", 1);
            let since = Timestamp::from(open.later());
            let later = open.add("Coffee", "B", 1);
            let listed = open.read("products", Range::Changed { since, until: None });
            let events: Vec<_> = listed.iter().flat_map(|listed| open.mapped(&listed.object)).collect();
            let products: BTreeSet<_> =
                events.iter().map(|mapped| mapped.payload.external().as_str()).collect();
            assert!(products.contains(later.product.as_str()), "{}", platform.name());
            assert_eq!(products.len(), 1, "{}", platform.name());
        }
    }
}

#[test]
fn every_page_of_a_list_is_read_and_every_object_of_it_is_mapped() {
    for (platform, lists) in lists() {
        let mut open = Open::new(platform);
        let first = open.add("Tea", "S-0", 100);
        for number in 1..260 {
            open.add(&format!("Tea {number}"), &format!("S-{number}"), 100);
        }
        let (now, location) = (open.later(), open.locations[0].clone());
        for number in 0..60 {
            let email = format!("ada-{number}@example.com");
            open.machine.add_customer("Ada", &number.to_string(), &email, now).unwrap();
        }
        for number in 0..EMPLOYEES {
            let email = format!("bo-{number}@example.com");
            open.machine.hire("Bo", &number.to_string(), &email, "Manager", now).unwrap();
        }
        for _ in 0..30 {
            open.machine.sell(&first.item, &location, 1.into(), now).unwrap();
        }
        for number in 0..PROMOTIONS {
            open.machine.add_promotion(promotion(number, &first.product), now).unwrap();
        }
        open.log_in();
        for known in lists.all() {
            let label = format!("{} {}", platform.name(), known.name);
            let mut listed = open.everything(known.name);
            // Objects without a key state what the list doesn't account for.
            listed.retain(|listed| !listed.key.is_empty());
            let expected = match known.name {
                "products" | "levels" => 260,
                "orders" => 30,
                "customers" => 60,
                "promotions" => PROMOTIONS,
                "employees" => EMPLOYEES,
                other => panic!("{other}: the simulated shop has none"),
            };
            let keys: BTreeSet<_> = listed.iter().map(|listed| &listed.key).collect();
            assert_eq!((keys.len(), listed.len()), (expected, expected), "{label}");
            assert!(listed.iter().all(|listed| !open.mapped(&listed.object).is_empty()), "{label}");
        }
    }
}

#[test]
fn a_product_with_several_variants_is_listed_with_all_of_them_and_their_levels() {
    let mut several = 0;
    for (platform, _) in lists().into_iter().filter(|(_, lists)| has(*lists, "products")) {
        let mut open = Open::new(platform);
        let now = open.later();
        let variants = ["S", "M"].map(|sku| NewVariant::stocked(sku, 1_999, 4, &open.locations));
        // Some platforms' products have one variant each.
        let Ok(ids) = open.machine.add_product("Shirt", &variants, now) else { continue };
        several += 1;
        open.log_in();
        let listed: BTreeSet<String> = open
            .events("products")
            .into_iter()
            .filter_map(|mapped| match mapped.payload {
                Payload::Product(product) => Some(product.variants),
                _ => None,
            })
            .flatten()
            .map(|variant| variant.external.to_string())
            .collect();
        let expected: BTreeSet<_> = ids.iter().map(|ids| ids.variant.clone()).collect();
        assert_eq!(listed, expected, "{}", platform.name());
        if has(platform.collections().unwrap(), "levels") {
            let levels: Vec<_> = open.levels().into_values().collect();
            assert_eq!(levels, ["4", "4"], "{}", platform.name());
        }
    }
    assert!(several > 1, "{several} platforms have products with several variants");
}

#[test]
fn a_list_that_shifts_while_it_is_read_passes_nothing_over_unnoticed() {
    for (platform, lists) in lists() {
        let whole = lists.all().iter().any(|known| known.name == "products" && known.reads != Reads::Whole);
        // The cursors of Square are its own affair.
        if !whole || platform.name() == "square" {
            continue;
        }
        let mut open = Open::new(platform);
        let ids: Vec<_> = (0..230).map(|number| open.add("Tea", &format!("S-{number}"), 1)).collect();
        open.log_in();
        let (mut cursor, mut seen, mut totals) = (None::<String>, Vec::new(), BTreeSet::new());
        for page in 0..PAGES_MAX {
            if page == 1 {
                for ids in ids.iter().step_by(9) {
                    let now = open.later();
                    open.machine.delete_product(&ids.product, now).unwrap();
                }
                open.log_in();
            }
            let ListPage { objects, next, total } = open.page("products", Range::Whole, cursor.as_deref());
            seen.extend(objects.into_iter().map(|listed| listed.key).filter(|key| !key.is_empty()));
            totals.extend(total);
            cursor = next.map(|next| next.cursor);
            if cursor.is_none() {
                break;
            }
        }
        let keys: BTreeSet<_> = seen.iter().map(String::as_str).collect();
        let passed_over = ids
            .iter()
            .enumerate()
            .filter(|(number, ids)| number % 9 != 0 && !keys.contains(ids.product.as_str()));
        let is_noticed = keys.len() < seen.len()
            || totals.len() > 1
            || totals.iter().any(|total| usize::try_from(*total) != Ok(seen.len()));
        assert!(passed_over.count() == 0 || is_noticed, "{}", platform.name());
    }
}

#[test]
fn a_read_of_changes_lists_nothing_from_long_before() {
    for (platform, lists) in lists() {
        let mut open = Open::new(platform);
        let ids = open.add("Tea", "A", 9);
        let (now, location) = (open.later(), open.locations[0].clone());
        open.machine.add_customer("Ada", "Lovelace", "ada@example.com", now).unwrap();
        open.machine.sell(&ids.item, &location, 2.into(), now).unwrap();
        // Some platforms list by days.
        open.now += TimeDelta::days(4);
        open.log_in();
        let since = Timestamp::from(open.now - TimeDelta::days(1));
        for known in lists.all().iter().filter(|known| known.reads != Reads::Whole) {
            let listed = open.read(known.name, Range::Changed { since, until: None });
            assert!(listed.is_empty(), "{} {}", platform.name(), known.name);
        }
    }
}

#[test]
fn what_is_missing_is_mapped_as_gone() {
    for (platform, lists) in lists() {
        let open = Open::new(platform);
        for known in lists.all() {
            let missing = || lists.missing(known.name, "77", open.now.into());
            let Some(object) = missing() else { continue };
            let label = format!("{} {}", platform.name(), known.name);
            assert_eq!(missing(), Some(object.clone()), "{label}");
            let events = open.mapped(&object);
            assert!(!events.is_empty(), "{label}");
            let is_deleted = events.iter().any(|event| event.action == Action::Deleted);
            assert!(is_deleted || known.name != "products", "{label}");
        }
        assert_eq!(lists.missing("no such list", "77", open.now.into()), None, "{}", platform.name());
    }
}

#[test]
fn an_employee_is_listed_until_leaving_and_never_with_a_pin_or_pay() {
    let mut listing = 0;
    for (platform, _) in lists().into_iter().filter(|(_, lists)| has(*lists, "employees")) {
        let mut open = Open::new(platform);
        let now = open.later();
        let employee = open.machine.hire("Ada", "Lovelace", "ada@example.com", "Manager", now).unwrap();
        let label = platform.name();
        let listed = open.everything("employees");
        let body = String::from_utf8(listed[0].object.body.clone()).unwrap();
        assert!(body.contains("Lovelace"), "{label}: {body}");
        for secret in [simulator::EMPLOYEE_PIN, "pin", "password", "hourly_rate", "icense", "loginId"] {
            assert!(!body.contains(secret), "{label}: {body}");
        }
        let employees = |open: &mut Open| -> Vec<Employee> {
            let events = open.events("employees").into_iter();
            let employee = |mapped: Mapped| match mapped.payload {
                Payload::Employee(employee) => Some(employee),
                _ => None,
            };
            events.filter_map(employee).collect()
        };
        let hired = employees(&mut open);
        assert_eq!(hired.len(), 1, "{label}");
        assert_eq!(hired[0].name, Patch::Set("Ada Lovelace".to_owned()), "{label}");
        assert_eq!(hired[0].roles, Some(vec!["Manager".to_owned()]), "{label}");
        assert_ne!(hired[0].is_active, Some(false), "{label}");
        let now = open.later();
        open.machine.let_go(&employee, now).unwrap();
        // Either no longer listed, or listed as one who left.
        let left = employees(&mut open);
        assert!(left.iter().all(|employee| employee.is_active == Some(false)), "{label}: {left:?}");
        listing += 1;
    }
    assert!(listing > 3, "{listing} platforms list employees");
}

#[test]
fn a_promotion_is_listed_with_its_product_its_reward_and_its_times() {
    use model::promotion::{Condition, Percent, Reward, is_active};
    for (platform, lists) in lists().into_iter().filter(|(_, lists)| has(*lists, "promotions")) {
        let mut open = Open::new(platform);
        let tea = open.add("Tea", "A", 1);
        let now = open.later();
        open.machine.add_promotion(promotion(1, &tea.product), now).unwrap();
        let events = open.events("promotions");
        let [mapped] = events.as_slice() else { panic!("{}: {events:?}", platform.name()) };
        let Payload::Promotion(promotion) = &mapped.payload else {
            panic!("{}: {mapped:?}", platform.name())
        };
        let label = format!("{}: {promotion:?}", platform.name());
        assert_eq!(promotion.name.as_deref(), Some("Promotion 1"), "{label}");
        let zone = model::Zone::UTC;
        for (at, expected) in [
            ("2026-05-31T23:59:59Z", false),
            ("2026-06-01T00:00:00Z", true),
            ("2026-07-31T23:59:59Z", true),
            ("2026-08-01T00:00:01Z", false),
        ] {
            assert_eq!(is_active(promotion, Timestamp::parse(at).unwrap(), zone), expected, "{at} {label}");
        }
        let named = promotion
            .targets
            .scope
            .targets()
            .iter()
            .any(|target| format!("{target:?}").contains(&tea.product));
        assert!(named, "{label}");
        // A platform whose amounts of rewards aren't known says so, and its promotions change no price.
        let ten = Reward::PercentOff { percent: Percent::parse("10").unwrap(), at_most: None };
        let is_unknown = promotion.reward == Reward::Other && promotion.conditions == [Condition::Other];
        assert!(promotion.reward == ten && promotion.conditions.is_empty() || is_unknown, "{label}");
        let listed = open.everything("promotions").remove(0);
        let gone = lists.missing("promotions", &listed.key, open.now.into()).unwrap();
        let gone = open.mapped(&gone).remove(0);
        assert_eq!((gone.action, gone.payload.external()), (Action::Deleted, &promotion.external), "{label}");
    }
}

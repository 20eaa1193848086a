//! Lists of every platform that has any, read from its simulated shop as the caller of the contract reads them.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use model::{
    Action, ConnectionId, Currency, Delivery, DeliveryId, DeliveryKind, InventoryReport, OrderStatus, Origin,
    Payload, PlatformName, Source, StoreId, TenantId, Timestamp, TraceParent,
};
use platforms::{
    Access, AccountRefusal, CallContext, CallError, Collections, HttpReply, HttpRequest, ListPage,
    MapContext, Mapped, Object, Platform, Range, Reads, Validator, Wanted,
};
use simulator::{MachineReply, MachineRequest, NewVariant, Shop, ShopMachine};
use std::collections::{BTreeMap, BTreeSet};

const BASE: &str = "https://api.example.com";
/// Upper limit of pages of one list here.
const PAGES_MAX: usize = 50;

/// More than any test spends.
const POINTS_PER_SECOND: f64 = 1_000_000.0;

/// Every platform that has lists.
fn lists() -> Vec<(&'static dyn Platform, &'static dyn Collections)> {
    let of = |platform: &&'static dyn Platform| Some((*platform, platform.collections()?));
    let lists: Vec<_> = platforms::all().iter().filter_map(of).collect();
    assert!(!lists.is_empty(), "there is nothing to check");
    lists
}

/// A simulated shop of a platform, and the time there.
struct Open {
    machine: ShopMachine,
    access: Access,
    platform: &'static dyn Platform,
    locations: Vec<String>,
    now: DateTime<Utc>,
}

impl Open {
    fn new(platform: &'static dyn Platform) -> Self {
        let simulated = simulator::find(platform.name()).unwrap();
        let shop = Shop {
            platform: simulated.name(),
            account: "suite".to_owned(),
            token: "token-of-the-suite".to_owned(),
            webhook_secret: "secret".to_owned(),
            webhook_url: None,
            currency: "USD".to_owned(),
            locations: vec![simulated.samples().location.to_owned()],
        };
        let access = Access {
            base_url: BASE.to_owned(),
            token: simulated.client_token(&shop),
            access_token: None,
            api_version: String::new(),
            account: shop.account.clone(),
        };
        let (locations, now) = (shop.locations.clone(), "2026-07-01T12:00:00Z".parse().unwrap());
        let machine = ShopMachine::new(shop, 7, Some(POINTS_PER_SECOND), now).unwrap();
        let mut open = Self { machine, access, platform, locations, now };
        open.log_in();
        open
    }

    /// Gets an access token, where the platform issues them.
    fn log_in(&mut self) {
        self.access.access_token = self.platform.tokens().map(|tokens| {
            let request = tokens.request(&self.access).unwrap();
            let reply = self.call(&request);
            tokens.issued(&HttpReply::new(reply.status, &reply.body), self.now.into()).unwrap().value
        });
    }

    fn call(&mut self, request: &HttpRequest) -> MachineReply {
        let headers = request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let call = MachineRequest {
            method: request.method.as_str(),
            target: request.url.strip_prefix(BASE).unwrap().to_owned(),
            headers: headers.collect(),
            body: request.body.clone(),
        };
        self.machine.answer(&call, self.now)
    }

    /// Lets some time pass, and returns the time after it.
    fn later(&mut self) -> DateTime<Utc> {
        self.now += TimeDelta::minutes(1);
        self.now
    }

    fn context(&self) -> CallContext<'_> {
        CallContext { access: &self.access, idempotency_key: "key", now: self.now.into() }
    }

    /// Reads every page of a list as the caller of the contract does.
    fn read(&mut self, collection: &str, range: Range) -> Vec<platforms::Listed> {
        let lists = self.platform.collections().unwrap();
        let (mut cursor, mut listed) = (None::<String>, Vec::new());
        for _ in 0..PAGES_MAX {
            let wanted = Wanted { collection, range, cursor: cursor.as_deref() };
            let request = lists.request(&wanted, &self.context()).unwrap();
            let label = format!("{} {collection} {}", self.platform.name(), request.url);
            let reply = self.call(&request);
            let headers: Vec<(String, String)> =
                reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let read = HttpReply { headers: &headers, ..HttpReply::new(reply.status, &reply.body) };
            let page = lists.page(&wanted, &self.context(), &read);
            let ListPage { objects, next, .. } = page.unwrap_or_else(|error| panic!("{label}: {error:?}"));
            listed.extend(objects);
            match next {
                Some(next) => cursor = Some(next.cursor),
                None => return listed,
            }
        }
        panic!("{} {collection}: more than {PAGES_MAX} pages", self.platform.name());
    }

    fn everything(&mut self, collection: &str) -> Vec<platforms::Listed> {
        let all = self.platform.collections().unwrap().all();
        match all.iter().find(|known| known.name == collection).unwrap().reads {
            Reads::Whole | Reads::ChangesAndWhole { .. } => self.read(collection, Range::Whole),
            Reads::Changes { .. } => {
                let since = Timestamp::from(self.now - TimeDelta::days(3));
                self.read(collection, Range::Changed { since, until: None })
            }
        }
    }

    /// The events of an object that was read now.
    fn mapped(&self, object: &Object) -> Vec<Mapped> {
        let id = DeliveryId::from_bytes([7; 16]);
        let delivery = Delivery {
            id,
            origin: Origin {
                tenant: TenantId::new("t").unwrap(),
                store: StoreId::new("s").unwrap(),
                connection: ConnectionId::new("c").unwrap(),
                platform: PlatformName::new(self.platform.name()).unwrap(),
            },
            kind: DeliveryKind::Platform(object.topic.into()),
            received_at: self.now.into(),
            source: Source::Fetch,
            cause: None,
            asked_by: None,
            attempt: 0,
            currency: None,
            account: None,
            headers: Vec::new(),
            trace: TraceParent::from_delivery(id),
            body: object.body.clone().into(),
        };
        assert!(object.body.len() <= self.platform.spec().body_bytes_max);
        let body = Validator::of(self.platform).unwrap().read(object.topic, &object.body);
        let body =
            body.unwrap_or_else(|reject| panic!("{} {}: {reject}", self.platform.name(), object.topic));
        let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
        let rows = self.platform.map(&delivery, &body, &context).unwrap();
        rows.into_iter().map(Result::unwrap).collect()
    }

    fn events(&mut self, collection: &str) -> Vec<Mapped> {
        let listed = self.everything(collection);
        listed.iter().flat_map(|listed| self.mapped(&listed.object)).collect()
    }

    /// The level of each item, summed over the locations that are named.
    fn levels(&mut self) -> BTreeMap<String, String> {
        let level = |mapped: Mapped| match mapped.payload {
            Payload::Inventory(InventoryReport { item, available, .. }) => {
                Some((item.to_string(), available.unwrap().to_string()))
            }
            _ => None,
        };
        self.events("levels").into_iter().filter_map(level).collect()
    }

    fn add(&mut self, title: &str, sku: &str, pieces: i64) -> simulator::ItemIds {
        let (now, variant) = (self.later(), NewVariant::stocked(sku, 1_999, pieces, &self.locations));
        self.machine.add_product(title, &[variant], now).unwrap().remove(0)
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
        for _ in 0..30 {
            open.machine.sell(&first.item, &location, 1.into(), now).unwrap();
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
                other => panic!("{other}: the simulated shop has none"),
            };
            let keys: BTreeSet<_> = listed.iter().map(|listed| &listed.key).collect();
            assert_eq!((keys.len(), listed.len()), (expected, expected), "{label}");
            assert!(listed.iter().all(|listed| !open.mapped(&listed.object).is_empty()), "{label}");
        }
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

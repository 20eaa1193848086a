//! The lists of every platform that has any, as its simulated shop shows them.

#![expect(clippy::unwrap_used, reason = "a suite stops at what it can't read")]

use model::{
    ConnectionId, Currency, Delivery, DeliveryId, DeliveryKind, Origin, PlatformName, Source, StoreId,
    TenantId, Timestamp, TraceParent,
};
use platforms::{
    Access, CallContext, Collection, Collections, HttpReply, HttpRequest, Listed, MapContext, Mapped, Object,
    Platform, Range, Reads, Validator, Wanted,
};
use simulator::{MachineRequest, NewVariant, Shop, ShopMachine};
use std::{collections::BTreeMap, time::Duration};

const NOW: &str = "2026-07-02T10:00:00Z";
/// Pages of one list after which it is taken to be endless.
const PAGES_MAX: usize = 100;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The platforms that have lists.
fn listing() -> impl Iterator<Item = (&'static dyn Platform, &'static dyn Collections)> {
    platforms::all().iter().filter_map(|platform| Some((*platform, platform.collections()?)))
}

fn access() -> Access {
    Access {
        base_url: "https://api.example.com".to_owned(),
        token: "client-of-the-suite:token-of-the-suite".to_owned(),
        access_token: Some("issued-to-the-suite".to_owned()),
        api_version: String::new(),
        account: "suite".to_owned(),
    }
}

/// The ranges that a collection may be read in.
fn ranges(collection: &Collection) -> Vec<Range> {
    let until = Some(at("2026-07-02T09:00:00Z"));
    let changed = [
        Range::Changed { since: at("2026-06-28T10:00:00Z"), until: None },
        Range::Changed { since: at("2026-06-28T10:00:00Z"), until },
    ];
    match collection.reads {
        Reads::Whole => vec![Range::Whole],
        Reads::ChangesAndWhole { .. } => changed.into_iter().chain([Range::Whole]).collect(),
        Reads::Changes { .. } => changed.to_vec(),
    }
}

/// The events of an object; panics if it violates its schema, or if one of its rows is rejected.
fn mapped(platform: &dyn Platform, validator: &Validator, object: &Object) -> Vec<Mapped> {
    let body = validator.read(object.topic, &object.body);
    let body = body.unwrap_or_else(|reject| panic!("{} {}: {reject}", platform.name(), object.topic));
    let id = DeliveryId::from_bytes([7; 16]);
    let origin = Origin {
        tenant: TenantId::new("t").unwrap(),
        store: StoreId::new("s").unwrap(),
        connection: ConnectionId::new("c").unwrap(),
        platform: PlatformName::new(platform.name()).unwrap(),
    };
    let delivery = Delivery {
        id,
        origin,
        kind: DeliveryKind::Platform(object.topic.into()),
        received_at: at(NOW),
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
    let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
    let rows = platform.map(&delivery, &body, &context);
    let rows = rows.and_then(|rows| rows.into_iter().collect::<Result<Vec<_>, _>>());
    rows.unwrap_or_else(|reject| panic!("{} {}: {reject}", platform.name(), object.topic))
}

/// A simulated shop with products, sales and customers, and the access to its API.
struct Simulated {
    machine: ShopMachine,
    access: Access,
    now: Timestamp,
}

impl Simulated {
    /// Opens a shop of 260 products, 30 sales and 60 customers: more than one page of each list.
    fn open(platform: &dyn Platform) -> Self {
        let simulated = simulator::find(platform.name()).unwrap();
        let location = simulated.samples().location.to_owned();
        let shop = Shop {
            platform: simulated.name(),
            account: "suite".to_owned(),
            token: "the-token".to_owned(),
            webhook_secret: "secret".to_owned(),
            webhook_url: None,
            currency: "USD".to_owned(),
            locations: vec![location.clone()],
        };
        let access = Access { token: simulated.client_token(&shop), access_token: None, ..access() };
        let now = at("2026-06-29T08:00:00Z");
        let mut machine = ShopMachine::new(shop, 1, None, now.as_chrono()).unwrap();
        let mut first = None;
        for number in 0..260 {
            let variant =
                NewVariant::stocked(&format!("S-{number}"), 950, 100, std::slice::from_ref(&location));
            let ids = machine.add_product(&format!("Tea {number}"), &[variant], now.as_chrono()).unwrap();
            first.get_or_insert(ids[0].clone());
        }
        for number in 0..60 {
            let email = format!("ada-{number}@example.com");
            machine.add_customer("Ada", &number.to_string(), &email, now.as_chrono()).unwrap();
        }
        for _ in 0..30 {
            machine.sell(&first.as_ref().unwrap().item, &location, 1.into(), now.as_chrono()).unwrap();
        }
        let mut shop = Self { machine, access, now: at(NOW) };
        shop.access.access_token = platform.tokens().map(|tokens| {
            let request = tokens.request(&shop.access).unwrap();
            let (status, body) = shop.call(request);
            tokens.issued(&HttpReply::new(status, &body), shop.now).unwrap().value
        });
        shop
    }

    fn call(&mut self, request: HttpRequest) -> (u16, Vec<u8>) {
        let target = request.url.strip_prefix(&self.access.base_url).unwrap().to_owned();
        let headers = request.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
        let request = MachineRequest {
            method: request.method.as_str(),
            target,
            headers: headers.collect(),
            body: request.body,
        };
        // As long as a budget of calls takes to be refilled.
        self.now = self.now.after(Duration::from_mins(1));
        let reply = self.machine.answer(&request, self.now.as_chrono());
        (reply.status, reply.body.to_vec())
    }

    /// Every object of a list, with the number that its pages state.
    fn list(
        &mut self,
        lists: &dyn Collections,
        collection: &str,
        range: Range,
    ) -> (Vec<Listed>, Option<u64>) {
        let (mut objects, mut total, mut cursor) = (Vec::new(), None, None::<String>);
        for _ in 0..PAGES_MAX {
            let access = self.access.clone();
            let context = CallContext { access: &access, idempotency_key: "", now: self.now };
            let wanted = Wanted { collection, range, cursor: cursor.as_deref() };
            let request = lists.request(&wanted, &context).unwrap();
            let (status, body) = self.call(request);
            let page = lists.page(&wanted, &context, &HttpReply::new(status, &body));
            let page = page.unwrap_or_else(|error| panic!("{collection}: {status} {error}"));
            objects.extend(page.objects);
            total = total.or(page.total);
            let Some(next) = page.next else { return (objects, total) };
            cursor = Some(next.cursor);
        }
        panic!("{collection} has no end")
    }
}

/// The objects that a list accounts for, by their keys; panics if a key is there twice.
fn by_key(mut objects: Vec<Listed>) -> BTreeMap<String, Object> {
    objects.retain(|listed| !listed.key.is_empty());
    let count = objects.len();
    let found: BTreeMap<_, _> = objects.into_iter().map(|Listed { key, object }| (key, object)).collect();
    assert_eq!(found.len(), count, "a key is there twice");
    found
}

#[test]
fn every_list_of_a_simulated_shop_is_read_to_its_end_once_and_mapped() {
    for (platform, lists) in listing() {
        let (mut shop, validator) = (Simulated::open(platform), Validator::of(platform).unwrap());
        for collection in lists.all() {
            for range in ranges(collection) {
                let label = format!("{} {} {range:?}", platform.name(), collection.name);
                let (objects, total) = shop.list(lists, collection.name, range);
                let expected = match collection.name {
                    "products" | "levels" => 260,
                    "orders" => 30,
                    "customers" => 60,
                    other => panic!("{other}: the simulated shop has none"),
                };
                assert!(total.is_none_or(|total| total == expected as u64), "{label}: {total:?}");
                let objects = by_key(objects);
                assert_eq!(objects.len(), expected, "{label}");
                let is_mapped =
                    objects.values().all(|object| !mapped(platform, &validator, object).is_empty());
                assert!(is_mapped, "{label}: an object says nothing");
            }
        }
    }
}

#[test]
fn a_list_of_changes_has_none_from_before_its_range() {
    for (platform, lists) in listing() {
        let mut shop = Simulated::open(platform);
        for collection in lists.all().iter().filter(|collection| collection.reads != Reads::Whole) {
            let range = Range::Changed { since: at("2026-07-02T09:00:00Z"), until: None };
            let (objects, _) = shop.list(lists, collection.name, range);
            assert_eq!(objects, [], "{} {}", platform.name(), collection.name);
        }
    }
}

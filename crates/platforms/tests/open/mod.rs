//! A simulated shop whose lists are read as the caller of the contract reads them.

use chrono::{DateTime, TimeDelta, Utc};
use model::{
    ConnectionId, Currency, Delivery, DeliveryId, DeliveryKind, InventoryReport, Origin, Payload,
    PlatformName, Source, StoreId, TenantId, Timestamp, TraceParent,
};
use platforms::{
    Access, CallContext, Collections, Fetch, HttpReply, HttpRequest, ListPage, MapContext, Mapped, Object,
    Page, Platform, Range, Reads, Signed, TopicKind, Validator, Wanted,
};
use simulator::{MachineReply, MachineRequest, MachineWebhook, NewVariant, Shop, ShopMachine};
use std::{collections::BTreeMap, sync::Arc};

const BASE: &str = "https://api.example.com";
const WEBHOOKS: &str = "https://hooks.example.com/webhooks/suite";
/// Upper limit of pages of one list here.
pub(crate) const PAGES_MAX: usize = 50;

/// More than any test spends.
const POINTS_PER_SECOND: f64 = 1_000_000.0;

/// Every platform that has lists.
pub(crate) fn lists() -> Vec<(&'static dyn Platform, &'static dyn Collections)> {
    let of = |platform: &&'static dyn Platform| Some((*platform, platform.collections()?));
    let lists: Vec<_> = platforms::all().iter().filter_map(of).collect();
    assert!(!lists.is_empty(), "there is nothing to check");
    lists
}

/// A simulated shop of a platform, and the time there.
pub(crate) struct Open {
    pub(crate) machine: ShopMachine,
    pub(crate) access: Access,
    pub(crate) platform: &'static dyn Platform,
    pub(crate) locations: Vec<String>,
    pub(crate) now: DateTime<Utc>,
}

impl Open {
    pub(crate) fn new(platform: &'static dyn Platform) -> Self {
        let simulated = simulator::find(platform.name()).unwrap();
        let shop = Shop {
            platform: simulated.name(),
            account: "suite".to_owned(),
            token: "token-of-the-suite".to_owned(),
            webhook_secret: "secret".to_owned(),
            webhook_url: Some(WEBHOOKS.to_owned()),
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
    pub(crate) fn log_in(&mut self) {
        self.access.access_token = self.platform.tokens().map(|tokens| {
            let request = tokens.request(&self.access).unwrap();
            let reply = self.call(&request);
            tokens.issued(&HttpReply::new(reply.status, &reply.body), self.now.into()).unwrap().value
        });
    }

    pub(crate) fn call(&mut self, request: &HttpRequest) -> MachineReply {
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
    pub(crate) fn later(&mut self) -> DateTime<Utc> {
        self.now += TimeDelta::minutes(1);
        self.now
    }

    pub(crate) fn context(&self) -> CallContext<'_> {
        CallContext { access: &self.access, idempotency_key: "key", now: self.now.into() }
    }

    /// Reads every page of a list as the caller of the contract does.
    pub(crate) fn read(&mut self, collection: &str, range: Range) -> Vec<platforms::Listed> {
        let (mut cursor, mut listed) = (None::<String>, Vec::new());
        for _ in 0..PAGES_MAX {
            let ListPage { objects, next, .. } = self.page(collection, range, cursor.as_deref());
            listed.extend(objects);
            match next {
                Some(next) => cursor = Some(next.cursor),
                None => return listed,
            }
        }
        panic!("{} {collection}: more than {PAGES_MAX} pages", self.platform.name());
    }

    pub(crate) fn page(&mut self, collection: &str, range: Range, cursor: Option<&str>) -> ListPage {
        let lists = self.platform.collections().unwrap();
        let wanted = Wanted { collection, range, cursor };
        let request = lists.request(&wanted, &self.context()).unwrap();
        let label = format!("{} {collection} {}", self.platform.name(), request.url);
        let reply = self.call(&request);
        let headers: Vec<(String, String)> =
            reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let read = HttpReply { headers: &headers, ..HttpReply::new(reply.status, &reply.body) };
        let page = lists.page(&wanted, &self.context(), &read);
        page.unwrap_or_else(|error| panic!("{label}: {error:?}"))
    }

    pub(crate) fn everything(&mut self, collection: &str) -> Vec<platforms::Listed> {
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
    pub(crate) fn mapped(&self, object: &Object) -> Vec<Mapped> {
        assert!(object.body.len() <= self.platform.spec().body_bytes_max);
        self.map(object.topic, object.body.clone().into(), Vec::new(), Source::Fetch)
    }

    /// The events of a delivery that is received now.
    fn map(
        &self,
        topic: &str,
        body: bytes::Bytes,
        headers: Vec<(Arc<str>, Arc<str>)>,
        source: Source,
    ) -> Vec<Mapped> {
        let id = DeliveryId::from_bytes([7; 16]);
        let delivery = Delivery {
            id,
            origin: Origin {
                tenant: TenantId::new("t").unwrap(),
                store: StoreId::new("s").unwrap(),
                connection: ConnectionId::new("c").unwrap(),
                platform: PlatformName::new(self.platform.name()).unwrap(),
            },
            kind: DeliveryKind::Platform(topic.into()),
            received_at: self.now.into(),
            source,
            cause: None,
            asked_by: None,
            attempt: 0,
            currency: None,
            account: None,
            headers,
            trace: TraceParent::from_delivery(id),
            body,
        };
        let body = Validator::of(self.platform).unwrap().read(topic, &delivery.body);
        let body = body.unwrap_or_else(|reject| panic!("{} {topic}: {reject}", self.platform.name()));
        let context = MapContext { currency: Some(Currency::new("USD").unwrap()) };
        let rows = self.platform.map(&delivery, &body, &context).unwrap();
        rows.into_iter().map(Result::unwrap).collect()
    }

    /// The events of the webhooks since the previous call, with the objects that thin ones name.
    pub(crate) fn reported(&mut self) -> Vec<Mapped> {
        self.machine.take_webhooks().iter().flat_map(|webhook| self.received(webhook)).collect()
    }

    fn received(&mut self, (headers, body): &MachineWebhook) -> Vec<Mapped> {
        let webhooks = self.platform.webhooks().unwrap();
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let mut events = Vec::new();
        for envelope in webhooks.split(&Signed { headers: &headers, body }) {
            let (topic, body) = (&envelope.topic, envelope.body.clone().unwrap_or_else(|| body.clone()));
            // Simulated shops send topics that the intake refuses, too.
            let Some(kind) = self.platform.topic(topic).map(|known| known.kind) else { continue };
            if matches!(kind, TopicKind::Full | TopicKind::Both) {
                let kept =
                    headers.iter().filter(|(name, _)| webhooks.kept_headers().contains(&name.as_str()));
                let kept = kept.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
                events.extend(self.map(topic, body.clone(), kept, Source::Webhook));
            }
            if matches!(kind, TopicKind::Thin | TopicKind::Both) {
                events.extend(self.fetched(topic, &body));
            }
        }
        events
    }

    /// The events of the objects that a thin notification names.
    fn fetched(&mut self, topic: &str, body: &[u8]) -> Vec<Mapped> {
        let (reader, body) = (self.platform.reader().unwrap(), serde_json::from_slice(body).unwrap());
        let wanted = Fetch::Notified { topic, body: &body, since: None };
        let mut request = reader.request(&wanted, &self.context()).unwrap();
        let mut events = Vec::new();
        while let Some(asked) = request {
            let reply = self.call(&asked);
            let page = reader.page(&wanted, &self.context(), &HttpReply::new(reply.status, &reply.body));
            let Page { objects, next } = page.unwrap();
            events.extend(objects.iter().flat_map(|object| self.mapped(object)));
            request = next;
        }
        events
    }

    pub(crate) fn events(&mut self, collection: &str) -> Vec<Mapped> {
        let listed = self.everything(collection);
        listed.iter().flat_map(|listed| self.mapped(&listed.object)).collect()
    }

    /// The level of each item, summed over the locations that are named.
    pub(crate) fn levels(&mut self) -> BTreeMap<String, String> {
        let level = |mapped: Mapped| match mapped.payload {
            Payload::Inventory(InventoryReport { item, available, .. }) => {
                Some((item.to_string(), available.unwrap().to_string()))
            }
            _ => None,
        };
        self.events("levels").into_iter().filter_map(level).collect()
    }

    pub(crate) fn add(&mut self, title: &str, sku: &str, pieces: i64) -> simulator::ItemIds {
        let (now, variant) = (self.later(), NewVariant::stocked(sku, 1_999, pieces, &self.locations));
        self.machine.add_product(title, &[variant], now).unwrap().remove(0)
    }
}

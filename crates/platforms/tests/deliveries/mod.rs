//! The examples of every platform, their signatures, and the rendering of mapped events.

use model::{
    ConnectionId, Currency, Customer, Delivery, DeliveryId, DeliveryKind, Employee, Origin, Payload,
    PlatformName, Source, StoreId, TenantId, Timestamp, TraceParent,
};
use platforms::{MapContext, Mapped, Platform, Signed, Topic, VerifyContext};
use simulator::{Headers, Unsigned};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) const SECRET: &str = "a-secret-of-the-suite";
pub(crate) const URL: &str = "https://hooks.example.com/webhooks/suite";
pub(crate) const CONTEXT: fn() -> MapContext =
    || MapContext { currency: Some(Currency::new("USD").unwrap()) };

/// One file of `examples/`.
pub(crate) struct Example {
    pub(crate) platform: &'static dyn Platform,
    pub(crate) topic: Topic,
    /// `<topic with _ for / and .>.<case>`
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
}

impl Example {
    /// The name of the example in messages.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.platform.name(), self.name)
    }

    /// Returns true if it is delivered by webhook; objects that we fetch have no signature and no envelope.
    pub(crate) fn is_sent(&self) -> bool {
        self.topic.is_sent()
    }

    /// Returns true if its body may contain unknown fields.
    pub(crate) fn is_open(&self) -> bool {
        !closed_topics(self.platform.name()).contains(&self.topic.name)
    }

    pub(crate) fn delivery(&self) -> Delivery {
        let kept = self.platform.webhooks().map_or(&[][..], |webhooks| webhooks.kept_headers());
        let sent = if self.is_sent() { received(self).headers } else { Vec::new() };
        let headers = sent.into_iter().filter(|(name, _)| kept.contains(&name.as_str()));
        let id = DeliveryId::from_bytes([7; 16]);
        Delivery {
            id,
            origin: Origin {
                tenant: TenantId::new("t").unwrap(),
                store: StoreId::new("s").unwrap(),
                connection: ConnectionId::new("c").unwrap(),
                platform: PlatformName::new(self.platform.name()).unwrap(),
            },
            kind: DeliveryKind::Platform(self.topic.name.into()),
            received_at: Timestamp::parse("2026-07-02T00:00:00Z").unwrap(),
            source: if self.is_sent() { Source::Webhook } else { Source::Fetch },
            cause: None,
            asked_by: None,
            attempt: 0,
            currency: None,
            account: None,
            headers: headers.map(|(name, value)| (name.into(), value.into())).collect(),
            trace: TraceParent::from_delivery(id),
            body: self.body.clone().into(),
        }
    }
}

/// The start of file names for a topic such as `products/create` or `catalog.version.updated`.
pub(crate) fn stem(topic: &str) -> String {
    topic.replace(['/', '.'], "_")
}

/// The folder of `platform`.
pub(crate) fn folder(platform: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src", platform].iter().collect()
}

/// The names in `folder`, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every example of every platform.
pub(crate) fn examples() -> Vec<Example> {
    platforms::all().iter().flat_map(|platform| examples_of(*platform)).collect()
}

fn examples_of(platform: &'static dyn Platform) -> Vec<Example> {
    let folder = folder(platform.name()).join("examples");
    let names = names_in(&folder);
    let names = names.iter().filter_map(|name| name.strip_suffix(".json"));
    let read = |name: &str| {
        let (topic, _) = name.split_once('.').unwrap_or_else(|| panic!("{name}: not <topic>.<case>.json"));
        let topic = platform.spec().topics.iter().find(|known| stem(known.name) == topic);
        let topic = *topic.unwrap_or_else(|| panic!("{} {name}: of no topic", platform.name()));
        let body = fs::read(folder.join(format!("{name}.json"))).unwrap().trim_ascii_end().to_vec();
        Example { platform, topic, name: name.to_owned(), body }
    };
    names.map(read).collect()
}

/// The topics of fetched objects, which no webhook has.
pub(crate) fn fetched_topics(platform: &str) -> &'static [&'static str] {
    match platform {
        "blaze" => &[
            "employee",
            "level.absent",
            "member",
            "product",
            "product.absent",
            "product.stock",
            "promotion",
            "promotion.absent",
            "transaction",
        ],
        "clover" => &["customer", "employee", "item", "item_stock", "order"],
        "flowhub" => &["customer", "inventory", "order", "product"],
        "leaflogix" => &[
            "customer",
            "discount",
            "discount_absent",
            "employee",
            "employee_absent",
            "inventory",
            "product",
            "transaction",
        ],
        "shopify" => &["discount/read", "inventory_level/read", "product/read"],
        "square" => &[
            "catalog.object",
            "inventory.count",
            "inventory.count.absent",
            "order.object",
            "pricing_rule.object",
        ],
        "treez" => &["LEVEL_ABSENT", "PRODUCT_STOCK"],
        "woocommerce" => &[
            "level.absent",
            "level.read",
            "product.absent",
            "product.read",
            "variation.read",
            "variations.read",
        ],
        _ => &[],
    }
}

/// The topics whose shape is closed: a body with any other content is not of that topic. If a topic is named by a
/// header that isn't signed, only the shape distinguishes a deletion from another body under its name.
pub(crate) fn closed_topics(platform: &str) -> &'static [&'static str] {
    match platform {
        "shopify" => &[
            "customers/data_request",
            "customers/delete",
            "customers/redact",
            "inventory_levels/disconnect",
            "orders/delete",
            "products/delete",
            "shop/redact",
        ],
        "woocommerce" => {
            &["customer.deleted", "level.absent", "order.deleted", "product.absent", "product.deleted"]
        }
        _ => &[],
    }
}

/// An example as its platform would send it.
pub(crate) struct Received {
    pub(crate) headers: Vec<(String, String)>,
    /// The header that carries the proof.
    pub(crate) proof: &'static str,
    /// Start of the proof within that header's value; before it is a scheme, whose case is ignored.
    pub(crate) proof_from: usize,
    /// True if the body is part of the proven content.
    pub(crate) body_is_proven: bool,
}

/// The delivery of `example`, signed as its simulated platform signs.
pub(crate) fn received(example: &Example) -> Received {
    let name = example.platform.name();
    let simulated = simulator::find(name).unwrap_or_else(|| panic!("{name} isn't simulated"));
    let sign = |body: &[u8]| {
        let id = "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043";
        let topic = example.topic.name;
        simulated.sign(&Unsigned { account: "suite", secret: SECRET, url: URL, topic, id, body })
    };
    let proof = simulated.signature_header();
    let value = |headers: &Headers| headers.iter().find(|(name, _)| *name == proof).unwrap().1.clone();
    let (signed, other) = (sign(&example.body), sign(b"another body"));
    let further = further_headers(name).iter().map(|&(name, value)| (name, value.to_owned()));
    let (proof_from, body_is_proven) =
        (value(&signed).find(' ').map_or(0, |space| space + 1), value(&signed) != value(&other));
    let headers = signed.into_iter().chain(further).map(|(name, value)| (name.to_owned(), value)).collect();
    Received { headers, proof, proof_from, body_is_proven }
}

/// Headers that a platform sends beside those of its signer, and that its `map` reads.
fn further_headers(platform: &str) -> &'static [(&'static str, &'static str)] {
    match platform {
        "shopify" => &[
            ("x-shopify-event-id", "98880550-7158-44d4-b7cd-2c97c8a091b5"),
            ("x-shopify-triggered-at", "2026-07-01T12:00:05.123456789Z"),
        ],
        _ => &[],
    }
}

/// Returns true if `platform` verifies a request with these headers and this body.
pub(crate) fn verifies(
    platform: &dyn Platform,
    headers: &[(String, String)],
    body: &[u8],
    active: &[&str],
) -> bool {
    let active: Vec<_> = active.iter().map(|&secret| secret.to_owned()).collect();
    let context = VerifyContext::new(&active, URL, Timestamp::default());
    platform.webhooks().unwrap().verify(&Signed { headers, body }, &context).is_ok()
}

/// Events as text: every field, those of customers and employees included, whose own rendering hides them.
pub(crate) fn rendered(mapped: &[Mapped]) -> String {
    mapped.iter().map(rendered_one).collect::<Vec<_>>().join("\n")
}

fn rendered_one(mapped: &Mapped) -> String {
    let Mapped { action, occurred_at, version, identity, payload } = mapped;
    let payload = match payload {
        Payload::Customer(customer) => rendered_customer(customer),
        Payload::Employee(employee) => rendered_employee(employee),
        other => format!("{other:#?}"),
    };
    let occurred_at = occurred_at.map_or("unknown".to_owned(), |time| time.to_string());
    let version = version.map_or("unknown".to_owned(), |version| version.number.0.to_string());
    format!(
        "action: {action}\noccurred at: {occurred_at}\nversion: {version}\nidentity: {identity:?}\n{payload}\n"
    )
}

fn rendered_customer(customer: &Customer) -> String {
    let Customer { external, first_name, last_name, email, phone, tags, merged_into } = customer;
    format!(
        "Customer {{\n    external: {external:?},\n    first_name: {first_name:?},\n    last_name: {last_name:?},\n    \
         email: {email:?},\n    phone: {phone:?},\n    tags: {tags:?},\n    merged_into: {merged_into:?},\n}}"
    )
}

fn rendered_employee(employee: &Employee) -> String {
    let Employee { external, name, email, phone, roles, is_active, workplaces } = employee;
    format!(
        "Employee {{\n    external: {external:?},\n    name: {name:?},\n    email: {email:?},\n    phone: {phone:?},\n    \
         roles: {roles:?},\n    is_active: {is_active:?},\n    workplaces: {workplaces:?},\n}}"
    )
}

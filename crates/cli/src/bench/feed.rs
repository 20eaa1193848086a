//! Connections of many stores, and their signed deliveries.

use crate::{cli::Load, failure::Failed};
use ::ingest::{Answer, Intake, Webhook};
use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use model::{BaselineRule, ConnectionId, Currency, ExternalId, LocationId, PlatformName, StoreId, TenantId};
use simulator::{SampleLevel, SampleProduct, SampleVariant, SampleWebhook, SimulatedPlatform, Unsigned};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use store::{Connection, Health, LocationSetup, Rules, Store, StoreSetup};

const SECRET: &str = "bench-secret-bench-secret";

/// The platform that the stores sell on: the first whose webhooks report products and levels one by one.
pub(crate) fn platform() -> Result<&'static dyn SimulatedPlatform, Failed> {
    let updated_at = chrono::DateTime::UNIX_EPOCH;
    let level = SampleLevel { item: 1, location: "1", available: 1, updated_at };
    let product = SampleProduct { id: 1, title: "", variants: &[], updated_at, is_new: true };
    let reports = |platform: &&'static dyn SimulatedPlatform| {
        platform.level_webhook(&level).is_some() && platform.product_webhook(&product).is_some()
    };
    simulator::all().find(reports).ok_or_else(unreported)
}

fn unreported() -> Failed {
    Failed::Other("no simulated platform reports products and levels one by one".to_owned())
}

/// One signed delivery, ready to be sent.
pub(crate) struct Signed {
    pub(crate) platform: &'static str,
    pub(crate) connection: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Signed {
    fn new(
        platform: &dyn SimulatedPlatform,
        connection: String,
        delivery: &str,
        webhook: Option<SampleWebhook>,
    ) -> Result<Self, Failed> {
        let SampleWebhook { topic, body } = webhook.ok_or_else(unreported)?;
        let unsigned = Unsigned {
            account: "bench",
            secret: SECRET,
            url: "",
            topic,
            id: delivery,
            body: body.as_bytes(),
        };
        let headers = platform.sign(&unsigned).into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { platform: platform.name(), connection, headers, body: body.into() })
    }

    /// Sends it through the intake, as the HTTP server does after reading the request.
    pub(crate) async fn send(self, intake: &Intake) -> Answer {
        let webhook = Webhook {
            platform: self.platform,
            connection: &self.connection,
            headers: &self.headers,
            signed_body: &self.body,
            body: self.body.clone(),
        };
        intake.webhook(webhook).await
    }
}

/// Sends through the intake in order: at `rate` a second, or, if that is 0, as fast as responses arrive, `in_flight` at
/// once. Returns the number of refused deliveries.
pub(crate) async fn send(deliveries: Vec<Signed>, intake: &Intake, rate: u64, in_flight: usize) -> u64 {
    let began = Instant::now();
    let mut waiting = FuturesUnordered::new();
    let mut refused = 0;
    for (index, delivery) in deliveries.into_iter().enumerate() {
        if rate > 0 {
            let due = due(began, index, rate);
            while Instant::now() < due {
                tokio::select! {
                    Some(response) = waiting.next(), if !waiting.is_empty() => refused += was_refused(response),
                    () = tokio::time::sleep_until(due.into()) => {}
                }
            }
        }
        while waiting.len() >= in_flight {
            if let Some(response) = waiting.next().await {
                refused += was_refused(response);
            }
        }
        waiting.push(delivery.send(intake));
        // Polled at least once, so that deliveries reach their queues in this order.
        if let Some(Some(response)) = futures::FutureExt::now_or_never(waiting.next()) {
            refused += was_refused(response);
        }
    }
    while let Some(response) = waiting.next().await {
        refused += was_refused(response);
    }
    refused
}

fn was_refused(response: Answer) -> u64 {
    u64::from(!matches!(response, Answer::Kept { .. }))
}

/// The time at which the delivery of that index is due.
pub(crate) fn due(began: Instant, index: usize, rate: u64) -> Instant {
    #[expect(clippy::cast_precision_loss, reason = "a schedule needs no more digits")]
    let after = Duration::from_secs_f64(index as f64 / rate as f64);
    began + after
}

/// Creates the stores, each with one connection and one location.
pub(crate) async fn provision(store: &Store, load: &Load) -> Result<(), Failed> {
    let unusable = |error: model::InvalidId| Failed::Other(error.to_string());
    let platform = platform()?;
    let tenant = TenantId::new("bench").map_err(unusable)?;
    store.upsert_tenant(&tenant).await?;
    for index in 0..load.stores {
        let id = StoreId::new(&format!("store-{index}")).map_err(unusable)?;
        let location = LocationId::new(&format!("store-{index}-main")).map_err(unusable)?;
        let connection = ConnectionId::new(&format!("shop-{index}")).map_err(unusable)?;
        let currency = Currency::new("USD").ok();
        let (name, timezone) = (id.to_string(), "UTC".to_owned());
        store
            .upsert_store(&StoreSetup { tenant: tenant.clone(), id: id.clone(), name, currency, timezone })
            .await?;
        let name = "Main".to_owned();
        let setup = LocationSetup { tenant: tenant.clone(), store: id.clone(), id: location.clone(), name };
        store.upsert_location(&setup).await?;
        let row = Connection {
            tenant: tenant.clone(),
            store: id,
            id: connection.clone(),
            platform: PlatformName::new(platform.name()).map_err(unusable)?,
            enabled: true,
            base_url: "http://127.0.0.1:9".to_owned(),
            account: String::new(),
            api_version: String::new(),
            token: "none".to_owned(),
            secrets: vec![SECRET.to_owned()],
            notification_url: String::new(),
            default_location: Some(location.clone()),
            requests_per_minute: None,
            rules: Rules { propagate_inventory: false, propagate_prices: false, propagate_products: false },
            currency,
            health: Health::Ok,
            health_reason: None,
            health_since: None,
            probe_at: None,
            baseline: BaselineRule::Store,
            ignored_locations: BTreeSet::new(),
        };
        store.upsert_connection(&row).await?;
        let external = ExternalId::new(platform.samples().location).map_err(unusable)?;
        store.upsert_location_link(&connection, &external, &location).await?;
    }
    Ok(())
}

const fn item(store: u32, item: u32) -> u64 {
    9_000_000_000_000_000 + (store as u64) * 1000 + item as u64
}

/// Returns a product of each store with all its items as variants.
pub(crate) fn products(load: &Load) -> Result<Vec<Signed>, Failed> {
    let (platform, updated_at) =
        (platform()?, chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(19_000));
    let product = |store: u32| {
        let variant = |index: u32| {
            let (title, sku) = (format!("Size {index}"), format!("S{store}-{index}"));
            SampleVariant { id: item(store, index), item: item(store, index), title, sku, price: "19.99" }
        };
        let variants: Vec<SampleVariant> = (0..load.items).map(variant).collect();
        let (id, title) = (item(store, 999), "Product");
        let sample = SampleProduct { id, title, variants: &variants, updated_at, is_new: true };
        let webhook = platform.product_webhook(&sample);
        Signed::new(platform, format!("shop-{store}"), &format!("product-{store}"), webhook)
    };
    (0..load.stores).map(product).collect()
}

/// Returns reports of levels: each has a quantity other than the one before of its item, in the order of its clock.
pub(crate) fn levels(load: &Load) -> Result<Vec<Signed>, Failed> {
    let (platform, base) = (platform()?, chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000));
    let location = platform.samples().location;
    let level = |index: u64| {
        let store = u32::try_from(index % u64::from(load.stores)).unwrap_or(0);
        let round = index / u64::from(load.stores);
        let number = u32::try_from(round % u64::from(load.items)).unwrap_or(0);
        let available = 1000 - i64::try_from((round / u64::from(load.items)) % 900).unwrap_or(0);
        let updated_at = base + chrono::TimeDelta::seconds(i64::try_from(round).unwrap_or(0));
        let level = SampleLevel { item: item(store, number), location, available, updated_at };
        let webhook = platform.level_webhook(&level);
        Signed::new(platform, format!("shop-{store}"), &format!("level-{index}"), webhook)
    };
    (0..load.events).map(level).collect()
}

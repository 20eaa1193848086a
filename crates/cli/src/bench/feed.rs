//! Connections of many stores, and their signed deliveries.

use crate::{cli::Load, failure::Failed, trigger};
use ::ingest::{Answer, Intake, Webhook};
use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use model::{BaselineRule, ConnectionId, Currency, ExternalId, LocationId, PlatformName, StoreId, TenantId};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use store::{Connection, Health, LocationSetup, Rules, Store, StoreSetup};

const SECRET: &str = "bench-secret-bench-secret";
const LOCATION: u64 = 655_441_491;

/// One signed delivery, ready to be sent.
pub(crate) struct Signed {
    pub(crate) connection: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Signed {
    fn new(connection: String, topic: &str, delivery: &str, body: String) -> Result<Self, Failed> {
        let headers = trigger::shopify(SECRET, "bench", topic, delivery, body.as_bytes())?;
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { connection, headers, body: body.into() })
    }

    /// Sends it through the intake, as the HTTP server does after reading the request.
    pub(crate) async fn send(self, intake: &Intake) -> Answer {
        let webhook = Webhook {
            platform: "shopify",
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
                    Some(answer) = waiting.next(), if !waiting.is_empty() => refused += was_refused(answer),
                    () = tokio::time::sleep_until(due.into()) => {}
                }
            }
        }
        while waiting.len() >= in_flight {
            if let Some(answer) = waiting.next().await {
                refused += was_refused(answer);
            }
        }
        waiting.push(delivery.send(intake));
        // Polled at least once, so that deliveries reach their queues in this order.
        if let Some(Some(answer)) = futures::FutureExt::now_or_never(waiting.next()) {
            refused += was_refused(answer);
        }
    }
    while let Some(answer) = waiting.next().await {
        refused += was_refused(answer);
    }
    refused
}

fn was_refused(answer: Answer) -> u64 {
    u64::from(!matches!(answer, Answer::Kept { .. }))
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
            platform: PlatformName::new("shopify").map_err(unusable)?,
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
        let external = ExternalId::new(&LOCATION.to_string()).map_err(unusable)?;
        store.upsert_location_link(&connection, &external, &location).await?;
    }
    Ok(())
}

const fn item(store: u32, item: u32) -> u64 {
    9_000_000_000_000_000 + (store as u64) * 1000 + item as u64
}

/// Returns a product of each store with all its items as variants.
pub(crate) fn products(load: &Load) -> Result<Vec<Signed>, Failed> {
    let product = |store: u32| {
        let variants: Vec<String> = (0..load.items)
            .map(|index| {
                let id = item(store, index);
                format!(
                    r#"{{"id":{id},"product_id":{id},"title":"Size {index}","price":"19.99","sku":"S{store}-{index}","inventory_item_id":{id},"position":1,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}}"#
                )
            })
            .collect();
        let body = format!(
            r#"{{"id":{},"title":"Product","body_html":null,"vendor":"Acme","product_type":"Shirts","status":"active","tags":"","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","variants":[{}]}}"#,
            item(store, 999),
            variants.join(",")
        );
        Signed::new(format!("shop-{store}"), "products/create", &format!("product-{store}"), body)
    };
    (0..load.stores).map(product).collect()
}

/// Returns reports of levels: each has a quantity other than the one before of its item, in the order of its clock.
pub(crate) fn levels(load: &Load) -> Result<Vec<Signed>, Failed> {
    let base = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    let level = |index: u64| {
        let store = u32::try_from(index % u64::from(load.stores)).unwrap_or(0);
        let round = index / u64::from(load.stores);
        let number = u32::try_from(round % u64::from(load.items)).unwrap_or(0);
        let available = 1000 - (round / u64::from(load.items)) % 900;
        let at = base + chrono::TimeDelta::seconds(i64::try_from(round).unwrap_or(0));
        let id = item(store, number);
        let body = format!(
            r#"{{"inventory_item_id":{id},"location_id":{LOCATION},"available":{available},"updated_at":"{}","admin_graphql_api_id":"gid://shopify/InventoryLevel/{LOCATION}?inventory_item_id={id}"}}"#,
            at.format("%Y-%m-%dT%H:%M:%SZ")
        );
        Signed::new(format!("shop-{store}"), "inventory_levels/update", &format!("level-{index}"), body)
    };
    (0..load.events).map(level).collect()
}

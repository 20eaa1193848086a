//! Connections of many stores, and their signed deliveries.

use super::numbering::{self, FIRST_LEVEL, LevelReport, Numbering};
use crate::{
    cli::Load,
    dev::provision::{self, READ_ONLY, Wanted},
    failure::Failed,
};
use ::ingest::{Intake, Reply, Webhook};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, stream::FuturesUnordered};
use simulator::{SampleLevel, SampleProduct, SampleVariant, SampleWebhook, SimulatedPlatform, Unsigned};
use std::time::{Duration, Instant};
use store::Store;

const SECRET: &str = "bench-secret-bench-secret";
/// The intake's URL as registered at the platform; signatures may depend on it.
const INTAKE_URL: &str = "http://localhost";

/// The platform that the stores sell on: the first whose webhooks report products and levels one by one.
pub(crate) fn platform() -> Result<&'static dyn SimulatedPlatform, Failed> {
    let updated_at = DateTime::UNIX_EPOCH;
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
        store: u32,
        delivery: &str,
        webhook: Option<SampleWebhook>,
    ) -> Result<Self, Failed> {
        let connection = provision::connection_id(&numbering::store_id(store), platform.name());
        let url = provision::webhook_url(INTAKE_URL, platform.name(), &connection);
        let SampleWebhook { topic, body } = webhook.ok_or_else(unreported)?;
        let unsigned = Unsigned {
            account: "bench",
            secret: SECRET,
            url: &url,
            topic,
            id: delivery,
            body: body.as_bytes(),
        };
        let headers = platform.sign(&unsigned).into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { platform: platform.name(), connection, headers, body: body.into() })
    }

    /// Sends it through the intake, as the HTTP server does after reading the request.
    pub(crate) async fn send(self, intake: &Intake) -> Reply {
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
                    Some(reply) = waiting.next(), if !waiting.is_empty() => refused += was_refused(reply),
                    () = tokio::time::sleep_until(due.into()) => {}
                }
            }
        }
        while waiting.len() >= in_flight {
            if let Some(reply) = waiting.next().await {
                refused += was_refused(reply);
            }
        }
        waiting.push(delivery.send(intake));
        // Polled at least once, so that deliveries reach their queues in this order.
        if let Some(Some(reply)) = futures::FutureExt::now_or_never(waiting.next()) {
            refused += was_refused(reply);
        }
    }
    while let Some(reply) = waiting.next().await {
        refused += was_refused(reply);
    }
    refused
}

fn was_refused(reply: Reply) -> u64 {
    u64::from(!matches!(reply, Reply::Kept { .. }))
}

/// The time at which the delivery of that index is due.
pub(crate) fn due(began: Instant, index: usize, rate: u64) -> Instant {
    #[expect(clippy::cast_precision_loss, reason = "a schedule needs no more digits")]
    let after = Duration::from_secs_f64(index as f64 / rate as f64);
    began + after
}

/// Creates the stores, each with one connection and one location.
pub(crate) async fn provision(store: &Store, load: &Load) -> Result<(), Failed> {
    let platform = platform()?;
    for index in 0..load.stores {
        let id = numbering::store_id(index);
        provision::store(store, &id).await?;
        let wanted = Wanted {
            platform: platform.name(),
            base_url: "http://127.0.0.1:9".to_owned(),
            account: String::new(),
            token: "none".to_owned(),
            secret: SECRET.to_owned(),
            locations: vec![platform.samples().location.to_owned()],
            rules: READ_ONLY,
        };
        provision::connection(store, &id, INTAKE_URL, wanted).await?;
    }
    Ok(())
}

/// Returns a product of each store with all its items as variants.
pub(crate) fn products(load: &Load) -> Result<Vec<Signed>, Failed> {
    let (platform, updated_at) = (platform()?, day(19_000));
    let product = |store: u32| {
        let variant = |index: u32| {
            let (title, sku) = (format!("Size {index}"), numbering::sku(store, index));
            let item = numbering::item_id(store, index);
            SampleVariant { id: item, item, title, sku, price: "19.99" }
        };
        let variants: Vec<SampleVariant> = (0..load.items).map(variant).collect();
        let (id, title) = (numbering::product_id(store), "Product");
        let sample = SampleProduct { id, title, variants: &variants, updated_at, is_new: true };
        Signed::new(platform, store, &format!("product-{store}"), platform.product_webhook(&sample))
    };
    (0..load.stores).map(product).collect()
}

/// Returns a report of the first level of each item, before those of [`levels`].
pub(crate) fn first_levels(load: &Load) -> Result<Vec<Signed>, Failed> {
    let platform = platform()?;
    let items = (0..load.stores).flat_map(|store| (0..load.items).map(move |item| (store, item)));
    let level = |(store, item)| {
        let report = LevelReport { store, item, available: FIRST_LEVEL };
        level(platform, &report, day(19_500), &format!("first-{store}-{item}"))
    };
    items.map(level).collect()
}

/// Returns reports of levels: each has a quantity that no other of its item has, in the order of its clock.
pub(crate) fn levels(load: &Load) -> Result<Vec<Signed>, Failed> {
    let (platform, numbering, base) = (platform()?, Numbering::of(load), day(20_000));
    let level = |index: u64| {
        let round = i64::try_from(index / u64::from(load.stores)).unwrap_or(0);
        let updated_at = base + TimeDelta::seconds(round);
        level(platform, &numbering.report(index), updated_at, &format!("level-{index}"))
    };
    (0..load.events).map(level).collect()
}

fn level(
    platform: &dyn SimulatedPlatform,
    report: &LevelReport,
    updated_at: DateTime<Utc>,
    delivery: &str,
) -> Result<Signed, Failed> {
    let LevelReport { store, item, available } = *report;
    let (item, location) = (numbering::item_id(store, item), platform.samples().location);
    let level = SampleLevel { item, location, available, updated_at };
    Signed::new(platform, store, delivery, platform.level_webhook(&level))
}

/// That many days after 1970 began.
fn day(count: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(count)
}

//! Plays the steps of a case.

use super::{
    case::{Case, Expect, Step},
    encode, expect,
    shop::{self, Platforms, Shop},
    tokens::Tokens,
};
use crate::clients;
use bus::User;
use flate2::{Compression, write::GzEncoder};
use futures::{FutureExt as _, future};
use model::{
    Delivery, DeliveryId, DeliveryKind, Origin, PlatformName, RawDigest, Source, StoreId, TenantId,
    Timestamp, TraceParent,
};
use serde_json::Value;
use std::{
    io::Write as _,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use testkit::{Account, Ended, Outcomes, Response, Sender, Signed, World};
use tokio::{sync::watch, time::timeout};

/// Time limit for the outcomes of a delivery while others are under way; mostly it takes milliseconds.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// The complaint that ends a case, whose further steps would only wait.
const NOTHING: &str = "nothing came of it within 20 s";
/// Time in which a wrong outcome or row may still become the right one.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
/// Interval between two readings of all outcomes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Distance between the ids of two cases.
const IDS_OF_A_CASE: u64 = 1_000_000;

/// Reads the outcomes repeatedly, for all that wait for them.
pub(super) struct Watch(watch::Sender<Outcomes>);

/// Returns the reader of outcomes, and the channel of its results.
pub(super) fn watch() -> (Watch, watch::Receiver<Outcomes>) {
    let (seen, outcomes) = watch::channel(Outcomes::default());
    (Watch(seen), outcomes)
}

impl Watch {
    /// Reads the outcomes without end.
    pub(super) async fn keep_looking(&self, world: &World) {
        loop {
            self.0.send_replace(world.outcomes().await);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Plays cases on one running system.
pub(super) struct Player<'a> {
    pub(super) world: &'a World,
    platforms: &'a Platforms,
    pub(super) sender: Sender,
    outcomes: watch::Receiver<Outcomes>,
    base: u64,
    deliveries: AtomicU64,
}

/// Result of sending one step.
struct Sent {
    complaints: Vec<String>,
    deliveries: Vec<String>,
}

impl<'a> Player<'a> {
    pub(super) fn new(
        world: &'a World,
        platforms: &'a Platforms,
        outcomes: watch::Receiver<Outcomes>,
    ) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        let base = 10_000_000_000_000 + since.as_secs() % 100_000 * 1_000_000_000;
        Self { world, platforms, sender: Sender::default(), outcomes, base, deliveries: AtomicU64::new(0) }
    }

    /// Plays the case in its own store and returns the complaints.
    pub(super) async fn play(&self, number: u64, case: &Case) -> Vec<String> {
        let played = AssertUnwindSafe(self.steps(number, case)).catch_unwind().await;
        played.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            vec![format!("panicked: {}", text.unwrap_or_else(|| "without a text".to_owned()))]
        })
    }

    async fn steps(&self, number: u64, case: &Case) -> Vec<String> {
        let store = format!("case-{}", case.name.split('-').next().unwrap_or_default());
        let shop = Shop::open(self.world, self.platforms, &store).await;
        let base = self.base + (number + if case.plays_last { 500 } else { 0 }) * IDS_OF_A_CASE;
        let tokens = Tokens { run: format!("r{base}"), base, store, main: shop::location };
        let (mut complaints, mut sent) = (Vec::new(), Vec::new());
        for (step, index) in case.steps.iter().zip(1..) {
            let found = match (&step.sql, &step.keeps_up, &step.pause) {
                (Some(query), ..) => self.ask(&tokens.text(query, None), step, &tokens, &sent).await,
                (_, Some(consumer), _) => self.keeps_up(consumer, Some(&shop.merchant.store)).await,
                (.., Some(platform)) => self.pause(shop.account(platform)).await,
                (None, None, None) => self.send(step, &shop, &tokens, &mut sent).await,
            };
            let stopped = found.iter().any(|complaint| complaint == NOTHING);
            let what = step.what.as_ref().map(|what| format!("{what}: ")).unwrap_or_default();
            complaints.extend(found.into_iter().map(|found| format!("step {index}: {what}{found}")));
            if stopped {
                break;
            }
        }
        complaints
    }

    async fn ask(&self, query: &str, step: &Step, tokens: &Tokens, sent: &[String]) -> Vec<String> {
        for delivery in sent {
            if self.ended(delivery, &Expect::default()).await.is_empty() {
                return vec![NOTHING.to_owned()];
            }
        }
        let wanted = step.expect.as_ref().and_then(|expect| expect.rows.as_ref());
        let wanted = tokens.text(wanted.expect("a query has rows to give"), None);
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let rows = self.world.sql(query).await.replace('\n', ",");
            if rows == wanted {
                return Vec::new();
            }
            if Instant::now() > deadline {
                return vec![format!("rows are {rows:?}, want {wanted:?}: {query}")];
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns a complaint unless a consumer reaches apply's present position, in the partition of that store or in
    /// all.
    pub(super) async fn keeps_up(&self, consumer: &str, of: Option<&StoreId>) -> Vec<String> {
        let partition = of.map(|store| self.world.bus.partitions().of(store).0.to_string());
        let partition = partition.unwrap_or_else(|| "a.partition".to_owned());
        // `fetch` reads RAW; `propagate` reads applied changes.
        let clock = if consumer == "fetch" { "raw_sequence" } else { "number" };
        let query = format!(
            "SELECT coalesce(string_agg(a.partition::text, ','), '') FROM cursors a \
             LEFT JOIN cursors c ON c.partition = a.partition AND c.name = '{consumer}' \
             WHERE a.name = 'apply' AND a.partition = {partition} AND coalesce(c.{clock}, 0) < a.{clock}"
        );
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            let behind = self.world.sql(&query).await;
            if behind.is_empty() {
                return Vec::new();
            }
            if Instant::now() > deadline {
                return vec![format!("{consumer} is behind apply in partitions {behind}")];
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn pause(&self, account: &Account) -> Vec<String> {
        let was_enabled = self.world.store.set_enabled(&account.connection, false).await;
        was_enabled.err().map(|error| error.to_string()).into_iter().collect()
    }

    async fn send(&self, step: &Step, shop: &Shop, tokens: &Tokens, sent: &mut Vec<String>) -> Vec<String> {
        let how = step.send.as_deref().expect("it sends");
        let Sent { mut complaints, deliveries } = if how == "nats" {
            self.publish(step, shop, tokens).await
        } else {
            self.deliver(how, step, shop, tokens).await
        };
        sent.extend(deliveries.iter().cloned());
        let expect = step.expect.clone().unwrap_or_default();
        if expect.kept && deliveries.is_empty() {
            complaints.push("nothing was kept of it".to_owned());
        }
        if !expect::concerns_outcomes(&expect) {
            return complaints;
        }
        if deliveries.is_empty() && !expect.kept {
            complaints.push("it wasn't kept, so nothing came of it".to_owned());
        }
        for delivery in &deliveries {
            let ended = self.ended(delivery, &expect).await;
            if ended.is_empty() {
                complaints.push(NOTHING.to_owned());
            } else {
                complaints.extend(expect::complaints(&expect, &ended));
            }
        }
        complaints
    }

    /// The outcomes of a delivery's events, once they are as expected or can't become so any more; empty after the time
    /// limit.
    pub(super) async fn ended(&self, delivery: &str, expect: &Expect) -> Vec<Ended> {
        let mut outcomes = self.outcomes.clone();
        let mut deadline = Instant::now() + ENDS_WITHIN;
        let mut settles = false;
        loop {
            let ended = outcomes.borrow_and_update().of(delivery).to_vec();
            let is_right = !ended.is_empty() && expect::complaints(expect, &ended).is_empty();
            if is_right || Instant::now() > deadline {
                return ended;
            }
            if !ended.is_empty() && !settles {
                (settles, deadline) = (true, Instant::now() + SETTLES_WITHIN);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if timeout(left, outcomes.changed()).await.is_err() {
                return outcomes.borrow().of(delivery).to_vec();
            }
        }
    }

    async fn deliver(&self, platform: &str, step: &Step, shop: &Shop, tokens: &Tokens) -> Sent {
        let signed = self.signed(platform, step, shop, tokens);
        let once = async || match step.chunk {
            Some(bytes) => self.sender.send_in_chunks(&signed, bytes).await,
            None => self.sender.send(&signed).await,
        };
        let times = step.times.unwrap_or(1);
        let responses: Vec<Option<Response>> = if step.parallel {
            future::join_all((0..times).map(|_| once())).await
        } else {
            let mut responses = Vec::new();
            for _ in 0..times {
                responses.push(once().await);
            }
            responses
        };
        let wanted = step.expect.as_ref().and_then(|expect| expect.http).unwrap_or(200);
        let (mut complaints, mut deliveries) = (Vec::new(), Vec::new());
        for response in responses {
            let status = response.as_ref().map(|response| response.status);
            if status != Some(wanted) {
                complaints.push(format!("answered {status:?}, want {wanted}"));
            }
            deliveries.extend(response.as_ref().and_then(Response::delivery));
        }
        deliveries.sort();
        deliveries.dedup();
        Sent { complaints, deliveries }
    }

    fn signed(&self, platform: &str, step: &Step, shop: &Shop, tokens: &Tokens) -> Signed {
        let account = shop.account(platform);
        let mut body = payload(step, tokens);
        if step.gzip.is_some() {
            body = gzip(&body);
        }
        let topic = step.topic.as_deref().unwrap_or_default();
        let id = match &step.webhook_id {
            Some(id) => tokens.text(id, None),
            None => format!("{}-{}", tokens.run, self.deliveries.fetch_add(1, Ordering::Relaxed)),
        };
        let mut signed = match step.sign {
            Some(how) => account.missign(how.into(), topic, &id, body),
            None => account.sign(topic, &id, body),
        };
        if platform == "shopify" {
            signed = signed.with("x-shopify-api-version", "2026-07");
        }
        if let Some(coding) = &step.gzip {
            signed = signed.with("content-encoding", coding);
        }
        for (name, value) in &step.headers {
            signed = signed.with(name, &tokens.text(value, None));
        }
        signed.url.push_str(&step.path_suffix);
        signed
    }

    async fn publish(&self, step: &Step, shop: &Shop, tokens: &Tokens) -> Sent {
        let account = shop.account(step.connection.as_deref().expect("someone publishes it"));
        let canonical = DeliveryKind::Canonical;
        let (topic, body) = match &step.published {
            Some(fields) => (canonical.topic(), encode::event(&tokens.value(fields, None))),
            None => (step.topic.as_deref().expect("it has a topic"), payload(step, tokens)),
        };
        self.bring(shop, account, topic, body).await
    }

    /// Publishes as a platform does; an error is the reason for the refusal.
    pub(super) async fn published(
        &self,
        shop: &Shop,
        platform: &str,
        topic: &str,
        body: Vec<u8>,
    ) -> Result<(), String> {
        let sent = self.bring(shop, shop.account(platform), topic, body).await;
        sent.complaints.into_iter().next_back().map_or(Ok(()), Err)
    }

    /// Publishes as a platform does, or sends to the intake as `fetch` does if the topic is one of our own readings.
    async fn bring(&self, shop: &Shop, account: &Account, topic: &str, body: Vec<u8>) -> Sent {
        let platform = platforms::find(account.platform).expect("it is registered");
        if platform.topic(topic).is_none_or(platforms::Topic::is_sent) {
            let partner = clients::partner(self.world, &shop.merchant, account).await;
            let subject = format!("pos.in.{}.{}.{topic}", shop.merchant.store, account.connection);
            return request(&partner, subject, body).await;
        }
        let digest = RawDigest::of(&body);
        let id = DeliveryId::derive(&account.connection, topic, digest.as_bytes());
        let read = Delivery {
            id,
            origin: Origin {
                tenant: TenantId::new("tests").expect("a token"),
                store: shop.merchant.store.clone(),
                connection: account.connection.clone(),
                platform: PlatformName::new(account.platform).expect("a platform's name"),
            },
            kind: DeliveryKind::Platform(topic.into()),
            received_at: Timestamp::from_micros(0),
            source: Source::Fetch,
            cause: None,
            asked_by: None,
            attempt: 0,
            currency: None,
            account: None,
            headers: Vec::new(),
            trace: TraceParent::from_delivery(id),
            body: body.into(),
        };
        let fetch = clients::client(self.world, &User::Fetch).await;
        request(&fetch, "pos.accept".to_owned(), wire::encode_delivery(&read).to_vec()).await
    }
}

/// Sends a request as `client`.
async fn request(client: &async_nats::Client, subject: String, body: Vec<u8>) -> Sent {
    let reply = client.request(subject, body.into()).await;
    let reply = reply.map_err(|error| error.to_string());
    let read = reply.map(|reply| serde_json::from_slice::<Value>(&reply.payload).unwrap_or_default());
    match read {
        Ok(reply) => match reply["delivery"].as_str() {
            Some(delivery) => Sent { complaints: Vec::new(), deliveries: vec![delivery.to_owned()] },
            None => Sent { complaints: vec![format!("not taken: {reply}")], deliveries: Vec::new() },
        },
        Err(error) => Sent { complaints: vec![format!("no reply: {error}")], deliveries: Vec::new() },
    }
}

fn payload(step: &Step, tokens: &Tokens) -> Vec<u8> {
    if let Some(raw) = &step.raw {
        return tokens.text(raw, None).into_bytes();
    }
    let mut body = tokens.value(step.body.as_ref().expect("it has a payload"), None);
    if let Some(fill) = &step.fill {
        let pointer = format!("/{}", fill.key.replace('.', "/"));
        let list = body.pointer_mut(&pointer).expect("the list is there");
        *list = (0..fill.count).map(|copy| tokens.value(&fill.of, Some(copy))).collect();
    }
    body.to_string().into_bytes()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

//! A platform that uses JSON: `simulator::ShopMachine`, called with the requests that `platforms` makes.

mod pages;
mod writes;

use super::{Content, Edit, Good, Kind, NewGood, Shop, Webhook, calls::Read, place_id};
use crate::pipeline::{Enclosed, Intake, enclosed};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use model::{ConnectionId, Currency, ExternalId, Timestamp};
use pages::Others;
use platforms::{Access, CallError, Fetch, HttpReply, HttpRequest, Platform, TopicKind};
use rust_decimal::Decimal;
use simulator::{ItemIds, MachineReply, MachineRequest, MachineWebhook, ShopMachine, Standing};
use std::{collections::BTreeMap, time::Duration};

/// Base URL of the machine's requests.
const BASE_URL: &str = "http://machine.example";
/// The host in it.
const HOST: &str = "machine.example";
const SECRET: &str = "the world's secret";
const TOKEN: &str = "the world's token";
/// More than any world spends: the plan's faults simulate the limits of calls.
const POINTS_PER_SECOND: f64 = 1_000_000.0;
/// Maximum number of pages of one fetch.
const PAGES_MAX: usize = 100;
/// Overlap of a fetch with the one before it, as in `fetch`.
const OVERLAP: Duration = Duration::from_mins(2);

/// A sale in the shop's own records.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub(crate) order: String,
    pub(crate) variant: ExternalId,
    pub(crate) item: ExternalId,
    pub(crate) place: usize,
    pub(crate) quantity: Decimal,
    pub(crate) is_test: bool,
    pub(crate) cancelled_at: Option<Timestamp>,
    is_refunded: bool,
    pub(crate) at: Timestamp,
}

/// A shop that uses JSON.
#[derive(Debug)]
pub(crate) struct Json {
    kind: Kind,
    connection: ConnectionId,
    machine: ShopMachine,
    account: String,
    /// The credential of calls.
    token: String,
    url: String,
    /// Goods that nobody sells.
    pub(crate) others: Others,
    /// Fetch cursor of the catalog.
    mark: Option<Timestamp>,
    /// Sales, in their order of time.
    pub(crate) sales: Vec<Sale>,
}

fn time(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.as_micros()).unwrap_or_default()
}

impl Json {
    /// Opens a shop; `None` for a platform that isn't simulated.
    pub(super) fn open(
        kind: Kind,
        connection: &ConnectionId,
        currency: Currency,
        now: Timestamp,
    ) -> Option<Box<Self>> {
        let (account, url) =
            (format!("{connection}.example"), format!("https://intake.example/webhook/{connection}"));
        let shop = simulator::Shop {
            platform: kind.as_str(),
            account: account.clone(),
            token: TOKEN.to_owned(),
            webhook_secret: SECRET.to_owned(),
            webhook_url: Some(url.clone()),
            currency: currency.to_string(),
            locations: (0..kind.places()).map(|place| place_id(place).to_string()).collect(),
        };
        let token = simulator::find(kind.as_str())?.client_token(&shop);
        let seed = connection.as_str().bytes().map(u64::from).sum();
        let machine = ShopMachine::new(shop, seed, Some(POINTS_PER_SECOND), time(now)).ok()?;
        let (connection, others, sales) = (connection.clone(), Others::default(), Vec::new());
        Some(Box::new(Self { kind, connection, machine, account, token, url, others, mark: None, sales }))
    }

    /// Settings that verify and complete its webhooks.
    pub(crate) fn intake(&self, currency: Option<Currency>) -> Intake {
        Intake { secrets: vec![SECRET.to_owned()], url: self.url.clone(), currency }
    }

    fn platform(&self) -> Option<&'static dyn Platform> {
        platforms::find(self.kind.as_str())
    }

    pub(super) fn set_taken(&mut self, takes_token: bool) {
        self.machine.set_standing(if takes_token { Standing::Good } else { Standing::TokenRefused });
    }

    pub(super) fn make(&mut self, made: &[NewGood], now: Timestamp) -> Vec<ItemIds> {
        let variants = pages::variants(made);
        let title = made.first().map(|new| new.title.clone()).unwrap_or_default();
        self.machine.add_product(&title, &variants, time(now)).unwrap_or_default()
    }

    pub(super) fn moves(
        &mut self,
        good: &Good,
        place: usize,
        by: Decimal,
        is_test: bool,
        now: Timestamp,
    ) -> Option<()> {
        let (item, at) = (good.variant.as_str(), place_id(place).to_string());
        if by > Decimal::ZERO {
            return self.machine.restock(item, &at, by, time(now)).ok();
        }
        let order = if is_test {
            self.machine.sell_as_test(item, &at, -by, time(now)).ok()?
        } else {
            self.machine.sell(item, &at, -by, time(now)).ok()?
        };
        self.sales.push(Sale {
            order,
            variant: good.variant.clone(),
            item: good.item.clone(),
            place,
            quantity: -by,
            is_test: is_test && self.kind.marks_tests(),
            cancelled_at: None,
            is_refunded: false,
            at: now,
        });
        Some(())
    }

    /// Cancels the last sale that isn't cancelled yet, or refunds all of the last one that is neither cancelled nor
    /// refunded. Returns the sale, if this was possible.
    pub(super) fn takes_back(
        &mut self,
        is_cancelled: bool,
        is_restocked: bool,
        now: Timestamp,
    ) -> Option<Sale> {
        let can_be_taken_back =
            |sale: &&mut Sale| sale.cancelled_at.is_none() && (is_cancelled || !sale.is_refunded);
        let sale = self.sales.iter_mut().rev().find(can_be_taken_back)?;
        if is_cancelled {
            self.machine.cancel_order(&sale.order, is_restocked, time(now)).ok()?;
            sale.cancelled_at = Some(now);
        } else {
            self.machine.refund_order(&sale.order, time(now)).ok()?;
            sale.is_refunded = true;
        }
        Some(sale.clone())
    }

    pub(super) fn tracks(&mut self, good: &Good, is_tracked: bool, now: Timestamp) {
        self.machine.track(good.variant.as_str(), is_tracked, time(now)).ok();
    }

    pub(super) fn stocks(&mut self, good: &Good, place: usize, is_stocked: bool, now: Timestamp) {
        let (item, at) = (good.variant.as_str(), place_id(place).to_string());
        let done = if is_stocked {
            self.machine.start_stocking(item, &at, time(now))
        } else {
            self.machine.stop_stocking(item, &at, time(now))
        };
        done.ok();
    }

    pub(super) fn edits(&mut self, good: &Good, edit: &Edit, now: Timestamp) {
        let (product, variant, now) = (good.product.as_str(), good.variant.as_str(), time(now));
        let done = match edit {
            Edit::Title(text) => self.machine.edit_title(product, text, now),
            Edit::Description(text) => self.machine.edit_description(product, text, now),
            Edit::Price(cents) => self.machine.edit_price(variant, *cents, now),
            Edit::Sku(sku) => self.machine.edit_sku(variant, sku, now),
            Edit::Delete => self.machine.delete_product(product, now),
        };
        done.ok();
    }

    fn call(&mut self, request: &HttpRequest, now: Timestamp) -> Replied {
        let headers = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let host = ("host".to_owned(), HOST.to_owned());
        let request = MachineRequest {
            method: request.method.as_str(),
            target: request.url.strip_prefix(BASE_URL).unwrap_or(&request.url).to_owned(),
            headers: headers.chain([host]).collect(),
            body: request.body.clone(),
        };
        Replied::from(self.machine.answer(&request, time(now)))
    }

    fn access(&self) -> Access {
        Access {
            base_url: BASE_URL.to_owned(),
            token: self.token.clone(),
            access_token: None,
            api_version: String::new(),
            account: self.account.clone(),
        }
    }

    /// Fetches objects, as `outlet` does.
    pub(super) fn fetch(&mut self, wanted: &Fetch<'_>, now: Timestamp) -> Read {
        match self.fetched_pages(wanted, None, now) {
            Ok(reported) => Read::Reported(reported),
            Err(CallError::Gone) => Read::Gone,
            Err(CallError::AccountRefused(..)) => Read::Refused,
            Err(_) => Read::Nothing,
        }
    }

    /// Fetches the objects of the thin notices in a webhook, as `fetch` does.
    pub(super) fn notified(&mut self, webhook: &MachineWebhook, now: Timestamp) -> Read {
        let mut all = Vec::new();
        for Enclosed { topic, id, body } in self.enclosed(webhook) {
            let Ok(body) = serde_json::from_slice(&body) else { continue };
            if !self.is_thin(&topic) {
                continue;
            }
            let is_catalog = topic == "catalog.version.updated";
            let since = self.mark.filter(|_| is_catalog);
            // An object that doesn't exist any more is reported by its deletion.
            let wanted = Fetch::Notified { topic: &topic, body: &body, since };
            let Ok(reported) = self.fetched_pages(&wanted, Some(id), now) else { continue };
            all.extend(reported);
            if is_catalog {
                let overlap = i64::try_from(OVERLAP.as_micros()).unwrap_or(0);
                self.mark = Some(Timestamp::from_micros(now.as_micros() - overlap));
            }
        }
        Read::Reported(all)
    }

    fn is_thin(&self, topic: &str) -> bool {
        let known = self.platform().and_then(|platform| platform.topic(topic));
        matches!(known.map(|known| known.kind), Some(TopicKind::Thin | TopicKind::Both))
    }

    fn enclosed(&self, webhook: &MachineWebhook) -> Vec<Enclosed> {
        self.platform().map(|platform| enclosed(platform, &self.connection, webhook)).unwrap_or_default()
    }
}

/// A reply of the machine, as a client receives it.
struct Replied {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl From<MachineReply> for Replied {
    fn from(MachineReply { status, headers, body }: MachineReply) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        Self { status, headers: headers.collect(), body }
    }
}

impl Replied {
    fn as_reply(&self) -> HttpReply<'_> {
        HttpReply { headers: &self.headers, ..HttpReply::new(self.status, &self.body) }
    }
}

impl Shop {
    /// Copies the goods from the machine.
    pub(super) fn look(&mut self, now: Timestamp) {
        let Some(json) = &self.json else { return };
        let (kind, places) = (self.kind, self.kind.places());
        let place = |id: &String| (0..places).find(|place| place_id(*place).as_str() == id);
        for good in &mut self.goods {
            let Some(offer) = json.machine.offer(good.variant.as_str()) else {
                good.is_deleted = true;
                continue;
            };
            let stock = offer.stock.iter().filter_map(|(at, count)| Some((place(at)?, *count)));
            let stock = stock.collect::<BTreeMap<_, _>>();
            if good.stock != stock || good.is_tracked != offer.tracked {
                good.level_at.extend(stock.keys().map(|place| (*place, now)));
            }
            (good.title, good.description, good.sku) =
                (offer.title, kind.shown(&offer.description), offer.sku);
            (good.price, good.is_tracked, good.stock) = (offer.price_minor, offer.tracked, stock);
        }
    }

    /// The webhooks that the machine made since the previous call, for an act on a good.
    pub(super) fn reported(&mut self, index: usize, by_people: bool, ends_contact: bool) -> Vec<Webhook> {
        let Some(json) = &mut self.json else { return Vec::new() };
        let raw = json.machine.take_webhooks();
        let mut webhooks = Vec::new();
        for raw in raw {
            let Some(json) = &self.json else { continue };
            let topics: Vec<String> = json.enclosed(&raw).into_iter().map(|it| it.topic).collect();
            let is_thin = topics.iter().any(|topic| json.is_thin(topic));
            let is_of_order = |topic: &String| topic.starts_with("order") || topic == "O";
            let good = (!topics.iter().all(is_of_order)).then_some(index);
            let webhook = self.webhook(good, Content::Raw(raw, is_thin), by_people);
            webhooks.push(Webhook { ends_contact, ..webhook });
        }
        webhooks
    }

    /// The webhooks of everything on sale.
    pub(crate) fn report_everything(&mut self, now: Timestamp) -> Vec<Webhook> {
        let Some(json) = &mut self.json else { return Vec::new() };
        json.machine.report_everything(time(now));
        let reported = self.reported(0, false, false);
        reported.into_iter().map(|webhook| Webhook { good: None, ..webhook }).collect()
    }

    /// Cancels or refunds the last sale; returns the sale and the webhooks.
    pub(crate) fn takes_back(
        &mut self,
        is_cancelled: bool,
        is_restocked: bool,
        now: Timestamp,
    ) -> Option<(Sale, Vec<Webhook>)> {
        let sale = self.json.as_mut()?.takes_back(is_cancelled, is_restocked, now)?;
        self.look(now);
        let index = self.goods.iter().position(|good| good.item == sale.item).unwrap_or_default();
        Some((sale, self.reported(index, true, false)))
    }

    /// Fetches the objects of a thin webhook.
    pub(crate) fn notified(&mut self, webhook: &MachineWebhook, now: Timestamp) -> Read {
        let takes_token = self.takes_token;
        let Some(json) = &mut self.json else { return Read::Nothing };
        json.set_taken(takes_token);
        json.notified(webhook, now)
    }
}

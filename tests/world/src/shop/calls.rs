//! Replies of a platform to calls, and the changes that calls make.

use super::{AGE_MAX, Asked, Good, Kind, Shop, Webhook, place_id};
use crate::{outbound::Due, pipeline::Reported};
use model::{
    Action, EntityKind, ExternalId, InventoryReport, MirrorKey, MirrorValue, Payload, ProductText, Quantity,
    Timestamp,
};
use platforms::{AccountRefusal, CallError, Fetch, Mapped, Written};
use stage::{Reject, RejectClass};

/// Result of a write.
pub(crate) type Outcome = Result<Written, CallError>;

/// Result of a reading.
#[derive(Debug)]
pub(crate) enum Read {
    /// Objects, which are received like any delivery.
    Reported(Vec<Reported>),
    /// The object doesn't exist, and no report states that.
    Gone,
    /// The account accepts no calls.
    Refused,
    /// Nothing can be requested, or no response came.
    Nothing,
}

impl Shop {
    /// Accepts a write; returns its outcome, and the webhooks of its changes.
    pub(crate) fn write(&mut self, due: &Due, now: Timestamp) -> (Outcome, Vec<Webhook>) {
        let Due { external: id, asked, sent_key: key, begun_at, .. } = due;
        self.calls += 1;
        if let Some(json) = &mut self.json {
            json.set_taken(self.takes_token);
            let outcome = json.write(due, now);
            let index = self.find(id);
            if let (Some(index), Asked::Level { place, .. }, Ok(_)) = (index, asked, &outcome) {
                self.goods[index].made_zero.remove(place);
            }
            self.look();
            return (outcome, index.map(|index| self.reported(index, false, false)).unwrap_or_default());
        }
        if !self.takes_token {
            let reject = Reject::new(RejectClass::Auth, "the token was revoked");
            return (Err(CallError::AccountRefused(AccountRefusal::Unauthorized, reject)), Vec::new());
        }
        let Some(index) = self.find(id) else { return (Err(CallError::Gone), Vec::new()) };
        match asked {
            Asked::Level { place, from, to } => {
                if let Some(earlier) = self.keys.get(key) {
                    return (earlier.clone(), Vec::new());
                }
                let outcome = self.set_level(index, *place, *from, *to, *begun_at, now);
                let is_made = outcome.is_ok();
                if is_made || self.kind == Kind::Shopify {
                    self.keys.insert(key.to_owned(), outcome.clone());
                }
                let webhook = if is_made { self.of_level(index, *place, false) } else { None };
                (outcome, webhook.into_iter().collect())
            }
            Asked::Price(to) => self.set(index, now, |good, _| good.price = to.minor),
            Asked::Text(to) => self.set(index, now, |good, kind| {
                if let Some(title) = &to.title {
                    good.title = kind.rendered(title);
                }
                if let Some(description) = &to.description {
                    good.description = kind.rendered(description);
                }
            }),
        }
    }

    fn set(
        &mut self,
        index: usize,
        now: Timestamp,
        set: impl FnOnce(&mut Good, Kind),
    ) -> (Outcome, Vec<Webhook>) {
        let (kind, before) = (self.kind, self.goods[index].clone());
        let good = &mut self.goods[index];
        set(good, kind);
        let is_changed = (&good.title, &good.description, good.price)
            != (&before.title, &before.description, before.price);
        if is_changed {
            good.updated_at = now;
        }
        let spaced = |text: &str| Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
        let text = ProductText { title: spaced(&good.title), description: spaced(&good.description) };
        let rendered = if good.price == before.price { Some(MirrorValue::Text(text)) } else { None };
        let version = Some(self.stated(self.version(self.goods[index].updated_at)));
        let webhooks = if is_changed { vec![self.of_product(index, false)] } else { Vec::new() };
        (Ok(Written { version, rendered }), webhooks)
    }

    fn set_level(
        &mut self,
        index: usize,
        place: usize,
        from: Quantity,
        to: Quantity,
        begun_at: Timestamp,
        now: Timestamp,
    ) -> Outcome {
        let kind = self.kind;
        let rejected = |reason: &str| Err(CallError::Rejected(Reject::new(RejectClass::Platform, reason)));
        let good = &mut self.goods[index];
        let is_shopify = kind == Kind::Shopify;
        let Some(count) = good.stock.get_mut(&place) else { return Err(CallError::Gone) };
        if is_shopify && *count != from.decimal() {
            return Err(CallError::Conflict);
        }
        if is_shopify && (to < Quantity::ZERO || !to.is_whole()) {
            return rejected("the quantity can't be negative and has no decimals");
        }
        if !is_shopify && now > begun_at.after(AGE_MAX) {
            return Err(CallError::TooOld(Reject::new(RejectClass::Platform, "INVALID_TIME")));
        }
        *count += to.decimal() - from.decimal();
        good.made_zero.remove(&place);
        good.level_at.insert(place, now);
        Ok(Written::default())
    }

    /// Reads the state that a mirror reflects.
    pub(crate) fn read(
        &mut self,
        key: &MirrorKey,
        product: Option<&ExternalId>,
        dedupe_key: &str,
        now: Timestamp,
    ) -> Read {
        if let Some(json) = &mut self.json {
            json.set_taken(self.takes_token);
            let place = key.location().map(|location| place_id(crate::record::place_of(location)));
            let wanted = match (key, product) {
                (MirrorKey::Level(key), _) => Fetch::Level { item: &key.item, location: place.as_ref() },
                (MirrorKey::Text(key), _) => Fetch::Product { product: &key.external, variant: None },
                (MirrorKey::Price(key), Some(product)) => {
                    Fetch::Product { product, variant: Some(&key.external) }
                }
                (MirrorKey::Price(_), None) => return Read::Nothing,
            };
            return json.fetch(&wanted, now);
        }
        let mapped = match (key, product) {
            (MirrorKey::Level(key), _) => {
                self.read_level(&key.item, crate::record::place_of(&key.location), dedupe_key, now)
            }
            (MirrorKey::Text(key), _) => self.read_product(&key.external, dedupe_key, now),
            (MirrorKey::Price(_), Some(product)) => self.read_product(product, dedupe_key, now),
            (MirrorKey::Price(_), None) => return Read::Nothing,
        };
        mapped.map_or(Read::Refused, |mapped| Read::Reported(vec![Reported::Words(mapped)]))
    }

    /// Reads one level; `None` if the platform accepts no calls.
    fn read_level(
        &self,
        item: &ExternalId,
        place: usize,
        dedupe_key: &str,
        now: Timestamp,
    ) -> Option<Vec<Mapped>> {
        if !self.takes_token {
            return None;
        }
        let gone = |item: &ExternalId| Mapped {
            action: Action::Updated,
            occurred_at: Some(now),
            version: None,
            identity: vec!["absent".to_owned(), item.to_string(), place.to_string(), now.to_string()],
            payload: Payload::Inventory(InventoryReport {
                item: item.clone(),
                location: Some(place_id(place)),
                available: None,
            }),
        };
        let found = self.find(item).filter(|index| self.goods[*index].stock.contains_key(&place));
        let level = found.and_then(|index| self.level(&self.goods[index], place, dedupe_key));
        Some(vec![level.unwrap_or_else(|| gone(item))])
    }

    /// Reads a product; `None` if the platform accepts no calls.
    fn read_product(&self, product: &ExternalId, dedupe_key: &str, now: Timestamp) -> Option<Vec<Mapped>> {
        if !self.takes_token {
            return None;
        }
        let found = self.find(product).map(|index| self.product(&self.goods[index], dedupe_key));
        let payload = Payload::Deleted { entity: EntityKind::Product, external: product.clone() };
        let identity = vec!["product/deleted".to_owned(), product.to_string(), now.to_string()];
        let deleted = Mapped {
            action: Action::Deleted,
            occurred_at: Some(now),
            version: Some(self.stated(now)),
            identity,
            payload,
        };
        Some(vec![found.unwrap_or(deleted)])
    }
}

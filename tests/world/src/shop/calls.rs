//! Replies of a platform to calls, and the changes that calls make.

use super::{AGE_MAX, Asked, Good, Kind, Shop, Webhook, place_id};
use crate::{outbound::Due, pipeline::Reported};
use model::{
    Action, EntityKind, ExternalId, InventoryReport, MirrorKey, MirrorValue, Payload, ProductText, Quantity,
    Timestamp,
};
use platforms::{AccountRefusal, CallError, Fetch, Mapped, Written, batch_key};
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
    /// Accepts a write, or a batch of writes of levels; returns their outcomes, and the webhooks of their changes.
    pub(crate) fn write(&mut self, due: &[Due], now: Timestamp) -> (Vec<Outcome>, Vec<Webhook>) {
        if self.json.is_some() {
            return self.write_json(due, now);
        }
        if !self.takes_token {
            let reject = Reject::new(RejectClass::Auth, "the token was revoked");
            let refused = CallError::AccountRefused(AccountRefusal::Unauthorized, reject);
            return (vec![Err(refused); due.len()], Vec::new());
        }
        let [one] = due else {
            let key = batch_key(due.iter().map(|due| due.sent_key.as_str()));
            return self.set_levels(&key, due, now);
        };
        let Some(index) = self.find(&one.external) else { return (vec![Err(CallError::Gone)], Vec::new()) };
        let (outcome, webhooks) = match &one.asked {
            Asked::Level { .. } => return self.set_levels(&one.sent_key, due, now),
            Asked::Price(to) => self.set(index, now, |good, _| good.price = to.minor),
            Asked::Text(to) => self.set(index, now, |good, kind| {
                if let Some(title) = &to.title {
                    good.title = kind.titled(title);
                }
                if let Some(description) = &to.description {
                    good.description = kind.described(description);
                }
            }),
        };
        (vec![outcome], webhooks)
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

    /// Changes levels under one key: all, or none if one of them is refused.
    fn set_levels(&mut self, key: &str, due: &[Due], now: Timestamp) -> (Vec<Outcome>, Vec<Webhook>) {
        if let Some(earlier) = self.keys.get(key) {
            return (earlier.clone(), Vec::new());
        }
        let refusals: Vec<Option<CallError>> = due.iter().map(|due| self.refusal(due, now)).collect();
        let is_made = refusals.iter().all(Option::is_none);
        let outcome = |refusal: Option<CallError>| match refusal {
            Some(error) => Err(error),
            None if is_made => Ok(Written::default()),
            None => Err(CallError::transient("another level of the same request was refused")),
        };
        let outcomes: Vec<Outcome> = refusals.into_iter().map(outcome).collect();
        if is_made || self.kind == Kind::Shopify {
            self.keys.insert(key.to_owned(), outcomes.clone());
        }
        let made = if is_made { due } else { &[] };
        let webhooks = made.iter().filter_map(|due| self.set_level(due, now)).collect();
        (outcomes, webhooks)
    }

    /// The error of a write of a level; `None` if it can be made.
    fn refusal(&self, due: &Due, now: Timestamp) -> Option<CallError> {
        let rejected = |reason: &str| CallError::Rejected(Reject::new(RejectClass::Platform, reason));
        let Asked::Level { place, from, to } = &due.asked else {
            return Some(rejected("only levels are accepted in batches"));
        };
        let count = self.find(&due.external).and_then(|index| self.goods[index].stock.get(place));
        let is_shopify = self.kind == Kind::Shopify;
        match count {
            None => Some(CallError::Gone),
            Some(count) if is_shopify && *count != from.decimal() => Some(CallError::Conflict),
            Some(_) if is_shopify && (*to < Quantity::ZERO || !to.is_whole()) => {
                Some(rejected("the quantity can't be negative and has no decimals"))
            }
            Some(_) if !is_shopify && now > due.begun_at.after(AGE_MAX) => {
                Some(CallError::TooOld(Reject::new(RejectClass::Platform, "INVALID_TIME")))
            }
            Some(_) => None,
        }
    }

    /// Changes a level; returns the webhook of the change.
    fn set_level(&mut self, due: &Due, now: Timestamp) -> Option<Webhook> {
        let Asked::Level { place, from, to } = &due.asked else { return None };
        let index = self.find(&due.external)?;
        let good = &mut self.goods[index];
        *good.stock.get_mut(place)? += to.decimal() - from.decimal();
        good.made_zero.remove(place);
        good.level_at.insert(*place, now);
        self.of_level(index, *place, false)
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

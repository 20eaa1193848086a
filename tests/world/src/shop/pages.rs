//! Pages of the lists of a platform that is read on a schedule: a machine's as the platform lists them, a lean shop's products and levels in the order of their changes or
//! ids, from an offset on, with the number of all of them. A deleted product is missing, and nothing else in a list shows
//! its deletion.

use super::{Good, Kind, Shop, external, lists, place_id};
use crate::{pipeline::Reported, plan::ListsPlan};
use model::{
    Action, EntityKind, ExternalId, InventoryReport, Payload, RawDigest, ReadRange, SourceVersion, Timestamp,
};
use platforms::{AccountRefusal, CallError, Mapped, Wanted};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// The list of products; with their levels, unless those have a list of their own.
pub(crate) const PRODUCTS: &str = "products";
/// The list of levels, or the one of products, read for levels alone.
pub(crate) const LEVELS: &str = "levels";

/// An object of a list.
#[derive(Debug, Clone)]
pub(crate) struct ListedGood {
    /// The numbers of the shop's goods that it shows, as far as they are known.
    pub(crate) goods: Vec<usize>,
    /// Its key within the list.
    pub(crate) key: String,
    /// The digest of its content.
    pub(crate) digest: RawDigest,
    /// The topic of its delivery; of a lean shop the name of the list.
    pub(crate) topic: &'static str,
    /// Its content.
    pub(crate) reported: Reported,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<ListedGood>,
    /// Number of objects in the whole list, if it is stated.
    pub(crate) total: Option<u64>,
    /// Cursor of the next page, and the time that the platform asks to wait before.
    pub(crate) next: Option<(String, Duration)>,
}

/// Something that a list has: a product, or one of its levels.
#[derive(Debug, Clone, Copy)]
struct Entry {
    good: usize,
    place: Option<usize>,
}

impl Shop {
    /// The page of a list. With `is_half` the platform behaves as if it had only half of its objects.
    pub(crate) fn page(
        &mut self,
        (collection, range, cursor): (&'static str, ReadRange, Option<&str>),
        plan: &ListsPlan,
        is_half: bool,
        now: Timestamp,
    ) -> Result<Page, CallError> {
        if self.json.is_some() {
            return self.json_page(&Wanted { collection, range: range.into(), cursor }, is_half, now);
        }
        if !self.takes_token {
            let reject = Reject::new(RejectClass::Auth, "the token was revoked");
            return Err(CallError::AccountRefused(AccountRefusal::Unauthorized, reject));
        }
        Ok(self.lean_page((collection, range, cursor), plan, is_half, now))
    }

    fn lean_page(
        &self,
        (collection, range, cursor): (&'static str, ReadRange, Option<&str>),
        plan: &ListsPlan,
        is_half: bool,
        now: Timestamp,
    ) -> Page {
        let (until, offset) = cursor.and_then(place).unwrap_or((now, 0));
        let mut listed = self.entries(collection);
        listed.retain(|entry| self.is_in(*entry, range, until));
        listed.sort_by_key(|entry| (plan.is_by_change.then(|| self.changed_at(*entry)), self.key(*entry)));
        if is_half {
            listed.truncate(listed.len() / 2);
        }
        let shown = listed.iter().skip(offset).take(plan.page_objects);
        let objects: Vec<ListedGood> = shown.map(|entry| self.listed(*entry, collection)).collect();
        let reached = offset + objects.len();
        let next = (reached < listed.len()).then(|| format!("{}/{reached}", until.as_micros()));
        let next = next.map(|cursor| (cursor, Duration::ZERO));
        Page { objects, total: Some(listed.len() as u64), next }
    }

    /// Everything that the list can have.
    fn entries(&self, collection: &str) -> Vec<Entry> {
        let sold = (0..self.goods.len()).filter(|good| !self.goods[*good].is_deleted);
        if collection == PRODUCTS || !self.kind.has_listed_levels() {
            return sold.map(|good| Entry { good, place: None }).collect();
        }
        let is_shown = |good: &usize| self.kind == Kind::Shopify || self.goods[*good].is_tracked;
        let places = |good: usize| self.goods[good].stock.keys().map(move |place| (good, *place));
        sold.filter(is_shown)
            .flat_map(places)
            .map(|(good, place)| Entry { good, place: Some(place) })
            .collect()
    }

    fn is_in(&self, entry: Entry, range: ReadRange, until: Timestamp) -> bool {
        let good = &self.goods[entry.good];
        let at = entry.place.map_or(good.updated_at, |place| good.level_at[&place]);
        match range {
            ReadRange::Whole => true,
            ReadRange::Changed { since, .. } => at >= since && at <= until,
        }
    }

    fn changed_at(&self, entry: Entry) -> Timestamp {
        let good = &self.goods[entry.good];
        entry.place.map_or_else(|| good.changed_at(), |place| good.level_at[&place])
    }

    fn key(&self, entry: Entry) -> String {
        let good = &self.goods[entry.good];
        entry.place.map_or_else(|| good.product.to_string(), |place| format!("{}/{place}", good.item))
    }

    fn listed(&self, entry: Entry, collection: &'static str) -> ListedGood {
        let (good, key) = (&self.goods[entry.good], self.key(entry));
        let object = |body: String, mapped: Vec<Mapped>| ListedGood {
            goods: vec![entry.good],
            digest: RawDigest::of(format!("{collection}\0{body}").as_bytes()),
            topic: collection,
            reported: Reported::Words(mapped),
            key: key.clone(),
        };
        if let Some(place) = entry.place {
            let body =
                format!("{key} {:?} {} {}", good.stock.get(&place), good.is_tracked, good.level_at[&place]);
            return object(body, self.level(good, place, collection).into_iter().collect());
        }
        let has_levels = !self.kind.has_listed_levels();
        let levels = good.level_at.keys().filter(|_| has_levels);
        let levels = levels.filter_map(|place| self.level(good, *place, collection));
        let complete = lists::complete(self.kind, good, collection);
        let reported = levels.chain(complete);
        if collection == LEVELS {
            return object(format!("{key} {:?} {}", good.stock, good.is_tracked), reported.collect());
        }
        let product = self.product(good, collection);
        let stock = has_levels.then_some((&good.stock, good.is_tracked));
        let body = format!("{key} {} {:?} {stock:?}", good.updated_at, product.payload);
        object(body, [product].into_iter().chain(reported).collect())
    }

    /// The consequence of the absence of an object from complete lists, up to that of the read that began at `at`: a topic
    /// and an object.
    pub(crate) fn missing(
        &self,
        collection: &'static str,
        key: &str,
        at: Timestamp,
    ) -> Option<(&'static str, Reported)> {
        if self.json.is_some() {
            return self.json_missing(collection, key, at);
        }
        Some((collection, Reported::Words(missing(self.kind, collection, key, at)?)))
    }

    /// The goods that aren't sold any more, and those that are.
    pub(crate) fn gone_and_sold(&self) -> (Vec<&Good>, Vec<&Good>) {
        self.gone.iter().chain(&self.goods).partition(|good| good.is_deleted)
    }
}

fn missing(kind: Kind, collection: &str, key: &str, at: Timestamp) -> Option<Vec<Mapped>> {
    if let Some((item, place)) = key.split_once('/') {
        return Some(vec![not_counted(kind, item, place.parse().ok()?, at)]);
    }
    let product: ExternalId = external(key);
    let version = if kind == Kind::Shopify { SourceVersion::coarse(at) } else { SourceVersion::exact(at) };
    let deletion = Mapped {
        action: Action::Deleted,
        occurred_at: Some(at),
        version: Some(version),
        identity: vec!["product/deleted".to_owned(), key.to_owned(), at.to_string()],
        payload: Payload::Deleted { entity: EntityKind::Product, external: product.clone() },
    };
    let nowhere = (kind == Kind::Blaze).then(|| lists::stocked(&product, [], "absent"));
    // The list of locations comes first, while the product is still known.
    (collection == PRODUCTS).then(|| nowhere.into_iter().chain([deletion]).collect())
}

/// A level that complete lists lack.
fn not_counted(kind: Kind, item: &str, place: usize, at: Timestamp) -> Mapped {
    Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: (kind == Kind::Shopify).then(|| SourceVersion::coarse(at)),
        identity: vec!["absent".to_owned(), item.to_owned(), place.to_string(), at.to_string()],
        payload: Payload::Inventory(InventoryReport {
            item: external(item),
            location: Some(place_id(place)),
            available: None,
        }),
    }
}

/// The time and the offset of a cursor.
fn place(cursor: &str) -> Option<(Timestamp, usize)> {
    let (until, offset) = cursor.split_once('/')?;
    Some((Timestamp::from_micros(until.parse().ok()?), offset.parse().ok()?))
}

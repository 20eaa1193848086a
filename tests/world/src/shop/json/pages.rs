//! Pages of a machine's lists, as `outlet` reads them.

use super::{Json, PAGES_MAX, time};
use crate::{
    pipeline::Reported,
    shop::{ListedGood, NewGood, Page, Shop, place_id},
};
use model::{ExternalId, Timestamp};
use platforms::{
    CallContext, CallError, Collection, Collections, Fetch, ListPage, Listed, NextPage, Object, Wanted,
};
use rust_decimal::Decimal;
use simulator::{ItemIds, NewVariant};
use stage::{Reject, RejectClass};

/// Quantity of each of the other goods.
const OF_OTHERS: Decimal = Decimal::TEN;

/// Goods of a shop that nobody sells: they fill the pages of its lists.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// Those that it has.
    pub(crate) sold: Vec<ItemIds>,
    /// Those that it had.
    pub(crate) gone: Vec<ItemIds>,
    made: u64,
}

impl Json {
    pub(super) fn collections(&self) -> Option<&'static dyn Collections> {
        self.platform()?.collections()
    }

    /// Puts goods on sale that are at one place, without a webhook.
    pub(crate) fn add_others(&mut self, count: usize, now: Timestamp) {
        for _ in 0..count {
            self.others.made += 1;
            let stock = vec![(place_id(0).to_string(), OF_OTHERS)];
            let variant = NewVariant { sku: String::new(), price_minor: 100, stock };
            let title = format!("Other {}", self.others.made);
            let made = self.machine.add_product(&title, &[variant], time(now));
            self.others.sold.extend(made.into_iter().flatten());
        }
        self.machine.take_webhooks();
    }

    /// Takes some of those goods off sale and puts another one there, without a webhook: pages that weren't read yet shift.
    pub(crate) fn shift(&mut self, count: usize, now: Timestamp) {
        let count = count.min(self.others.sold.len().saturating_sub(1));
        for gone in self.others.sold.drain(..count).collect::<Vec<_>>() {
            self.machine.delete_product(&gone.product, time(now)).ok();
            self.others.gone.push(gone);
        }
        if count > 0 {
            self.add_others(1, now);
        }
    }

    /// Reads a page, as `Fetcher::list` does.
    fn list(&mut self, wanted: &Wanted<'_>, now: Timestamp) -> Result<ListPage, CallError> {
        let missing = || Reject::new(RejectClass::Platform, "the platform has no collections");
        let collections = self.collections().ok_or_else(missing)?;
        let access = self.access();
        let context = CallContext { access: &access, idempotency_key: "", now };
        let request = collections.request(wanted, &context)?;
        let reply = self.call(&request, now);
        let part = match collections.files() {
            Some(files) => files.part(wanted, &context, &reply.as_reply())?.map(|part| (files, part)),
            None => None,
        };
        match part {
            Some((files, part)) => {
                let part = self.call(&part, now);
                files.page(wanted, &reply.as_reply(), &part.as_reply())
            }
            None => collections.page(wanted, &context, &reply.as_reply()),
        }
    }

    /// Leaves every second product out of all lists, or none.
    fn leave_out(&mut self, products: impl Iterator<Item = String>, is_half: bool) {
        let others = self.others.sold.iter().map(|other| other.product.clone());
        let products = products.chain(others).skip(1).step_by(2).filter(|_| is_half);
        self.machine.leave_out_of_lists(&products.collect::<Vec<_>>());
    }

    /// Fetches objects, as `outlet` does.
    pub(super) fn fetched_pages(
        &mut self,
        wanted: &Fetch<'_>,
        cause: Option<model::DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<Reported>, CallError> {
        let reader = self.platform().and_then(|platform| platform.reader());
        let reader = reader.ok_or_else(|| CallError::transient("nothing can be read"))?;
        let access = self.access();
        let context = CallContext { access: &access, idempotency_key: "", now };
        let mut next = reader.request(wanted, &context)?;
        let mut reported = Vec::new();
        for _ in 0..PAGES_MAX {
            let Some(request) = next else { break };
            let reply = self.call(&request, now);
            let page = reader.page(wanted, &context, &reply.as_reply())?;
            for object in page.objects {
                let key = wanted.delivery_key(reader, &object, cause, now);
                reported.push(Reported::Object(object.topic, object.body.into(), key));
            }
            next = page.next;
        }
        Ok(reported)
    }
}

impl Shop {
    /// The collections that its platform lists, if it uses JSON.
    pub(crate) fn collections(&self) -> &'static [Collection] {
        let collections = self.json.as_ref().and_then(|json| json.collections());
        collections.map_or(&[], |collections| collections.all())
    }

    /// Reads the page of a list of a machine. With `is_half` the platform behaves as if it had only half of its objects.
    pub(in crate::shop) fn json_page(
        &mut self,
        wanted: &Wanted<'_>,
        is_half: bool,
        now: Timestamp,
    ) -> Result<Page, CallError> {
        let takes_token = self.takes_token;
        let products = self.goods.iter().filter(|good| !good.is_deleted).map(|good| good.product.to_string());
        let products: Vec<String> = products.collect();
        let Some(json) = &mut self.json else { return Err(CallError::transient("it has no machine")) };
        json.set_taken(takes_token);
        json.leave_out(products.into_iter(), is_half);
        let page = json.list(wanted, now)?;
        let listed = |Listed { key, object }: Listed| {
            let digest = object.digest();
            ListedGood { goods: Vec::new(), key, digest, topic: object.topic, reported: reported(object) }
        };
        let next = page.next.map(|NextPage { cursor, wait }| (cursor, wait));
        Ok(Page { objects: page.objects.into_iter().map(listed).collect(), total: page.total, next })
    }

    /// The consequence of the absence of an object from a machine's lists: the topic and the object.
    pub(in crate::shop) fn json_missing(
        &self,
        collection: &str,
        key: &str,
        at: Timestamp,
    ) -> Option<(&'static str, Reported)> {
        let object = self.json.as_ref()?.collections()?.missing(collection, key, at)?;
        Some((object.topic, reported(object)))
    }

    /// Returns true for an item of a good that nobody sells.
    pub(crate) fn is_of_others(&self, item: &ExternalId) -> bool {
        let others = self.json.iter().flat_map(|json| json.others.sold.iter().chain(&json.others.gone));
        others.into_iter().any(|other| other.item == item.as_str())
    }

    /// Puts goods that nobody sells on sale.
    pub(crate) fn add_others(&mut self, count: usize, now: Timestamp) {
        if let Some(json) = &mut self.json {
            json.add_others(count, now);
        }
    }
}

/// An object as a delivery; its key is that of the page, which the reader of the list adds.
fn reported(Object { topic, body }: Object) -> Reported {
    Reported::Object(topic, body.into(), Vec::new())
}

/// The variants of goods to be made, each with its stock.
pub(super) fn variants(made: &[NewGood]) -> Vec<NewVariant> {
    let variant = |new: &NewGood| NewVariant {
        sku: new.sku.clone(),
        price_minor: 1_000,
        stock: new.stock.iter().map(|(place, count)| (place_id(*place).to_string(), *count)).collect(),
    };
    made.iter().map(variant).collect()
}

//! Pages of the lists of a platform that is only read on a schedule: products in the order of their changes or ids, from
//! an offset on, with the number of all of them. A deleted product is missing, and nothing else shows its deletion.

use super::{Good, Shop, external, lists};
use crate::plan::ListsPlan;
use model::{Action, EntityKind, ExternalId, Payload, ReadRange, SourceVersion, Timestamp};
use platforms::Mapped;

/// The list of products, which has their levels too.
pub(crate) const PRODUCTS: &str = "products";
/// The same list, read for levels alone.
pub(crate) const LEVELS: &str = "levels";

/// An object of a list.
#[derive(Debug, Clone)]
pub(crate) struct ListedGood {
    /// Its number among the shop's goods.
    pub(crate) good: usize,
    /// Its key within the list.
    pub(crate) key: String,
    /// Its content, as bytes.
    pub(crate) body: String,
    /// Its content, as it is mapped.
    pub(crate) mapped: Vec<Mapped>,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<ListedGood>,
    /// Number of objects in the whole list.
    pub(crate) total: u64,
    /// Cursor of the next page.
    pub(crate) next: Option<String>,
}

impl Shop {
    /// The page at a cursor. With `is_half` the platform behaves as if it had only the first half of its objects.
    pub(crate) fn page(
        &self,
        (collection, range, cursor): (&str, ReadRange, Option<&str>),
        plan: &ListsPlan,
        is_half: bool,
        now: Timestamp,
    ) -> Page {
        let (until, offset) = cursor.and_then(place).unwrap_or((now, 0));
        let mut listed: Vec<usize> =
            (0..self.goods.len()).filter(|good| self.is_in(*good, range, until)).collect();
        listed.sort_by_key(|good| {
            let good = &self.goods[*good];
            (plan.is_by_change.then(|| good.changed_at()), good.product.clone())
        });
        if is_half {
            listed.truncate(listed.len() / 2);
        }
        let shown = listed.iter().skip(offset).take(plan.page_objects);
        let objects: Vec<ListedGood> = shown.map(|good| self.listed(*good, collection)).collect();
        let reached = offset + objects.len();
        let next = (reached < listed.len()).then(|| format!("{}/{reached}", until.as_micros()));
        Page { objects, total: listed.len() as u64, next }
    }

    fn is_in(&self, good: usize, range: ReadRange, until: Timestamp) -> bool {
        let Good { is_deleted, updated_at, .. } = self.goods[good];
        !is_deleted
            && match range {
                ReadRange::Whole => true,
                ReadRange::Changed { since, .. } => updated_at >= since && updated_at <= until,
            }
    }

    fn listed(&self, index: usize, collection: &str) -> ListedGood {
        let good = &self.goods[index];
        let key = good.product.to_string();
        let levels = good.level_at.keys().filter_map(|place| self.level(good, *place, collection));
        if collection == LEVELS {
            let body = format!("{key} {:?}", good.stock);
            return ListedGood { good: index, key, body, mapped: levels.collect() };
        }
        let product = self.product(good, collection);
        let body = format!("{key} {} {:?} {:?}", good.updated_at, product.payload, good.stock);
        ListedGood { good: index, key, body, mapped: [product].into_iter().chain(levels).collect() }
    }

    /// The goods that aren't sold any more, and those that are.
    pub(crate) fn gone_and_sold(&self) -> (Vec<&Good>, Vec<&Good>) {
        self.gone.iter().chain(&self.goods).partition(|good| good.is_deleted)
    }
}

/// The consequence of the absence of an object from complete lists, up to that of the read that began at `at`.
pub(crate) fn missing(collection: &str, key: &str, at: Timestamp) -> Option<Vec<Mapped>> {
    let product: ExternalId = external(key);
    let deletion = Mapped {
        action: Action::Deleted,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity: vec!["product/deleted".to_owned(), key.to_owned(), at.to_string()],
        payload: Payload::Deleted { entity: EntityKind::Product, external: product.clone() },
    };
    // The list of locations comes first, while the product is still known.
    (collection == PRODUCTS).then(|| vec![lists::stocked(&product, [], "absent"), deletion])
}

/// The time and the offset of a cursor.
fn place(cursor: &str) -> Option<(Timestamp, usize)> {
    let (until, offset) = cursor.split_once('/')?;
    Some((Timestamp::from_micros(until.parse().ok()?), offset.parse().ok()?))
}

//! The objects of a page: those to report, those to remember, and the signs of pages that shifted.

use super::ListRead;
use crate::{ConnectionId, DeliveryId, RawDigest, Timestamp};
use std::collections::{HashMap, HashSet};

/// An object on a page, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its identity within its collection: at most [`ListedObject::KEY_BYTES_MAX`].
    pub key: String,
    /// Digest of its content.
    pub digest: RawDigest,
}

impl ListedObject {
    /// Upper limit of a key, in bytes.
    pub const KEY_BYTES_MAX: usize = 1000;

    /// Returns whether an object with that key can be remembered.
    pub fn is_key(key: &str) -> bool {
        (1..=Self::KEY_BYTES_MAX).contains(&key.len()) && !key.contains('\0')
    }
}

/// An object as a former page had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownObject {
    /// Its key and digest.
    pub object: ListedObject,
    /// The number of the read that saw it last.
    pub seen_in: u64,
    /// Time at which that page was requested, if it is remembered.
    pub seen_at: Option<Timestamp>,
    /// Time of receipt of the last report of its level, from any source, if it is an item.
    pub observed_at: Option<Timestamp>,
}

impl KnownObject {
    /// Returns whether another source reported its level since the former page, and before this one was requested: what the
    /// page has isn't what is known, though it may be what the former page had.
    fn is_overtaken(&self, page_at: Timestamp) -> bool {
        let between = |seen_at, observed_at| seen_at < observed_at && observed_at < page_at;
        self.seen_at.zip(self.observed_at).is_some_and(|(seen_at, observed_at)| between(seen_at, observed_at))
    }
}

/// The read that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRead {
    /// Its number.
    pub number: u64,
    /// True if it reports every object, changed or not.
    pub reports_all: bool,
    /// Time at which the page was requested, which is the time of receipt of its objects.
    pub page_at: Timestamp,
}

/// An object on a page, with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageObject<T> {
    /// Its key and digest. The key is empty for an object that isn't accounted for.
    pub object: ListedObject,
    /// Its content.
    pub content: T,
}

/// The objects of a page, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortedPage<T> {
    /// Objects to report, with the digests of their contents.
    pub reported: Vec<(RawDigest, T)>,
    /// Objects to remember, each once.
    pub seen: Vec<ListedObject>,
    /// True if an object was on a former page of the read, is on the page twice, or has a key that can't be remembered:
    /// the list can't show that another one is missing. An object without a key isn't accounted for.
    pub has_repeats: bool,
}

impl<T> SortedPage<T> {
    /// Sorts the objects of a page. `known` are those that a former page had.
    pub fn of(page: Vec<PageObject<T>>, known: Vec<KnownObject>, read: PageRead) -> Self {
        let PageRead { number, reports_all, page_at } = read;
        let mut known: HashMap<String, KnownObject> =
            known.into_iter().map(|known| (known.object.key.clone(), known)).collect();
        let mut on_page = HashSet::new();
        let mut sorted = Self { reported: Vec::new(), seen: Vec::new(), has_repeats: false };
        for PageObject { object, content } in page {
            let before = known.get(&object.key);
            let is_repeated = before.is_some_and(|before| before.seen_in == number);
            let is_key = ListedObject::is_key(&object.key);
            sorted.has_repeats |= is_repeated || !(object.key.is_empty() || is_key);
            let is_known =
                |before: &KnownObject| before.object.digest == object.digest && !before.is_overtaken(page_at);
            if reports_all || !before.is_some_and(is_known) {
                sorted.reported.push((object.digest, content));
            }
            if !is_key {
                continue;
            }
            // A page may have all objects of a shop, and hardly ever has one twice.
            if !on_page.insert(object.key.clone()) {
                sorted.seen.retain(|seen| seen.key != object.key);
            }
            sorted.seen.push(object.clone());
            let seen_at = Some(page_at);
            known.insert(
                object.key.clone(),
                KnownObject { object, seen_in: number, seen_at, observed_at: None },
            );
        }
        sorted
    }
}

impl ListRead {
    /// Returns the id of the delivery of a listed object: the same for a page that is read again.
    pub fn object_id(&self, connection: &ConnectionId, topic: &str, digest: RawDigest) -> DeliveryId {
        self.delivery_id(connection, topic, digest.as_bytes(), &[])
    }

    /// Returns the id of the delivery of an object that is gone.
    pub fn gone_id(&self, connection: &ConnectionId, topic: &str, key: &str) -> DeliveryId {
        self.delivery_id(connection, topic, b"gone", key.as_bytes())
    }

    fn delivery_id(&self, connection: &ConnectionId, topic: &str, kind: &[u8], of: &[u8]) -> DeliveryId {
        DeliveryId::derive(connection, topic, &[&self.number.to_le_bytes()[..], kind, of].concat())
    }
}

//! The rows that `fetch` keeps of the lists of one connection: the state of each collection, and the objects that pages had.

use crate::{
    plan::ListsPlan,
    shop::{LEVELS, ListedGood, PRODUCTS, Shop},
};
use model::{
    CollectionPick, CollectionState, DueCollection, EndedRead, KnownObject, ListedObject, MISSING_IN_A_ROW,
    MissingCounts, PageObject, RawDigest, ReadOutcome, ReadPlan, ReadRange, ReadRequest, Spread, Timestamp,
    absences, pick_collection,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Interval between two reads of everything where changes are read too.
const WHOLE_EVERY: Duration = Duration::from_hours(6);
/// Time by which a list of changes may lag behind.
const OVERLAP: Duration = Duration::from_mins(5);

/// An object that a page had.
#[derive(Debug, Clone)]
struct Row {
    digest: RawDigest,
    seen_in: u64,
    seen_at: Timestamp,
    missing: i16,
}

/// A collection of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Collection {
    pub(crate) name: &'static str,
    pub(crate) plan: ReadPlan,
    pub(crate) spread: Spread,
    pub(crate) state: CollectionState,
    pub(crate) request: Option<ReadRequest>,
    rows: BTreeMap<String, Row>,
    /// The keys of all objects that pages ever had.
    ever: BTreeSet<String>,
    /// The read during which the platform shows only half of its objects.
    half_in: Option<u64>,
    /// True if the last complete read of everything was such a one.
    was_half: bool,
}

/// The collections of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Lists {
    pub(crate) collections: Vec<Collection>,
    /// Time before which a limit of calls allows no read.
    pub(crate) limited_until: Timestamp,
}

impl Lists {
    /// The collections of a connection that were never read.
    pub(crate) fn first(shop: &Shop, plan: &ListsPlan, now: Timestamp) -> Self {
        let collection = |name, plan: ReadPlan| {
            let spread = Spread::of(&shop.connection, name);
            let state = CollectionState::first(&plan, spread, now);
            let (rows, ever) = (BTreeMap::new(), BTreeSet::new());
            Collection {
                name,
                plan,
                spread,
                state,
                request: None,
                rows,
                ever,
                half_in: None,
                was_half: false,
            }
        };
        let of_platform = shop.collections().iter();
        let mut collections: Vec<Collection> =
            of_platform.map(|it| collection(it.name, it.plan(Some(plan.every), WHOLE_EVERY))).collect();
        if shop.json.is_none() {
            let (every, whole_every) = (plan.every, WHOLE_EVERY);
            let plan = |changes| ReadPlan { changes, whole: true, every, whole_every, whole_due: None };
            // Where a level has no time of its own, levels are read as a whole.
            let levels = plan(shop.kind.has_listed_levels().then_some(OVERLAP));
            collections = vec![collection(PRODUCTS, plan(Some(OVERLAP))), collection(LEVELS, levels)];
        }
        Self { collections, limited_until: now }
    }

    /// Returns true if the list of products ever had one.
    pub(crate) fn had(&self, product: &str) -> bool {
        let of_products = self.collections.iter().filter(|it| it.name == PRODUCTS);
        of_products.into_iter().any(|it| it.ever.contains(product))
    }

    /// The collection whose turn it is, or the time of the next one.
    pub(crate) fn pick(&self, now: Timestamp) -> CollectionPick {
        if self.limited_until > now {
            return CollectionPick::Wait(self.limited_until);
        }
        let candidate = |it: &Collection| DueCollection::of(&it.state, &it.plan, it.request.is_some());
        let candidates: Vec<DueCollection> = self.collections.iter().map(candidate).collect();
        pick_collection(&candidates, now)
    }
}

impl Collection {
    /// Stores the state, as it is after a read that ended.
    pub(crate) fn keep(&mut self, state: CollectionState, ended: Option<&EndedRead>) {
        self.state = state;
        if let Some(EndedRead { read, outcome: ReadOutcome::Complete, .. }) = ended
            && read.range == ReadRange::Whole
        {
            self.was_half = self.half_in == Some(read.number);
        }
    }

    /// Makes the read that begins show only half of the objects, unless the last complete one did.
    pub(crate) fn halve(&mut self, number: u64) {
        if !self.was_half {
            self.half_in = Some(number);
        }
    }

    pub(crate) fn is_half(&self, number: u64) -> bool {
        self.half_in == Some(number)
    }

    /// The objects of a page with their digests, and those of them that a former page had. `observed_at` is the time of the
    /// last report of an item's level.
    pub(crate) fn known(
        &self,
        page: Vec<ListedGood>,
        observed_at: impl Fn(&str) -> Option<Timestamp>,
    ) -> (Vec<PageObject<ListedGood>>, Vec<KnownObject>) {
        let object = |content: ListedGood| PageObject {
            object: ListedObject { key: content.key.clone(), digest: content.digest },
            content,
        };
        let page: Vec<_> = page.into_iter().map(object).collect();
        let known = page.iter().filter_map(|PageObject { object, .. }| {
            let Row { digest, seen_in, seen_at, .. } = self.rows.get(&object.key)?.clone();
            let observed_at = if self.name == LEVELS { observed_at(&object.key) } else { None };
            let object = ListedObject { key: object.key.clone(), digest };
            Some(KnownObject { object, seen_in, seen_at: Some(seen_at), observed_at })
        });
        let known = known.collect();
        (page, known)
    }

    /// Stores the objects of a page.
    pub(crate) fn see(&mut self, number: u64, seen: Vec<ListedObject>, now: Timestamp) {
        self.ever.extend(seen.iter().map(|object| object.key.clone()));
        let row = |digest| Row { digest, seen_in: number, seen_at: now, missing: 0 };
        self.rows.extend(seen.into_iter().map(|ListedObject { key, digest }| (key, row(digest))));
    }

    /// The counts of objects after a complete list.
    pub(crate) fn missing_counts(&self, number: u64) -> MissingCounts {
        let missing: Vec<&Row> = self.rows.values().filter(|row| row.seen_in < number).collect();
        let again = missing.iter().filter(|row| row.missing >= MISSING_IN_A_ROW - 1).count() as u64;
        MissingCounts { known: self.rows.len() as u64, missing: missing.len() as u64, missing_again: again }
    }

    /// Counts the absence of objects.
    pub(crate) fn count_missing(&mut self, number: u64, accepts_missing: bool) {
        for row in self.rows.values_mut().filter(|row| row.seen_in < number) {
            row.missing = (row.missing + absences(accepts_missing)).min(MISSING_IN_A_ROW);
        }
    }

    /// The keys of objects that were missing often enough.
    pub(crate) fn gone(&self, number: u64) -> Vec<String> {
        let is_gone = |row: &Row| row.seen_in < number && row.missing >= MISSING_IN_A_ROW;
        self.rows.iter().filter(|(_, row)| is_gone(row)).map(|(key, _)| key.clone()).collect()
    }

    /// Removes objects that were reported as gone.
    pub(crate) fn forget(&mut self, gone: &[String]) {
        self.rows.retain(|key, _| !gone.contains(key));
    }
}

//! What the platforms should hold: set from the store's own values whenever those changed.

use crate::{Consumer, CursorMove, Store, StoreError, cursors, error::within};
use model::{
    Event, LocationId, MirrorKind, PlatformName, ProductId, StoreId, Timestamp, TraceParent, VariantId,
    record::Effect,
};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// What changed, each with the number of the last change that touched it.
///
/// Only names what changed: what it is now is read where it is set, so that a number that is passed twice, or late,
/// never brings back an older value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    levels: BTreeMap<(VariantId, LocationId), Cause>,
    prices: BTreeMap<VariantId, Cause>,
    texts: BTreeMap<ProductId, Cause>,
    linked: BTreeMap<VariantId, Cause>,
    stores: BTreeSet<StoreId>,
}

/// The change that makes a value due elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cause {
    number: i64,
    trace: TraceParent,
}

fn numbers<'a>(causes: impl Iterator<Item = &'a Cause>) -> Vec<i64> {
    causes.map(|cause| cause.number).collect()
}

fn traces<'a>(causes: impl Iterator<Item = &'a Cause>) -> Vec<String> {
    causes.map(|cause| cause.trace.as_str().to_owned()).collect()
}

impl Wants {
    /// Notes what the event that was committed under this number of its partition made of the store's values.
    pub fn add(&mut self, number: i64, event: &Event, effect: &Effect) {
        let cause = Cause { number, trace: event.trace.clone() };
        self.stores.insert(event.origin.store.clone());
        match effect {
            Effect::Level { variant, location, .. } => {
                self.levels.insert((variant.clone(), location.clone()), cause);
            }
            Effect::Price { variant, .. } => {
                self.prices.insert(variant.clone(), cause);
            }
            Effect::Text { product } => {
                self.texts.insert(product.clone(), cause);
            }
            Effect::Linked { variant } => {
                self.linked.insert(variant.clone(), cause.clone());
                self.prices.insert(variant.clone(), cause);
            }
        }
    }

    /// Takes in what others want; of two changes of one value, the later.
    pub fn extend(&mut self, others: Self) {
        fn later<K: Ord>(ours: &mut BTreeMap<K, Cause>, others: BTreeMap<K, Cause>) {
            for (key, cause) in others {
                match ours.get_mut(&key) {
                    Some(known) if known.number > cause.number => {}
                    Some(known) => *known = cause,
                    None => drop(ours.insert(key, cause)),
                }
            }
        }
        later(&mut self.levels, others.levels);
        later(&mut self.prices, others.prices);
        later(&mut self.texts, others.texts);
        later(&mut self.linked, others.linked);
        self.stores.extend(others.stores);
    }

    /// Whether nothing changed that any platform could want.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.prices.is_empty() && self.texts.is_empty() && self.linked.is_empty()
    }
}

/// Which kinds of value which platforms take.
pub type Writes = BTreeSet<(PlatformName, MirrorKind)>;

impl Store {
    /// Sets what every enabled connection of the stores should hold of what changed, if its platform takes such writes
    /// (`writes`) and its rules let them out; moves propagate's cursors in the same transaction, or is
    /// [`StoreError::Fenced`] and changes nothing. `now` is since when what becomes due is due.
    pub async fn set_desired(
        &self,
        wants: &Wants,
        writes: &Writes,
        now: Timestamp,
        steps: &[CursorMove],
    ) -> Result<(), StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            cursors::advance(&mut transaction, Consumer::Propagate, steps).await?;
            // Apply locks a store before anything in it. Whoever writes many of its mirrors does the same, or the two
            // would wait for each other whenever both make the same mirror.
            sqlx::query("SELECT id FROM stores WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
                .bind(wants.stores.iter().map(StoreId::as_str).collect::<Vec<_>>())
                .fetch_all(&mut *transaction)
                .await?;
            // In the order in which everyone locks mirrors: inventory, price, product.
            if !wants.levels.is_empty() || !wants.linked.is_empty() {
                levels(&mut transaction, wants, writes, now).await?;
            }
            if !wants.prices.is_empty() {
                prices(&mut transaction, wants, writes, now).await?;
            }
            if !wants.texts.is_empty() || !wants.linked.is_empty() {
                texts(&mut transaction, wants, writes, now).await?;
            }
            Ok::<_, StoreError>(())
        };
        within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await
    }
}

fn takers(writes: &Writes, kind: MirrorKind) -> Vec<&str> {
    writes.iter().filter(|(_, taken)| *taken == kind).map(|(platform, _)| platform.as_str()).collect()
}

async fn levels(
    connection: &mut PgConnection,
    wants: &Wants,
    writes: &Writes,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(SET_LEVELS)
        .bind(wants.levels.keys().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(wants.levels.keys().map(|(_, location)| location.as_str()).collect::<Vec<_>>())
        .bind(numbers(wants.levels.values()))
        .bind(traces(wants.levels.values()))
        .bind(wants.linked.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.linked.values()))
        .bind(traces(wants.linked.values()))
        .bind(takers(writes, MirrorKind::Inventory))
        .bind(now.as_chrono())
        .bind(model::DEFAULT_LOCATION)
        .execute(connection)
        .await?;
    Ok(())
}

// A level goes to the connections that know the location: by a link, or because it is their default.
const SET_LEVELS: &str = "
INSERT INTO mirrors AS m (connection, kind, external, place, tenant, store, internal, desired, desired_number,
    desired_trace, next_attempt_at)
SELECT c.id, 'inventory', item.external, level.location, c.tenant, c.store, level.variant,
    mirror_quantity(level.quantity), w.number, w.trace, $9
FROM (SELECT DISTINCT ON (variant, location) variant, location, number, trace
      FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[])
                AS changed(variant, location, number, trace)
            UNION ALL
            SELECT l.variant, l.location, linked.number, linked.trace
            FROM unnest($5::text[], $6::int8[], $7::text[]) AS linked(variant, number, trace)
            JOIN inventory_levels l ON l.variant = linked.variant) AS each
      ORDER BY variant, location, number DESC) AS w
JOIN inventory_levels level ON level.variant = w.variant AND level.location = w.location
JOIN links item ON item.internal = w.variant AND item.kind = 'item'
JOIN connections c ON c.id = item.connection AND c.store = level.store
WHERE c.enabled AND c.platform = ANY($8) AND coalesce((c.rules ->> 'propagate_inventory')::boolean, true)
  AND (c.default_location = w.location
       OR EXISTS (SELECT FROM links place
                  WHERE place.internal = w.location AND place.kind = 'location' AND place.connection = c.id
                    AND place.external <> $10))
ORDER BY c.id, item.external, level.location
ON CONFLICT (connection, kind, external, place) DO UPDATE
SET desired = excluded.desired, desired_number = excluded.desired_number,
    desired_trace = excluded.desired_trace, internal = excluded.internal,
    next_attempt_at = CASE WHEN m.attention IS NULL THEN excluded.next_attempt_at ELSE m.next_attempt_at END
WHERE m.desired IS DISTINCT FROM excluded.desired OR m.internal IS DISTINCT FROM excluded.internal";

async fn prices(
    connection: &mut PgConnection,
    wants: &Wants,
    writes: &Writes,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(SET_PRICES)
        .bind(wants.prices.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.prices.values()))
        .bind(traces(wants.prices.values()))
        .bind(takers(writes, MirrorKind::Price))
        .bind(now.as_chrono())
        .execute(connection)
        .await?;
    Ok(())
}

const SET_PRICES: &str = "
INSERT INTO mirrors AS m (connection, kind, external, place, tenant, store, internal, desired, desired_number,
    desired_trace, next_attempt_at)
SELECT c.id, 'price', l.external, '', c.tenant, c.store, v.id, mirror_price(v.price_minor, v.price_currency), w.number,
    w.trace, $5
FROM unnest($1::text[], $2::int8[], $3::text[]) AS w(variant, number, trace)
JOIN variants v ON v.id = w.variant AND v.price_minor IS NOT NULL
JOIN links l ON l.internal = w.variant AND l.kind = 'variant'
JOIN connections c ON c.id = l.connection AND c.store = v.store
WHERE c.enabled AND c.platform = ANY($4) AND coalesce((c.rules ->> 'propagate_prices')::boolean, true)
ORDER BY c.id, l.external
ON CONFLICT (connection, kind, external, place) DO UPDATE
SET desired = excluded.desired, desired_number = excluded.desired_number,
    desired_trace = excluded.desired_trace, internal = excluded.internal,
    next_attempt_at = CASE WHEN m.attention IS NULL THEN excluded.next_attempt_at ELSE m.next_attempt_at END
WHERE m.desired IS DISTINCT FROM excluded.desired OR m.internal IS DISTINCT FROM excluded.internal";

async fn texts(
    connection: &mut PgConnection,
    wants: &Wants,
    writes: &Writes,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(SET_TEXTS)
        .bind(wants.texts.keys().map(ProductId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.texts.values()))
        .bind(traces(wants.texts.values()))
        .bind(wants.linked.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.linked.values()))
        .bind(traces(wants.linked.values()))
        .bind(takers(writes, MirrorKind::Product))
        .bind(now.as_chrono())
        .execute(connection)
        .await?;
    Ok(())
}

const SET_TEXTS: &str = "
INSERT INTO mirrors AS m (connection, kind, external, place, tenant, store, internal, desired, desired_number,
    desired_trace, next_attempt_at)
SELECT c.id, 'product', l.external, '', c.tenant, c.store, p.id,
    mirror_text((SELECT now.held FROM mirrors now
                 WHERE now.connection = c.id AND now.kind = 'product' AND now.external = l.external AND now.place = ''),
                p.title, p.description),
    w.number, w.trace, $8
FROM (SELECT DISTINCT ON (product) product, number, trace
      FROM (SELECT * FROM unnest($1::text[], $2::int8[], $3::text[]) AS changed(product, number, trace)
            UNION ALL
            SELECT v.product, linked.number, linked.trace
            FROM unnest($4::text[], $5::int8[], $6::text[]) AS linked(variant, number, trace)
            JOIN variants v ON v.id = linked.variant) AS each
      ORDER BY product, number DESC) AS w
JOIN products p ON p.id = w.product AND p.deleted_at IS NULL
JOIN links l ON l.internal = w.product AND l.kind = 'product'
JOIN connections c ON c.id = l.connection AND c.store = p.store
WHERE c.enabled AND c.platform = ANY($7) AND coalesce((c.rules ->> 'propagate_products')::boolean, true)
ORDER BY c.id, l.external
ON CONFLICT (connection, kind, external, place) DO UPDATE
SET desired = excluded.desired, desired_number = excluded.desired_number,
    desired_trace = excluded.desired_trace, internal = excluded.internal,
    next_attempt_at = CASE WHEN m.attention IS NULL THEN excluded.next_attempt_at ELSE m.next_attempt_at END
WHERE m.desired IS DISTINCT FROM excluded.desired OR m.internal IS DISTINCT FROM excluded.internal";

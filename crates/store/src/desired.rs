//! What the platforms should hold: set from the store's own values whenever those changed.

use crate::{
    Consumer, CursorMove, Store, StoreError,
    columns::{mirror_key, place},
    cursors,
    error::within,
};
use model::{
    Event, LocationId, MirrorKey, MirrorKind, PlatformName, ProductId, StoreId, Timestamp, TraceParent,
    VariantId, record::Effect,
};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
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
        let cause = Cause { number, trace: event.trace };
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
            let mut unset = Vec::new();
            if !wants.levels.is_empty() || !wants.linked.is_empty() {
                unset.extend(levels(&mut transaction, wants, writes).await?);
            }
            if !wants.prices.is_empty() {
                unset.extend(prices(&mut transaction, wants, writes).await?);
            }
            if !wants.texts.is_empty() || !wants.linked.is_empty() {
                unset.extend(texts(&mut transaction, wants, writes).await?);
            }
            set(&mut transaction, wants, unset, now).await
        };
        within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await
    }
}

/// A value that a platform should hold and its mirror doesn't say so yet.
struct Unset {
    key: MirrorKey,
    internal: String,
    desired: String,
    number: i64,
    trace: String,
    is_new: bool,
}

impl Unset {
    fn read(row: &PgRow) -> Result<Self, StoreError> {
        Ok(Self {
            key: mirror_key(row)?,
            internal: row.try_get("internal")?,
            desired: row.try_get("wanted")?,
            number: row.try_get("number")?,
            trace: row.try_get("trace")?,
            is_new: row.try_get("is_new")?,
        })
    }
}

async fn set(
    connection: &mut PgConnection,
    wants: &Wants,
    unset: Vec<Unset>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if unset.iter().any(|unset| unset.is_new) {
        // Apply locks a store before anything in it. Whoever makes mirrors does the same, or the two would wait for each
        // other whenever both make the same.
        sqlx::query("SELECT id FROM stores WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(wants.stores.iter().map(StoreId::as_str).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
        write(connection, MAKE, unset.iter().filter(|unset| unset.is_new), now).await?;
    }
    if !unset.is_empty() {
        write(connection, SET, unset.iter(), now).await?;
    }
    Ok(())
}

async fn write<'a>(
    connection: &mut PgConnection,
    sql: &'static str,
    unset: impl Iterator<Item = &'a Unset> + Clone,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = || unset.clone();
    sqlx::query(sql)
        .bind(rows().map(|unset| unset.key.connection.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|unset| unset.key.kind.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|unset| unset.key.external.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|unset| place(&unset.key)).collect::<Vec<_>>())
        .bind(rows().map(|unset| unset.internal.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|unset| unset.desired.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|unset| unset.number).collect::<Vec<_>>())
        .bind(rows().map(|unset| unset.trace.as_str()).collect::<Vec<_>>())
        .bind(now.as_chrono())
        .execute(connection)
        .await?;
    Ok(())
}

const MAKE: &str = "
INSERT INTO mirrors (connection, kind, external, place, tenant, store, internal, desired, desired_number, desired_trace,
    next_attempt_at)
SELECT c.id, u.kind, u.external, u.place, c.tenant, c.store, u.internal, u.desired::jsonb, u.number, u.trace, $9
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::text[])
    AS u(connection, kind, external, place, internal, desired, number, trace)
JOIN connections c ON c.id = u.connection
ORDER BY u.connection, u.kind, u.external, u.place
ON CONFLICT DO NOTHING";

// Locked in the order in which apply locks them. What was read before may be outdated by now; whatever outdated it comes
// here too, and what is sent is read anew.
const SET: &str = "
UPDATE mirrors m
SET desired = f.desired, desired_number = f.number, desired_trace = f.trace, internal = f.internal,
    next_attempt_at = CASE WHEN m.attention IS NULL THEN $9 ELSE m.next_attempt_at END
FROM (SELECT d.connection, d.kind, d.external, d.place, u.internal, u.desired::jsonb AS desired, u.number, u.trace
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::text[])
          AS u(connection, kind, external, place, internal, desired, number, trace)
      JOIN mirrors d USING (connection, kind, external, place)
      WHERE d.desired IS DISTINCT FROM u.desired::jsonb OR d.internal IS DISTINCT FROM u.internal
      ORDER BY d.connection, d.kind, d.external, d.place
      FOR NO KEY UPDATE OF d) AS f
WHERE m.connection = f.connection AND m.kind = f.kind AND m.external = f.external AND m.place = f.place";

fn takers(writes: &Writes, kind: MirrorKind) -> Vec<&str> {
    writes.iter().filter(|(_, taken)| *taken == kind).map(|(platform, _)| platform.as_str()).collect()
}

async fn levels(
    connection: &mut PgConnection,
    wants: &Wants,
    writes: &Writes,
) -> Result<Vec<Unset>, StoreError> {
    let rows = sqlx::query(UNSET_LEVELS)
        .bind(wants.levels.keys().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(wants.levels.keys().map(|(_, location)| location.as_str()).collect::<Vec<_>>())
        .bind(numbers(wants.levels.values()))
        .bind(traces(wants.levels.values()))
        .bind(wants.linked.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.linked.values()))
        .bind(traces(wants.linked.values()))
        .bind(takers(writes, MirrorKind::Inventory))
        .bind(model::DEFAULT_LOCATION)
        .fetch_all(connection)
        .await?;
    rows.iter().map(Unset::read).collect()
}

// Every table is looked up by key, one after the other: `OFFSET 0` keeps the planner from joining in another order. A plan
// is made when the tables are still empty and kept; by its own choice it read all links of the database each time.
//
// A level goes to the connections that know the location: by a link, or because it is their default. It is looked up by
// its variant, of which a store has few, and not by its location, of which it has thousands; `|| ''` hides that index.
const UNSET_LEVELS: &str = "
SELECT c.id AS connection, 'inventory' AS kind, item.external, level.location AS place, level.variant AS internal,
    mirror_quantity(level.quantity)::text AS wanted, w.number, w.trace, m.connection IS NULL AS is_new
FROM (SELECT DISTINCT ON (variant, location) variant, location, number, trace
      FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[])
                AS changed(variant, location, number, trace)
            UNION ALL
            SELECT l.variant, l.location, linked.number, linked.trace
            FROM unnest($5::text[], $6::int8[], $7::text[]) AS linked(variant, number, trace)
            JOIN inventory_levels l ON l.variant = linked.variant) AS each
      ORDER BY variant, location, number DESC) AS w
CROSS JOIN LATERAL (SELECT * FROM inventory_levels k
                    WHERE k.variant = w.variant AND k.location || '' = w.location OFFSET 0) AS level
CROSS JOIN LATERAL (SELECT * FROM links k WHERE k.internal = w.variant AND k.kind = 'item' OFFSET 0) AS item
CROSS JOIN LATERAL (SELECT * FROM connections k WHERE k.id = item.connection AND k.store = level.store OFFSET 0) AS c
LEFT JOIN LATERAL (SELECT * FROM mirrors k WHERE k.connection = c.id AND k.kind = 'inventory'
                       AND k.external = item.external AND k.place = w.location OFFSET 0) AS m ON true
WHERE c.enabled AND c.platform = ANY($8) AND coalesce((c.rules ->> 'propagate_inventory')::boolean, true)
  AND (c.default_location = w.location
       OR EXISTS (SELECT FROM links place
                  WHERE place.internal = w.location AND place.kind = 'location' AND place.connection = c.id
                    AND place.external <> $9))
  AND (m.connection IS NULL OR m.desired IS DISTINCT FROM mirror_quantity(level.quantity)
       OR m.internal IS DISTINCT FROM level.variant)";

async fn prices(
    connection: &mut PgConnection,
    wants: &Wants,
    writes: &Writes,
) -> Result<Vec<Unset>, StoreError> {
    let rows = sqlx::query(UNSET_PRICES)
        .bind(wants.prices.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.prices.values()))
        .bind(traces(wants.prices.values()))
        .bind(takers(writes, MirrorKind::Price))
        .fetch_all(connection)
        .await?;
    rows.iter().map(Unset::read).collect()
}

const UNSET_PRICES: &str = "
SELECT c.id AS connection, 'price' AS kind, l.external, '' AS place, v.id AS internal,
    mirror_price(v.price_minor, v.price_currency)::text AS wanted, w.number, w.trace, m.connection IS NULL AS is_new
FROM unnest($1::text[], $2::int8[], $3::text[]) AS w(variant, number, trace)
CROSS JOIN LATERAL (SELECT * FROM variants k WHERE k.id = w.variant AND k.price_minor IS NOT NULL OFFSET 0) AS v
CROSS JOIN LATERAL (SELECT * FROM links k WHERE k.internal = w.variant AND k.kind = 'variant' OFFSET 0) AS l
CROSS JOIN LATERAL (SELECT * FROM connections k WHERE k.id = l.connection AND k.store = v.store OFFSET 0) AS c
LEFT JOIN LATERAL (SELECT * FROM mirrors k WHERE k.connection = c.id AND k.kind = 'price'
                       AND k.external = l.external AND k.place = '' OFFSET 0) AS m ON true
WHERE c.enabled AND c.platform = ANY($4) AND coalesce((c.rules ->> 'propagate_prices')::boolean, true)
  AND (m.connection IS NULL OR m.desired IS DISTINCT FROM mirror_price(v.price_minor, v.price_currency)
       OR m.internal IS DISTINCT FROM v.id)";

async fn texts(
    connection: &mut PgConnection,
    wants: &Wants,
    writes: &Writes,
) -> Result<Vec<Unset>, StoreError> {
    let rows = sqlx::query(UNSET_TEXTS)
        .bind(wants.texts.keys().map(ProductId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.texts.values()))
        .bind(traces(wants.texts.values()))
        .bind(wants.linked.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(wants.linked.values()))
        .bind(traces(wants.linked.values()))
        .bind(takers(writes, MirrorKind::Product))
        .fetch_all(connection)
        .await?;
    rows.iter().map(Unset::read).collect()
}

const UNSET_TEXTS: &str = "
SELECT c.id AS connection, 'product' AS kind, l.external, '' AS place, p.id AS internal,
    mirror_text(m.held, p.title, p.description)::text AS wanted, w.number, w.trace, m.connection IS NULL AS is_new
FROM (SELECT DISTINCT ON (product) product, number, trace
      FROM (SELECT * FROM unnest($1::text[], $2::int8[], $3::text[]) AS changed(product, number, trace)
            UNION ALL
            SELECT v.product, linked.number, linked.trace
            FROM unnest($4::text[], $5::int8[], $6::text[]) AS linked(variant, number, trace)
            JOIN variants v ON v.id = linked.variant) AS each
      ORDER BY product, number DESC) AS w
CROSS JOIN LATERAL (SELECT * FROM products k WHERE k.id = w.product AND k.deleted_at IS NULL OFFSET 0) AS p
CROSS JOIN LATERAL (SELECT * FROM links k WHERE k.internal = w.product AND k.kind = 'product' OFFSET 0) AS l
CROSS JOIN LATERAL (SELECT * FROM connections k WHERE k.id = l.connection AND k.store = p.store OFFSET 0) AS c
LEFT JOIN LATERAL (SELECT * FROM mirrors k WHERE k.connection = c.id AND k.kind = 'product'
                       AND k.external = l.external AND k.place = '' OFFSET 0) AS m ON true
WHERE c.enabled AND c.platform = ANY($7) AND coalesce((c.rules ->> 'propagate_products')::boolean, true)
  AND (m.connection IS NULL OR m.desired IS DISTINCT FROM mirror_text(m.held, p.title, p.description)
       OR m.internal IS DISTINCT FROM p.id)";

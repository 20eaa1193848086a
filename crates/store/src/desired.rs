//! Desired values of platforms: set from the store's own values whenever those change.

mod changes;

use crate::{
    Consumer, CursorMove, Store, StoreError,
    columns::{money, quantity},
    conflicts, cursors,
    error::within,
    mirrors,
    statement::{query, statements},
};
use changes::{numbers, traces};
use model::{
    FieldMirror, LevelMirror, LocationRef, Mirror, MirrorKey, MirrorKind, Money, PlatformName, ProductId,
    ProductText, Quantity, StoreId, Timestamp, TraceParent, VariantId,
};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::BTreeMap;

pub use changes::DesiredChanges;

/// The kinds of value that each platform accepts, with the number of decimals of its quantities.
pub type Writes = BTreeMap<(PlatformName, MirrorKind), u32>;

impl Store {
    /// Sets the desired value of every changed value for every connection of the stores whose platform accepts such
    /// writes (`writes`), and moves propagate's cursors in the same transaction. Returns [`StoreError::Fenced`] and
    /// changes nothing if a cursor isn't at the beginning of its step. Paused connections and those whose rules
    /// exclude a kind are included: these gate calls, not the desired values. `now` is the time from which newly due
    /// values are due.
    pub async fn set_desired(
        &self,
        changes: &DesiredChanges,
        writes: &Writes,
        now: Timestamp,
        steps: &[CursorMove],
    ) -> Result<(), StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let work = async {
            cursors::advance(&mut transaction, Consumer::Propagate, steps).await?;
            let mut desired = Vec::new();
            if !changes.levels.is_empty() || !changes.linked.is_empty() {
                desired.extend(levels(&mut transaction, changes, writes).await?);
            }
            if !changes.prices.is_empty() {
                desired.extend(prices(&mut transaction, changes, writes).await?);
            }
            if !changes.texts.is_empty() || !changes.linked.is_empty() {
                desired.extend(texts(&mut transaction, changes, writes).await?);
            }
            set(&mut transaction, changes, desired, now).await
        };
        within(self.limit, work).await?;
        within(self.limit, transaction.commit()).await
    }
}

/// A desired value of a platform, and the part of its mirror that was read without a lock.
struct Desired {
    key: MirrorKey,
    store: StoreId,
    value: DesiredValue,
    trace: Option<TraceParent>,
    seen: Seen,
}

/// The part of a mirror that was read without a lock.
enum Seen {
    /// There is no mirror.
    Nothing,
    /// The desired value of a level's mirror. It equals the level for most: nothing else is read of those.
    Desired(Option<Quantity>),
    /// The whole mirror.
    Whole(Box<Mirror>),
}

enum DesiredValue {
    Level { variant: VariantId, level: Quantity, decimals: u32 },
    Price { variant: VariantId, price: Money },
    Text { product: ProductId, text: ProductText },
}

impl Desired {
    fn read(row: &PgRow, value: DesiredValue) -> Result<Self, StoreError> {
        let seen = match value {
            _ if row.try_get("is_new")? => Seen::Nothing,
            DesiredValue::Level { .. } => Seen::Desired(mirrors::read_desired(row)?),
            DesiredValue::Price { .. } | DesiredValue::Text { .. } => {
                Seen::Whole(Box::new(mirrors::read(row)?))
            }
        };
        Ok(Self {
            key: mirrors::read_key(row)?,
            store: crate::columns::id(row, "store")?,
            value,
            trace: TraceParent::parse(row.try_get("trace")?),
            seen,
        })
    }

    /// Returns true if the value may change the mirror, according to what was read without a lock.
    fn may_change(&self, now: Timestamp) -> bool {
        match (&self.seen, &self.value) {
            (Seen::Desired(desired), DesiredValue::Level { level, decimals, .. }) => {
                *desired != Some(level.floored(*decimals))
            }
            (Seen::Whole(mirror), _) => self.set(Some(mirror), now).is_some(),
            (Seen::Nothing | Seen::Desired(_), _) => true,
        }
    }

    /// Returns the mirror with the desired value set; `None` if that changes nothing.
    fn set(&self, known: Option<&Mirror>, now: Timestamp) -> Option<Mirror> {
        let mut mirror = known.cloned().unwrap_or_else(|| self.empty());
        match (&mut mirror, &self.value) {
            (Mirror::Level(_, mirror), DesiredValue::Level { variant, level, decimals })
                if mirror.variant.as_ref() == Some(variant) =>
            {
                mirror.set_desired(*level, *decimals, now, self.trace);
            }
            (Mirror::Price(_, mirror), DesiredValue::Price { variant, price })
                if mirror.internal.as_ref() == Some(variant) =>
            {
                mirror.set_desired(*price, now, self.trace);
            }
            (Mirror::Text(_, mirror), DesiredValue::Text { product, text })
                if mirror.internal.as_ref() == Some(product) =>
            {
                let text = text.clone().over(mirror.platform_value().map(|held| &held.value));
                mirror.set_desired(text, now, self.trace);
            }
            // The mirror was linked to another variant or product since.
            _ => {}
        }
        (known != Some(&mirror)).then_some(mirror)
    }

    /// Returns a mirror without an observation: its platform is read before anything is written.
    fn empty(&self) -> Mirror {
        match (&self.key, &self.value) {
            (MirrorKey::Price(key), DesiredValue::Price { variant, .. }) => {
                Mirror::Price(key.clone(), FieldMirror::of(variant.clone()))
            }
            (MirrorKey::Text(key), DesiredValue::Text { product, .. }) => {
                Mirror::Text(key.clone(), FieldMirror::of(product.clone()))
            }
            (MirrorKey::Level(key), DesiredValue::Level { variant, .. }) => {
                Mirror::Level(key.clone(), LevelMirror::of(Some(variant.clone())))
            }
            (MirrorKey::Level(key), _) => Mirror::Level(key.clone(), LevelMirror::default()),
            (MirrorKey::Price(key), _) => Mirror::Price(key.clone(), FieldMirror::default()),
            (MirrorKey::Text(key), _) => Mirror::Text(key.clone(), FieldMirror::default()),
        }
    }
}

async fn set(
    connection: &mut PgConnection,
    changes: &DesiredChanges,
    desired: Vec<Desired>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let pending: Vec<&Desired> = desired.iter().filter(|desired| desired.may_change(now)).collect();
    if pending.is_empty() {
        return Ok(());
    }
    if pending.iter().any(|desired| matches!(desired.seen, Seen::Nothing)) {
        // Apply locks a store before anything in it. Every transaction that creates mirrors does the same, otherwise
        // two that create the same ones would deadlock.
        query(LOCK_STORES)
            .bind(changes.stores.iter().map(StoreId::as_str).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
    }
    // Decided again for the locked rows: the first read may be outdated by now. The change that outdated it is
    // propagated too, and the value to send is read anew.
    let locked = mirrors::lock(&mut *connection, pending.iter().map(|desired| &desired.key)).await?;
    let locked: BTreeMap<MirrorKey, Mirror> =
        locked.into_iter().map(|mirror| (mirror.key(), mirror)).collect();
    let (mut known, mut new, mut withdrawn) = (Vec::new(), Vec::new(), Vec::new());
    for desired in pending {
        let found = locked.get(&desired.key);
        let Some(mirror) = desired.set(found, now) else { continue };
        withdrawn.extend(
            found.into_iter().flat_map(|found| conflicts::ended_about(&desired.store, found, &mirror)),
        );
        if found.is_some() { known.push(mirror) } else { new.push(mirror) }
    }
    mirrors::insert(&mut *connection, &new).await?;
    mirrors::update(&mut *connection, &known).await?;
    if withdrawn.is_empty() {
        return Ok(());
    }
    conflicts::end(connection, &withdrawn, conflicts::ANOTHER_VALUE).await
}

fn accepting(writes: &Writes, kind: MirrorKind) -> Vec<&str> {
    writes.keys().filter(|(_, taken)| *taken == kind).map(|(platform, _)| platform.as_str()).collect()
}

async fn levels(
    connection: &mut PgConnection,
    changes: &DesiredChanges,
    writes: &Writes,
) -> Result<Vec<Desired>, StoreError> {
    let rows = query(CHANGED_LEVELS)
        .bind(changes.levels.keys().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(changes.levels.keys().map(|(_, location)| location.as_str()).collect::<Vec<_>>())
        .bind(numbers(changes.levels.values()))
        .bind(traces(changes.levels.values()))
        .bind(changes.linked.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(changes.linked.values()))
        .bind(traces(changes.linked.values()))
        .bind(accepting(writes, MirrorKind::Inventory))
        .bind(LocationRef::Default.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let platform: PlatformName = crate::columns::id(row, "platform")?;
            let decimals = writes.get(&(platform, MirrorKind::Inventory)).copied().unwrap_or_default();
            let (variant, level) = (crate::columns::id(row, "internal")?, quantity(row, "quantity")?);
            Desired::read(row, DesiredValue::Level { variant, level, decimals })
        })
        .collect()
}

async fn prices(
    connection: &mut PgConnection,
    changes: &DesiredChanges,
    writes: &Writes,
) -> Result<Vec<Desired>, StoreError> {
    let rows = query(CHANGED_PRICES)
        .bind(changes.prices.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(traces(changes.prices.values()))
        .bind(accepting(writes, MirrorKind::Price))
        .fetch_all(connection)
        .await?;
    let mut desired = Vec::new();
    for row in &rows {
        let variant = crate::columns::id(row, "internal")?;
        if let Some(price) = money(row, "price_minor", "price_currency")? {
            desired.push(Desired::read(row, DesiredValue::Price { variant, price })?);
        }
    }
    Ok(desired)
}

async fn texts(
    connection: &mut PgConnection,
    changes: &DesiredChanges,
    writes: &Writes,
) -> Result<Vec<Desired>, StoreError> {
    let rows = query(CHANGED_TEXTS)
        .bind(changes.texts.keys().map(ProductId::as_str).collect::<Vec<_>>())
        .bind(numbers(changes.texts.values()))
        .bind(traces(changes.texts.values()))
        .bind(changes.linked.keys().map(VariantId::as_str).collect::<Vec<_>>())
        .bind(numbers(changes.linked.values()))
        .bind(traces(changes.linked.values()))
        .bind(accepting(writes, MirrorKind::Product))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let product = crate::columns::id(row, "internal")?;
            let text = ProductText { title: row.try_get("title")?, description: row.try_get("description")? };
            Desired::read(row, DesiredValue::Text { product, text })
        })
        .collect()
}

statements! {
    const LOCK_STORES: ByKey(text[]) = "SELECT id FROM stores WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

    // Every table is looked up by key, one after the other: `OFFSET 0` keeps the planner from joining in another
    // order. A plan is made when the tables are still empty, and is cached; without this it read all links of the
    // database each time.
    //
    // A level goes to the connections with that location: linked, or as their default. It is looked up by its
    // variant, of which a store has few rows, and not by its location, which has thousands; `|| ''` hides that
    // index.
    //
    // Most mirrors of a changed level belong to the reporting platform and have its value already: those aren't
    // returned.
    const CHANGED_LEVELS: ByKey(text[], text[], int8[], text[], text[], int8[], text[], text[], text) = "
        SELECT c.id AS connection, c.store, c.platform, 'inventory' AS kind, item.external, level.location AS place,
            level.variant AS internal, level.quantity, w.trace, m.state -> 'desired' AS desired,
            m.connection IS NULL AS is_new
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
        CROSS JOIN LATERAL (SELECT * FROM links k
                            WHERE k.internal = w.variant AND k.kind = 'item' AND k.retired_at IS NULL OFFSET 0) AS item
        CROSS JOIN LATERAL (SELECT * FROM connections k
                            WHERE k.id = item.connection AND k.store = level.store OFFSET 0) AS c
        LEFT JOIN LATERAL (SELECT * FROM mirrors k WHERE k.connection = c.id AND k.kind = 'inventory'
                               AND k.external = item.external AND k.place = w.location OFFSET 0) AS m ON true
        WHERE c.platform = ANY($8)
          AND (c.default_location = w.location
               OR EXISTS (SELECT FROM links site
                          WHERE site.internal = w.location AND site.kind = 'location' AND site.connection = c.id
                            AND site.external <> $9 OFFSET 0))
          AND (m.connection IS NULL OR m.state ->> 'desired' IS DISTINCT FROM trim_scale(level.quantity)::text)";

    const CHANGED_PRICES: ByKey(text[], text[], text[]) = "
        SELECT c.id AS connection, c.store, 'price' AS kind, l.external, '' AS place, v.id AS internal,
            v.price_minor, v.price_currency, w.trace, m.state, m.connection IS NULL AS is_new
        FROM unnest($1::text[], $2::text[]) AS w(variant, trace)
        CROSS JOIN LATERAL (SELECT * FROM variants k WHERE k.id = w.variant AND k.price_minor IS NOT NULL OFFSET 0) AS v
        CROSS JOIN LATERAL (SELECT * FROM links k
                            WHERE k.internal = w.variant AND k.kind = 'variant' AND k.retired_at IS NULL OFFSET 0) AS l
        CROSS JOIN LATERAL (SELECT * FROM connections k WHERE k.id = l.connection AND k.store = v.store OFFSET 0) AS c
        LEFT JOIN LATERAL (SELECT * FROM mirrors k WHERE k.connection = c.id AND k.kind = 'price'
                               AND k.external = l.external AND k.place = '' OFFSET 0) AS m ON true
        WHERE c.platform = ANY($3)";

    const CHANGED_TEXTS: ByKey(text[], int8[], text[], text[], int8[], text[], text[]) = "
        SELECT c.id AS connection, c.store, 'product' AS kind, l.external, '' AS place, p.id AS internal, p.title,
            p.description, w.trace, m.state, m.connection IS NULL AS is_new
        FROM (SELECT DISTINCT ON (product) product, number, trace
              FROM (SELECT * FROM unnest($1::text[], $2::int8[], $3::text[]) AS changed(product, number, trace)
                    UNION ALL
                    SELECT v.product, linked.number, linked.trace
                    FROM unnest($4::text[], $5::int8[], $6::text[]) AS linked(variant, number, trace)
                    JOIN variants v ON v.id = linked.variant) AS each
              ORDER BY product, number DESC) AS w
        CROSS JOIN LATERAL (SELECT * FROM products k WHERE k.id = w.product AND k.deleted_at IS NULL OFFSET 0) AS p
        CROSS JOIN LATERAL (SELECT * FROM links k
                            WHERE k.internal = w.product AND k.kind = 'product' AND k.retired_at IS NULL OFFSET 0) AS l
        CROSS JOIN LATERAL (SELECT * FROM connections k WHERE k.id = l.connection AND k.store = p.store OFFSET 0) AS c
        LEFT JOIN LATERAL (SELECT * FROM mirrors k WHERE k.connection = c.id AND k.kind = 'product'
                               AND k.external = l.external AND k.place = '' OFFSET 0) AS m ON true
        WHERE c.platform = ANY($7)";
}

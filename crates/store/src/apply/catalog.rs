//! Products and variants; each field has a clock of its own.

use super::together::Loads;
use crate::{
    StoreError,
    columns::{id, json, money, time_or_null, unreadable},
    row::Row as _,
    statement::{Bound, query, statements},
};
use chrono::{DateTime, Utc};
use model::{
    ProductId, ProductStatus, VariantId,
    record::{Clocked, ProductRow, VariantRow},
};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

pub(super) fn products(loads: &mut Loads, keys: &BTreeSet<ProductId>) {
    let statement = query(LOCK_PRODUCTS).bind(keys.iter().map(ProductId::as_str).collect::<Vec<_>>());
    loads.add(statement, |row, facts| {
        let product = read_product(row)?;
        facts.products.insert(product.id.clone(), product);
        Ok(())
    });
}

fn read_product(row: &Row) -> Result<ProductRow, StoreError> {
    let status = clocked_text(row, "status", "status_at")?.map(|Clocked { value, at }| {
        [ProductStatus::Active, ProductStatus::Draft, ProductStatus::Archived]
            .into_iter()
            .find(|status| status.as_str() == value)
            .map(|value| Clocked { value, at })
            .ok_or_else(|| unreadable("status"))
    });
    let tags: Option<Vec<String>> = row.json_or_null("tags")?;
    Ok(ProductRow {
        id: id(row, "id")?,
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        title: clocked_text(row, "title", "title_at")?,
        description: clocked_text(row, "description", "description_at")?,
        vendor: clocked_text(row, "vendor", "vendor_at")?,
        category: clocked_text(row, "category", "category_at")?,
        status: status.transpose()?,
        tags: clocked(row, tags, "tags_at")?,
        details: row.json_or_null("details")?.unwrap_or_default(),
        deleted_at: time_or_null(row, "deleted_at")?,
    })
}

pub(super) fn variants(loads: &mut Loads, keys: &BTreeSet<VariantId>) {
    let statement = query(LOCK_VARIANTS).bind(keys.iter().map(VariantId::as_str).collect::<Vec<_>>());
    loads.add(statement, |row, facts| {
        let variant = read_variant(row)?;
        facts.variants.insert(variant.id.clone(), variant);
        Ok(())
    });
}

fn read_variant(row: &Row) -> Result<VariantRow, StoreError> {
    let price = money(row, "price_minor", "price_currency")?;
    // Known to be empty differs from unknown: only the clock distinguishes them.
    let compare_at_price = money(row, "compare_at_price_minor", "compare_at_price_currency")?;
    let compared_at = time_or_null(row, "compare_at_price_at")?;
    Ok(VariantRow {
        id: id(row, "id")?,
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        product: id(row, "product")?,
        title: clocked_text(row, "title", "title_at")?,
        sku: clocked_text(row, "sku", "sku_at")?,
        barcode: clocked_text(row, "barcode", "barcode_at")?,
        price: clocked(row, price, "price_at")?,
        compare_at_price: compared_at.map(|at| Clocked { value: compare_at_price, at }),
        details: row.json_or_null("details")?.unwrap_or_default(),
    })
}

fn clocked<T>(row: &Row, value: Option<T>, at: &str) -> Result<Option<Clocked<T>>, StoreError> {
    match (value, time_or_null(row, at)?) {
        (Some(value), Some(at)) => Ok(Some(Clocked { value, at })),
        (None, None) => Ok(None),
        _ => Err(unreadable(at)),
    }
}

fn clocked_text(row: &Row, column: &str, at: &str) -> Result<Option<Clocked<String>>, StoreError> {
    clocked(row, row.value(column)?, at)
}

fn values<'a, R: 'a, T>(
    rows: impl Iterator<Item = &'a R>,
    field: impl Fn(&'a R) -> &'a Option<Clocked<T>>,
) -> Vec<Option<&'a T>>
where
    T: 'a,
{
    rows.map(|row| field(row).as_ref().map(|clocked| &clocked.value)).collect()
}

fn clocks<'a, R: 'a, T: 'a>(
    rows: impl Iterator<Item = &'a R>,
    field: impl Fn(&'a R) -> &'a Option<Clocked<T>>,
) -> Vec<Option<DateTime<Utc>>> {
    rows.map(|row| field(row).as_ref().map(|clocked| clocked.at.as_chrono())).collect()
}

pub(super) fn write_products(products: &BTreeMap<ProductId, ProductRow>) -> Result<Bound, StoreError> {
    let rows = || products.values();
    let details =
        |product: &ProductRow| (!product.details.is_unknown()).then(|| json(&product.details)).transpose();
    let tags = |product: &ProductRow| product.tags.as_ref().map(|tags| json(&tags.value)).transpose();
    Ok(query(WRITE_PRODUCTS)
        .bind(rows().map(|product| product.id.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|product| product.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|product| product.store.as_str()).collect::<Vec<_>>())
        .bind(values(rows(), |product| &product.title))
        .bind(clocks(rows(), |product| &product.title))
        .bind(values(rows(), |product| &product.description))
        .bind(clocks(rows(), |product| &product.description))
        .bind(values(rows(), |product| &product.vendor))
        .bind(clocks(rows(), |product| &product.vendor))
        .bind(values(rows(), |product| &product.category))
        .bind(clocks(rows(), |product| &product.category))
        .bind(rows().map(|product| Some(product.status.as_ref()?.value.as_str())).collect::<Vec<_>>())
        .bind(clocks(rows(), |product| &product.status))
        .bind(rows().map(tags).collect::<Result<Vec<_>, _>>()?)
        .bind(clocks(rows(), |product| &product.tags))
        .bind(rows().map(|product| product.deleted_at.map(model::Timestamp::as_chrono)).collect::<Vec<_>>())
        .bind(rows().map(details).collect::<Result<Vec<_>, _>>()?))
}

pub(super) fn write_variants(variants: &BTreeMap<VariantId, VariantRow>) -> Result<Bound, StoreError> {
    let rows = || variants.values();
    let price = |variant: &VariantRow| Some(variant.price.as_ref()?.value);
    let compared = |variant: &VariantRow| variant.compare_at_price.as_ref()?.value;
    let details =
        |variant: &VariantRow| (!variant.details.is_unknown()).then(|| json(&variant.details)).transpose();
    Ok(query(WRITE_VARIANTS)
        .bind(rows().map(|variant| variant.id.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|variant| variant.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|variant| variant.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|variant| variant.product.as_str()).collect::<Vec<_>>())
        .bind(values(rows(), |variant| &variant.title))
        .bind(clocks(rows(), |variant| &variant.title))
        .bind(values(rows(), |variant| &variant.sku))
        .bind(clocks(rows(), |variant| &variant.sku))
        .bind(values(rows(), |variant| &variant.barcode))
        .bind(clocks(rows(), |variant| &variant.barcode))
        .bind(rows().map(|variant| price(variant).map(|money| money.minor)).collect::<Vec<_>>())
        .bind(
            rows().map(|variant| price(variant).map(|money| money.currency.to_string())).collect::<Vec<_>>(),
        )
        .bind(clocks(rows(), |variant| &variant.price))
        .bind(rows().map(|variant| compared(variant).map(|money| money.minor)).collect::<Vec<_>>())
        .bind(
            rows()
                .map(|variant| compared(variant).map(|money| money.currency.to_string()))
                .collect::<Vec<_>>(),
        )
        .bind(clocks(rows(), |variant| &variant.compare_at_price))
        .bind(rows().map(details).collect::<Result<Vec<_>, _>>()?))
}

statements! {
    const LOCK_PRODUCTS: ByKey(text[]) =
        "SELECT p.* FROM products p WHERE p.id = ANY($1) ORDER BY p.id FOR NO KEY UPDATE";

    const LOCK_VARIANTS: ByKey(text[]) =
        "SELECT v.* FROM variants v WHERE v.id = ANY($1) ORDER BY v.id FOR NO KEY UPDATE";

    const WRITE_PRODUCTS: ByKey(
        text[], text[], text[], text[], timestamptz[], text[], timestamptz[], text[], timestamptz[],
        text[], timestamptz[], text[], timestamptz[], text[], timestamptz[], timestamptz[], text[]
    ) = "
        INSERT INTO products (id, tenant, store, title, title_at, description, description_at, vendor, vendor_at,
            category, category_at, status, status_at, tags, tags_at, deleted_at, details)
        SELECT id, tenant, store, title, title_at, description, description_at, vendor, vendor_at, category,
            category_at, status, status_at, tags::jsonb, tags_at, deleted_at, details::jsonb
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::timestamptz[],
                $8::text[], $9::timestamptz[], $10::text[], $11::timestamptz[], $12::text[], $13::timestamptz[],
                $14::text[], $15::timestamptz[], $16::timestamptz[], $17::text[])
            AS u(id, tenant, store, title, title_at, description, description_at, vendor, vendor_at, category,
                category_at, status, status_at, tags, tags_at, deleted_at, details)
        ON CONFLICT (id) DO UPDATE
        SET title = excluded.title, title_at = excluded.title_at,
            description = excluded.description, description_at = excluded.description_at,
            vendor = excluded.vendor, vendor_at = excluded.vendor_at,
            category = excluded.category, category_at = excluded.category_at,
            status = excluded.status, status_at = excluded.status_at,
            tags = excluded.tags, tags_at = excluded.tags_at,
            deleted_at = excluded.deleted_at, details = excluded.details";

    const WRITE_VARIANTS: ByKey(
        text[], text[], text[], text[], text[], timestamptz[], text[], timestamptz[], text[],
        timestamptz[], int8[], text[], timestamptz[], int8[], text[], timestamptz[], text[]
    ) = "
        INSERT INTO variants (id, tenant, store, product, title, title_at, sku, sku_at, barcode, barcode_at,
            price_minor, price_currency, price_at, compare_at_price_minor, compare_at_price_currency,
            compare_at_price_at, details)
        SELECT id, tenant, store, product, title, title_at, sku, sku_at, barcode, barcode_at, price_minor,
            price_currency, price_at, compare_at_price_minor, compare_at_price_currency, compare_at_price_at,
            details::jsonb
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
            $8::timestamptz[], $9::text[], $10::timestamptz[], $11::int8[], $12::text[], $13::timestamptz[],
            $14::int8[], $15::text[], $16::timestamptz[], $17::text[])
            AS u(id, tenant, store, product, title, title_at, sku, sku_at, barcode, barcode_at, price_minor,
                price_currency, price_at, compare_at_price_minor, compare_at_price_currency, compare_at_price_at,
                details)
        ON CONFLICT (id) DO UPDATE
        SET product = excluded.product, title = excluded.title, title_at = excluded.title_at,
            sku = excluded.sku, sku_at = excluded.sku_at, barcode = excluded.barcode, barcode_at = excluded.barcode_at,
            price_minor = excluded.price_minor, price_currency = excluded.price_currency, price_at = excluded.price_at,
            compare_at_price_minor = excluded.compare_at_price_minor,
            compare_at_price_currency = excluded.compare_at_price_currency,
            compare_at_price_at = excluded.compare_at_price_at, details = excluded.details";
}

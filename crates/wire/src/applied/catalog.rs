//! Rows of the catalog on the wire.

use crate::{
    DecodeError,
    error::{At as _, required},
    pb,
};
use model::{
    Money, Origin, ProductId, ProductStatus, Timestamp, VariantId,
    record::{CatalogRow, Clocked, ProductRow, VariantRow},
};

impl From<&CatalogRow> for pb::CatalogRow {
    fn from(row: &CatalogRow) -> Self {
        use pb::catalog_row::Row;
        let row = match row {
            CatalogRow::Product(row) => Row::Product(row.into()),
            CatalogRow::Variant(row) => Row::Variant(row.into()),
        };
        Self { row: Some(row) }
    }
}

/// Decodes a row of the store in `origin`.
pub(super) fn row(row: pb::CatalogRow, origin: &Origin) -> Result<CatalogRow, DecodeError> {
    use pb::catalog_row::Row;
    Ok(match required(row.row, "row")? {
        Row::Product(row) => CatalogRow::Product(product(row, origin)?),
        Row::Variant(row) => CatalogRow::Variant(variant(row, origin)?),
    })
}

impl From<&ProductRow> for pb::ProductRow {
    fn from(row: &ProductRow) -> Self {
        let status = |status: &Clocked<ProductStatus>| pb::ClockedStatus {
            value: pb::ProductStatus::from(status.value).into(),
            at_micros: status.at.as_micros(),
        };
        let tags = |tags: &Clocked<Vec<String>>| pb::ClockedTags {
            values: tags.value.clone(),
            at_micros: tags.at.as_micros(),
        };
        Self {
            product: row.id.to_string(),
            title: row.title.as_ref().map(text),
            description: row.description.as_ref().map(text),
            vendor: row.vendor.as_ref().map(text),
            category: row.category.as_ref().map(text),
            status: row.status.as_ref().map(status),
            tags: row.tags.as_ref().map(tags),
            deleted_at_micros: row.deleted_at.map(Timestamp::as_micros),
        }
    }
}

fn product(row: pb::ProductRow, origin: &Origin) -> Result<ProductRow, DecodeError> {
    let status = |status: pb::ClockedStatus| {
        let value = required(Option::<ProductStatus>::from(status.value()), "row.status")?;
        Ok::<_, DecodeError>(clocked(value, status.at_micros))
    };
    Ok(ProductRow {
        id: ProductId::new(&row.product).at("row.product")?,
        tenant: origin.tenant.clone(),
        store: origin.store.clone(),
        title: row.title.map(from_text),
        description: row.description.map(from_text),
        vendor: row.vendor.map(from_text),
        category: row.category.map(from_text),
        status: row.status.map(status).transpose()?,
        tags: row.tags.map(|tags| clocked(tags.values, tags.at_micros)),
        deleted_at: row.deleted_at_micros.map(Timestamp::from_micros),
    })
}

impl From<&VariantRow> for pb::VariantRow {
    fn from(row: &VariantRow) -> Self {
        let money = |value: Option<Money>, at: Timestamp| pb::ClockedMoney {
            value: value.map(pb::Money::from),
            at_micros: at.as_micros(),
        };
        Self {
            variant: row.id.to_string(),
            product: row.product.to_string(),
            title: row.title.as_ref().map(text),
            sku: row.sku.as_ref().map(text),
            barcode: row.barcode.as_ref().map(text),
            price: row.price.as_ref().map(|price| money(Some(price.value), price.at)),
            compare_at_price: row.compare_at_price.as_ref().map(|price| money(price.value, price.at)),
        }
    }
}

fn variant(row: pb::VariantRow, origin: &Origin) -> Result<VariantRow, DecodeError> {
    let price = |price: pb::ClockedMoney| {
        let value = required(price.value, "row.price")?.try_into()?;
        Ok::<_, DecodeError>(clocked(value, price.at_micros))
    };
    let perhaps = |price: pb::ClockedMoney| {
        let value = price.value.map(Money::try_from).transpose()?;
        Ok::<_, DecodeError>(clocked(value, price.at_micros))
    };
    Ok(VariantRow {
        id: VariantId::new(&row.variant).at("row.variant")?,
        tenant: origin.tenant.clone(),
        store: origin.store.clone(),
        product: ProductId::new(&row.product).at("row.product")?,
        title: row.title.map(from_text),
        sku: row.sku.map(from_text),
        barcode: row.barcode.map(from_text),
        price: row.price.map(price).transpose()?,
        compare_at_price: row.compare_at_price.map(perhaps).transpose()?,
    })
}

fn clocked<T>(value: T, at_micros: i64) -> Clocked<T> {
    Clocked { value, at: Timestamp::from_micros(at_micros) }
}

fn text(text: &Clocked<String>) -> pb::ClockedText {
    pb::ClockedText { value: text.value.clone(), at_micros: text.at.as_micros() }
}

fn from_text(text: pb::ClockedText) -> Clocked<String> {
    clocked(text.value, text.at_micros)
}

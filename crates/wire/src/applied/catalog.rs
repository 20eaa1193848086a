//! Rows of the catalog on the wire.

use crate::{
    DecodeError,
    error::{At as _, required},
    event::details,
    pb,
};
use model::{
    Image, LabResult, Money, Origin, PriceTier, ProductId, ProductStatus, Timestamp, VariantId,
    record::{CatalogRow, Clocked, KeptProductDetails, KeptVariantDetails, ProductRow, VariantRow},
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
            images: row.details.images.as_ref().map(images),
            attributes: row.details.attributes.as_ref().map(|attributes| pb::ClockedAttributes {
                value: Some(details::attributes(&attributes.value)),
                at_micros: attributes.at.as_micros(),
            }),
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
        details: KeptProductDetails {
            images: row.images.map(from_images).transpose()?,
            attributes: row.attributes.map(|attributes| {
                clocked(details::from_attributes(attributes.value.unwrap_or_default()), attributes.at_micros)
            }),
        },
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
            images: row.details.images.as_ref().map(images),
            lab_results: row.details.lab_results.as_ref().map(|results| pb::ClockedLabResults {
                value: Some(details::lab_results(&results.value)),
                at_micros: results.at.as_micros(),
            }),
            price_tiers: row.details.price_tiers.as_ref().map(|tiers| pb::ClockedPriceTiers {
                value: Some(details::price_tiers(&tiers.value)),
                at_micros: tiers.at.as_micros(),
            }),
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
        details: KeptVariantDetails {
            images: row.images.map(from_images).transpose()?,
            lab_results: row.lab_results.map(from_lab_results).transpose()?,
            price_tiers: row.price_tiers.map(from_price_tiers).transpose()?,
        },
    })
}

fn images(images: &Clocked<Vec<Image>>) -> pb::ClockedImages {
    pb::ClockedImages { value: Some(details::images(&images.value)), at_micros: images.at.as_micros() }
}

fn from_images(images: pb::ClockedImages) -> Result<Clocked<Vec<Image>>, DecodeError> {
    Ok(clocked(details::from_images(images.value.unwrap_or_default())?, images.at_micros))
}

fn from_lab_results(results: pb::ClockedLabResults) -> Result<Clocked<Vec<LabResult>>, DecodeError> {
    Ok(clocked(details::from_lab_results(results.value.unwrap_or_default())?, results.at_micros))
}

fn from_price_tiers(tiers: pb::ClockedPriceTiers) -> Result<Clocked<Vec<PriceTier>>, DecodeError> {
    Ok(clocked(details::from_price_tiers(tiers.value.unwrap_or_default())?, tiers.at_micros))
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

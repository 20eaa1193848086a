//! Products and levels on the wire.

use super::{details, external, from_text_patch, optional_external, text_patch};
use crate::{DecodeError, error::At as _, pb};
use model::{
    Currency, InventoryReport, Money, Patch, Product, ProductDetails, ProductStatus, Quantity, StockedAt,
    Variant, VariantDetails,
};

impl From<Money> for pb::Money {
    fn from(money: Money) -> Self {
        Self { minor: money.minor, currency: money.currency.to_string() }
    }
}

impl TryFrom<pb::Money> for Money {
    type Error = DecodeError;
    fn try_from(money: pb::Money) -> Result<Self, DecodeError> {
        Ok(Self { minor: money.minor, currency: Currency::new(&money.currency).at("money.currency")? })
    }
}

fn money_patch(patch: &Patch<Money>) -> Option<pb::MoneyPatch> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(pb::MoneyPatch { value: None }),
        Patch::Set(money) => Some(pb::MoneyPatch { value: Some((*money).into()) }),
    }
}

fn from_money_patch(patch: Option<pb::MoneyPatch>) -> Result<Patch<Money>, DecodeError> {
    let Some(patch) = patch else { return Ok(Patch::Keep) };
    Ok(Patch::present(patch.value.map(Money::try_from).transpose()?))
}

impl From<ProductStatus> for pb::ProductStatus {
    fn from(status: ProductStatus) -> Self {
        match status {
            ProductStatus::Active => Self::Active,
            ProductStatus::Draft => Self::Draft,
            ProductStatus::Archived => Self::Archived,
        }
    }
}

impl From<pb::ProductStatus> for Option<ProductStatus> {
    fn from(status: pb::ProductStatus) -> Self {
        match status {
            pb::ProductStatus::Unspecified => None,
            pb::ProductStatus::Active => Some(ProductStatus::Active),
            pb::ProductStatus::Draft => Some(ProductStatus::Draft),
            pb::ProductStatus::Archived => Some(ProductStatus::Archived),
        }
    }
}

impl From<&Product> for pb::Product {
    fn from(product: &Product) -> Self {
        let status = product.status.map_or(pb::ProductStatus::Unspecified, pb::ProductStatus::from);
        Self {
            external: product.external.to_string(),
            title: product.title.clone(),
            description: text_patch(&product.description),
            vendor: text_patch(&product.vendor),
            category: text_patch(&product.category),
            status: status.into(),
            tags: product.tags.clone().map(|values| pb::TextList { values }),
            variants: product.variants.iter().map(pb::Variant::from).collect(),
            variants_complete: product.variants_complete,
            images: product.details.images.as_deref().map(details::images),
            attributes: product.details.attributes.as_ref().map(details::attributes),
        }
    }
}

impl TryFrom<pb::Product> for Product {
    type Error = DecodeError;
    fn try_from(product: pb::Product) -> Result<Self, DecodeError> {
        let status = product.status().into();
        Ok(Self {
            external: external(&product.external, "product.external")?,
            title: product.title,
            description: from_text_patch(product.description),
            vendor: from_text_patch(product.vendor),
            category: from_text_patch(product.category),
            status,
            tags: product.tags.map(|tags| tags.values),
            variants: product.variants.into_iter().map(Variant::try_from).collect::<Result<_, _>>()?,
            variants_complete: product.variants_complete,
            details: ProductDetails {
                images: product.images.map(details::from_images).transpose()?,
                attributes: product.attributes.map(details::from_attributes),
            },
        })
    }
}

impl From<&Variant> for pb::Variant {
    fn from(variant: &Variant) -> Self {
        Self {
            external: variant.external.to_string(),
            item: variant.item.as_ref().map(ToString::to_string),
            title: variant.title.clone(),
            sku: text_patch(&variant.sku),
            barcode: text_patch(&variant.barcode),
            price: money_patch(&variant.price),
            compare_at_price: money_patch(&variant.compare_at_price),
            images: variant.details.images.as_deref().map(details::images),
            lab_results: variant.details.lab_results.as_deref().map(details::lab_results),
            price_tiers: variant.details.price_tiers.as_deref().map(details::price_tiers),
        }
    }
}

impl TryFrom<pb::Variant> for Variant {
    type Error = DecodeError;
    fn try_from(variant: pb::Variant) -> Result<Self, DecodeError> {
        Ok(Self {
            external: external(&variant.external, "variant.external")?,
            item: optional_external(variant.item, "variant.item")?,
            title: variant.title,
            sku: from_text_patch(variant.sku),
            barcode: from_text_patch(variant.barcode),
            price: from_money_patch(variant.price)?,
            compare_at_price: from_money_patch(variant.compare_at_price)?,
            details: VariantDetails {
                images: variant.images.map(details::from_images).transpose()?,
                lab_results: variant.lab_results.map(details::from_lab_results).transpose()?,
                price_tiers: variant.price_tiers.map(details::from_price_tiers).transpose()?,
            },
        })
    }
}

impl From<&InventoryReport> for pb::InventoryReport {
    fn from(report: &InventoryReport) -> Self {
        Self {
            item: report.item.to_string(),
            location: report.location.as_ref().map(ToString::to_string),
            available: report.available.map(|quantity| quantity.to_string()),
        }
    }
}

impl TryFrom<pb::InventoryReport> for InventoryReport {
    type Error = DecodeError;
    fn try_from(report: pb::InventoryReport) -> Result<Self, DecodeError> {
        let available = report.available.map(|text| Quantity::parse(&text)).transpose();
        Ok(Self {
            item: external(&report.item, "inventory.item")?,
            location: optional_external(report.location, "inventory.location")?,
            available: available.at("inventory.available")?,
        })
    }
}

impl From<&StockedAt> for pb::StockedAt {
    fn from(stocked: &StockedAt) -> Self {
        Self {
            item: stocked.item.to_string(),
            locations: stocked.locations.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<pb::StockedAt> for StockedAt {
    type Error = DecodeError;
    fn try_from(stocked: pb::StockedAt) -> Result<Self, DecodeError> {
        let locations = stocked.locations.iter().map(|location| external(location, "stocked.locations"));
        Ok(Self {
            item: external(&stocked.item, "stocked.item")?,
            locations: locations.collect::<Result<_, _>>()?,
        })
    }
}

//! The details of products and variants as the record keeps them, each with the time of the change that set it.

use super::Clocked;
use crate::{Attributes, Image, LabResult, PriceTier, ProductDetails, Timestamp, VariantDetails};
use serde::{Deserialize, Serialize};

/// The details of a product. A field that was never reported is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptProductDetails {
    /// The images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Clocked<Vec<Image>>>,
    /// The known attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Clocked<Attributes>>,
}

impl KeptProductDetails {
    /// Returns whether nothing was ever reported.
    pub const fn is_unknown(&self) -> bool {
        self.images.is_none() && self.attributes.is_none()
    }

    /// Takes over what a report of that time has, field by field: the later one stands.
    pub fn take(&mut self, reported: &ProductDetails, at: Timestamp) {
        Clocked::later(&mut self.images, reported.images.as_ref(), at);
        Clocked::later(&mut self.attributes, reported.attributes.as_ref(), at);
    }
}

/// The details of a variant. A field that was never reported is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptVariantDetails {
    /// The variant's own images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Clocked<Vec<Image>>>,
    /// The results of analyses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lab_results: Option<Clocked<Vec<LabResult>>>,
    /// The prices by quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_tiers: Option<Clocked<Vec<PriceTier>>>,
}

impl KeptVariantDetails {
    /// Returns whether nothing was ever reported.
    pub const fn is_unknown(&self) -> bool {
        self.images.is_none() && self.lab_results.is_none() && self.price_tiers.is_none()
    }

    /// Takes over what a report of that time has, field by field: the later one stands.
    pub fn take(&mut self, reported: &VariantDetails, at: Timestamp) {
        Clocked::later(&mut self.images, reported.images.as_ref(), at);
        Clocked::later(&mut self.lab_results, reported.lab_results.as_ref(), at);
        Clocked::later(&mut self.price_tiers, reported.price_tiers.as_ref(), at);
    }
}

impl<T: PartialEq + Clone> Clocked<T> {
    /// Sets a field to another value that was reported, unless the known one is later.
    fn later(field: &mut Option<Self>, reported: Option<&T>, at: Timestamp) {
        let Some(reported) = reported else { return };
        if field.as_ref().is_none_or(|known| known.value != *reported && at >= known.at) {
            *field = Some(Self { value: reported.clone(), at });
        }
    }
}

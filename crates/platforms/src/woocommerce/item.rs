//! The ids of items: WooCommerce counts products and variations, and a variation is written under its product.

use model::ExternalId;
use stage::{Reject, RejectClass};

/// The separator of product and variation in the id of an item.
const SEPARATOR: char = '-';

/// The object that holds a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A product without variations.
    Product(u64),
    /// A variation of a product.
    Variation {
        /// The product.
        product: u64,
        /// The variation.
        variation: u64,
    },
}

impl Item {
    /// The item that `id` names; refuses what is none of this platform's.
    pub(super) fn parse(id: &ExternalId) -> Result<Self, Reject> {
        match id.as_str().split_once(SEPARATOR) {
            None => number(id.as_str()).map(Self::Product),
            Some((product, variation)) => {
                Ok(Self::Variation { product: number(product)?, variation: number(variation)? })
            }
        }
    }

    /// A variant of a product: the product itself if it has no variations.
    pub(super) fn of(product: &ExternalId, variant: &ExternalId) -> Result<Self, Reject> {
        let (product, variation) = (number(product.as_str())?, number(variant.as_str())?);
        Ok(if product == variation { Self::Product(product) } else { Self::Variation { product, variation } })
    }

    /// The number of the object itself.
    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Product(number) | Self::Variation { variation: number, .. } => number,
        }
    }

    /// The path of the collection that the object belongs to.
    pub(super) fn collection(self) -> String {
        match self {
            Self::Product(_) => "products".to_owned(),
            Self::Variation { product, .. } => format!("products/{product}/variations"),
        }
    }

    /// The path of the object.
    pub(super) fn path(self) -> String {
        format!("{}/{}", self.collection(), self.number())
    }
}

/// The id of the item that a variation's level is counted under.
pub(super) fn variation(product: &ExternalId, variation: &ExternalId) -> Result<ExternalId, Reject> {
    let text = format!("{product}{SEPARATOR}{variation}");
    ExternalId::new(&text).map_err(|error| Reject::new(RejectClass::Data, error.to_string()))
}

/// The number in an id. Ids of this platform are always numbers, so that no other text gets into a path.
pub(super) fn number(digits: &str) -> Result<u64, Reject> {
    let number = digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits);
    number.ok_or_else(|| Reject::new(RejectClass::Data, "an id of this platform is a positive whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ExternalId {
        ExternalId::new(text).unwrap()
    }

    #[test]
    fn an_item_is_a_product_or_a_variation_under_its_product() {
        assert_eq!(Item::parse(&id("794")).unwrap().path(), "products/794");
        let item = Item::parse(&variation(&id("22"), &id("732")).unwrap()).unwrap();
        assert_eq!((item.path().as_str(), item.number()), ("products/22/variations/732", 732));
        assert_eq!(Item::of(&id("22"), &id("732")), Ok(item));
        assert_eq!(Item::of(&id("794"), &id("794")), Item::parse(&id("794")));
    }

    #[test]
    fn nothing_but_numbers_gets_into_a_path() {
        for text in ["0", "007", "-1", "22-", "-732", "22-732-1", "22/732", "../22", "1e3", " 22", "x"] {
            assert!(Item::parse(&id(text)).is_err(), "{text}");
        }
    }
}

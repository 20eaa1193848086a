//! Images, attributes, lab results and prices by quantity, read alike for all platforms. What can't be read is left out: it is
//! in the record alone, and no reason to reject a product.

use crate::field::Object;
use model::{
    AttributeName, Attributes, Image, ImageUrl, InvalidPotency, LabResult, Potency, PriceTier, Substance,
    bounds::IMAGES_MAX,
};
use serde_json::Value;

/// The image at an address; `None` if it is none of the web.
pub(crate) fn image(url: Option<&str>, alt: Option<String>) -> Option<Image> {
    Some(Image { url: ImageUrl::new(url?).ok()?, alt })
}

/// The images in their order, each once.
pub(crate) fn images(images: impl IntoIterator<Item = Option<Image>>) -> Vec<Image> {
    let mut found = Vec::<Image>::new();
    for image in images.into_iter().flatten() {
        if found.len() < IMAGES_MAX && !found.iter().any(|known| known.url == image.url) {
            found.push(image);
        }
    }
    found
}

/// The text under `key`; `None` if it is anything else.
pub(crate) fn text<'a>(of: &Object<'a>, key: &str) -> Option<&'a str> {
    of.value(key).and_then(Value::as_str)
}

/// The texts in the list under `key`; `None` if it is no list.
pub(crate) fn texts<'a>(of: &Object<'a>, key: &str) -> Option<Vec<&'a str>> {
    Some(of.value(key)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// The attributes that are reported, those without values too; `None` if none is.
pub(crate) fn attributes(
    reported: impl IntoIterator<Item = (AttributeName, Option<Vec<String>>)>,
) -> Option<Attributes> {
    let reported = reported.into_iter().filter_map(|(name, values)| Some((name, values?)));
    let attributes: Attributes = reported.collect();
    if attributes.is_empty() {
        return None;
    }
    Some(attributes.into_iter().filter(|(_, values)| !values.is_empty()).collect())
}

/// The result of an analysis; `None` if it can't be read, or is no value.
pub(crate) fn lab_result(
    substance: &str,
    potency: Result<Option<Potency>, InvalidPotency>,
) -> Option<LabResult> {
    Some(LabResult { substance: Substance::new(substance).ok()?, potency: potency.ok()?? })
}

/// Prices by quantity, from the least quantity on.
pub(crate) fn ascending(mut tiers: Vec<PriceTier>) -> Vec<PriceTier> {
    tiers.sort_by_key(|tier| tier.from);
    tiers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_listed_once_and_one_that_is_no_address_not_at_all() {
        let named = |url| image(Some(url), None);
        let found = images([named("https://a.example/1"), named("x"), None, named("https://a.example/1")]);
        assert_eq!(found.len(), 1);
        let many = images((0..1_000).map(|number| image(Some(&format!("https://a.example/{number}")), None)));
        assert_eq!(many.len(), IMAGES_MAX);
    }

    #[test]
    fn an_attribute_without_values_is_reported_and_a_missing_one_is_not() {
        assert_eq!(attributes([(AttributeName::Strain, None)]), None);
        assert_eq!(attributes([(AttributeName::Strain, Some(Vec::new()))]), Some(Attributes::new()));
        let calm = attributes([(AttributeName::Effects, Some(vec!["calm".to_owned()]))]).unwrap();
        assert_eq!(calm[&AttributeName::Effects], ["calm"]);
    }

    #[test]
    fn a_result_that_could_mean_several_things_is_left_out() {
        assert!(lab_result("thc", Potency::parse("18", None)).is_none());
        assert!(lab_result("", Potency::parse("18 %", None)).is_none());
        assert_eq!(lab_result("thc", Potency::parse("18 %", None)).unwrap().substance.as_str(), "THC");
    }
}

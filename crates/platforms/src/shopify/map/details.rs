//! Images of products and variants.

use crate::{
    details::{image, images, text},
    field::Object,
};
use model::{ExternalId, Image, ProductDetails, VariantDetails};
use stage::Reject;

/// Upper limit of the variants of a product whose images are mapped. A payload states each URL once, an event for each
/// variant: without a limit it could become several times as large.
const VARIANTS_MAX: usize = 250;

/// The images of a product, by their ids, in their order.
pub(super) struct Pictures(Option<Vec<(ExternalId, Image)>>);

impl Pictures {
    pub(super) fn of(root: &Object<'_>) -> Result<Self, Reject> {
        let Some(listed) = root.objects("images")? else { return Ok(Self(None)) };
        let mut found = Vec::new();
        for of in &listed {
            if let Some(picture) = image(text(of, "src"), of.owned("alt")?) {
                found.push((of.integer("position")?, of.id("id")?, picture));
            }
        }
        found.sort_by_key(|(position, _, _)| *position);
        Ok(Self(Some(found.into_iter().map(|(_, id, picture)| (id, picture)).collect())))
    }

    pub(super) fn of_product(&self) -> ProductDetails {
        let all = self.0.as_ref().map(|all| images(all.iter().map(|(_, picture)| Some(picture.clone()))));
        ProductDetails { images: all, attributes: None }
    }

    /// The image of one of so many variants; unknown without the product's.
    pub(super) fn of_variant(&self, variant: &Object<'_>, variants: usize) -> Result<VariantDetails, Reject> {
        let is_mapped = variant.has("image_id") && variants <= VARIANTS_MAX;
        let (Some(all), true) = (&self.0, is_mapped) else {
            return Ok(VariantDetails::default());
        };
        let wanted = variant.optional_id("image_id")?;
        let own =
            all.iter().filter(|(id, _)| Some(id) == wanted.as_ref()).map(|(_, picture)| picture.clone());
        Ok(VariantDetails { images: Some(own.collect()), ..VariantDetails::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_variant_has_the_image_that_it_names_unless_there_are_too_many() {
        let body = json!({"images": [
            {"id": 2, "position": 2, "src": "https://a.example/2", "alt": null},
            {"id": 1, "position": 1, "src": "https://a.example/1", "alt": "front"},
            {"id": 3, "position": 3, "src": "data:image/png;base64,AA"},
        ]});
        let pictures = Pictures::of(&Object::root(&body).unwrap()).unwrap();
        let urls = |images: Option<Vec<Image>>| {
            images.map(|images| {
                images.into_iter().map(|image| image.url.as_str().to_owned()).collect::<Vec<_>>()
            })
        };
        let all = ["https://a.example/1", "https://a.example/2"].map(str::to_owned).to_vec();
        assert_eq!(urls(pictures.of_product().images), Some(all));
        let of = |variant: serde_json::Value, variants| {
            urls(pictures.of_variant(&Object::root(&variant).unwrap(), variants).unwrap().images)
        };
        assert_eq!(of(json!({"image_id": 2}), 250), Some(vec!["https://a.example/2".to_owned()]));
        assert_eq!(of(json!({"image_id": null}), 1), Some(Vec::new()));
        assert_eq!(of(json!({}), 1), None);
        assert_eq!(of(json!({"image_id": 2}), 251), None);
    }
}

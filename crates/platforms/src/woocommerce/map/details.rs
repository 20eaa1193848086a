//! Images of products and variations.

use super::name;
use crate::{
    details::{image, images, text},
    field::Object,
};
use model::{Image, ProductDetails, VariantDetails};
use stage::Reject;

/// The images of a product, the featured one first.
pub(super) fn of_product(root: &Object<'_>) -> Result<ProductDetails, Reject> {
    let listed = root.objects("images")?;
    let pictures = listed.map(|all| all.iter().map(picture).collect::<Result<Vec<_>, _>>()).transpose()?;
    Ok(ProductDetails { images: pictures.map(images), attributes: None })
}

/// The image of a variation; null is none.
pub(super) fn of_variation(of: &Object<'_>) -> Result<VariantDetails, Reject> {
    let own = match of.object("image")? {
        Some(own) => Some(images([picture(&own)?])),
        None => of.has("image").then(Vec::new),
    };
    Ok(VariantDetails { images: own, ..VariantDetails::default() })
}

fn picture(of: &Object<'_>) -> Result<Option<Image>, Reject> {
    Ok(image(text(of, "src"), name(of, "alt")?))
}

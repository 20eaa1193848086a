//! The images of an item. It names them by their ids; they are objects of their own, which replies have beside the item.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The images among the objects of a reply, by their ids.
pub(super) struct Images<'a>(BTreeMap<&'a str, &'a Value>);

impl<'a> Images<'a> {
    /// The images among these objects.
    pub(super) fn among(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let is_image = |object: &&Value| {
            let text = |name: &str| object.get(name).and_then(Value::as_str);
            text("type") == Some("IMAGE") && object.get("is_deleted").and_then(Value::as_bool) != Some(true)
        };
        let known = objects.into_iter().filter(is_image);
        Self(known.filter_map(|image| Some((image.get("id")?.as_str()?, image))).collect())
    }

    /// The item with its images, in their order, as `map` expects them. One whose images aren't all known stays as it is:
    /// they are unknown.
    pub(super) fn with(&self, item: &Value) -> Value {
        let mut whole = item.clone();
        let Some(ids) = item.pointer("/item_data/image_ids").and_then(Value::as_array) else { return whole };
        let image = |id: &Value| {
            let data = self.0.get(id.as_str()?)?.get("image_data")?;
            Some(json!({"id": id, "url": data.get("url"), "caption": data.get("caption")}))
        };
        let images: Option<Vec<Value>> = ids.iter().map(image).collect();
        if let Some(images) = images.filter(|images| !images.is_empty()) {
            whole["images"] = images.into();
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_its_images_in_their_order_if_all_are_known() {
        let image = |id: &str| json!({"type": "IMAGE", "id": id, "image_data": {"url": format!("https://a.example/{id}")}});
        let (one, two) = (image("one"), image("two"));
        let item = |ids: Value| json!({"type": "ITEM", "id": "I", "item_data": {"image_ids": ids}});
        let known = Images::among([&one, &two]);
        let whole = known.with(&item(json!(["two", "one"])));
        let urls: Vec<_> = whole["images"].as_array().unwrap().iter().map(|image| &image["url"]).collect();
        assert_eq!(urls, ["https://a.example/two", "https://a.example/one"]);
        assert_eq!(known.with(&item(json!(["one", "other"]))), item(json!(["one", "other"])));
        assert_eq!(known.with(&item(json!([]))), item(json!([])));
        let deleted = json!({"type": "IMAGE", "id": "one", "is_deleted": true, "image_data": {"url": "https://a.example"}});
        assert!(Images::among([&deleted]).with(&item(json!(["one"]))).get("images").is_none());
    }
}

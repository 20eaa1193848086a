//! The kinds of products, of which plugins add more.

use serde_json::Value;

/// The beginning of the names of all kinds whose prices and stock are those of their variations.
const WITH_VARIATIONS: &str = "variable";

/// The kind of an object that is reported as a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A product that is its own only variant.
    Simple,
    /// A product with variations, of which it lists the ids.
    WithVariations,
    /// A variation of a product.
    Variation,
    /// A list of other products, which is none itself.
    Group,
}

impl Kind {
    /// The kind by the values of `type` and `variations`.
    pub(super) fn of(name: Option<&Value>, variations: Option<&Value>) -> Self {
        let listed = variations.and_then(Value::as_array);
        match name.and_then(Value::as_str).unwrap_or_default() {
            "variation" => Self::Variation,
            "grouped" => Self::Group,
            name if name.starts_with(WITH_VARIATIONS) => Self::WithVariations,
            _ if listed.is_some_and(|listed| !listed.is_empty()) => Self::WithVariations,
            _ => Self::Simple,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_of_plugins_are_read_by_what_they_list() {
        for (name, variations, expected) in [
            ("simple", json!([]), Kind::Simple),
            ("external", json!(null), Kind::Simple),
            ("subscription", json!([]), Kind::Simple),
            ("variable", json!([]), Kind::WithVariations),
            ("variable-subscription", json!([]), Kind::WithVariations),
            ("bundle", json!([732]), Kind::WithVariations),
            ("variation", json!([]), Kind::Variation),
            ("grouped", json!([]), Kind::Group),
        ] {
            assert_eq!(Kind::of(Some(&json!(name)), Some(&variations)), expected, "{name}");
        }
        assert_eq!(Kind::of(None, None), Kind::Simple);
    }
}

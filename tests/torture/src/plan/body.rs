//! Planned deliveries in Shopify's format.

use super::{OrderStage, OrderState, Planned, Poison, Refusal, What};
use serde_json::json;

/// The first of Shopify's location ids of the stores.
const LOCATIONS_FROM: u64 = 600_000;
/// One byte more than the upper limit of a RAW message, which is also the limit of every platform's deliveries.
const TOO_LARGE: usize = 4 * 1024 * 1024 + 1;
const DEEP: usize = 200;

/// Shopify's id of a store's location.
pub(crate) fn external_location(store: u32) -> u64 {
    LOCATIONS_FROM + u64::from(store)
}

/// Shopify's id of a product; its variant has the next id.
pub(crate) fn product_id(store: u32, product: u16) -> u64 {
    (u64::from(store) + 1) * 10_000_000 + (u64::from(product) + 1) * 10
}

/// Shopify's id of a product's inventory item.
fn item(store: u32, product: u16) -> u64 {
    product_id(store, product) + 2
}

/// The merchant's SKU of a product.
pub(crate) fn sku(store: u32, product: u16) -> String {
    format!("s{store}-p{product}")
}

/// The title of a product in one version.
pub(crate) fn title(store: u32, product: u16, version: u32) -> String {
    format!("Product {product} of {store}, edition {version}")
}

/// Shopify's id of an order.
pub(crate) fn order_id(store: u32, order: u32) -> u64 {
    (u64::from(store) + 1) * 1_000_000_000_000 + u64::from(order) + 1
}

/// Writes bodies. A version is a number of seconds after `begins`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bodies {
    /// Seconds since 1970.
    pub(crate) begins: i64,
}

impl Bodies {
    fn time(self, version: u32) -> String {
        let micros = (self.begins + i64::from(version)) * 1_000_000;
        model::Timestamp::from_micros(micros).to_string()
    }

    /// Returns the topic and the body.
    pub(crate) fn of(self, planned: &Planned) -> (&'static str, Vec<u8>) {
        let store = planned.store;
        let location = external_location(store);
        let level = "inventory_levels/update";
        match planned.what {
            What::Level { product, version, level: available } => {
                (level, self.level(item(store, product), location, available, version))
            }
            What::Product { product, version } => ("products/update", self.product(store, product, version)),
            What::Order { order, version, state } => {
                let topic = if planned.twin { "orders/paid" } else { "orders/updated" };
                (topic, self.order(store, order, version, state))
            }
            What::Thin { order } => {
                let edit = json!({"order_edit": {"id": planned.number, "order_id": order_id(store, order)}});
                ("orders/edited", edit.to_string().into_bytes())
            }
            What::UnknownTopic => ("carts/update", b"{\"id\":\"a\"}".to_vec()),
            What::Misplaced { product } => {
                (level, self.level(item(store, product), external_location(store + 1), 1, 1))
            }
            What::Poison(poison) => Self::poison(planned, poison),
            What::Refused(Refusal::TooLarge) => (level, vec![b' '; TOO_LARGE]),
            What::Refused(_) => (level, self.level(item(store, 0), location, 1, 1)),
        }
    }

    fn level(self, item: u64, location: u64, available: i64, version: u32) -> Vec<u8> {
        let body = json!({
            "inventory_item_id": item, "location_id": location, "available": available,
            "updated_at": self.time(version),
            "admin_graphql_api_id": format!("gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"),
        });
        body.to_string().into_bytes()
    }

    /// A product with one variant.
    pub(crate) fn product(self, store: u32, product: u16, version: u32) -> Vec<u8> {
        let id = product_id(store, product);
        let body = json!({
            "id": id, "title": title(store, product, version), "body_html": "As sold in the shop.",
            "vendor": "Torture", "status": "active", "updated_at": self.time(version),
            "variants": [{
                "id": id + 1, "product_id": id, "title": "Default Title", "sku": sku(store, product),
                "price": format!("{}.{:02}", 5 + version % 90, product % 100), "inventory_item_id": id + 2,
            }],
        });
        body.to_string().into_bytes()
    }

    fn order(self, store: u32, order: u32, version: u32, state: OrderState) -> Vec<u8> {
        let id = order_id(store, order);
        let (cancelled, paid, handed_over) = match state.stage {
            OrderStage::Open => (None, "pending", None),
            OrderStage::Completed => (None, "paid", Some("fulfilled")),
            OrderStage::Cancelled => (Some(self.time(1)), "voided", None),
            OrderStage::Refunded => (None, "refunded", Some("fulfilled")),
        };
        let total = format!("{}.{:02}", state.total_minor / 100, state.total_minor % 100);
        let body = json!({
            "id": id, "name": format!("#{order}"), "currency": "USD", "financial_status": paid,
            "fulfillment_status": handed_over, "total_price": total, "created_at": self.time(0),
            "updated_at": self.time(version), "cancelled_at": cancelled, "closed_at": null,
            "line_items": [{"id": id * 10 + 1, "title": "A thing", "quantity": 1, "price": total}],
        });
        body.to_string().into_bytes()
    }

    fn poison(planned: &Planned, poison: Poison) -> (&'static str, Vec<u8>) {
        let level = "inventory_levels/update";
        // No other delivery is about these products: a value that passes can't be taken for a true one.
        let (number, location) = (900_000_000_000 + planned.number, external_location(planned.store));
        let text = |available: &str| {
            let body = format!(
                "{{\"inventory_item_id\":{number},\"location_id\":{location},\"available\":{available}}}"
            );
            body.into_bytes()
        };
        let product = |title: &str, price: &str| {
            let variant = format!("{{\"id\":{},\"price\":\"{price}\"}}", number + 1);
            format!("{{\"id\":{number},\"title\":\"{title}\",\"variants\":[{variant}]}}").into_bytes()
        };
        match poison {
            Poison::WrongType => (level, text("\"ten\"")),
            Poison::NotJson => (level, text("1")[..20].to_vec()),
            Poison::Nul => ("products/update", product("a\\u0000b", "1.00")),
            Poison::TooDeep => (level, text(&format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP)))),
            Poison::AbsurdLevel => (level, text("99999999999999999999")),
            Poison::AbsurdPrice => ("products/update", product("a", "99999999999999999999999.99")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_stores_products_and_orders_never_meet() {
        let mut seen = std::collections::HashSet::new();
        for store in 0..50 {
            for product in 0..100 {
                assert!(seen.insert(product_id(store, product)));
                assert!(seen.insert(item(store, product)));
            }
        }
        assert_ne!(order_id(0, 1), order_id(1, 0));
    }

    #[test]
    fn a_twin_has_the_same_body_under_another_topic() {
        let state = OrderState { stage: OrderStage::Open, total_minor: 105 };
        let what = What::Order { order: 1, version: 2, state };
        let one = Planned { number: 1, twin: false, store: 3, what, repeats: 0 };
        let bodies = Bodies { begins: 1_767_225_600 };
        let (topic, body) = bodies.of(&one);
        let (other_topic, other_body) = bodies.of(&Planned { twin: true, ..one });
        assert_eq!(body, other_body);
        assert_ne!(topic, other_topic);
        assert!(String::from_utf8(body).unwrap().contains("\"total_price\":\"1.05\""));
    }
}

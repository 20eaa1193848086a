//! BLAZE (partner API v1): a till that is read on a schedule; nothing is written to it.
//!
//! The README beside this file holds the dated facts, the quirks and what isn't verified.

mod api;
mod collections;
mod fields;
mod map;
mod reader;

use crate::{
    BODY_BYTES_DEFAULT, Collections, MapContext, Platform, Rate, Reader, Rows, Spec, Topic, TopicKind,
};
use model::Delivery;
use serde_json::Value;
use stage::Reject;

/// The registry's value.
pub(crate) static PLATFORM: Blaze = Blaze;

/// BLAZE, partner API v1.
pub(crate) struct Blaze;

/// The topic of products that Tillflow reads.
const PRODUCT: &str = "product";

/// The topic of products that Tillflow reads for their levels alone.
const PRODUCT_STOCK: &str = "product.stock";

/// The topic of products that are missing in a complete list, or that Tillflow asked for and didn't find.
const PRODUCT_ABSENT: &str = "product.absent";

/// The topic of levels that Tillflow asked for and didn't find.
const LEVEL_ABSENT: &str = "level.absent";

/// The topic of sales and refunds.
const TRANSACTION: &str = "transaction";

/// The topic of customers.
const MEMBER: &str = "member";

/// The topic of employees.
const EMPLOYEE: &str = "employee";

/// The topic of promotions.
const PROMOTION: &str = "promotion";

/// The topic of promotions that are missing in complete lists.
const PROMOTION_ABSENT: &str = "promotion.absent";

macro_rules! topics {
    ($($name:ident $file:literal)*) => {
        &[$(Topic {
            name: $name,
            kind: TopicKind::Read,
            schema: include_str!(concat!("../../../../schemas/blaze/", $file, ".schema.json")),
        }),*]
    };
}

static TOPICS: &[Topic] = topics! {
    PRODUCT "product"
    PRODUCT_STOCK "product_stock"
    PRODUCT_ABSENT "product_absent"
    LEVEL_ABSENT "level_absent"
    TRANSACTION "transaction"
    MEMBER "member"
    EMPLOYEE "employee"
    PROMOTION "promotion"
    PROMOTION_ABSENT "promotion_absent"
};

static SPEC: Spec = Spec {
    name: "blaze",
    topics: TOPICS,
    body_bytes_max: BODY_BYTES_DEFAULT,
    // No limit is documented; this is below the rate of the most careful client that was found (README, limits).
    rate: Rate { per_second: 5.0, burst: 10 },
};

// There are no webhooks: BLAZE sends some and signs none, so that nothing proves who sent one. There is no writer: no call
// is documented that sets or changes a quantity.
impl Platform for Blaze {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    // Customers belong to the company: only products and sales are of one shop.
    fn accounts<'a>(&self, delivery: &'a Delivery, body: &'a Value) -> Vec<&'a str> {
        if delivery.kind.topic() == MEMBER {
            return Vec::new();
        }
        let shop = body.get("shopId").and_then(Value::as_str).map(str::trim);
        shop.filter(|shop| !shop.is_empty()).into_iter().collect()
    }

    fn map(&self, delivery: &Delivery, body: &Value, context: &MapContext) -> Result<Rows, Reject> {
        map::map(delivery, body, *context)
    }

    fn reader(&self) -> Option<&dyn Reader> {
        Some(self)
    }

    fn collections(&self) -> Option<&dyn Collections> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, PLATFORM, map::tests_delivery};
    use serde_json::{Value, json};

    #[test]
    fn another_shops_products_and_sales_are_refused_and_customers_are_the_companys() {
        let check = |topic: &str, account: Option<&str>, body: Value| {
            let delivery =
                model::Delivery { account: account.map(Into::into), ..tests_delivery(topic, &body) };
            check_account(&PLATFORM, &delivery, &body).is_ok()
        };
        for topic in ["product", "product.stock", "transaction"] {
            assert!(check(topic, Some("shop"), json!({"shopId": "shop"})), "{topic}");
            assert!(check(topic, Some("shop"), json!({"shopId": null})), "{topic}");
            assert!(check(topic, None, json!({"shopId": "other"})), "{topic}");
            assert!(!check(topic, Some("shop"), json!({"shopId": "other"})), "{topic}");
        }
        assert!(check("member", Some("shop"), json!({"shopId": "other"})));
    }
}

//! Reads products and levels back.

use super::{
    LEVEL_ABSENT, api,
    collections::{absent, product},
};
use crate::{CallContext, CallError, Fetch, HttpReply, HttpRequest, Object, Page, Reader, json};
use model::ExternalId;
use serde_json::{Value, json};
use stage::Reject;

/// The product to read; `None` if nothing has to be read.
const fn wanted_product<'a>(wanted: &Fetch<'a>) -> Option<&'a ExternalId> {
    match *wanted {
        Fetch::Notified { .. } => None,
        Fetch::Level { item, .. } | Fetch::Product { product: item, .. } => Some(item),
    }
}

impl Reader for super::Blaze {
    /// The request of a product, which has its levels with it.
    fn request(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        let Some(id) = wanted_product(wanted) else { return Ok(None) };
        let path = format!("store/inventory/products/{}", api::escaped(id.as_str()));
        api::get(context.access, &path).map(Some)
    }

    /// The product in a reply, and an absent level if it has none at the requested location. A product that doesn't exist
    /// is an absent level or a deleted product with the current time.
    fn page(
        &self,
        wanted: &Fetch<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Page, CallError> {
        let Some(id) = wanted_product(wanted) else { return Ok(Page::default()) };
        match api::check(reply) {
            Ok(()) => {}
            Err(CallError::Gone) => {
                return Ok(Page { objects: vec![missing(wanted, id, context)], next: None });
            }
            Err(error) => return Err(error),
        }
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let body = json::reply(reply.body).map_err(unread)?;
        if body.get("id").and_then(Value::as_str) != Some(id.as_str()) {
            return Err(CallError::transient("the reply shows no product of that id"));
        }
        let absent_level = match wanted {
            Fetch::Level { location, .. } if !reports_level(&body, *location) => {
                Some(missing(wanted, id, context))
            }
            _ => None,
        };
        Ok(Page { objects: std::iter::once(product(&body)).chain(absent_level).collect(), next: None })
    }
}

/// The report of what isn't there: a level, or a product.
fn missing(wanted: &Fetch<'_>, id: &ExternalId, context: &CallContext<'_>) -> Object {
    let Fetch::Level { location, .. } = wanted else { return absent(id.as_str(), context.now) };
    let location = location.map(ExternalId::as_str);
    let body = json!({"item": id.as_str(), "location": location, "observed_at": context.now.to_string()});
    Object { topic: LEVEL_ABSENT, body: body.to_string().into_bytes() }
}

/// Returns true if `map` finds a level at the location in a product; see there for deleted rows and products.
fn reports_level(product: &Value, location: Option<&ExternalId>) -> bool {
    if product.get("deleted").and_then(Value::as_bool) == Some(true) {
        return true;
    }
    let rows = product.get("quantities").and_then(Value::as_array);
    let names_it = |row: &Value| {
        let inventory = row.get("inventoryId").and_then(Value::as_str).map(str::trim);
        inventory.is_some_and(|inventory| location.is_none_or(|location| location.as_str() == inventory))
    };
    rows.is_some_and(|rows| rows.iter().any(names_it))
}

#[cfg(test)]
mod tests {
    use super::{super::PLATFORM, *};
    use crate::Access;
    use model::Timestamp;

    fn access() -> Access {
        Access {
            base_url: "https://blaze.example".to_owned(),
            token: "partner:shop".to_owned(),
            access_token: None,
            api_version: String::new(),
            account: "shop".to_owned(),
        }
    }

    fn id(text: &str) -> ExternalId {
        ExternalId::new(text).unwrap()
    }

    fn read(wanted: &Fetch<'_>, status: u16, body: &Value) -> Result<Vec<(String, Value)>, CallError> {
        let access = access();
        let now = Timestamp::parse("2026-07-02T10:00:00Z").unwrap();
        let context = CallContext { access: &access, idempotency_key: "", now };
        let body = body.to_string();
        let page = Reader::page(&PLATFORM, wanted, &context, &HttpReply::new(status, body.as_bytes()))?;
        assert_eq!(page.next, None);
        let shown = |object: Object| (object.topic.to_owned(), serde_json::from_slice(&object.body).unwrap());
        Ok(page.objects.into_iter().map(shown).collect())
    }

    #[test]
    fn a_level_is_read_with_its_product() {
        let (item, front, other) = (id("p/1"), id("front"), id("other"));
        let access = access();
        let context = CallContext { access: &access, idempotency_key: "", now: Timestamp::from_micros(0) };
        let wanted = Fetch::Level { item: &item, location: Some(&front) };
        let request = Reader::request(&PLATFORM, &wanted, &context).unwrap().unwrap();
        assert_eq!(request.url, "https://blaze.example/api/v1/partner/store/inventory/products/p%2F1");
        let shown =
            json!({"id": "p/1", "quantities": [{"inventoryId": "front", "quantity": 7}], "vendor": {}});
        let product = (
            "product".to_owned(),
            json!({"id": "p/1", "quantities": [{"inventoryId": "front", "quantity": 7}]}),
        );
        assert_eq!(read(&wanted, 200, &shown).unwrap(), std::slice::from_ref(&product));
        let elsewhere = Fetch::Level { item: &item, location: Some(&other) };
        let absent = json!({"item": "p/1", "location": "other", "observed_at": "2026-07-02T10:00:00Z"});
        assert_eq!(
            read(&elsewhere, 200, &shown).unwrap(),
            [product, ("level.absent".to_owned(), absent.clone())]
        );
        let gone = json!({"message": "no such product"});
        assert_eq!(read(&elsewhere, 404, &gone).unwrap(), [("level.absent".to_owned(), absent)]);
    }

    #[test]
    fn a_product_that_does_not_exist_is_deleted_and_another_ones_reply_is_not_believed() {
        let product = id("p-1");
        let wanted = Fetch::Product { product: &product, variant: None };
        let deleted = json!({"id": "p-1", "observed_at": "2026-07-02T10:00:00Z"});
        assert_eq!(read(&wanted, 404, &json!({})).unwrap(), [("product.absent".to_owned(), deleted)]);
        for other in [json!({"id": "p-2"}), json!({}), json!([])] {
            assert!(matches!(read(&wanted, 200, &other), Err(CallError::Transient { .. })), "{other}");
        }
        let notified = Fetch::Notified { topic: "product", body: &json!({}), since: None };
        assert_eq!(read(&notified, 200, &json!({})).unwrap(), []);
    }

    #[test]
    fn a_deleted_product_is_reported_by_itself() {
        let (item, front) = (id("p"), id("front"));
        let wanted = Fetch::Level { item: &item, location: Some(&front) };
        let shown = json!({"id": "p", "deleted": true});
        assert_eq!(read(&wanted, 200, &shown).unwrap(), [("product".to_owned(), shown.clone())]);
    }
}

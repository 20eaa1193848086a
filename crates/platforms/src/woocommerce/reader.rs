//! Reads what a webhook leaves out (the variations of a product, and a variation's own SKU), and reads levels, prices and
//! texts back.

use super::{
    LEVEL_ABSENT, PRODUCT_ABSENT, PRODUCT_READ, VARIATION_READ, VARIATIONS_READ, api,
    item::{Item, number},
    kind::Kind,
};
use crate::{CallContext, CallError, Fetch, HttpReply, HttpRequest, Page, Reader, json};
use model::ExternalId;
use serde_json::{Map, Value, json};
use stage::{Reject, RejectClass};

/// Number of variations on a page, the most that the API accepts (README, limits).
pub(super) const PAGE_VARIATIONS: usize = 100;

/// The fields of a listed variation that are mapped; the others, some of which are long, stay behind.
const LISTED_FIELDS: [&str; 11] = [
    "id",
    "sku",
    "global_unique_id",
    "price",
    "regular_price",
    "on_sale",
    "manage_stock",
    "stock_quantity",
    "attributes",
    "status",
    "date_modified_gmt",
];

/// The object or the page to read.
enum Target {
    /// A product, as webhooks show it.
    Product(u64),
    /// A variation, with its own values alone: none that it inherits from its product.
    Variation(u64),
    /// The variations of a product.
    Variations(u64),
}

impl Target {
    /// The target of a fetch; `None` if the delivery names nothing that has to be fetched.
    fn of(wanted: &Fetch<'_>) -> Result<Option<Self>, Reject> {
        Ok(match *wanted {
            Fetch::Notified {
                topic: "product.created" | "product.updated" | "product.restored",
                body,
                ..
            } => notified(body)?,
            Fetch::Notified { .. } => None,
            Fetch::Level { item, .. } => Some(Self::item(Item::parse(item)?)),
            Fetch::Product { product, variant: None } => Some(Self::Product(number(product.as_str())?)),
            Fetch::Product { product, variant: Some(variant) } => {
                Some(Self::item(Item::of(product, variant)?))
            }
        })
    }

    const fn item(item: Item) -> Self {
        match item {
            Item::Product(number) => Self::Product(number),
            Item::Variation { variation, .. } => Self::Variation(variation),
        }
    }
}

/// A variation is read itself, a product with variations by the list of them. Anything else was reported whole.
fn notified(body: &Value) -> Result<Option<Target>, Reject> {
    if body.get("status").and_then(Value::as_str) == Some("trash") {
        return Ok(None);
    }
    let missing = || Reject::at(RejectClass::Schema, "/id", "no id of a product");
    let id = body.get("id").and_then(Value::as_u64).filter(|id| *id > 0).ok_or_else(missing)?;
    Ok(match Kind::of(body.get("type"), body.get("variations")) {
        Kind::Variation => Some(Target::Variation(id)),
        Kind::WithVariations => Some(Target::Variations(id)),
        Kind::Simple | Kind::Group => None,
    })
}

impl Reader for super::WooCommerce {
    fn request(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        let path = match Target::of(wanted)? {
            None => return Ok(None),
            Some(Target::Product(id)) => format!("products/{id}"),
            // Without the context, a variation shows its product's SKU in place of none.
            Some(Target::Variation(id)) => format!("products/{id}?context=edit"),
            Some(Target::Variations(id)) => variations_path(id, 1),
        };
        api::get(context.access, &path).map(Some)
    }

    /// The object in a reply, under the topic of what it is. An object that doesn't exist is an absent level or product
    /// with the current time; a variation of a fetch that nobody waits for is none at all.
    fn page(
        &self,
        wanted: &Fetch<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Page, CallError> {
        let Some(target) = Target::of(wanted)? else { return Ok(Page::default()) };
        match api::check(reply) {
            Ok(()) => {}
            Err(CallError::Gone) => return gone(wanted, context),
            Err(error) => return Err(error),
        }
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let body = json::reply(reply.body).map_err(unread)?;
        match target {
            Target::Variations(id) => page(id, wanted, context, reply, &body),
            Target::Product(id) | Target::Variation(id) => object(id, wanted, &body),
        }
    }
}

/// The path of a page of a product's variations. The order by id keeps a page from shifting when a variation is saved.
pub(super) fn variations_path(id: u64, page: u64) -> String {
    format!("products/{id}/variations?per_page={PAGE_VARIATIONS}&page={page}&orderby=id&order=asc")
}

/// The product or variation of that id, which a reply has to show.
fn object(id: u64, wanted: &Fetch<'_>, body: &Value) -> Result<Page, CallError> {
    if body.get("id").and_then(Value::as_u64) != Some(id) {
        return Err(CallError::transient("the reply shows no object of that id"));
    }
    let is_variation = body.get("type").and_then(Value::as_str) == Some("variation");
    let is_trashed = body.get("status").and_then(Value::as_str) == Some("trash");
    match wanted {
        // There is no report of a variation that is gone while its product stays.
        Fetch::Product { variant: Some(_), .. } if is_variation && is_trashed => Err(CallError::Gone),
        _ if is_variation => Ok(Page::of_one(VARIATION_READ, body)),
        _ => Ok(Page::of_one(PRODUCT_READ, body)),
    }
}

/// One page of variations as one object, with what the notification shows of their product.
fn page(
    id: u64,
    wanted: &Fetch<'_>,
    context: &CallContext<'_>,
    reply: &HttpReply<'_>,
    body: &Value,
) -> Result<Page, CallError> {
    let Fetch::Notified { body: product, .. } = *wanted else { return Ok(Page::default()) };
    let listed = body.as_array().ok_or_else(|| CallError::transient("the reply is no list"))?;
    let next =
        next_page(reply).map(|page| api::get(context.access, &variations_path(id, page))).transpose()?;
    let total = reply.header("x-wp-total").and_then(|total| total.trim().parse::<usize>().ok());
    let field = |name: &str| product.get(name).cloned().unwrap_or_default();
    let rows: Vec<Value> = listed.iter().map(mapped_fields).collect();
    let of_product = (&field("sku"), &field("date_modified_gmt"));
    let object = variations_body(id, of_product, total == Some(listed.len()), &rows);
    Ok(Page { next, ..Page::of_one(VARIATIONS_READ, &object) })
}

/// The body of a reading of variations, with the number and the time of their product.
pub(super) fn variations_body(
    id: u64,
    (sku, date_modified_gmt): (&Value, &Value),
    is_complete: bool,
    variations: &[Value],
) -> Value {
    json!({
        "parent_id": id,
        "parent_sku": sku,
        "date_modified_gmt": date_modified_gmt,
        "is_complete": is_complete,
        "variations": variations,
    })
}

/// The fields of a listed variation that are mapped.
pub(super) fn mapped_fields(variation: &Value) -> Value {
    let Some(fields) = variation.as_object() else { return variation.clone() };
    let kept = LISTED_FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
    Value::Object(kept.collect::<Map<_, _>>())
}

/// The number of the next page, from the link to it. Only the number is taken: the address may be that of another server.
pub(super) fn next_page(reply: &HttpReply<'_>) -> Option<u64> {
    // A link repeats the call's parameters as they were, commas included: it ends where its relation begins.
    let (until_relation, _) = reply.header("link")?.split_once(">; rel=\"next\"")?;
    let url = until_relation.rsplit_once('<')?.1;
    let query = url.split_once('?')?.1;
    let page = query.split('&').find_map(|pair| pair.strip_prefix("page="))?;
    page.parse().ok().filter(|page| *page > 1)
}

/// The report of an object that doesn't exist.
fn gone(wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Page, CallError> {
    let observed_at = context.now.to_string();
    match *wanted {
        // A later webhook, or the list of its product, shows that it is gone.
        Fetch::Notified { .. } => Ok(Page::default()),
        Fetch::Level { item, .. } => {
            let absent = json!({ "item": item.as_str(), "observed_at": observed_at });
            Ok(Page::of_one(LEVEL_ABSENT, &absent))
        }
        Fetch::Product { product, variant } if variant.is_none_or(|variant| variant == product) => {
            Ok(deleted(product, &observed_at))
        }
        Fetch::Product { .. } => Err(CallError::Gone),
    }
}

fn deleted(product: &ExternalId, observed_at: &str) -> Page {
    Page::of_one(PRODUCT_ABSENT, &json!({ "id": product.as_str(), "observed_at": observed_at }))
}

#[cfg(test)]
mod tests;

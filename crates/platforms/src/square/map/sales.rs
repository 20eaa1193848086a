//! Orders, as fetched.

use super::{Amount, money, read, time};
use crate::{MapContext, Mapped};
use model::{Action, ExternalId, Order, OrderLine, OrderStatus, Payload, Quantity, SourceVersion};
use serde::Deserialize;
use serde_json::Value;
use stage::{Reject, RejectClass};

#[derive(Deserialize)]
struct Fetched {
    id: ExternalId,
    state: String,
    version: Option<i64>,
    created_at: Option<String>,
    updated_at: Option<String>,
    closed_at: Option<String>,
    customer_id: Option<String>,
    location_id: Option<String>,
    total_money: Option<Amount>,
    total_tax_money: Option<Amount>,
    total_discount_money: Option<Amount>,
    line_items: Option<Vec<Line>>,
    returns: Option<Vec<Return>>,
}

#[derive(Deserialize)]
struct Line {
    uid: Option<String>,
    catalog_object_id: Option<String>,
    name: Option<String>,
    quantity: String,
    base_price_money: Option<Amount>,
    total_money: Option<Amount>,
}

#[derive(Deserialize)]
struct Return {
    source_order_id: Option<String>,
}

/// The order. Its version is Square's counter where it has one, else the time of its last change.
pub(super) fn order(body: &Value, context: MapContext) -> Result<Mapped, Reject> {
    let order: Fetched = read(body)?;
    let when = |text: &Option<String>, pointer| text.as_deref().map(|text| time(text, pointer)).transpose();
    let placed_at = when(&order.created_at, "/created_at")?;
    let updated_at = when(&order.updated_at, "/updated_at")?;
    let closed_at = when(&order.closed_at, "/closed_at")?;
    let version =
        order.version.map(SourceVersion).or(updated_at.map(SourceVersion::from)).ok_or_else(|| {
            Reject::new(
                RejectClass::Schema,
                "an order without a version and without a time of its last change",
            )
        })?;
    let status = match order.state.as_str() {
        "COMPLETED" => OrderStatus::Completed,
        "CANCELED" => OrderStatus::Cancelled,
        _ => OrderStatus::Open,
    };
    let lines = order.line_items.unwrap_or_default();
    let lines = lines.into_iter().enumerate().map(|(index, line)| map_line(index, line, context));
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: updated_at.or(placed_at),
        version: Some(version),
        identity: vec!["order".to_owned(), order.id.to_string(), version.0.to_string()],
        payload: Payload::Order(Order {
            is_test: false,
            external: order.id,
            number: None,
            status,
            total: money(order.total_money, context, "/total_money")?,
            tax: money(order.total_tax_money, context, "/total_tax_money")?,
            discount: money(order.total_discount_money, context, "/total_discount_money")?,
            placed_at,
            closed_at,
            customer: id(order.customer_id, "/customer_id")?,
            location: id(order.location_id, "/location_id")?,
            employee: None,
            refund_of: source(order.returns.unwrap_or_default())?,
            lines: lines.collect::<Result<_, _>>()?,
        }),
    })
}

fn map_line(index: usize, line: Line, context: MapContext) -> Result<OrderLine, Reject> {
    let pointer = |field| format!("/line_items/{index}/{field}");
    let uid = id(line.uid, &pointer("uid"))?;
    // `uid` is nullable; a line without one is known by its place.
    let external = uid.map_or_else(|| ExternalId::new(&index.to_string()), Ok);
    let invalid = |field, reason: String| Reject::at(RejectClass::Data, pointer(field), reason);
    Ok(OrderLine {
        external: external.map_err(|error| invalid("uid", error.to_string()))?,
        variant: id(line.catalog_object_id, &pointer("catalog_object_id"))?,
        sku: None,
        title: line.name,
        quantity: Quantity::parse(&line.quantity).map_err(|error| invalid("quantity", error.to_string()))?,
        unit_price: money(line.base_price_money, context, &pointer("base_price_money"))?,
        total: money(line.total_money, context, &pointer("total_money"))?,
    })
}

/// The order that this one takes back, if there is exactly one.
fn source(returns: Vec<Return>) -> Result<Option<ExternalId>, Reject> {
    let mut sources: Vec<String> = returns.into_iter().filter_map(|from| from.source_order_id).collect();
    sources.sort_unstable();
    sources.dedup();
    match sources.len() {
        1 => id(sources.pop(), "/returns/0/source_order_id"),
        _ => Ok(None),
    }
}

fn id(text: Option<String>, pointer: &str) -> Result<Option<ExternalId>, Reject> {
    let text = text.filter(|text| !text.is_empty());
    let read = |text: String| {
        ExternalId::new(&text).map_err(|error| Reject::at(RejectClass::Data, pointer, error.to_string()))
    };
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mapped(body: &Value) -> (Mapped, Order) {
        let mapped = order(body, MapContext { currency: None }).unwrap();
        let Payload::Order(order) = mapped.payload.clone() else { panic!("an order expected") };
        (mapped, order)
    }

    #[test]
    fn an_order_of_the_till_has_no_version_and_counts_by_its_time() {
        let body = json!({"id": "O", "state": "COMPLETED", "updated_at": "2020-05-18T16:30:49.614Z"});
        let (mapped, order) = mapped(&body);
        assert_eq!(mapped.version, Some(SourceVersion(1_589_819_449_614_000)));
        assert_eq!(mapped.identity, ["order", "O", "1589819449614000"]);
        assert_eq!((order.status, order.lines.len()), (OrderStatus::Completed, 0));
    }

    #[test]
    fn a_version_counts_where_there_is_one() {
        let body =
            json!({"id": "O", "state": "DRAFT", "version": 3, "updated_at": "2020-05-18T16:30:49.614Z"});
        let (mapped, order) = mapped(&body);
        assert_eq!(mapped.identity, ["order", "O", "3"]);
        assert_eq!(order.status, OrderStatus::Open);
        let neither = json!({"id": "O", "state": "OPEN"});
        assert_eq!(order_class(&neither), RejectClass::Schema);
    }

    fn order_class(body: &Value) -> RejectClass {
        order(body, MapContext { currency: None }).unwrap_err().class
    }

    #[test]
    fn lines_keep_fractions_and_their_place() {
        let body = json!({"id": "O", "state": "CANCELED", "version": 1, "customer_id": "", "line_items": [
            {"quantity": "1.25", "name": "Tea", "catalog_object_id": null, "base_price_money": {"amount": 500, "currency": "JPY"}},
            {"uid": "U", "quantity": "2", "catalog_object_id": "V", "total_money": {"amount": null, "currency": null}},
        ]});
        let (_, order) = mapped(&body);
        assert_eq!(order.status, OrderStatus::Cancelled);
        assert_eq!(order.customer, None);
        let [first, second] = order.lines.as_slice() else { panic!("two lines expected") };
        assert_eq!((first.external.as_str(), first.quantity.to_string()), ("0", "1.25".to_owned()));
        assert_eq!(first.unit_price.unwrap().to_string(), "500 JPY");
        assert_eq!((second.external.as_str(), second.total), ("U", None));
    }

    #[test]
    fn a_return_names_the_order_it_takes_back_if_it_is_one() {
        let with = |sources: &[&str]| {
            let returns: Vec<Value> = sources.iter().map(|id| json!({"source_order_id": id})).collect();
            mapped(&json!({"id": "O", "state": "COMPLETED", "version": 1, "returns": returns})).1.refund_of
        };
        assert_eq!(with(&["A", "A"]).unwrap().as_str(), "A");
        assert_eq!(with(&["A", "B"]), None);
        assert_eq!(with(&[]), None);
    }
}

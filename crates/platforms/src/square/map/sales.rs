//! Orders, as fetched.

use super::{money, settlement::settlement};
use crate::{MapContext, Mapped, field::Object};
use model::{Action, ExternalId, Order, OrderLine, OrderStatus, Payload, SourceVersion};
use stage::{Reject, RejectClass};

/// The order. Its version is Square's counter if it has one, else the time of its last change. An unreadable line
/// rejects the order, as a sale without a line is another sale.
pub(super) fn order(root: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let external = root.text_id("id")?;
    let (placed_at, updated_at) = (root.time("created_at")?, root.time("updated_at")?);
    let version = root.integer("version")?.map(SourceVersion::exact).or(updated_at.map(SourceVersion::exact));
    let version = version.ok_or_else(|| {
        let reason = "an order without a version and without a time of its last change";
        Reject::new(RejectClass::Schema, reason)
    })?;
    let status = match root.required_text("state")? {
        "COMPLETED" => OrderStatus::Completed,
        "CANCELED" => OrderStatus::Cancelled,
        _ => OrderStatus::Open,
    };
    let lines = root.objects("line_items")?.unwrap_or_default();
    let lines = lines.iter().enumerate().map(|(index, reported)| line(index, reported, context));
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: updated_at.or(placed_at),
        version: Some(version),
        identity: vec!["order".to_owned(), external.to_string(), version.number.0.to_string()],
        payload: Payload::Order(Order {
            // Square marks no order as a test: its sandbox is an account of its own (README).
            is_test: false,
            external,
            number: None,
            status,
            total: money(root, "total_money", context)?,
            tax: money(root, "total_tax_money", context)?,
            discount: money(root, "total_discount_money", context)?,
            placed_at,
            closed_at: root.time("closed_at")?,
            customer: root.optional_text_id("customer_id")?,
            location: root.optional_text_id("location_id")?,
            employee: None,
            refund_of: source(root)?,
            lines: lines.collect::<Result<_, _>>()?,
            settlement: settlement(root, context)?,
        }),
    })
}

fn line(index: usize, reported: &Object<'_>, context: MapContext) -> Result<OrderLine, Reject> {
    // `uid` is nullable; a line without one is identified by its index.
    let uid = reported.optional_text_id("uid")?;
    Ok(OrderLine {
        external: uid.map_or_else(|| reported.external("uid", &index.to_string()), Ok)?,
        variant: reported.optional_text_id("catalog_object_id")?,
        sku: None,
        title: reported.owned("name")?,
        quantity: reported.decimal("quantity")?,
        unit_price: money(reported, "base_price_money", context)?,
        total: money(reported, "total_money", context)?,
    })
}

/// The order that this one refunds, if there is exactly one.
fn source(root: &Object<'_>) -> Result<Option<ExternalId>, Reject> {
    let returns = root.objects("returns")?.unwrap_or_default();
    let sources =
        returns.iter().filter_map(|reported| reported.optional_text_id("source_order_id").transpose());
    let mut sources: Vec<ExternalId> = sources.collect::<Result<_, _>>()?;
    sources.sort_unstable();
    sources.dedup();
    Ok(sources.pop().filter(|_| sources.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn mapped(body: &Value) -> (Mapped, Order) {
        let mapped = order(&Object::root(body).unwrap(), MapContext { currency: None }).unwrap();
        let Payload::Order(order) = mapped.payload.clone() else { panic!("an order expected") };
        (mapped, order)
    }

    #[test]
    fn an_order_of_the_till_has_no_version_and_counts_by_its_time() {
        let body = json!({"id": "O", "state": "COMPLETED", "updated_at": "2020-05-18T16:30:49.614Z"});
        let (mapped, order) = mapped(&body);
        assert_eq!(mapped.version, Some(SourceVersion::exact(1_589_819_449_614_000)));
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
        order(&Object::root(body).unwrap(), MapContext { currency: None }).unwrap_err().class
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

//! Tickets of the till: orders.

use super::{id, moment, owned, required_id, settlement::settlement};
use crate::{MapContext, Mapped, field::Object};
use model::{Action, ExternalId, Order, OrderLine, OrderStatus, Payload, SourceVersion};
use stage::Reject;

/// The order. The status is part of the event's identity: a ticket and the same ticket reported by its status are one
/// event. An unreadable line rejects the order, as a sale without a line is another sale.
pub(super) fn ticket(data: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let external = required_id(data, "ticket_id")?;
    let at = data.time("last_updated_at")?.ok_or_else(|| data.missing("last_updated_at"))?;
    let reported_status = data.required_text("order_status")?;
    let status = match reported_status.to_ascii_uppercase().as_str() {
        "COMPLETED" => OrderStatus::Completed,
        "CANCELED" | "CANCELLED" => OrderStatus::Cancelled,
        _ => OrderStatus::Open,
    };
    let lines = data.objects("items")?.unwrap_or_default();
    let lines = lines.iter().enumerate().map(|(index, reported)| line(index, reported, context));
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity: vec!["order".to_owned(), external.to_string(), at.to_string(), reported_status.to_owned()],
        payload: Payload::Order(Order {
            // No page mentions test tickets: the sandbox is a dispensary of its own (README).
            is_test: false,
            external,
            number: id(data, "order_number")?.map(|number| number.to_string()),
            status,
            total: data.amount("total", context.currency)?,
            tax: data.amount("tax_total", context.currency)?,
            discount: data.amount("discount_total", context.currency)?,
            placed_at: moment(data, "date_created")?,
            closed_at: moment(data, "date_closed")?,
            customer: id(data, "customer_id")?,
            location: None,
            employee: employee(data)?,
            refund_of: id(data, "original_ticket_id")?,
            lines: lines.collect::<Result<_, _>>()?,
            settlement: settlement(data, context)?,
        }),
    })
}

/// The employee who created the ticket. A ticket that wasn't created at the till has "Default" instead.
fn employee(data: &Object<'_>) -> Result<Option<ExternalId>, Reject> {
    let Some(employee) = data.object("created_by_employee")? else { return Ok(None) };
    Ok(id(&employee, "employee_id")?.filter(|id| id.as_str() != "Default"))
}

fn line(index: usize, reported: &Object<'_>, context: MapContext) -> Result<OrderLine, Reject> {
    // A line without an id is identified by its index.
    let external = id(reported, "id")?.map_or_else(|| reported.external("id", &index.to_string()), Ok)?;
    Ok(OrderLine {
        external,
        variant: id(reported, "product_id")?,
        sku: None,
        title: owned(reported, "product_size_name")?,
        quantity: reported.quantity("quantity")?.ok_or_else(|| reported.missing("quantity"))?,
        unit_price: reported.amount("price_sell", context.currency)?,
        total: reported.amount("price_total", context.currency)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{MapContext, Mapped, Object, Order, OrderStatus, Payload, Reject};
    use model::Currency;
    use serde_json::{Value, json};
    use stage::RejectClass;

    fn ticket(body: &Value, context: MapContext) -> Result<Mapped, Reject> {
        let root = Object::root(body).unwrap();
        let data = root.required_object("data").unwrap();
        super::ticket(&data, context)
    }

    const DOLLARS: fn() -> MapContext = || MapContext { currency: Some(Currency::new("USD").unwrap()) };

    fn body(changes: Value) -> Value {
        let mut data = json!({"ticket_id": "t-1", "order_number": "AB12CD", "order_status": "COMPLETED",
            "last_updated_at": "2025-07-29T12:47:37.316-07:00", "date_created": "2025-07-29T12:40:00.000-07:00",
            "date_closed": null, "customer_id": 3904, "total": 16.033});
        if let Value::Object(changes) = changes {
            data.as_object_mut().unwrap().extend(changes);
        }
        json!({"event_type": "TICKET", "data": data})
    }

    fn order_of(changes: Value) -> Order {
        let Payload::Order(order) = ticket(&body(changes), DOLLARS()).unwrap().payload else {
            panic!("an order")
        };
        order
    }

    #[test]
    fn a_ticket_is_an_order_in_the_connections_currency() {
        let order = order_of(json!({"created_by_employee": {"employee_id": 7, "name": "x"}}));
        assert_eq!(order.total.unwrap().to_string(), "16.03 USD");
        assert_eq!(order.customer.unwrap().as_str(), "3904");
        assert_eq!(order.employee.unwrap().as_str(), "7");
        assert_eq!(order_of(json!({"created_by_employee": {"employee_id": "Default"}})).employee, None);
        assert_eq!(order.placed_at.unwrap().to_string(), "2025-07-29T19:40:00Z");
        assert_eq!((order.closed_at, order.refund_of, order.tax), (None, None, None));
        let reject = ticket(&body(json!({})), MapContext { currency: None }).unwrap_err();
        assert_eq!(reject.class, RejectClass::Config);
    }

    #[test]
    fn only_completed_and_cancelled_tickets_are_final() {
        for (status, expected) in [
            ("COMPLETED", OrderStatus::Completed),
            ("CANCELED", OrderStatus::Cancelled),
            ("CANCELLED", OrderStatus::Cancelled),
            ("AWAITING_PROCESSING", OrderStatus::Open),
            ("SOMETHING NEW", OrderStatus::Open),
        ] {
            assert_eq!(order_of(json!({"order_status": status})).status, expected, "{status}");
        }
    }

    #[test]
    fn a_move_to_another_status_is_another_event() {
        let identity = |status| ticket(&body(json!({"order_status": status})), DOLLARS()).unwrap().identity;
        assert_eq!(identity("COMPLETED"), identity("COMPLETED"));
        assert_ne!(identity("COMPLETED"), identity("PACKED_READY"));
    }

    #[test]
    fn lines_are_of_products_and_may_be_weighed() {
        let items = json!([{"id": "l-1", "product_id": "p-1", "product_size_name": "3.5G", "quantity": 3.5,
            "price_sell": "35.0", "price_total": 122.5}, {"quantity": "2", "product_id": null}]);
        let order = order_of(json!({"items": items, "original_ticket_id": "t-0"}));
        assert_eq!(order.refund_of.unwrap().as_str(), "t-0");
        let [first, second] = order.lines.as_slice() else { panic!("two lines expected") };
        assert_eq!((first.quantity.to_string(), first.unit_price.unwrap().minor), ("3.5".to_owned(), 3_500));
        assert_eq!((second.external.as_str(), second.variant.as_ref()), ("1", None));
        let nothing = body(json!({"items": [{"quantity": null}]}));
        assert_eq!(ticket(&nothing, DOLLARS()).unwrap_err().pointer.unwrap(), "/data/items/0/quantity");
    }
}

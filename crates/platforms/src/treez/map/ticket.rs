//! Tickets of the till: orders.

use super::{id, money, quantity, read, required, some, time};
use crate::{MapContext, Mapped};
use model::{Action, ExternalId, Order, OrderLine, OrderStatus, Payload, SourceVersion, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use stage::{Reject, RejectClass};

#[derive(Deserialize)]
struct Data {
    ticket_id: Value,
    order_number: Option<Value>,
    order_status: String,
    last_updated_at: String,
    date_created: Option<String>,
    date_closed: Option<String>,
    customer_id: Option<Value>,
    created_by_employee: Option<Employee>,
    original_ticket_id: Option<Value>,
    total: Option<Value>,
    tax_total: Option<Value>,
    discount_total: Option<Value>,
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Employee {
    employee_id: Option<Value>,
}

#[derive(Deserialize)]
struct Item {
    id: Option<Value>,
    product_id: Option<Value>,
    product_size_name: Option<String>,
    quantity: Value,
    price_sell: Option<Value>,
    price_total: Option<Value>,
}

/// The order. A status belongs to the event: a ticket and the same ticket told by its status are one.
pub(super) fn ticket(body: &Value, context: MapContext) -> Result<Mapped, Reject> {
    let data: Data = read(body)?;
    let external = required(id(Some(&data.ticket_id), "/data/ticket_id")?, "/data/ticket_id")?;
    let at = time(&data.last_updated_at, "/data/last_updated_at")?;
    let status = match data.order_status.to_ascii_uppercase().as_str() {
        "COMPLETED" => OrderStatus::Completed,
        "CANCELED" | "CANCELLED" => OrderStatus::Cancelled,
        _ => OrderStatus::Open,
    };
    let employee = data.created_by_employee.and_then(|employee| employee.employee_id);
    // Orders that no one at the till began carry this in place of an employee.
    let employee = employee.filter(|id| id != "Default");
    let items = data.items.unwrap_or_default().into_iter().enumerate();
    let lines = items.map(|(index, item)| line(index, item, context)).collect::<Result<_, _>>()?;
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::from(at)),
        identity: vec!["order".to_owned(), external.to_string(), at.to_string(), data.order_status],
        payload: Payload::Order(Order {
            is_test: false,
            external,
            number: id(data.order_number.as_ref(), "/data/order_number")?.map(|number| number.to_string()),
            status,
            total: money(data.total.as_ref(), context, "/data/total")?,
            tax: money(data.tax_total.as_ref(), context, "/data/tax_total")?,
            discount: money(data.discount_total.as_ref(), context, "/data/discount_total")?,
            placed_at: when(data.date_created, "/data/date_created")?,
            closed_at: when(data.date_closed, "/data/date_closed")?,
            customer: id(data.customer_id.as_ref(), "/data/customer_id")?,
            location: None,
            employee: id(employee.as_ref(), "/data/created_by_employee/employee_id")?,
            refund_of: id(data.original_ticket_id.as_ref(), "/data/original_ticket_id")?,
            lines,
        }),
    })
}

fn line(index: usize, item: Item, context: MapContext) -> Result<OrderLine, Reject> {
    let pointer = |field| format!("/data/items/{index}/{field}");
    let amount = quantity(Some(&item.quantity), &pointer("quantity"))?;
    let amount = amount.ok_or_else(|| Reject::at(RejectClass::Data, pointer("quantity"), "no quantity"))?;
    // A line without an id is known by its place.
    let external =
        id(item.id.as_ref(), &pointer("id"))?.map_or_else(|| ExternalId::new(&index.to_string()), Ok);
    Ok(OrderLine {
        external: external
            .map_err(|error| Reject::at(RejectClass::Data, pointer("id"), error.to_string()))?,
        variant: id(item.product_id.as_ref(), &pointer("product_id"))?,
        sku: None,
        title: some(item.product_size_name),
        quantity: amount,
        unit_price: money(item.price_sell.as_ref(), context, &pointer("price_sell"))?,
        total: money(item.price_total.as_ref(), context, &pointer("price_total"))?,
    })
}

fn when(text: Option<String>, pointer: &str) -> Result<Option<Timestamp>, Reject> {
    some(text).map(|text| time(&text, pointer)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::json;

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

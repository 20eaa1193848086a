//! Transactions of the till: orders.

use super::settlement::settlement;
use crate::{MapContext, Mapped, Rows, field::Object};
use model::{Action, ExternalId, Order, OrderLine, OrderStatus, Payload, SourceVersion};
use stage::{Reject, RejectClass};

/// The sale or the return. What is sold to another shop, or moved there, is no order of a customer: no event. An
/// unreadable line rejects the order, as a sale without a line is another sale.
pub(super) fn transaction(root: &Object<'_>, context: MapContext) -> Result<Rows, Reject> {
    match root.stated("transactionType")? {
        None | Some("Retail") => Ok(vec![order(root, context)]),
        Some("Transfer" | "WholesaleOrder") => Ok(Vec::new()),
        Some(_) => {
            let reason = "none of the types that leaflogix documents";
            Err(root.reject(RejectClass::Schema, "transactionType", reason))
        }
    }
}

fn order(root: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let external = root.id("transactionId")?;
    let at = root.utc_time("lastModifiedDateUTC")?.ok_or_else(|| root.missing("lastModifiedDateUTC"))?;
    let placed_at = root.utc_time("transactionDate")?;
    let is_void = root.flag("isVoid")? == Some(true);
    let status = if is_void { OrderStatus::Cancelled } else { OrderStatus::Completed };
    let closed_at = if is_void { root.utc_time("voidDate")?.or(placed_at) } else { placed_at };
    let is_return = root.flag("isReturn")? == Some(true);
    let lines = root.objects("items")?.unwrap_or_default();
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity: vec!["order".to_owned(), external.to_string(), at.to_string(), status.as_str().to_owned()],
        payload: Payload::Order(Order {
            // No document mentions test sales.
            is_test: false,
            external,
            number: root.code("invoiceNumber")?,
            status,
            total: root.amount("total", context.currency)?,
            tax: root.amount("tax", context.currency)?,
            discount: root.amount("totalDiscount", context.currency)?,
            placed_at,
            closed_at,
            customer: person(root, "customerId")?,
            location: None,
            employee: person(root, "employeeId")?,
            refund_of: if is_return { root.optional_id("returnOnTransactionId")? } else { None },
            lines: lines.iter().map(|reported| line(reported, context)).collect::<Result<_, _>>()?,
            settlement: settlement(root, context)?,
        }),
    })
}

/// The id of a person; a sale without one has zero or a number below it.
fn person(root: &Object<'_>, key: &str) -> Result<Option<ExternalId>, Reject> {
    if root.integer(key)?.is_none_or(|id| id <= 0) {
        return Ok(None);
    }
    root.optional_id(key)
}

fn line(reported: &Object<'_>, context: MapContext) -> Result<OrderLine, Reject> {
    // A coupon is rung up like a product; no catalog has it.
    let is_coupon = reported.flag("isCoupon")? == Some(true);
    Ok(OrderLine {
        external: reported.id("transactionItemId")?,
        variant: if is_coupon { None } else { reported.optional_id("productId")? },
        sku: None,
        title: None,
        quantity: reported.quantity("quantity")?.ok_or_else(|| reported.missing("quantity"))?,
        unit_price: reported.amount("unitPrice", context.currency)?,
        total: reported.amount("totalPrice", context.currency)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::{Value, json};

    fn rows(changes: Value) -> Result<Rows, Reject> {
        let mut body = json!({"transactionId": 9_001, "customerId": 77, "employeeId": 5, "isVoid": false,
            "transactionDate": "2025-07-29T19:40:00", "lastModifiedDateUTC": "2025-07-29T19:47:37.316", "isReturn": false,
            "subtotal": 100.0, "tax": 8.875, "totalDiscount": 5.0, "total": 103.88, "transactionType": "Retail",
            "items": [{"transactionItemId": 1, "productId": 171_097, "quantity": 3.5, "unitPrice": 10.0, "totalPrice": 35.0,
                "isCoupon": false}]});
        if let Value::Object(changes) = changes {
            body.as_object_mut().unwrap().extend(changes);
        }
        transaction(
            &Object::root(&body).unwrap(),
            MapContext { currency: Some(Currency::new("USD").unwrap()) },
        )
    }

    fn mapped(changes: Value) -> Mapped {
        rows(changes).unwrap().pop().unwrap().unwrap()
    }

    fn order_of(changes: Value) -> Order {
        let Payload::Order(order) = mapped(changes).payload else { panic!("an order expected") };
        order
    }

    #[test]
    fn a_sale_is_a_completed_order_in_the_connections_currency() {
        let order = order_of(json!({}));
        assert_eq!((order.total.unwrap().minor, order.tax.unwrap().minor), (10_388, 888));
        assert_eq!(order.status, OrderStatus::Completed);
        assert_eq!(order.placed_at.unwrap().to_string(), "2025-07-29T19:40:00Z");
        let [line] = order.lines.as_slice() else { panic!("one line expected") };
        assert_eq!(
            (line.quantity.to_string(), line.variant.as_ref().unwrap().as_str()),
            ("3.5".to_owned(), "171097")
        );
    }

    #[test]
    fn a_void_cancels_and_a_return_refunds() {
        let order = order_of(json!({"isVoid": true, "voidDate": "2025-07-30T08:00:00"}));
        assert_eq!((order.status, order.refund_of), (OrderStatus::Cancelled, None));
        assert_eq!(order.closed_at.unwrap().to_string(), "2025-07-30T08:00:00Z");
        let refund = order_of(json!({"isReturn": true, "returnOnTransactionId": 8_000, "total": -103.88}));
        assert_eq!((refund.refund_of.unwrap().as_str(), refund.total.unwrap().minor), ("8000", -10_388));
        assert_eq!(order_of(json!({"returnOnTransactionId": 8_000})).refund_of, None);
        assert_ne!(mapped(json!({})).identity, mapped(json!({"isVoid": true})).identity);
    }

    #[test]
    fn only_sales_to_customers_are_orders() {
        for other in ["Transfer", "WholesaleOrder"] {
            assert_eq!(rows(json!({ "transactionType": other })), Ok(Vec::new()), "{other}");
        }
        assert_eq!(rows(json!({"transactionType": null})).unwrap().len(), 1);
        assert_eq!(rows(json!({"transactionType": "New"})).unwrap_err().pointer.unwrap(), "/transactionType");
    }

    #[test]
    fn nobody_and_a_coupon_are_no_ids() {
        let order = order_of(json!({"customerId": -1, "employeeId": 0}));
        assert_eq!((order.customer, order.employee), (None, None));
        let coupon = json!([{"transactionItemId": 2, "productId": 3, "quantity": 1, "isCoupon": true, "totalPrice": -5}]);
        assert_eq!(order_of(json!({ "items": coupon })).lines[0].variant, None);
        let reject = rows(json!({"items": [{"transactionItemId": 2}]})).unwrap().pop().unwrap().unwrap_err();
        assert_eq!(reject.pointer.unwrap(), "/items/0/quantity");
    }
}

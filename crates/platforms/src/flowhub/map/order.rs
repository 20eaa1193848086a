//! Sales of the till: orders.

use super::settlement::settlement;
use crate::{MapContext, Mapped, field::Object};
use model::{Action, Order, OrderLine, OrderStatus, Payload, RawDigest, Settlement};
use stage::Reject;

/// The sale. It has no time of the last change: the content identifies the event. An unreadable line rejects the order,
/// as a sale without a line is another sale.
pub(super) fn order(root: &Object<'_>, context: MapContext) -> Result<Mapped, Reject> {
    let external = root.either_id("id")?.ok_or_else(|| root.missing("id"))?;
    let (placed_at, closed_at) = (root.utc_time("createdAt")?, root.utc_time("completedOn")?);
    let totals = root.object("totals")?;
    let amount = |key: &str| match &totals {
        Some(totals) => totals.minor_amount(key, context.currency),
        None => Ok(None),
    };
    let lines = root.objects("itemsInCart")?.unwrap_or_default();
    let lines = lines.iter().enumerate().map(|(index, reported)| line(index, reported, context));
    let order = Order {
        external,
        // No document mentions test sales.
        is_test: false,
        number: None,
        status: status(root)?,
        total: amount("FinalTotal")?,
        tax: amount("TotalTaxes")?,
        discount: amount("TotalDiscounts")?,
        placed_at,
        closed_at,
        customer: root.either_id("customerId")?,
        location: root.either_id("locationId")?,
        employee: root.either_id("budtenderId")?,
        refund_of: root.either_id("originalSaleId")?,
        lines: lines.collect::<Result<_, _>>()?,
        settlement: Settlement::default(),
    };
    // Payments and taxes aren't part of the identity: they change only with the totals or the status.
    let digest = RawDigest::of(serde_json::json!(order).to_string().as_bytes()).to_string();
    let order = Order { settlement: settlement(root, context)?, ..order };
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: closed_at.or(placed_at),
        version: None,
        identity: vec!["order".to_owned(), order.external.to_string(), digest],
        payload: Payload::Order(order),
    })
}

/// The status, whose case differs between the documents and the API.
fn status(root: &Object<'_>) -> Result<OrderStatus, Reject> {
    if root.flag("voided")? == Some(true) {
        return Ok(OrderStatus::Cancelled);
    }
    Ok(match root.required_text("orderStatus")?.to_ascii_lowercase().as_str() {
        "sold" => OrderStatus::Completed,
        "cancelled" | "canceled" | "voided" => OrderStatus::Cancelled,
        _ => OrderStatus::Open,
    })
}

fn line(index: usize, reported: &Object<'_>, context: MapContext) -> Result<OrderLine, Reject> {
    // A line without an id is identified by its index.
    let external =
        reported.either_id("id")?.map_or_else(|| reported.external("id", &index.to_string()), Ok)?;
    Ok(OrderLine {
        external,
        variant: reported.either_id("productId")?,
        sku: reported.code("sku")?,
        title: reported.stated("productName")?.map(ToOwned::to_owned),
        quantity: reported.quantity("quantity")?.ok_or_else(|| reported.missing("quantity"))?,
        unit_price: reported.minor_amount("unitPrice", context.currency)?,
        total: reported.minor_amount("totalPrice", context.currency)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;
    use serde_json::{Value, json};
    use stage::RejectClass;

    fn read(changes: Value, currency: Option<Currency>) -> Result<Mapped, Reject> {
        let mut body = json!({"id": "sale-001", "createdAt": "2026-05-01T10:00:00Z", "completedOn": "2026-05-01T10:05:00Z",
            "customerId": "", "locationId": "loc-001", "originalSaleId": "", "orderStatus": "sold", "voided": false,
            "totals": {"FinalTotal": 4_025, "SubTotal": 3_500, "TotalDiscounts": 0, "TotalFees": 0, "TotalTaxes": 525},
            "itemsInCart": [{"id": "item-001", "productId": "prod-001", "sku": "BD-35G", "quantity": 3.5,
                "productName": "Blue Dream 3.5g", "unitPrice": 1_000, "totalPrice": 3_500}]});
        if let Value::Object(changes) = changes {
            body.as_object_mut().unwrap().extend(changes);
        }
        order(&Object::root(&body).unwrap(), MapContext { currency })
    }

    fn mapped(changes: Value) -> Mapped {
        read(changes, Currency::new("USD").ok()).unwrap()
    }

    fn order_of(changes: Value) -> Order {
        let Payload::Order(order) = mapped(changes).payload else { panic!("an order expected") };
        order
    }

    #[test]
    fn amounts_are_cents_of_the_connections_currency() {
        let order = order_of(json!({}));
        assert_eq!(order.total.unwrap().to_string(), "40.25 USD");
        assert_eq!((order.tax.unwrap().minor, order.discount.unwrap().minor), (525, 0));
        assert_eq!((order.customer, order.refund_of), (None, None), "an empty id is none");
        assert_eq!(order.location.unwrap().as_str(), "loc-001");
        let [line] = order.lines.as_slice() else { panic!("one line expected") };
        assert_eq!((line.quantity.to_string(), line.total.unwrap().minor), ("3.5".to_owned(), 3_500));
        assert_eq!(read(json!({}), None).unwrap_err().class, RejectClass::Config);
        assert_eq!(order_of(json!({"totals": null})).total, None);
    }

    #[test]
    fn a_status_counts_whatever_its_case_and_a_void_before_it() {
        for (status, expected) in [
            ("sold", OrderStatus::Completed),
            ("Sold", OrderStatus::Completed),
            ("Cancelled", OrderStatus::Cancelled),
            ("voided", OrderStatus::Cancelled),
            ("pending", OrderStatus::Open),
            ("something new", OrderStatus::Open),
        ] {
            assert_eq!(order_of(json!({ "orderStatus": status })).status, expected, "{status}");
        }
        assert_eq!(order_of(json!({"voided": true})).status, OrderStatus::Cancelled);
    }

    #[test]
    fn payments_are_no_part_of_the_identity_which_older_deliveries_have() {
        let paid =
            json!({"payments": [{"_id": "p", "paymentType": "Debit", "amount": 4_025, "lastFour": "4242"}]});
        assert_eq!(mapped(paid.clone()).identity, mapped(json!({})).identity);
        let order = order_of(paid);
        let payments = order.settlement.payments.as_deref().unwrap();
        assert_eq!(
            (payments[0].kind, payments[0].amount.unwrap().minor),
            (model::PaymentKind::DebitCard, 4_025)
        );
        assert!(!format!("{order:?}").contains("4242"));
    }

    #[test]
    fn an_order_that_changed_is_another_event_and_one_that_did_not_is_the_same() {
        assert_eq!(mapped(json!({})).identity, mapped(json!({"budtender": "Ada"})).identity);
        assert_ne!(mapped(json!({})).identity, mapped(json!({"voided": true})).identity);
        assert_eq!(mapped(json!({})).version, None);
        assert_eq!(order_of(json!({"originalSaleId": "sale-000"})).refund_of.unwrap().as_str(), "sale-000");
    }
}

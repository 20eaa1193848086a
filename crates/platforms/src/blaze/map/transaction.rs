//! Transactions of the till: sales and refunds.

use super::{deleted, instant, is_deleted, required_instant};
use crate::{MapContext, Mapped, field::Object};
use model::{
    Action, EntityKind, ExternalId, Order, OrderLine, OrderStatus, Payload, Settlement, SourceVersion,
};
use stage::{Reject, RejectClass};

/// The kind of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sale,
    Refund,
    /// Goods that move without being sold.
    Movement,
}

/// The order; `None` for a transaction that is no sale and no refund. An unreadable line rejects the order, as a sale
/// without a line is another sale.
pub(super) fn transaction(root: &Object<'_>, context: MapContext) -> Result<Option<Mapped>, Reject> {
    let (external, at) = (root.text_id("id")?, required_instant(root, "modified")?);
    if is_deleted(root)? {
        return Ok(Some(deleted(EntityKind::Order, external, at)));
    }
    let (kind, reported_status) = (kind(root)?, root.required_text("status")?);
    if kind == Kind::Movement {
        return Ok(None);
    }
    let identity = vec!["order".to_owned(), external.to_string(), at.to_string(), reported_status.to_owned()];
    let order = order(external, kind, status(reported_status), root, context)?;
    Ok(Some(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity,
        payload: Payload::Order(order),
    }))
}

fn kind(root: &Object<'_>) -> Result<Kind, Reject> {
    match root.text("transType")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("sale") => Ok(Kind::Sale),
        Some("refund") => Ok(Kind::Refund),
        Some("adjustment" | "transfer") => Ok(Kind::Movement),
        Some(_) => {
            let reason = "not known to be a sale, a refund or a movement of goods";
            Err(root.reject(RejectClass::Schema, "transType", reason))
        }
    }
}

/// The status; one that isn't known is open, and can still become final.
fn status(reported: &str) -> OrderStatus {
    match reported.to_ascii_lowercase().as_str() {
        "completed" => OrderStatus::Completed,
        "canceled" | "cancelled" => OrderStatus::Cancelled,
        // A refund is a transaction of its own, completed once it has this status.
        status if status.starts_with("refund") => OrderStatus::Completed,
        _ => OrderStatus::Open,
    }
}

fn order(
    external: ExternalId,
    kind: Kind,
    status: OrderStatus,
    root: &Object<'_>,
    context: MapContext,
) -> Result<Order, Reject> {
    let cart = root.object("cart")?;
    let amount = |key: &str| cart.as_ref().map_or(Ok(None), |cart| cart.amount(key, context.currency));
    let placed_at = match instant(root, "startTime")? {
        Some(at) => Some(at),
        None => instant(root, "created")?,
    };
    let parent = root.optional_text_id("parentTransactionId")?;
    Ok(Order {
        // No field marks a transaction as a test.
        is_test: false,
        external,
        number: root.owned("transNo")?,
        status,
        total: amount("total")?,
        tax: amount("totalCalcTax")?,
        discount: amount("totalDiscount")?,
        placed_at,
        closed_at: if status.is_final() { instant(root, "completedTime")? } else { None },
        customer: root.optional_text_id("memberId")?,
        location: None,
        employee: root.optional_text_id("sellerId")?,
        refund_of: parent.filter(|_| kind == Kind::Refund),
        lines: cart.as_ref().map_or_else(|| Ok(Vec::new()), |cart| lines(cart, context))?,
        // No document names the fields of its payments (README).
        settlement: Settlement::default(),
    })
}

fn lines(cart: &Object<'_>, context: MapContext) -> Result<Vec<OrderLine>, Reject> {
    let items = cart.objects("items")?.unwrap_or_default();
    items.iter().enumerate().map(|(index, item)| line(index, item, context)).collect()
}

fn line(index: usize, item: &Object<'_>, context: MapContext) -> Result<OrderLine, Reject> {
    let external = match item.optional_text_id("orderItemId")? {
        Some(id) => Some(id),
        None => item.optional_text_id("id")?,
    };
    // A line without an id is identified by its index.
    let external = external.map_or_else(|| item.external("id", &index.to_string()), Ok)?;
    Ok(OrderLine {
        external,
        variant: item.optional_text_id("productId")?,
        sku: item.code("productSku")?,
        title: item.owned("productName")?,
        quantity: item.quantity("quantity")?.ok_or_else(|| item.missing("quantity"))?,
        unit_price: item.amount("unitPrice", context.currency)?,
        total: item.amount("finalPrice", context.currency)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{MapContext, Mapped, Object, Order, OrderStatus, Payload, Reject};
    use model::Currency;
    use serde_json::{Value, json};
    use stage::RejectClass;

    const DOLLARS: fn() -> MapContext = || MapContext { currency: Some(Currency::new("USD").unwrap()) };

    fn body(changes: Value) -> Value {
        let mut sale = json!({"id": "t-1", "transNo": "1001", "transType": "Sale", "status": "Completed",
            "modified": 1_718_900_000_123_u64, "created": 1_718_899_000_000_u64, "startTime": 1_718_899_500_000_u64,
            "completedTime": 1_718_900_000_000_u64, "memberId": "m-1", "sellerId": "e-1",
            "cart": {"total": 40.1, "totalCalcTax": 5.1, "totalDiscount": 0.0, "items": []}});
        if let Value::Object(changes) = changes {
            sale.as_object_mut().unwrap().extend(changes);
        }
        sale
    }

    fn transaction(changes: Value) -> Result<Option<Mapped>, Reject> {
        super::transaction(&Object::root(&body(changes)).unwrap(), DOLLARS())
    }

    fn order_of(changes: Value) -> Order {
        let Payload::Order(order) = transaction(changes).unwrap().unwrap().payload else {
            panic!("an order")
        };
        order
    }

    #[test]
    fn a_sale_is_an_order_in_the_connections_currency() {
        let order = order_of(json!({}));
        assert_eq!((order.external.as_str(), order.number.as_deref()), ("t-1", Some("1001")));
        let minor = |amount: Option<model::Money>| amount.unwrap().minor;
        assert_eq!((minor(order.total), minor(order.tax), minor(order.discount)), (4_010, 510, 0));
        assert_eq!((order.customer.unwrap().as_str(), order.employee.unwrap().as_str()), ("m-1", "e-1"));
        assert_eq!(order.placed_at.unwrap().to_string(), "2024-06-20T16:05:00Z");
        assert_eq!(order.closed_at.unwrap().to_string(), "2024-06-20T16:13:20Z");
        let reject =
            super::transaction(&Object::root(&body(json!({}))).unwrap(), MapContext { currency: None });
        assert_eq!(reject.unwrap_err().class, RejectClass::Config);
    }

    #[test]
    fn zero_is_no_time_and_an_open_order_is_not_closed() {
        let order = order_of(json!({"startTime": 0, "status": "Queued"}));
        assert_eq!(order.placed_at.unwrap().to_string(), "2024-06-20T15:56:40Z", "that of its creation");
        assert_eq!((order.status, order.closed_at), (OrderStatus::Open, None));
        assert_eq!(order_of(json!({"startTime": 0, "created": 0})).placed_at, None);
    }

    #[test]
    fn the_status_is_read_in_any_case_and_an_unknown_one_is_open() {
        for (reported, expected) in [
            ("Completed", OrderStatus::Completed),
            ("completed", OrderStatus::Completed),
            ("Canceled", OrderStatus::Cancelled),
            ("Cancelled", OrderStatus::Cancelled),
            ("Refund", OrderStatus::Completed),
            ("Queued", OrderStatus::Open),
            ("SOMETHING NEW", OrderStatus::Open),
        ] {
            assert_eq!(order_of(json!({"status": reported})).status, expected, "{reported}");
        }
    }

    #[test]
    fn only_a_refund_refunds_another_transaction() {
        let refund =
            order_of(json!({"transType": "Refund", "status": "Refund", "parentTransactionId": "t-0"}));
        assert_eq!(refund.refund_of.unwrap().as_str(), "t-0");
        assert_eq!(order_of(json!({"parentTransactionId": "t-0"})).refund_of, None);
        assert_eq!(order_of(json!({"transType": "Refund", "parentTransactionId": ""})).refund_of, None);
    }

    #[test]
    fn movements_of_goods_are_no_orders_and_unknown_kinds_are_rejected() {
        for kind in ["Adjustment", "transfer"] {
            assert_eq!(transaction(json!({"transType": kind})), Ok(None), "{kind}");
        }
        assert!(transaction(json!({"transType": null})).unwrap().is_some());
        let reject = transaction(json!({"transType": "Barter"})).unwrap_err();
        assert_eq!((reject.class, reject.pointer.as_deref()), (RejectClass::Schema, Some("/transType")));
    }

    #[test]
    fn lines_are_of_products_and_an_unreadable_one_rejects_the_order() {
        let items = json!([
            {"orderItemId": "l-1", "id": "x", "productId": "p-1", "productSku": "BD35", "productName": "Blue Dream",
                "quantity": 3.5, "unitPrice": 10, "finalPrice": 35.0},
            {"id": "l-2", "quantity": "2"},
            {"quantity": 1},
        ]);
        let order = order_of(json!({"cart": {"items": items}}));
        let [first, second, third] = order.lines.as_slice() else { panic!("three lines expected") };
        assert_eq!((first.external.as_str(), first.sku.as_deref()), ("l-1", Some("BD35")));
        assert_eq!((first.quantity.to_string(), first.total.unwrap().minor), ("3.5".to_owned(), 3_500));
        assert_eq!((second.external.as_str(), &second.variant), ("l-2", &None));
        assert_eq!(third.external.as_str(), "2");
        let reject = transaction(json!({"cart": {"items": [{"quantity": null}]}})).unwrap_err();
        assert_eq!(reject.pointer.unwrap(), "/cart/items/0/quantity");
    }

    #[test]
    fn a_move_to_another_status_is_another_event() {
        let identity = |status| transaction(json!({"status": status})).unwrap().unwrap().identity;
        assert_eq!(identity("Queued"), identity("Queued"));
        assert_ne!(identity("Queued"), identity("Completed"));
    }
}

//! Orders of which a report contains only a part.

use super::{Facts, Order, OrderStatus, Outcome, Payload, event, external, fold, order_in};
use model::{Currency, Money, Payment, PaymentKind, Refund, Settlement};

#[test]
fn an_order_that_names_no_employee_keeps_the_one_it_had() {
    let sold_by = |employee: Option<&str>| {
        Payload::Order(Order { employee: employee.map(external), ..order_in(OrderStatus::Completed) })
    };
    let events = vec![
        event("a", 1, Some(1), sold_by(Some("ada"))),
        event("a", 2, Some(1), sold_by(None)),
        event("a", 3, Some(2), sold_by(Some("grace"))),
    ];
    let (outcomes, folded) = fold(Facts::default(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Unchanged, Outcome::Applied]);
    let order = &folded.changes.orders.values().next().unwrap().order;
    assert_eq!(order.employee, Some(external("grace")));
}

#[test]
fn a_report_without_payments_keeps_those_it_had_and_a_refund_is_a_change() {
    let paid = Settlement {
        tip: Some(Money { minor: 200, currency: Currency::new("USD").unwrap() }),
        payments: Some(vec![Payment::of(PaymentKind::Cash)]),
        ..Settlement::default()
    };
    let refund = Refund { external: Some(external("r")), amount: None, refunded_at: None, lines: Vec::new() };
    let refunded = Settlement { refunds: Some(vec![refund]), ..Settlement::default() };
    let sold = |settlement: &Settlement| {
        Payload::Order(Order { settlement: settlement.clone(), ..order_in(OrderStatus::Completed) })
    };
    let events = vec![
        event("a", 1, Some(1), sold(&paid)),
        event("a", 2, Some(1), sold(&Settlement::default())),
        event("a", 3, Some(2), sold(&refunded)),
    ];
    let (outcomes, folded) = fold(Facts::default(), events);
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Unchanged, Outcome::Applied]);
    let order = &folded.changes.orders.values().next().unwrap().order;
    assert_eq!(order.settlement, Settlement { refunds: refunded.refunds, ..paid });
}

//! Maps the objects of Leaflogix' lists to the model.

mod customer;
mod details;
mod discount;
mod employee;
mod levels;
mod product;
mod settlement;
mod transaction;

use crate::{MapContext, Rows, field::Object};
use model::Delivery;
use serde_json::Value;
use stage::Reject;

/// The events in the body of `delivery`.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    let root = Object::root(body)?;
    match delivery.kind.topic() {
        "product" => product::product(delivery, &root, context),
        "inventory" => Ok(vec![levels::level(delivery, &root)]),
        "customer" => Ok(vec![customer::customer(delivery, &root)]),
        "discount" => Ok(vec![discount::discount(&root, context)]),
        "employee" => Ok(vec![employee::employee(delivery, &root)]),
        "employee_absent" => Ok(vec![employee::absent(&root)]),
        "discount_absent" => Ok(vec![discount::absent(&root)]),
        "transaction" => transaction::transaction(&root, context),
        _ => Ok(Vec::new()),
    }
}

/// A delivery of `topic` with `body`, as one of our own reads hands it over.
#[cfg(test)]
pub(super) fn tests_delivery(topic: &str, body: &Value) -> Delivery {
    crate::sample::delivery("leaflogix", topic, body)
}

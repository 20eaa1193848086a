//! Maps the objects of Flowhub's lists to the model.

mod customer;
mod details;
mod levels;
mod order;
mod product;
mod settlement;

use crate::{MapContext, Rows, field::Object};
use model::Delivery;
use serde_json::Value;
use stage::Reject;

/// The events in the body of `delivery`.
pub(super) fn map(delivery: &Delivery, body: &Value, context: MapContext) -> Result<Rows, Reject> {
    let root = Object::root(body)?;
    match delivery.kind.topic() {
        "product" => Ok(vec![product::product(delivery, &root)]),
        "inventory" => levels::levels(delivery, &root),
        "customer" => Ok(vec![customer::customer(&root)]),
        "order" => Ok(vec![order::order(&root, context)]),
        _ => Ok(Vec::new()),
    }
}

/// A delivery of `topic` with `body`, as one of our own reads hands it over.
#[cfg(test)]
pub(super) fn tests_delivery(topic: &str, body: &Value) -> Delivery {
    crate::sample::delivery("flowhub", topic, body)
}

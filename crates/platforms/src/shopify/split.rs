//! Topic and delivery id; Shopify puts both into headers.

use super::{TOPIC, WEBHOOK_ID};
use crate::{Delivered, Signed};

/// Reads topic and webhook id from the headers. The webhook id identifies one delivery of one subscription. The event
/// id doesn't, as all deliveries of one action of the merchant share it; it is not used to distinguish deliveries.
pub(super) fn split(signed: &Signed<'_>) -> Option<Delivered> {
    let topic = TOPIC.of(|name| signed.header(name))?.to_owned();
    let distinct = WEBHOOK_ID.of(|name| signed.header(name)).map(ToOwned::to_owned);
    Some(Delivered { topic, distinct })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_of(headers: &[(&str, &str)]) -> Option<Delivered> {
        let headers: Vec<_> =
            headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        split(&Signed { headers: &headers, body: b"{}" })
    }

    #[test]
    fn topic_and_delivery_come_from_headers_of_either_name() {
        let delivered = Delivered { topic: "products/update".to_owned(), distinct: Some("w-1".to_owned()) };
        let present = [("x-shopify-topic", "products/update"), ("x-shopify-webhook-id", "w-1")];
        let events = [("shopify-topic", "products/update"), ("shopify-webhook-id", "w-1")];
        assert_eq!(split_of(&present), Some(delivered.clone()));
        assert_eq!(split_of(&events), Some(delivered));
    }

    #[test]
    fn the_event_id_distinguishes_no_deliveries() {
        let headers = [("x-shopify-topic", "orders/paid"), ("x-shopify-event-id", "e-1")];
        assert_eq!(split_of(&headers).unwrap().distinct, None);
        assert_eq!(split_of(&[("x-shopify-webhook-id", "w-1")]), None);
    }
}

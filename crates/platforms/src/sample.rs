//! Deliveries for the tests of maps.

use model::{
    ConnectionId, Delivery, DeliveryId, DeliveryKind, Origin, PlatformName, Source, StoreId, TenantId,
    Timestamp, TraceParent,
};
use serde_json::Value;

/// A delivery of `topic` with `body`, as one of our own reads hands it over.
pub(crate) fn delivery(platform: &str, topic: &str, body: &Value) -> Delivery {
    let id = DeliveryId::from_bytes([1; 16]);
    Delivery {
        id,
        origin: Origin {
            tenant: TenantId::new("tenant").unwrap(),
            store: StoreId::new("store").unwrap(),
            connection: ConnectionId::new("connection").unwrap(),
            platform: PlatformName::new(platform).unwrap(),
        },
        kind: DeliveryKind::Platform(topic.into()),
        received_at: Timestamp::from_micros(0),
        source: Source::Fetch,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body: body.to_string().into_bytes().into(),
    }
}

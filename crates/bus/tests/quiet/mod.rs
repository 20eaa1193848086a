//! Readers without deliveries.

use crate::{Broker, HERE};
use bus::{Feed, Start};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// The server sends heartbeats to a reader and delivers nothing, as it does to a paused consumer.
#[tokio::test]
async fn a_reader_that_is_delivered_nothing_begins_anew_when_there_is_something() {
    let broker = Broker::start().await;
    let bus = broker.declared().await;
    let mut reader = bus.read(Feed::Raw, HERE, Start::First).await.unwrap();
    let client = async_nats::connect(broker.nats.url()).await.unwrap();
    let call = async |call: &str, body: &str| {
        let reply = client.request(format!("$JS.API.{call}"), body.to_owned().into()).await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&reply.payload).unwrap()
    };
    let names = call("CONSUMER.NAMES.RAW-1", "").await;
    let name = names["consumers"][0].as_str().unwrap().to_owned();
    let paused =
        call(&format!("CONSUMER.PAUSE.RAW-1.{name}"), "{\"pause_until\": \"2100-01-01T00:00:00Z\"}").await;
    assert_eq!(paused["paused"], true, "{paused}");
    bus.append_raw(HERE, Bytes::from_static(b"one"), "batch", 1).await.unwrap();
    let read = timeout(Duration::from_mins(1), reader.waiting(10)).await;
    assert_eq!(read.expect("it begins anew").unwrap().len(), 1);
}

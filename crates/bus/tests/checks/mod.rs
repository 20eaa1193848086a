//! The server that a bus is used with, and the installation that it has.

use crate::Broker;
use bus::{Bus, BusConfig, Durability, PAYLOAD_BYTES_MIN};
use model::PartitionCount;
use sandbox::NatsOptions;

#[tokio::test]
async fn a_server_that_syncs_is_fit() {
    let broker = Broker::start().await;
    let profile = broker.connect().await.check().await.unwrap();
    assert_eq!(profile.durability, Durability::Synced);
    assert_eq!(profile.max_payload_bytes, PAYLOAD_BYTES_MIN);
    assert!(profile.cores.is_some_and(|cores| cores > 0), "{profile:?}");
}

#[tokio::test]
async fn an_installation_keeps_its_number_of_partitions_whatever_is_configured() {
    let broker = Broker::start().await;
    assert_eq!(Bus::installed_partitions(&broker.config()).await.unwrap(), None);
    broker.declared().await;
    let another = BusConfig { partitions: PartitionCount::new(16).unwrap(), ..broker.config() };
    assert_eq!(Bus::installed_partitions(&another).await.unwrap(), PartitionCount::new(4));
}

#[tokio::test]
async fn a_server_that_does_not_sync_is_refused_with_the_fix_unless_that_is_allowed() {
    let broker = Broker::start_as(|options| NatsOptions { sync_always: false, ..options }).await;
    let refused = broker.connect().await.check().await.unwrap_err().to_string();
    assert!(refused.contains("sync_interval: always") && refused.contains("allow_unsafe"), "{refused}");

    let allowed = BusConfig { allow_unsafe: true, ..broker.config() };
    let profile = Bus::connect(&allowed).await.unwrap().check().await.unwrap();
    assert!(matches!(profile.durability, Durability::Unsafe { .. }));
}

#[tokio::test]
async fn a_server_that_does_not_take_the_largest_delivery_is_refused_with_the_fix() {
    let four_mebibytes = |options| NatsOptions { max_payload_bytes: 4 << 20, ..options };
    let broker = Broker::start_as(four_mebibytes).await;
    let refused = broker.connect().await.check().await.unwrap_err().to_string();
    assert!(refused.contains("4194304 bytes") && refused.contains("max_payload: 8MB"), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_seen_counts_as_unsafe() {
    let broker = Broker::start().await;
    let blind = BusConfig { monitoring_url: None, ..broker.config() };
    let refused = Bus::connect(&blind).await.unwrap().check().await.unwrap_err().to_string();
    assert!(refused.contains("monitoring_url"), "{refused}");

    let other = Broker::start().await;
    let wrong = BusConfig { monitoring_url: Some(other.nats.monitoring_url()), ..broker.config() };
    let refused = Bus::connect(&wrong).await.unwrap().check().await.unwrap_err().to_string();
    assert!(refused.contains("another server"), "{refused}");
}

#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used)]
use bus::{Bus, BusConfig};
use bytes::Bytes;
use model::{Partition, PartitionCount};
use sandbox::{Nats, NatsCluster, NatsOptions, Scratch};
use std::time::Instant;
async fn measure(label: &str, bus: &Bus) {
    let mut each = Vec::new();
    for n in 0..1000 {
        let t = Instant::now();
        bus.append_raw(Partition(n % 4), Bytes::from(vec![0; 2000]), &format!("b{n}"), 1).await.unwrap();
        each.push(t.elapsed());
    }
    each.sort();
    println!("{label}: p50 {:?} p90 {:?} p99 {:?} max {:?}", each[500], each[900], each[990], each[999]);
    let t = Instant::now();
    let tasks: Vec<_> = (0..4).map(|p| { let bus = bus.clone(); tokio::spawn(async move { for n in 0..500 { bus.append_raw(Partition(p), Bytes::from(vec![0; 2000]), &format!("c{p}-{n}"), 1).await.unwrap(); } }) }).collect();
    for t in tasks { t.await.unwrap(); }
    println!("{label}: 4 at once {:.0}/s", 2000.0 / t.elapsed().as_secs_f64());
}
#[tokio::test(flavor = "multi_thread")]
async fn probe() {
    let scratch = Scratch::new().unwrap();
    let config = BusConfig { partitions: PartitionCount::new(4).unwrap(), feed_max_bytes: 64 << 20, applied_max_bytes: 64 << 20, dead_max_bytes: 1 << 20, ..BusConfig::default() };
    let nats = Nats::start(NatsOptions::new(scratch.path().join("one"))).await.unwrap();
    let cluster = NatsCluster::start(&scratch.path().join("three")).await.unwrap();
    let one = Bus::connect(&BusConfig { servers: vec![nats.url()], ..config.clone() }).await.unwrap();
    one.declare().await.unwrap();
    let three = Bus::connect(&BusConfig { servers: cluster.urls(), replicas: 3, ..config.clone() }).await.unwrap();
    three.declare().await.unwrap();
    for _ in 0..2 {
        measure("one, synced   ", &one).await; measure("three replicas", &three).await;
    }
}

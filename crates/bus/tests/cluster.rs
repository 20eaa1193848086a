//! Against three real nats-servers.
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use bus::{Bus, BusConfig, Feed, Start};
use bytes::Bytes;
use model::{Partition, PartitionCount, Position};
use sandbox::{NatsCluster, Scratch};
use std::time::{Duration, Instant};

const HERE: Partition = Partition(3);

fn config(cluster: &NatsCluster) -> BusConfig {
    BusConfig {
        servers: cluster.urls(),
        partitions: PartitionCount::new(4).unwrap(),
        replicas: 3,
        feed_max_bytes: 64 << 20,
        applied_max_bytes: 64 << 20,
        dead_max_bytes: 1 << 20,
        ..BusConfig::default()
    }
}

async fn leader(url: &str, stream: &str) -> Option<String> {
    let client = async_nats::connect(url).await.ok()?;
    let context = async_nats::jetstream::new(client);
    let mut s = context.get_stream(stream).await.ok()?;
    s.info().await.ok()?.cluster.clone()?.leader
}

#[tokio::test]
async fn explore() {
    let scratch = Scratch::new().unwrap();
    let mut cluster = NatsCluster::start(scratch.path()).await.unwrap();
    let t = Instant::now();
    let bus = Bus::connect(&config(&cluster)).await.unwrap();
    println!("profile {:?}", bus.check().await.unwrap());
    bus.declare().await.unwrap();
    println!("declared in {:?}", t.elapsed());
    let t = Instant::now();
    let mut worst = Duration::ZERO;
    for n in 0..200 {
        let t = Instant::now();
        bus.append_raw(HERE, Bytes::from(vec![0; 1000]), &format!("b{n}"), 1).await.unwrap();
        worst = worst.max(t.elapsed());
    }
    println!("200 appends {:?} worst {worst:?}", t.elapsed());
    let lead = leader(&cluster.servers[0].url(), "RAW-0").await.unwrap();
    println!("leader {lead}");
    let index = cluster.servers.iter().position(|s| s.name() == lead).unwrap();
    cluster.servers[index].kill().await.unwrap();
    let t = Instant::now();
    let mut n = 200;
    let mut tries = 0;
    while n < 220 {
        tries += 1;
        match bus.append_raw(HERE, Bytes::from(vec![0; 1000]), &format!("b{n}"), 1).await {
            Ok(s) => { if n == 200 {println!("first append after kill {:?} at seq {s} tries {tries}", t.elapsed());} n += 1 }
            Err(e) => println!("{:?} {e:?}", t.elapsed()),
        }
    }
    let t = Instant::now();
    cluster.servers[index].restart().await.unwrap();
    cluster.agreed().await.unwrap();
    println!("restarted and agreed {:?}", t.elapsed());
    let mut appender = bus.appender(Feed::Normalized, HERE, None);
    for raw in 1..=20_u64 {
        appender.append(Bytes::from("x"), Position { raw_sequence: raw, delivery: 0, event: 0 }, raw, 3).await.unwrap();
    }
    let lead = leader(&cluster.urls()[0], "NORMALIZED-0").await.unwrap();
    let index = cluster.servers.iter().position(|s| s.name() == lead).unwrap();
    let mut reader = bus.read(Feed::Normalized, HERE, Start::First).await.unwrap();
    println!("read {}", reader.waiting(100).await.unwrap().len());
    println!("kill {lead}");
    cluster.servers[index].kill().await.unwrap();
    let t = Instant::now();
    let read = tokio::spawn(async move {
        let mut count = 0;
        loop {
            let m = reader.waiting(100).await.unwrap();
            count += m.len();
            println!("   read {} at {:?}", m.len(), t.elapsed());
            if m.iter().any(|m| m.covers.unwrap().raw_sequence >= 60) { break }
        }
        count
    });
    let mut raw = 21;
    while raw <= 60 {
        match appender.append(Bytes::from("x"), Position { raw_sequence: raw, delivery: 0, event: 0 }, raw, 3).await {
            Ok(_) => { if raw == 21 { println!("first append {:?}", t.elapsed()); } raw += 1 }
            Err(e) => {
                println!("{:?} {raw} {e:?}", t.elapsed());
                let tail = loop { match bus.tail(Feed::Normalized, HERE).await { Ok(t) => break t, Err(e) => {println!("{:?} tail {e:?}", t.elapsed()); tokio::time::sleep(Duration::from_millis(200)).await} } };
                let tail = tail.unwrap();
                println!("{:?} tail {} covers {:?}", t.elapsed(), tail.sequence, tail.covers);
                raw = tail.covers.unwrap().raw_sequence + 1;
                appender = bus.appender(Feed::Normalized, HERE, Some(&tail));
            }
        }
    }
    println!("done {:?}", t.elapsed());
    println!("read {}", read.await.unwrap());
}

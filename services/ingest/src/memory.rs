//! The memory that the limits allow, compared with the memory limit of the pod.

use crate::{Config, body::PROCESSED_AT_ONCE_MAX, bus_intake::READING_CONNECTIONS};
use std::{fs, path::Path};

const MIB: usize = 1 << 20;
/// An HTTP connection: the largest head (16 KiB, `runner/serve/head.rs`), its task and buffers.
const CONNECTION_BYTES: usize = 24 << 10;
/// The program, compiled schemas, remembered connections and ids.
const REST_BYTES: usize = 128 * MIB;

/// The most memory that the limits allow, in bytes.
fn most(config: &Config) -> usize {
    let bodies = config.body_bytes_in_flight_max;
    // A batch for RAW holds bodies under way again: once encoded and once compressed.
    let batches = 2 * bodies;
    // A growing buffer may have twice the capacity that it needs.
    let decompressing = PROCESSED_AT_ONCE_MAX * 2 * wire::DELIVERY_BYTES_MAX;
    // One message that is being read on each connection to the broker, that of RAW included.
    let reading = (READING_CONNECTIONS + 1) * bus::PAYLOAD_BYTES_MIN;
    let connections = config.connections_max * CONNECTION_BYTES;
    bodies + batches + decompressing + reading + connections + REST_BYTES
}

/// The memory limit of a deployment, in bytes.
fn limit_of(manifest: &str) -> usize {
    let text = manifest.split_once("limits: {memory: ").map(|(_, text)| text).unwrap();
    let (count, _) = text.split_once("Mi}").unwrap();
    count.parse::<usize>().unwrap() * MIB
}

#[test]
fn the_pod_may_have_the_memory_that_the_limits_allow() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../k8s/base/ingest");
    let read = |name: &str| fs::read_to_string(base.join(name)).unwrap();
    let config = Config::default();
    // The sum is of the defaults, so the cluster's configuration may set no other values.
    for (setting, counted) in [
        ("body_bytes_in_flight_max", config.body_bytes_in_flight_max),
        ("connections_max", config.connections_max),
    ] {
        let settings = read("config.toml");
        let set = settings.lines().find_map(|line| line.strip_prefix(setting)?.trim().strip_prefix('='));
        assert!(set.is_none_or(|set| set.trim() == counted.to_string()), "{setting} is {set:?}");
    }
    let (most, limit) = (most(&config), limit_of(&read("deployment.yaml")));
    assert_eq!(most / MIB, 496, "docs/security.md and the deployment say the sum");
    assert!(most <= limit, "{} MiB may be held, {} are allowed", most / MIB, limit / MIB);
}

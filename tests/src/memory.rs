//! The memory limit of a deployed service covers one message or payload of the largest size on each of its threads.

use std::{fs, path::Path};

const MIB: usize = 1 << 20;
/// Memory for the program, its connections and caches, and the batches of its partitions.
const REST_BYTES: usize = 128 * MIB;

/// The number between these texts of a manifest.
fn number(manifest: &str, before: &str, after: &str) -> usize {
    let (_, text) = manifest.split_once(before).unwrap_or_else(|| panic!("no {before:?}"));
    let (number, _) = text.split_once(after).unwrap_or_else(|| panic!("no {after:?}"));
    number.parse().unwrap_or_else(|_| panic!("{number:?} is no number"))
}

#[test]
fn every_pod_may_have_the_memory_of_what_its_threads_read() {
    let json = platforms::MEMORY_MAX;
    let lists = wire::LISTS_BYTES_MAX;
    // Each service with the kind of input that takes the most memory.
    for (service, most) in [
        ("base/apply", lists),
        ("base/dedupe", lists),
        ("base/enrich", lists),
        ("base/normalize", json),
        ("transform", json),
        ("base/fetch", json),
        ("base/propagate", json),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s").join(service).join("deployment.yaml");
        let manifest = fs::read_to_string(&file).expect("a manifest");
        let threads = number(&manifest, "{name: TOKIO_WORKER_THREADS, value: \"", "\"}");
        let limit = number(&manifest, "limits: {memory: ", "Mi}") * MIB;
        let held = REST_BYTES + threads * most;
        assert!(held <= limit, "{service}: {} MiB may be held, {} are allowed", held / MIB, limit / MIB);
    }
}

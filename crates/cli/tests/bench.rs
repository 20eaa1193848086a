//! Small runs of benchmarks, with servers of their own.
#![expect(clippy::expect_used, reason = "a test may panic, and so may what it is made of")]

use serde_json::Value;
use std::{
    fs,
    process::{Command, Output, Stdio},
};

/// Runs `tillflow --output json bench` with these arguments.
fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tillflow"));
    command.args(["--output", "json", "bench"]).args(arguments).stdin(Stdio::null());
    command.output().expect("it can be run")
}

#[test]
fn values_arrive_at_the_other_platform_or_are_replaced_by_newer_ones_and_the_last_ones_always_arrive() {
    // Two shops accept ten calls a second each: far fewer than there are values.
    let load = ["--events", "1000", "--rate", "500", "--stores", "2", "--items", "5"];
    let output = bench(&[&["propagate"], &load[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let propagation = &report["propagation"];
    let count = |figure: &str| propagation[figure].as_u64().expect("a count");
    let (values, coalesced) = (count("values"), count("coalesced"));
    assert_eq!((report["events"].as_u64(), values + coalesced), (Some(1000), 1000), "{report}");
    assert!(values >= 10 && coalesced > 0, "the last value of each item at least: {report}");
    assert!(count("calls") >= values && count("echoes") >= values, "each is reported back: {report}");
    assert_eq!(count("calls_failed"), 0, "{report}");
    let within_ms = |latency: &Value, share: &str| latency[share].as_f64().expect("a time");
    for latency in [&report["latency_ms"], &propagation["latency_ms"]] {
        let shares = ["p50", "p90", "p99", "p999", "max"].map(|share| within_ms(latency, share));
        assert!(shares[0] > 0.0 && shares.is_sorted(), "{report}");
    }
    assert!(report["cpu_us_per_event"]["load"].as_f64().is_some_and(|load| load > 0.0), "{report}");

    let scratch = sandbox::Scratch::new().expect("a folder to throw away");
    let file = scratch.path().join("earlier.json");
    fs::write(&file, &output.stdout).expect("it can be written");
    let compared = bench(&["pipeline", "--compare", file.to_str().expect("a path in UTF-8")]);
    assert_eq!(compared.status.code(), Some(2), "a report of another benchmark");
}

#[test]
fn a_first_sync_ends_when_every_object_of_every_list_is_in_the_record() {
    let is_listed = |platform: &&&dyn platforms::Platform| {
        let collections = platform.collections();
        collections.is_some_and(|lists| lists.all().iter().any(|list| list.name == "levels"))
    };
    let names: Vec<_> = platforms::all().iter().filter(is_listed).map(|platform| platform.name()).collect();
    let output = bench(&["sync", "--products", "30", "--platforms", &names[..2].join(",")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let platforms = report["platforms"].as_array().expect("a list");
    assert_eq!(platforms.len(), 2, "{report}");
    for platform in platforms {
        assert_eq!(platform["objects"].as_u64(), Some(60), "30 products and 30 levels: {report}");
        assert!(platform["calls"].as_u64().is_some_and(|calls| calls >= 2), "{report}");
    }
    let output = bench(&["sync", "--platforms", "nobody"]);
    assert_eq!(output.status.code(), Some(2), "a platform that isn't known");
}

#[test]
fn shops_whose_webhooks_are_all_lost_agree_after_their_next_reads() {
    let has_levels = |platform: &&&dyn platforms::Platform| {
        let collections = platform.collections();
        collections.is_some_and(|lists| lists.all().iter().any(|list| list.name == "levels"))
    };
    let is_written =
        |platform: &&&dyn platforms::Platform| platform.write_limits(model::MirrorKind::Inventory).is_some();
    let listed = || platforms::all().iter().filter(has_levels);
    let polled = listed().find(|platform| platform.webhooks().is_none()).expect("a till without webhooks");
    let written: Vec<_> = listed().filter(is_written).map(|platform| platform.name()).collect();
    let names = [polled.name(), written[0], written[1]].join(",");
    let day = ["--sales", "30", "--rate", "30", "--lost", "1", "--every-seconds", "3"];
    let output = bench(&[&["sync", "--products", "10", "--platforms", &names], &day[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let day = &report["day"];
    assert_eq!(day["sales"].as_u64(), Some(30), "{report}");
    assert!(day["webhooks_lost"].as_u64().is_some_and(|lost| lost >= 20), "{report}");
    assert!(day["agree_after_seconds"].as_f64().is_some(), "{report}");
}

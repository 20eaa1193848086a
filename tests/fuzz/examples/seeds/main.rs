//! Writes the fuzzer's first inputs for every target, made of the platforms' examples and of the cases:
//! `cargo run -p fuzz-targets --example seeds -- fuzz/corpus`.
#![expect(clippy::expect_used, reason = "a tool that can't go on ends")]

mod streams;
mod texts;

use fuzz_targets::TARGETS;
use serde_json::Value;
use std::{fs, path::Path};
use testkit::{Account, Example, examples};

/// The name of a target, and an input for it.
type Seed = (&'static str, Vec<u8>);

fn main() {
    let folder = std::env::args().nth(1).expect("the folder that the inputs are written to");
    let mut seeds = payloads();
    seeds.extend(replies());
    seeds.extend(streams::seeds());
    seeds.extend(texts::seeds());
    for (target, _) in TARGETS {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        let of_target = seeds.iter().filter(|(of, _)| *of == target);
        for (number, (_, seed)) in of_target.enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed).expect("the folder can be written to");
        }
    }
}

/// Each example and each body of a case, as a delivery of its topic.
fn payloads() -> Vec<Seed> {
    let of_examples = examples().into_iter().map(|example| payload(&example, "webhook"));
    let mut seeds: Vec<Seed> = of_examples.collect();
    let is_fetched =
        |example: &Example| example.platform.topic(example.topic).is_some_and(|topic| !topic.is_sent());
    let fetched = examples().into_iter().filter(is_fetched);
    seeds.extend(fetched.map(|example| payload(&example, "fetch")));
    seeds.extend(cases().into_iter().map(|seed| ("payloads", seed)));
    // Several reports of one connection, one after the other.
    for platform in platforms::all() {
        let of: Vec<Vec<u8>> = examples()
            .iter()
            .filter(|example| example.platform.name() == platform.name())
            .map(|example| payload(example, "publish").1)
            .collect();
        seeds.extend(of.chunks(4).map(|few| ("payloads", few.join(&b"\n%%\n"[..]))));
    }
    seeds
}

fn payload(example: &Example, source: &str) -> Seed {
    let account = Account {
        connection: model::ConnectionId::new("c").expect("a connection's id"),
        platform: example.platform.name(),
        name: "tests".to_owned(),
        webhook_url: "https://hooks.example.com".to_owned(),
        secret: "secret".to_owned(),
        simulator: None,
    };
    let headers = account.sign(example.topic, "delivery", example.body.clone()).headers;
    let read = example.platform.webhooks().map_or(&[][..], |webhooks| webhooks.kept_headers());
    let kept = headers.iter().filter(|(name, _)| read.contains(&name.as_str()));
    let kept: Vec<String> = kept.map(|(name, value)| format!("{name}: {value}\n")).collect();
    let kept = kept.concat();
    let head =
        format!("{} {} {source}\n{kept}tillflow-currency: USD\n\n", example.platform.name(), example.topic);
    ("payloads", [head.as_bytes(), &example.body].concat())
}

/// The deliveries of the cases that contain their bodies.
fn cases() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    let files = fs::read_dir(folder).expect("there are cases").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    files.iter().filter_map(|file| case(&fs::read_to_string(file).expect("a case can be read"))).collect()
}

fn case(text: &str) -> Option<Vec<u8>> {
    let case: Value = serde_json::from_str(&texts::without_tokens(text)).ok()?;
    let steps = case.get("steps")?.as_array()?;
    let sent = steps.iter().filter_map(|step| {
        let platform = step.get("send")?.as_str()?;
        let body = match (step.get("body"), step.get("raw")) {
            (Some(body), _) => body.to_string(),
            (None, raw) => raw?.as_str()?.to_owned(),
        };
        let said = ["type", "event_type"].iter().find_map(|key| step.get("body")?.get(key)?.as_str());
        let topic = step.get("topic").and_then(Value::as_str).or(said)?;
        Some(format!("{platform} {topic} webhook\ntillflow-currency: USD\n\n{body}").into_bytes())
    });
    let sent: Vec<Vec<u8>> = sent.take(4).collect();
    (!sent.is_empty()).then(|| sent.join(&b"\n%%\n"[..]))
}

/// Replies to reads and writes that contain an example's object, with the notifications that they follow.
fn replies() -> Vec<Seed> {
    let mut seeds: Vec<Vec<u8>> = texts::REPLIES.iter().map(|reply| reply.as_bytes().to_vec()).collect();
    for example in examples() {
        let body: Value = serde_json::from_slice(&example.body).expect("an example is JSON");
        let reply = match (example.platform.name(), example.topic) {
            ("square", "catalog.object") => {
                serde_json::json!({ "objects": [body], "object": body, "cursor": "c" })
            }
            ("square", "inventory.count") => serde_json::json!({ "counts": [body] }),
            ("square", "order.object") => serde_json::json!({ "order": body }),
            ("flowhub", "order") => serde_json::json!({ "total": 501, "orders": [body] }),
            ("flowhub", "customer") => serde_json::json!({ "data": [body] }),
            ("flowhub", _) => serde_json::json!({ "status": 200, "data": body.get("rows") }),
            ("leaflogix", "inventory") => body.get("rows").cloned().unwrap_or_default(),
            ("leaflogix", _) => serde_json::json!([body]),
            ("blaze", _) => serde_json::json!({ "values": [body], "total": 101 }),
            ("treez", "PRODUCT" | "PRODUCT_STOCK") => {
                serde_json::json!({ "data": { "product_list": [body.get("data")] } })
            }
            ("treez", "CUSTOMER") => serde_json::json!({ "data": [body.get("data")] }),
            ("treez", "TICKET") => serde_json::json!({ "ticketList": [body.get("data")] }),
            _ => continue,
        };
        seeds.push(
            format!(
                "{} 200 {}\n\n{reply}
%%\n{body}",
                example.platform.name(),
                example.topic
            )
            .into_bytes(),
        );
    }
    seeds.into_iter().map(|seed| ("replies", seed)).collect()
}

//! Sends a signed delivery, as the platform would.

mod change;
mod list;
mod sign;

use crate::{
    cli::{Output, Trigger},
    environment::{Running, RunningConnection},
    failure::Failed,
    output,
};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) use sign::{shopify, signed_headers};

/// Response timeout.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

macro_rules! examples {
    ($($platform:literal $topic:literal $file:literal)*) => {
        &[$(($platform, $topic, include_str!(concat!("../../../crates/platforms/src/", $platform, "/examples/", $file)))),*]
    };
}

/// Example bodies of the most common topics; others need a file.
static EXAMPLES: &[(&str, &str, &str)] = examples! {
    "shopify" "products/update" "products_update.whole.json"
    "shopify" "products/create" "products_create.sample.json"
    "shopify" "products/delete" "products_delete.id_only.json"
    "shopify" "inventory_levels/update" "inventory_levels_update.counted.json"
    "shopify" "orders/create" "orders_create.web.json"
    "shopify" "customers/update" "customers_update.with_tags.json"
    "square" "inventory.count.updated" "inventory_count_updated.in_stock.json"
    "square" "catalog.version.updated" "catalog_version_updated.sample.json"
    "square" "customer.updated" "customer_updated.sample.json"
    "treez" "PRODUCT" "PRODUCT.located.json"
    "treez" "TICKET" "TICKET.draft.json"
    "treez" "CUSTOMER" "CUSTOMER.new.json"
};

/// The platforms' ids of the locations in the examples.
pub(crate) fn example_locations(platform: &str) -> Vec<String> {
    let ids: &[&str] = match platform {
        "shopify" => &["53716844710", "655441491", "24826418"],
        "square" => &["YYQR03DGCTXA4", "59TNP9SA8VGDA"],
        "treez" => &["11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"],
        _ => &[],
    };
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// The topic suggested for a first try.
pub(crate) fn first_topic(platform: &str) -> &'static str {
    match platform {
        "square" => "inventory.count.updated",
        "treez" => "PRODUCT",
        _ => "inventory_levels/update",
    }
}

/// The platforms and topics of which there is an example.
fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXAMPLES.iter().map(|(platform, topic, _)| (*platform, *topic))
}

pub(crate) async fn run(arguments: Trigger, output: Output) -> Result<(), Failed> {
    if arguments.list {
        return list::run(examples(), &arguments.platform, output);
    }
    let running = Running::expect(&arguments.target.dir)?;
    let connection = find(&running, &arguments)?;
    let body = change::set_all(body(&arguments, connection)?, &arguments.set)?;
    // The same for every repetition, as for a platform's retries.
    let delivery = format!("{:032x}", rand::random::<u128>());
    let headers = signed_headers(connection, &arguments.topic, &delivery, &body)?;
    let client = reqwest::Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .no_proxy()
        .build()
        .map_err(|error| Failed::Other(format!("no HTTP client: {error}")))?;
    let mut refused = 0;
    for attempt in 1..=arguments.dup {
        let mut request = client.post(&connection.webhook_url).body(body.clone());
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.map_err(|error| Failed::Other(format!("no answer: {error}")))?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        refused += u32::from(!status.is_success());
        match output {
            Output::Text => output::line(&format!("{attempt}: {status} {text}")),
            Output::Json => {
                output::json(&json!({"attempt": attempt, "status": status.as_u16(), "answer": text}));
            }
        }
    }
    if refused > 0 {
        return Err(Failed::Other(format!("{refused} of {} were refused", arguments.dup)));
    }
    Ok(())
}

fn find<'a>(running: &'a Running, arguments: &Trigger) -> Result<&'a RunningConnection, Failed> {
    let found = running.connections.iter().find(|connection| connection.id == arguments.connection);
    let connection = found.ok_or_else(|| {
        let ids: Vec<_> = running.connections.iter().map(|connection| connection.id.as_str()).collect();
        Failed::Usage(format!("no connection {}; there are {}", arguments.connection, ids.join(", ")))
    })?;
    if connection.platform == arguments.platform {
        return Ok(connection);
    }
    Err(Failed::Usage(format!(
        "connection {} is of {}, not {}",
        connection.id, connection.platform, arguments.platform
    )))
}

fn body(arguments: &Trigger, connection: &RunningConnection) -> Result<Vec<u8>, Failed> {
    if let Some(file) = &arguments.file {
        return std::fs::read(file)
            .map_err(|error| Failed::io(format!("{} can't be read", file.display()), error));
    }
    let example = EXAMPLES
        .iter()
        .find(|(platform, topic, _)| *platform == arguments.platform && *topic == arguments.topic)
        .map(|(_, _, body)| of_account(body, &connection.account));
    example.ok_or_else(|| {
        let topics: Vec<_> = EXAMPLES
            .iter()
            .filter(|example| example.0 == arguments.platform)
            .map(|example| example.1)
            .collect();
        let known = if topics.is_empty() { "none".to_owned() } else { topics.join(", ") };
        Failed::Usage(format!(
            "no example of {} {}; say --file, or take one of: {known}",
            arguments.platform, arguments.topic
        ))
    })
}

/// Returns the body as the account would send it: deliveries of another account are refused.
fn of_account(body: &str, account: &str) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else { return body.as_bytes().to_vec() };
    match value.get_mut("merchant_id") {
        Some(named) => *named = account.into(),
        None => return body.as_bytes().to_vec(),
    }
    value.to_string().into_bytes()
}

//! Sends a signed delivery, as the platform would.

mod change;
mod list;

use crate::{
    cli::{Output, Trigger},
    environment::{Running, RunningConnection},
    failure::Failed,
    output,
};
use serde_json::{Value, json};
use simulator::{Headers, Samples, SimulatedPlatform, Unsigned};
use std::time::Duration;

/// Response timeout.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

fn samples(platform: &str) -> Option<&'static Samples> {
    simulator::find(platform).map(SimulatedPlatform::samples)
}

/// The platforms' ids of the locations in the examples.
pub(crate) fn example_locations(platform: &str) -> Vec<String> {
    let ids = samples(platform).map_or(&[][..], |samples| samples.webhook_locations);
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// The topic suggested for a first try; `None` if there are no examples of the platform.
pub(crate) fn first_topic(platform: &str) -> Option<&'static str> {
    samples(platform)?.webhooks.first().map(|(topic, _)| *topic)
}

/// Returns the headers that the platform would send.
pub(crate) fn signed_headers(
    connection: &RunningConnection,
    topic: &str,
    delivery: &str,
    body: &[u8],
) -> Result<Headers, Failed> {
    let RunningConnection { platform, account, secret, webhook_url, .. } = connection;
    let simulated = simulator::find(platform)
        .ok_or_else(|| Failed::Usage(format!("deliveries of {platform} can't be signed here")))?;
    if simulated.signature_header().is_empty() {
        return Err(Failed::Usage(format!("{platform} sends no webhooks")));
    }
    Ok(simulated.sign(&Unsigned { account, secret, url: webhook_url, topic, id: delivery, body }))
}

/// The platforms and topics of which there is an example.
fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |platform: &'static dyn SimulatedPlatform| {
        platform.samples().webhooks.iter().map(|(topic, _)| (platform.name(), *topic))
    };
    simulator::all().flat_map(of)
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
    let client = https::client()
        .timeout(RESPONSE_TIMEOUT)
        .no_proxy()
        .build()
        .map_err(|error| Failed::Other(format!("no HTTP client: {error}")))?;
    let mut refused = 0;
    for attempt in 1..=arguments.dup {
        let mut request = client.post(&connection.webhook_url).body(body.clone());
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let response =
            request.send().await.map_err(|error| Failed::Other(format!("no response: {error}")))?;
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        refused += u32::from(!status.is_success());
        match output {
            Output::Text => output::line(&format!("{attempt}: {status} {text}")),
            Output::Json => {
                output::json(&json!({"attempt": attempt, "status": status.as_u16(), "response": text}));
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
    let samples = samples(&arguments.platform);
    let webhooks = samples.map_or(&[][..], |samples| samples.webhooks);
    let example = webhooks.iter().find(|(topic, _)| *topic == arguments.topic);
    let Some((_, body)) = example else {
        let topics: Vec<_> = webhooks.iter().map(|(topic, _)| *topic).collect();
        let known = if topics.is_empty() { "none".to_owned() } else { topics.join(", ") };
        return Err(Failed::Usage(format!(
            "no example of {} {}; say --file, or take one of: {known}",
            arguments.platform, arguments.topic
        )));
    };
    let account_field = samples.and_then(|samples| samples.account_field);
    Ok(of_account(body, account_field, &connection.account))
}

/// Returns the body as the account would send it: deliveries of another account are refused.
fn of_account(body: &str, field: Option<&str>, account: &str) -> Vec<u8> {
    let unchanged = || body.as_bytes().to_vec();
    let (Ok(mut value), Some(field)) = (serde_json::from_str::<Value>(body), field) else {
        return unchanged();
    };
    match value.get_mut(field) {
        Some(Value::Object(named)) => {
            let renamed = std::mem::take(named).into_iter().map(|(_, value)| (account.to_owned(), value));
            named.extend(renamed);
        }
        Some(named) => *named = account.into(),
        None => return unchanged(),
    }
    value.to_string().into_bytes()
}

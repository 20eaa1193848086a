//! Signs a body as its platform would.

use super::{connection, platform, read};
use crate::{
    cli::{Output, Sign},
    failure::Failed,
    output,
    trigger::signed_headers,
};
use serde_json::{Map, Value, json};

/// Prints the headers that the platform would send with the body.
pub(crate) fn run(arguments: &Sign, output: Output) -> Result<(), Failed> {
    let platform = platform(&arguments.platform)?;
    let (connection, _) = connection(platform.name(), &arguments.signing)?;
    let body = read(&arguments.file)?;
    let delivery = arguments.delivery.clone().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let headers = signed_headers(&connection, &arguments.topic, &delivery, &body)?;
    match output {
        Output::Text => {
            for (name, value) in &headers {
                output::line(&format!("{name}: {value}"));
            }
        }
        Output::Json => {
            let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
            output::json(&json!({
                "platform": platform.name(),
                "topic": arguments.topic,
                "headers": headers.collect::<Map<_, _>>(),
            }));
        }
    }
    Ok(())
}

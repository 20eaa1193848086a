//! Lists the topics of which there is an example.

use crate::{
    cli::Output,
    failure::Failed,
    output,
    table::{Table, left},
};
use serde_json::json;

/// Prints the topics with an example: of one platform if it is named.
pub(super) fn run(
    examples: impl IntoIterator<Item = (&'static str, &'static str)>,
    platform: &str,
    output: Output,
) -> Result<(), Failed> {
    let mut table = Table::new([left("platform"), left("topic")]);
    for (name, topic) in examples.into_iter().filter(|(name, _)| platform.is_empty() || *name == platform) {
        table.row([name.to_owned(), topic.to_owned()]);
        if output == Output::Json {
            output::json(&json!({"platform": name, "topic": topic}));
        }
    }
    if table.is_empty() {
        return Err(Failed::Usage(format!("there is no example of {platform:?}")));
    }
    if output == Output::Text {
        output::table(table);
    }
    Ok(())
}

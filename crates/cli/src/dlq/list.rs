//! Lists dead letters and their causes.

use super::{Cause, Found, causes, for_each_dead_letter};
use crate::{
    cli::{DeadLetters, Output},
    failure::Failed,
    output,
};
use bus::Bus;
use serde_json::json;

pub(super) async fn run(
    bus: &Bus,
    of: &DeadLetters,
    dead_letters: bool,
    limit: usize,
    output: Output,
) -> Result<(), Failed> {
    if dead_letters {
        let mut reported = 0;
        return for_each_dead_letter(bus, of, |found| {
            if reported < limit {
                reported += 1;
                print_dead_letter(&found, output);
            }
        })
        .await;
    }
    let causes = causes(bus, of).await?;
    if causes.is_empty() && output == Output::Text {
        output::line("no dead letters");
    }
    causes.iter().take(limit).for_each(|cause| print_cause(cause, output));
    Ok(())
}

/// Prints the common properties of a cause, and one of its dead letters.
pub(super) fn print_cause(cause: &Cause, output: Output) {
    let dead_letter = &cause.example.dead_letter;
    let (origin, reject) = (dead_letter.original.origin(), &dead_letter.reject);
    match output {
        Output::Text => {
            output::line(&format!(
                "{} {:>6} {:<9} {:<8} {:<8} {:<28} e.g. {}: {}",
                cause.example.fingerprint,
                cause.count,
                dead_letter.stage,
                reject.class.as_str(),
                origin.platform,
                dead_letter.original.topic(),
                cause.example.number,
                reject
            ));
        }
        Output::Json => output::json(&json!({
            "fingerprint": cause.example.fingerprint,
            "count": cause.count,
            "stage": dead_letter.stage,
            "class": reject.class.as_str(),
            "platform": origin.platform,
            "topic": dead_letter.original.topic(),
            "example": cause.example.number,
            "reason": reject.reason,
            "pointer": reject.pointer,
            "first_at": dead_letter.rejected_at.to_string(),
            "latest_at": cause.latest.to_string(),
        })),
    }
}

fn print_dead_letter(found: &Found, output: Output) {
    let dead_letter = &found.dead_letter;
    let (origin, reject) = (dead_letter.original.origin(), &dead_letter.reject);
    match output {
        Output::Text => output::line(&format!(
            "{:>6} {} {} {:<9} {:<24} {:<24} {}",
            found.number,
            dead_letter.rejected_at,
            found.fingerprint,
            dead_letter.stage,
            origin.store,
            origin.connection,
            reject
        )),
        Output::Json => output::json(&super::show::value(found)),
    }
}

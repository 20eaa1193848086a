//! Which letters there are.

use super::{Cause, Found, causes, for_each_letter};
use crate::{
    cli::{Letters, Output},
    failure::Failed,
    output,
};
use bus::Bus;
use serde_json::json;

pub(super) async fn run(
    bus: &Bus,
    of: &Letters,
    letters: bool,
    limit: usize,
    output: Output,
) -> Result<(), Failed> {
    if letters {
        let mut told = 0;
        return for_each_letter(bus, of, |found| {
            if told < limit {
                told += 1;
                tell_letter(&found, output);
            }
        })
        .await;
    }
    let causes = causes(bus, of).await?;
    if causes.is_empty() && output == Output::Text {
        output::line("no dead letters");
    }
    causes.iter().take(limit).for_each(|cause| tell_cause(cause, output));
    Ok(())
}

/// What a cause has in common, and one of its letters.
pub(super) fn tell_cause(cause: &Cause, output: Output) {
    let letter = &cause.example.letter;
    let (origin, reject) = (letter.original.origin(), &letter.reject);
    match output {
        Output::Text => {
            output::line(&format!(
                "{} {:>6} {:<9} {:<8} {:<8} {:<28} e.g. {}: {}",
                cause.example.fingerprint,
                cause.count,
                letter.stage,
                reject.class.as_str(),
                origin.platform,
                letter.original.topic(),
                cause.example.number,
                reject
            ));
        }
        Output::Json => output::json(&json!({
            "fingerprint": cause.example.fingerprint,
            "count": cause.count,
            "stage": letter.stage,
            "class": reject.class.as_str(),
            "platform": origin.platform,
            "topic": letter.original.topic(),
            "example": cause.example.number,
            "reason": reject.reason,
            "pointer": reject.pointer,
            "first_at": letter.rejected_at.to_string(),
            "latest_at": cause.latest.to_string(),
        })),
    }
}

fn tell_letter(found: &Found, output: Output) {
    let letter = &found.letter;
    let (origin, reject) = (letter.original.origin(), &letter.reject);
    match output {
        Output::Text => output::line(&format!(
            "{:>6} {} {} {:<9} {:<24} {:<24} {}",
            found.number,
            letter.rejected_at,
            found.fingerprint,
            letter.stage,
            origin.store,
            origin.connection,
            reject
        )),
        Output::Json => output::json(&super::show::value(found)),
    }
}

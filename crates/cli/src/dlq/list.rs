//! Lists dead letters and their causes.

use super::{Cause, Found, causes, for_each_dead_letter};
use crate::{
    cli::{DeadLetters, Output},
    failure::Failed,
    output,
    table::{Table, left, right},
};
use bus::Bus;
use serde_json::{Value, json};

pub(super) async fn run(
    bus: &Bus,
    of: &DeadLetters,
    dead_letters: bool,
    limit: usize,
    output: Output,
) -> Result<(), Failed> {
    if !dead_letters {
        let mut causes = causes(bus, of).await?;
        causes.truncate(limit);
        print_causes(&causes, output);
        return Ok(());
    }
    let mut listed = Listed::default();
    for_each_dead_letter(bus, of, |found| {
        if listed.count < limit {
            listed.add(&found, output);
        }
    })
    .await?;
    listed.end(output);
    Ok(())
}

/// Prints the common properties of each cause, and one of its dead letters.
pub(super) fn print_causes(causes: &[Cause], output: Output) {
    match output {
        Output::Json => causes.iter().for_each(|cause| output::json(&value(cause))),
        Output::Text if causes.is_empty() => output::line("no dead letters"),
        Output::Text => output::table(cause_table(causes)),
    }
}

fn cause_table(causes: &[Cause]) -> Table {
    let mut table = Table::new([
        left("fingerprint"),
        right("count"),
        left("stage"),
        left("class"),
        left("platform"),
        left("topic"),
        right("example"),
        left("reason"),
    ]);
    for cause in causes {
        let dead_letter = &cause.example.dead_letter;
        let (origin, reject) = (dead_letter.original.origin(), &dead_letter.reject);
        table.row([
            cause.example.fingerprint.clone(),
            cause.count.to_string(),
            dead_letter.stage.clone(),
            reject.class.as_str().to_owned(),
            origin.platform.to_string(),
            dead_letter.original.topic().to_owned(),
            cause.example.number.to_string(),
            reject.to_string(),
        ]);
    }
    table
}

/// A cause, for programs.
fn value(cause: &Cause) -> Value {
    let dead_letter = &cause.example.dead_letter;
    let (origin, reject) = (dead_letter.original.origin(), &dead_letter.reject);
    json!({
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
    })
}

/// Dead letters, one in each line: JSON is written at once, a table at the end.
struct Listed {
    count: usize,
    table: Table,
}

impl Default for Listed {
    fn default() -> Self {
        let table = Table::new([
            right("number"),
            left("rejected"),
            left("fingerprint"),
            left("stage"),
            left("store"),
            left("connection"),
            left("reason"),
        ]);
        Self { count: 0, table }
    }
}

impl Listed {
    fn add(&mut self, found: &Found, output: Output) {
        self.count += 1;
        if output == Output::Json {
            return output::json(&super::show::value(found));
        }
        let dead_letter = &found.dead_letter;
        let origin = dead_letter.original.origin();
        self.table.row([
            found.number.to_string(),
            dead_letter.rejected_at.to_string(),
            found.fingerprint.clone(),
            dead_letter.stage.clone(),
            origin.store.to_string(),
            origin.connection.to_string(),
            dead_letter.reject.to_string(),
        ]);
    }

    fn end(self, output: Output) {
        match output {
            Output::Json => {}
            Output::Text if self.table.is_empty() => output::line("no dead letters"),
            Output::Text => output::table(self.table),
        }
    }
}

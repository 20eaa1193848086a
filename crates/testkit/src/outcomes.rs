//! The recorded outcomes of deliveries.

use crate::World;
use serde_json::Value;
use std::collections::HashMap;

/// One line of JSON for each event or delivery with an outcome.
const ENDED: &str = "SELECT json_build_object('delivery', encode(delivery_id, 'hex'), 'outcome', outcome, \
     'stage', stage, 'reason', reason) FROM (SELECT delivery_id, outcome, 'apply' AS stage, reason FROM event_outcomes \
     UNION ALL SELECT delivery_id, outcome, stage, reason FROM dropped_inputs) AS ended";

/// Outcome of one event of a delivery, or of the delivery itself if it has no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The outcome, as the record spells it.
    pub outcome: String,
    /// The stage that decided it.
    pub stage: String,
    /// The reason.
    pub reason: String,
}

/// The outcomes of all deliveries so far.
#[derive(Debug, Clone, Default)]
pub struct Outcomes(HashMap<String, Vec<Ended>>);

impl Outcomes {
    /// The outcomes of one delivery, by the id from ingest; empty while it has none.
    pub fn of(&self, delivery: &str) -> &[Ended] {
        self.0.get(delivery).map_or(&[], Vec::as_slice)
    }
}

impl World {
    /// Reads the outcomes of all deliveries of all stores so far, in one query.
    pub async fn outcomes(&self) -> Outcomes {
        let mut found: HashMap<String, Vec<Ended>> = HashMap::new();
        for line in self.sql(ENDED).await.lines() {
            let row: Value = serde_json::from_str(line).expect("a line is a row");
            let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
            let ended = Ended { outcome: text("outcome"), stage: text("stage"), reason: text("reason") };
            found.entry(text("delivery")).or_default().push(ended);
        }
        Outcomes(found)
    }
}

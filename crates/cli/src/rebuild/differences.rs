//! Reports of a rebuild.

use crate::{cli::Output, failure::Failed, output};
use model::{LocationId, StoreId, VariantId};
use serde_json::json;
use std::{collections::BTreeMap, ops::Add};
use store::{Difference, RebuildRun, Wrong};

/// Numbers of the findings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) stores: u64,
    pub(super) changes: u64,
    /// Rows that were, or would be, corrected.
    pub(super) corrected: u64,
    pub(super) left_alone: u64,
}

impl Add for Counts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            stores: self.stores + other.stores,
            changes: self.changes + other.changes,
            corrected: self.corrected + other.corrected,
            left_alone: self.left_alone + other.left_alone,
        }
    }
}

/// The number of differences that can't be corrected.
pub(super) fn left_alone(found: &[Difference]) -> u64 {
    found.iter().filter(|difference| !difference.is_correctable()).count() as u64
}

/// Writes the findings.
#[derive(Clone, Copy)]
pub(super) struct Reported {
    pub(super) dry_run: bool,
    pub(super) output: Output,
}

impl Reported {
    /// Writes differences, and counts them.
    pub(super) fn differences(self, store: &StoreId, found: &[Difference], counts: &mut Counts) {
        for difference in found {
            self.difference(store, difference);
        }
        let left_alone = left_alone(found);
        counts.left_alone += left_alone;
        counts.corrected += found.len() as u64 - left_alone;
    }

    fn difference(self, store: &StoreId, difference: &Difference) {
        let Difference { table, key, what } = difference;
        let (name, columns) = match what {
            Wrong::Missing => ("missing", &[][..]),
            Wrong::Differs(columns) => ("differs", &columns[..]),
            Wrong::WithoutEvent => ("without_event", &[][..]),
        };
        let done = match (difference.is_correctable(), self.dry_run) {
            (false, _) => "left_alone",
            (true, true) => "would_be_corrected",
            (true, false) => "corrected",
        };
        match self.output {
            Output::Text => {
                let (done, name, columns) = (words(done), words(name), columns.join(", "));
                let text = format!("{done}: store {store}: {table} {key}: {name} {columns}");
                output::line(text.trim_end());
            }
            Output::Json => output::json(&json!({
                "kind": "difference", "store": store, "table": table, "key": key, "what": name,
                "columns": columns, "done": done,
            })),
        }
    }

    /// Writes levels that were counted anew, and counts them.
    pub(super) fn recounted(
        self,
        store: &StoreId,
        levels: &BTreeMap<(VariantId, LocationId), i64>,
        counts: &mut Counts,
    ) {
        for ((variant, location), change) in levels {
            match self.output {
                Output::Text => output::line(&format!(
                    "left alone: store {store}: the ledger of {variant} {location}: it doesn't sum up to the level, which \
                     change {change} counted anew"
                )),
                Output::Json => output::json(&json!({
                    "kind": "recounted", "store": store, "variant": variant, "location": location, "change": change,
                })),
            }
        }
        counts.left_alone += levels.len() as u64;
    }

    /// Writes that a store's changes don't result in its state.
    pub(super) fn broken(self, store: &StoreId, why: &str) {
        match self.output {
            Output::Text => output::line(&format!("left alone: store {store}, with all its state: {why}")),
            Output::Json => output::json(&json!({"kind": "broken", "store": store, "why": why})),
        }
    }

    /// Writes a summary; returns an error if anything differs from the events.
    pub(super) fn summary(self, run: &RebuildRun, sum: &Counts) -> Result<(), Failed> {
        let left_alone = sum.left_alone + run.left_alone_before;
        match self.output {
            Output::Text => {
                let done = if self.dry_run { "would be corrected" } else { "were corrected" };
                output::line(&format!(
                    "{} changes of {} stores replayed: {} rows {done}, {left_alone} findings left alone",
                    sum.changes, sum.stores, sum.corrected
                ));
                if run.done_before > 0 {
                    output::line(&format!("{} other stores were done before", run.done_before));
                }
            }
            Output::Json => output::json(&json!({
                "kind": "summary", "stores": sum.stores, "stores_done_before": run.done_before,
                "changes": sum.changes, "corrected": sum.corrected, "left_alone": left_alone, "dry_run": self.dry_run,
            })),
        }
        if left_alone > 0 {
            return Err(Failed::Other(format!("{left_alone} findings can't be corrected")));
        }
        if self.dry_run && sum.corrected > 0 {
            return Err(Failed::Other("the record differs from its events".to_owned()));
        }
        Ok(())
    }
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

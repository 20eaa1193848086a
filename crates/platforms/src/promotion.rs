//! Promotions: events, conditions and notations that the maps of several platforms share.

use crate::Mapped;
use model::{
    Action, EntityKind, ExternalId, Payload, RawDigest, SourceVersion, Timestamp,
    promotion::{Condition, Promotion},
};
use serde_json::json;

/// The report of a promotion. Without a version, its content identifies it.
pub(crate) fn reported(promotion: Promotion, version: Option<SourceVersion>) -> Mapped {
    let state = match version {
        Some(version) => version.number.0.to_string(),
        None => RawDigest::of(json!(promotion).to_string().as_bytes()).to_string(),
    };
    Mapped {
        action: Action::Updated,
        occurred_at: None,
        version,
        identity: vec!["promotion".to_owned(), promotion.external.to_string(), state],
        payload: Payload::Promotion(promotion),
    }
}

/// The deletion of a promotion.
pub(crate) fn gone(external: ExternalId, at: Timestamp, version: Option<SourceVersion>) -> Mapped {
    Mapped {
        action: Action::Deleted,
        occurred_at: Some(at),
        version,
        identity: vec!["promotion".to_owned(), external.to_string(), "gone".to_owned(), at.to_string()],
        payload: Payload::Deleted { entity: EntityKind::Promotion, external },
    }
}

/// The conditions of a promotion, each once.
#[derive(Default)]
pub(crate) struct Conditions(Vec<Condition>);

impl Conditions {
    /// Adds a condition, unless it is known or doesn't hold.
    pub(crate) fn add(&mut self, condition: Condition, is_set: bool) {
        if is_set && !self.0.contains(&condition) {
            self.0.push(condition);
        }
    }

    /// The conditions, in the order in which they were added.
    pub(crate) fn all(self) -> Vec<Condition> {
        self.0
    }
}

//! The data that all events of a product's delivery share.

use super::window;
use crate::Mapped;
use model::{Action, Delivery, EntityKind, ExternalId, Payload, SourceVersion, Timestamp};

/// The data that all events of a product's delivery share.
pub(super) struct Reported<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) external: ExternalId,
    /// `last_updated_at`; doesn't change with stock, nor with every other field.
    pub(super) at: Timestamp,
}

impl Reported<'_> {
    /// A change to the product. `last_updated_at` doesn't change with every field, so that `reported` has to
    /// distinguish changes.
    pub(super) fn event(&self, action: Action, reported: String, payload: Payload) -> Mapped {
        let identity = vec![
            "product".to_owned(),
            self.external.to_string(),
            self.at.to_string(),
            reported,
            window(self.delivery),
        ];
        let version = Some(SourceVersion::exact(self.at));
        Mapped { action, occurred_at: Some(self.at), version, identity, payload }
    }

    pub(super) fn gone(&self) -> Mapped {
        let external = self.external.clone();
        let payload = Payload::Deleted { entity: EntityKind::Product, external };
        self.event(Action::Deleted, "deleted".to_owned(), payload)
    }
}

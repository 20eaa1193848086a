//! Notices about the seller's account.

use crate::{Mapped, field::Object};
use model::{AccountNotice, Action, Duty, Payload, SourceVersion};
use stage::Reject;

/// Maps a revocation of the application's access, by any party.
pub(super) fn revoked(root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.text_id("merchant_id")?;
    let event_id = root.required_text("event_id")?.to_owned();
    let revoked_at = match root.object("data")? {
        Some(data) => match data.object("object")? {
            Some(object) => match object.object("revocation")? {
                Some(revocation) => revocation.time("revoked_at")?,
                None => None,
            },
            None => None,
        },
        None => None,
    };
    let occurred_at = revoked_at.or(root.time("created_at")?);
    let duty = Duty::AccessRevoked;
    Ok(Mapped {
        action: Action::Updated,
        occurred_at,
        version: occurred_at.map(SourceVersion::exact),
        // An account may be connected and revoked again: the event id distinguishes the revocations.
        identity: vec!["account".to_owned(), duty.as_str().to_owned(), external.to_string(), event_id],
        payload: Payload::Account(AccountNotice { external, duty }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_retry_of_a_revocation_is_the_same_event_and_a_second_revocation_another() {
        let event = |id: &str| {
            json!({"merchant_id": "M", "event_id": id, "created_at": "2020-08-14T15:51:04Z",
            "data": {"object": {"revocation": {"revoked_at": "2020-08-14T15:51:00Z", "revoker_type": "MERCHANT"}}}})
        };
        let mapped = |id| revoked(&Object::root(&event(id)).unwrap()).unwrap();
        assert_eq!(mapped("e-1"), mapped("e-1"));
        assert_ne!(mapped("e-1").identity, mapped("e-2").identity);
        assert_eq!(mapped("e-1").occurred_at.unwrap().to_string(), "2020-08-14T15:51:00Z");
        let nameless = json!({"event_id": "e-1", "data": {}});
        let reject = revoked(&Object::root(&nameless).unwrap()).unwrap_err();
        assert_eq!(reject.pointer.as_deref(), Some("/merchant_id"));
    }
}

//! Authentication and topic of a webhook. Treez signs nothing: a webhook carries the token that was agreed on when it was
//! set up.

use crate::{Envelope, Signed, Unverified, VerifyContext, Webhooks, json, verify};
use serde::Deserialize;

/// The header that carries the token.
const TOKEN_HEADER: &str = "authorization";

/// The part of a body that names its topic.
#[derive(Deserialize)]
struct Event {
    event_type: String,
}

impl Webhooks for super::Treez {
    fn signature_headers(&self) -> &'static [&'static str] {
        &[TOKEN_HEADER]
    }

    /// Compares the bearer token with any active secret. Body and time are not proven: a delivery is only as safe as its
    /// transport.
    fn verify(&self, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified> {
        let authorization = signed.header(TOKEN_HEADER).ok_or(Unverified::Missing)?;
        verify::bearer(context.secrets, authorization)
    }

    /// Reads `event_type` only. Treez' deliveries have no id: only the body distinguishes them.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope> {
        let event = json::object(signed.body).and_then(|body| serde_json::from_slice(body).ok());
        event.map(|Event { event_type }| Envelope::whole(event_type, None)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::PLATFORM, *};
    use model::Timestamp;

    #[test]
    fn only_the_agreed_token_is_verified() {
        let active = ["present".to_owned(), "former".to_owned()];
        let context = VerifyContext::new(&active, "", Timestamp::default());
        let check = |value: Option<&str>| {
            let headers: Vec<_> =
                value.iter().map(|value| ("authorization".to_owned(), (*value).to_owned())).collect();
            PLATFORM.verify(&Signed { headers: &headers, body: b"{}" }, &context)
        };
        assert_eq!(check(Some("Bearer present")), Ok(()));
        assert_eq!(check(Some("Bearer former")), Ok(()));
        assert_eq!(check(Some("Bearer presen")), Err(Unverified::Mismatch));
        assert_eq!(check(Some("present")), Err(Unverified::Mismatch));
        assert_eq!(check(None), Err(Unverified::Missing));
    }

    #[test]
    fn the_topic_is_the_event_type_and_no_id_is_made_up() {
        let topic = |body: &str| PLATFORM.split(&Signed { headers: &[], body: body.as_bytes() });
        let expected = [Envelope::whole("TICKET_BY_STATUS".to_owned(), None)];
        assert_eq!(topic(r#"{"event_type":"TICKET_BY_STATUS","data":{"ticket_id":"t"}}"#), expected);
        for body in
            ["", "null", "{}", r#"["TICKET"]"#, r#"{"event_type":null}"#, r#"{"event_type":["TICKET"]}"#]
        {
            assert_eq!(topic(body), [], "{body}");
        }
    }
}

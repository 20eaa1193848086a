//! Access tokens: two hours each, issued for the client's id and API key, and to be reused.

use super::{api, reader::check};
use crate::{Access, AccessToken, CallError, HttpReply, HttpRequest, Method, Tokens, json};
use model::Timestamp;
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Lifetime of a token whose reply doesn't state it.
const LIFETIME_DEFAULT: Duration = Duration::from_hours(2);

impl Tokens for super::Treez {
    fn request(&self, access: &Access) -> Result<HttpRequest, Reject> {
        let (client, key) = api::credentials(access)?;
        let body = format!("client_id={}&apikey={}", api::escaped(client), api::escaped(key));
        Ok(HttpRequest::new(Method::Post, api::url(access, "config/api/gettokens"))
            .with_header("content-type", "application/x-www-form-urlencoded")
            .with_body(body))
    }

    fn issued(&self, reply: &HttpReply<'_>, now: Timestamp) -> Result<AccessToken, CallError> {
        check(reply)?;
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let reply = json::reply(reply.body).map_err(unread)?;
        let token = reply.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        // A refusal may have status 200, as that of an expired token has.
        let refused = || Reject::new(RejectClass::Auth, "treez issued no token for the client's id and key");
        let value = token.ok_or_else(refused)?.to_owned();
        let stated = reply.get("expires_at").and_then(Value::as_str);
        let stated = stated.and_then(|text| Timestamp::parse(text).ok()).filter(|at| *at > now);
        Ok(AccessToken { value, expires_at: stated.unwrap_or_else(|| now.after(LIFETIME_DEFAULT)) })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::PLATFORM, *};
    use crate::AccountRefusal;

    fn access(token: &str) -> Access {
        Access {
            base_url: "https://treez.example".to_owned(),
            token: token.to_owned(),
            access_token: None,
            api_version: String::new(),
            account: "shop".to_owned(),
        }
    }

    fn issued(status: u16, body: &str) -> Result<AccessToken, CallError> {
        let now = Timestamp::parse("2026-07-02T10:00:00Z").unwrap();
        PLATFORM.issued(&HttpReply::new(status, body.as_bytes()), now)
    }

    #[test]
    fn a_token_is_asked_for_with_the_id_and_the_key_and_neither_is_in_the_url() {
        let request = Tokens::request(&PLATFORM, &access("client&1:key=2")).unwrap();
        assert_eq!(request.url, "https://treez.example/v2.0/dispensary/shop/config/api/gettokens");
        assert_eq!(request.body, "client_id=client%261&apikey=key%3D2");
        assert_eq!(Tokens::request(&PLATFORM, &access("key")).unwrap_err().class, RejectClass::Config);
    }

    #[test]
    fn the_token_lasts_as_long_as_the_reply_says_and_two_hours_without_its_word() {
        let until = |body: &str| issued(200, body).unwrap().expires_at.to_string();
        let stated = r#"{"access_token":"t","expires_at":"2026-07-02T04:30:00.000-07:00"}"#;
        assert_eq!(until(stated), "2026-07-02T11:30:00Z");
        assert_eq!(until(r#"{"access_token":"t"}"#), "2026-07-02T12:00:00Z");
        assert_eq!(
            until(r#"{"access_token":"t","expires_at":"2020-01-01T00:00:00Z"}"#),
            "2026-07-02T12:00:00Z"
        );
        assert_eq!(until(r#"{"access_token":"t","expires_at":7200}"#), "2026-07-02T12:00:00Z");
    }

    #[test]
    fn a_refused_key_is_distinguished_from_an_outage() {
        for (status, body) in
            [(401, "{}"), (200, r#"{"resultCode":"FAIL"}"#), (200, r#"{"access_token":""}"#)]
        {
            let refused = issued(status, body).unwrap_err();
            assert!(
                matches!(refused, CallError::AccountRefused(AccountRefusal::Unauthorized, _)),
                "{status} {body}: {refused:?}"
            );
        }
        for (status, body) in [(503, ""), (200, "<html>")] {
            assert!(matches!(issued(status, body), Err(CallError::Transient { .. })), "{status} {body}");
        }
        assert!(!format!("{:?}", issued(200, r#"{"access_token":"the-token"}"#)).contains("the-token"));
    }
}

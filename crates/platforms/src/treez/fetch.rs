//! The ticket that a status speaks of, and a product read again for its level.

use super::call::meaning;
use crate::{CallContext, Fetch, Fetched, HttpReply, HttpRequest, Method, Reply};
use bytes::Bytes;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// The request for what is wanted. The level is read with its product, whatever the location: the list filters by a
/// location's name, not by its id.
pub(super) fn request(wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
    let path = match *wanted {
        Fetch::Notified { topic: "TICKET_STATUS", body, .. } => {
            let missing = || Reject::at(RejectClass::Schema, "/data/ticket_id", "no id of a ticket");
            format!("ticket/{}", escaped(&ticket_id(body).ok_or_else(missing)?))
        }
        Fetch::Notified { .. } => return Ok(None),
        // Without `active=ALL` a product that was switched off is left out, and its level would never be read.
        Fetch::Level { item, .. } | Fetch::Product { product: item, .. } => {
            format!("product/product_list?id={}&active=ALL", escaped(item.as_str()))
        }
    };
    let access = context.access;
    let (client, token) = access.token.split_once(':').ok_or_else(|| {
        Reject::new(RejectClass::Config, "treez wants a token as <client id>:<access token>")
    })?;
    Ok(Some(HttpRequest {
        method: Method::Get,
        url: format!("{}/v2.0/dispensary/{}/{path}", access.base_url, escaped(&access.account)),
        headers: vec![("authorization", token.to_owned()), ("client_id", client.to_owned())],
        body: Bytes::new(),
    }))
}

/// The object in a reply, dressed as the webhook that tells of it.
pub(super) fn fetched(wanted: &Fetch<'_>, reply: &HttpReply<'_>) -> Fetched {
    match meaning(reply) {
        Reply::Done { .. } => {}
        other => return Fetched::Failed(other),
    }
    let Ok(reply) = serde_json::from_slice::<Value>(reply.body) else {
        return Fetched::Failed(Reply::Retry { reason: "the reply is not JSON".to_owned() });
    };
    let (topic, list, key, id) = match *wanted {
        Fetch::Notified { body, .. } => ("TICKET", "/ticketList", "ticket_id", ticket_id(body)),
        Fetch::Level { item, .. } | Fetch::Product { product: item, .. } => {
            ("PRODUCT", "/data/product_list", "product_id", Some(item.to_string()))
        }
    };
    // An access token that ran out is answered with 200 and JSON that lacks the list.
    let Some(found) = reply.pointer(list).and_then(Value::as_array) else {
        let reason = "treez answered without a list, as it does to a token that ran out";
        return Fetched::Failed(Reply::Refused(Reject::new(RejectClass::Auth, reason)));
    };
    let wanted = |object: &&Value| object.get(key).and_then(text).is_some_and(|found| Some(found) == id);
    let dressed = |object| json!({"event_type": topic, "data": object}).to_string().into_bytes();
    let objects = found.iter().filter(wanted).map(|object| (topic, dressed(object))).collect();
    Fetched::Objects { objects, next: None }
}

fn ticket_id(body: &Value) -> Option<String> {
    body.pointer("/data/ticket_id").and_then(text).filter(|id| !id.is_empty())
}

/// An id, be it a text or a whole number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `text` as one segment of a path or one value of a query.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Access;
    use model::{ExternalId, Timestamp};

    fn asked(token: &str, wanted: &Fetch<'_>) -> Result<Option<HttpRequest>, Reject> {
        let access = Access {
            base_url: "https://treez.example".to_owned(),
            token: token.to_owned(),
            api_version: String::new(),
            account: "partner sandbox".to_owned(),
        };
        let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
        request(wanted, &context)
    }

    #[test]
    fn a_level_is_read_with_its_product_even_if_that_was_switched_off() {
        let item = ExternalId::new("p-1&active=TRUE").unwrap();
        let level = Fetch::Level { item: &item, location: None };
        let request = asked("client:token:with:colons", &level).unwrap().unwrap();
        let url = "https://treez.example/v2.0/dispensary/partner%20sandbox/product/product_list?id=p-1%26active%3DTRUE&active=ALL";
        assert_eq!(request.url, url);
        let headers = [("authorization", "token:with:colons".to_owned()), ("client_id", "client".to_owned())];
        assert_eq!(request.headers, headers);
        assert_eq!(asked("token", &level).unwrap_err().class, RejectClass::Config);
    }

    #[test]
    fn a_status_makes_us_read_the_ticket() {
        let body =
            json!({"event_type": "TICKET_STATUS", "data": {"ticket_id": "t/1", "order_status": "CANCELED"}});
        let wanted = Fetch::Notified { topic: "TICKET_STATUS", body: &body, since: None };
        let request = asked("client:token", &wanted).unwrap().unwrap();
        assert_eq!(request.url, "https://treez.example/v2.0/dispensary/partner%20sandbox/ticket/t%2F1");
        let reply = json!({"resultCode": "SUCCESS", "ticketList": [{"ticket_id": "t/1", "order_status": "CANCELED"}]});
        let reply = fetched(
            &wanted,
            &HttpReply { status: 200, retry_after: None, body: reply.to_string().as_bytes() },
        );
        let expected =
            json!({"event_type": "TICKET", "data": {"ticket_id": "t/1", "order_status": "CANCELED"}});
        let objects = vec![("TICKET", expected.to_string().into_bytes())];
        assert_eq!(reply, Fetched::Objects { objects, next: None });

        let nameless = json!({"data": {"ticket_id": null}});
        let nameless = Fetch::Notified { topic: "TICKET_STATUS", body: &nameless, since: None };
        assert_eq!(asked("client:token", &nameless).unwrap_err().class, RejectClass::Schema);
        let whole = Fetch::Notified { topic: "PRODUCT", body: &body, since: None };
        assert_eq!(asked("client:token", &whole), Ok(None));
    }

    #[test]
    fn the_reply_is_read_as_the_webhook_that_tells_of_the_product() {
        let item = ExternalId::new("p-1").unwrap();
        let wanted = Fetch::Level { item: &item, location: None };
        let read = |body: Value| {
            fetched(&wanted, &HttpReply { status: 200, retry_after: None, body: body.to_string().as_bytes() })
        };
        let list = json!({"resultCode": "SUCCESS", "data": {"page_count": 2, "product_list": [
            {"product_id": "p-0"}, {"product_id": "p-1", "sellable_quantity": 3}]}});
        let expected =
            json!({"event_type": "PRODUCT", "data": {"product_id": "p-1", "sellable_quantity": 3}});
        let objects = vec![("PRODUCT", expected.to_string().into_bytes())];
        assert_eq!(read(list), Fetched::Objects { objects, next: None });
        let Fetched::Failed(Reply::Refused(reject)) = read(json!({"resultCode": "FAIL"})) else {
            panic!("a token that ran out is refused")
        };
        assert_eq!(reject.class, RejectClass::Auth);
        let half = fetched(&wanted, &HttpReply { status: 200, retry_after: None, body: b"{\"data\":" });
        assert!(matches!(half, Fetched::Failed(Reply::Retry { .. })));
    }
}

//! A product read again, for its level.

use super::call::meaning;
use crate::{CallContext, Fetch, Fetched, HttpReply, HttpRequest, Method, Reply};
use bytes::Bytes;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::fmt::Write as _;

/// The request for what is wanted. Webhooks bring whole objects, so that no notification has to be completed. The
/// level is read with its product, whatever the location: the list filters by a location's name, not by its id.
pub(super) fn request(wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
    let Fetch::Level { item, .. } = wanted else { return Ok(None) };
    let access = context.access;
    let (client, token) = access
        .token
        .split_once(':')
        .ok_or_else(|| Reject::new(RejectClass::Config, "treez wants a token as <client id>:<access token>"))?;
    let (account, id) = (escaped(&access.account), escaped(item.as_str()));
    Ok(Some(HttpRequest {
        method: Method::Get,
        // Without `active=ALL` a product that was switched off is left out, and its level would never be read.
        url: format!("{}/v2.0/dispensary/{account}/product/product_list?id={id}&active=ALL", access.base_url),
        headers: vec![("authorization", token.to_owned()), ("client_id", client.to_owned())],
        body: Bytes::new(),
    }))
}

/// The product in a reply, dressed as the webhook that tells of it.
pub(super) fn fetched(wanted: &Fetch<'_>, reply: &HttpReply<'_>) -> Fetched {
    let Fetch::Level { item, .. } = wanted else { return Fetched::Objects { objects: Vec::new(), next: None } };
    match meaning(reply) {
        Reply::Done => {}
        other => return Fetched::Failed(other),
    }
    let Ok(body) = serde_json::from_slice::<Value>(reply.body) else {
        return Fetched::Failed(Reply::Retry { reason: "the reply is not JSON".to_owned() });
    };
    // An access token that ran out is answered with 200 and JSON that lacks the list.
    let Some(products) = body.pointer("/data/product_list").and_then(Value::as_array) else {
        let reason = "treez answered without a list of products, as it does to a token that ran out";
        return Fetched::Failed(Reply::Refused(Reject::new(RejectClass::Auth, reason)));
    };
    let wanted = |product: &&Value| product.get("product_id").and_then(Value::as_str) == Some(item.as_str());
    let dressed = |product| json!({"event_type": "PRODUCT", "data": product}).to_string().into_bytes();
    let objects = products.iter().filter(wanted).map(|product| ("PRODUCT", dressed(product))).collect();
    Fetched::Objects { objects, next: None }
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

    fn asked(token: &str, id: &str) -> Result<Option<HttpRequest>, Reject> {
        let access = Access {
            base_url: "https://treez.example".to_owned(),
            token: token.to_owned(),
            api_version: String::new(),
            account: "partner sandbox".to_owned(),
        };
        let item = ExternalId::new(id).unwrap();
        let context = CallContext { access: &access, idempotency_key: "key", now: Timestamp::from_micros(0) };
        request(&Fetch::Level { item: &item, location: None }, &context)
    }

    #[test]
    fn a_level_is_read_with_its_product_even_if_that_was_switched_off() {
        let request = asked("client:token:with:colons", "p-1&active=TRUE").unwrap().unwrap();
        let url = "https://treez.example/v2.0/dispensary/partner%20sandbox/product/product_list?id=p-1%26active%3DTRUE&active=ALL";
        assert_eq!(request.url, url);
        let headers = [("authorization", "token:with:colons".to_owned()), ("client_id", "client".to_owned())];
        assert_eq!(request.headers, headers);
        assert_eq!(asked("token", "p-1").unwrap_err().class, RejectClass::Config);
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
        let expected = json!({"event_type": "PRODUCT", "data": {"product_id": "p-1", "sellable_quantity": 3}});
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

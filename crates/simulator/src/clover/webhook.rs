//! Webhooks: the keys and ids of what changed, all changes of an act in one request.

use super::sign;
use crate::exchange::Outgoing;
use crate::ledger::{Change, Instant};
use crate::platform::Unsigned;
use crate::state::State;
use bytes::Bytes;
use serde_json::{Value, json};

/// The app that the webhooks are for.
const APP: &str = "DRKVJT2ZRRRSC";

/// The updates of an act. A change of stock is one of its item, as it was before Clover had a type for it.
pub(super) fn announce(state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
    let mut updates: Vec<(String, &str)> = Vec::new();
    for change in changes {
        let (object, kind) = match change {
            Change::ProductAdded(id) => (format!("I:{id}"), "CREATE"),
            Change::ProductDeleted(id) => (format!("I:{id}"), "DELETE"),
            Change::ProductEdited(id)
            | Change::Level(id, _)
            | Change::Connected(id, _)
            | Change::Disconnected(id, _) => (format!("I:{id}"), "UPDATE"),
            Change::Sold(id) => {
                // The order's payment is reported as well.
                let payment = state.ledger.order(id).map(|order| (format!("P:{}", order.line.id), "CREATE"));
                updates.extend(payment);
                (format!("O:{id}"), "CREATE")
            }
            Change::Cancelled(id) | Change::Refunded(id) => (format!("O:{id}"), "UPDATE"),
            Change::CustomerAdded(id) => (format!("C:{id}"), "CREATE"),
            Change::Hired(id) => (format!("E:{id}"), "CREATE"),
            Change::Left(id) => (format!("E:{id}"), "DELETE"),
        };
        if !updates.contains(&(object.clone(), kind)) {
            updates.push((object, kind));
        }
    }
    let Some((first, _)) = updates.first() else { return Vec::new() };
    let topic = first.split(':').next().unwrap_or_default().to_owned();
    let update = |(object, kind): &(String, &str)| json!({"objectId": object, "type": kind, "ts": now.timestamp_millis()});
    let listed: Vec<Value> = updates.iter().map(update).collect();
    let body = json!({"appId": APP, "merchants": {state.shop.account.as_str(): listed}});
    vec![addressed(state, topic, &body, url)]
}

fn addressed(state: &mut State, topic: String, body: &Value, url: &str) -> Outgoing {
    let id = state.ids.uuid();
    let body = Bytes::from(body.to_string());
    let headers = sign::headers(&Unsigned {
        account: &state.shop.account,
        secret: &state.shop.webhook_secret,
        url,
        topic: &topic,
        id: &id,
        body: &body,
    });
    Outgoing { topic, id, headers, body, url: url.to_owned() }
}

/// The request by which Clover checks a URL: it comes before there is a code for the header.
pub(super) fn check_url(state: &mut State, url: &str) -> Outgoing {
    let code = state.ids.uuid();
    Outgoing {
        topic: "verificationCode".to_owned(),
        id: code.clone(),
        headers: vec![("content-type", "application/json".to_owned())],
        body: Bytes::from(json!({"verificationCode": code}).to_string()),
        url: url.to_owned(),
    }
}

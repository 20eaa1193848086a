//! Webhooks: full objects, unsigned, without an id of their own.

use super::{api, sign};
use crate::exchange::Outgoing;
use crate::ledger::Change;
use crate::platform::Unsigned;
use crate::state::State;
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) fn announce(state: &mut State, changes: &[Change], url: &str) -> Vec<Outgoing> {
    let mut events: Vec<(&str, Value)> = Vec::new();
    let mut reported: Vec<String> = Vec::new();
    for change in changes {
        match change {
            Change::Sold(id) => {
                let data = state.ledger.order(id).map(|order| api::ticket(state, order));
                events.extend(data.map(|data| ("TICKET", data)));
            }
            // A cancelled ticket is reported by its status alone.
            Change::Cancelled(id) => {
                let data = state
                    .ledger
                    .order(id)
                    .map(|order| json!({"ticket_id": order.id, "order_status": api::status(order)}));
                events.extend(data.map(|data| ("TICKET_STATUS", data)));
            }
            Change::CustomerAdded(id) => {
                events
                    .extend(state.ledger.customer(id).map(|customer| ("CUSTOMER", api::customer(customer))));
            }
            // Treez documents no webhook for a refund, and none for employees.
            Change::Refunded(_) | Change::Hired(_) | Change::Left(_) => {}
            // A product is its own item. Its `last_updated_at` doesn't change if only its stock does.
            Change::ProductAdded(id)
            | Change::ProductEdited(id)
            | Change::ProductDeleted(id)
            | Change::Level(id, _)
            | Change::Connected(id, _)
            | Change::Disconnected(id, _) => {
                if !reported.contains(id) {
                    reported.push(id.clone());
                    events.extend(product(state, id).map(|data| ("PRODUCT", data)));
                }
            }
        }
    }
    events.into_iter().map(|(kind, data)| addressed(state, kind, &data, url)).collect()
}

fn product(state: &State, id: &str) -> Option<Value> {
    let product = state.ledger.product(id)?;
    Some(api::product(state, product, product.variants.first()?))
}

fn addressed(state: &mut State, kind: &str, data: &Value, url: &str) -> Outgoing {
    let body = json!({"event_type": kind, "data": data, "dispensary_short_name": state.shop.account});
    let trace = format!("00-{}-{}-01", state.ids.hex(16), state.ids.hex(8));
    let body = Bytes::from(body.to_string());
    let mut headers = sign::headers(&Unsigned {
        account: &state.shop.account,
        secret: &state.shop.webhook_secret,
        url,
        topic: kind,
        id: &trace,
        body: &body,
    });
    headers.extend([
        ("traceparent", trace.clone()),
        ("user-agent", "Apache-HttpClient/4.5.13 (Java/17)".to_owned()),
    ]);
    Outgoing { topic: kind.to_owned(), id: trace, headers, body, url: url.to_owned() }
}

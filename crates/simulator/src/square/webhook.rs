//! Webhooks: thin for the catalog and for orders, full for counts, customers and the team.

use super::{api, inventory, sign, team};
use crate::exchange::Outgoing;
use crate::ledger::{Change, Instant};
use crate::notation;
use crate::platform::Unsigned;
use crate::state::State;
use bytes::Bytes;
use serde_json::{Value, json};

/// A catalog change is reported twice in one of this many cases, with two event ids.
const CATALOG_TWICE_ONE_IN: u32 = 3;

pub(super) fn announce(state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
    let mut events: Vec<(&str, Value)> = Vec::new();
    if catalog_changed(changes) {
        let twice = state.ids.one_in(CATALOG_TWICE_ONE_IN);
        for _ in 0..=usize::from(twice) {
            let object = json!({"catalog_version": {"updated_at": notation::utc(now)}});
            events.push((
                "catalog.version.updated",
                json!({"type": "catalog_version", "id": "", "object": object}),
            ));
        }
    }
    let counts = counts(state, changes);
    if !counts.is_empty() {
        let object = json!({"inventory_counts": counts});
        let data = json!({"type": "inventory_counts", "id": state.ids.uuid(), "object": object});
        events.push(("inventory.count.updated", data));
    }
    for change in changes {
        match change {
            Change::Sold(id) => events.extend(order_created(state, id).map(|data| ("order.created", data))),
            Change::CustomerAdded(id) => {
                let data = state.ledger.customer(id).map(|customer| {
                    json!({"type": "customer", "id": id, "object": {"customer": api::customer(customer)}})
                });
                events.extend(data.map(|data| ("customer.created", data)));
            }
            Change::Hired(id) => events.extend(member(state, id).map(|data| ("team_member.created", data))),
            Change::Left(id) => {
                events.extend(member(state, id).map(|data| ("team_member.updated", data)));
            }
            _ => {}
        }
    }
    events.into_iter().map(|(kind, data)| sealed(state, kind, &data, url, now)).collect()
}

fn member(state: &State, id: &str) -> Option<Value> {
    let member = state.staff.find(id)?;
    Some(json!({"type": "team_member", "id": id, "object": {"team_member": team::member(member)}}))
}

fn catalog_changed(changes: &[Change]) -> bool {
    changes.iter().any(|change| {
        matches!(change, Change::ProductAdded(_) | Change::ProductEdited(_) | Change::ProductDeleted(_))
    })
}

/// The counts of every level that changed; after a sale also the sold count, which isn't stock.
fn counts(state: &State, changes: &[Change]) -> Vec<Value> {
    let sale = changes.iter().any(|change| matches!(change, Change::Sold(_)));
    let mut rows = Vec::new();
    for change in changes {
        if let Change::Level(item, location) | Change::Connected(item, location) = change
            && state.ledger.is_tracked(item)
            && let Some(level) = state.ledger.level(item, location)
        {
            rows.push(inventory::count(item, location, level));
            if sale {
                rows.push(inventory::sold(item, location, level));
            }
        }
    }
    rows
}

fn order_created(state: &State, id: &str) -> Option<Value> {
    let order = state.ledger.order(id)?;
    let created = json!({
        "created_at": notation::utc(order.at), "location_id": order.location, "order_id": id,
        "state": "COMPLETED", "version": 1,
    });
    Some(json!({"type": "order_created", "id": id, "object": {"order_created": created}}))
}

fn sealed(state: &mut State, kind: &str, data: &Value, url: &str, now: Instant) -> Outgoing {
    let id = state.ids.uuid();
    let body = json!({
        "merchant_id": state.shop.account, "type": kind, "event_id": id, "created_at": notation::utc(now),
        "data": data,
    });
    let body = Bytes::from(body.to_string());
    let mut headers = sign::headers(&Unsigned {
        account: &state.shop.account,
        secret: &state.shop.webhook_secret,
        url,
        topic: kind,
        id: &id,
        body: &body,
    });
    headers.extend([
        ("square-environment", "Sandbox".to_owned()),
        ("square-initial-delivery-timestamp", notation::utc(now)),
    ]);
    Outgoing { topic: kind.to_owned(), id, headers, body, url: url.to_owned() }
}

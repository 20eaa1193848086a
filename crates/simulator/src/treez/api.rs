//! Treez' dispensary API v2.0: lists only; no call sets stock.

use crate::exchange::{Incoming, Reply, decode, decode_form};
use crate::ledger::{Customer, Instant, Order, Product, Variant};
use crate::notation;
use crate::state::State;
use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// The shop's time zone, in hours west of Greenwich.
const HOURS_WEST: i32 = 7;
/// Lifetime of an access token, in hours.
const TOKEN_HOURS: i64 = 2;
/// Maximum number of access tokens that are valid at once.
const TOKENS_MAX: usize = 100;
/// Maximum number of products on a page.
const PAGE_MAX: usize = 1_000;
/// Maximum number of ids in one request.
const IDS_MAX: usize = 50;
/// Maximum age of changed tickets in a list, in days.
const TICKET_DAYS_MAX: i64 = 30;
/// Number of rows on a page if the path names no valid number.
const ROWS_DEFAULT: usize = 25;

pub(super) fn failed(status: u16, reason: &str) -> Reply {
    Reply::of(status, json!({"resultCode": "FAIL", "resultReason": reason, "resultDetail": reason}))
}

/// The API of one dispensary.
#[derive(Debug, Default)]
pub(super) struct Api {
    /// Issued tokens and their times of expiry.
    tokens: VecDeque<(String, Instant)>,
}

impl Api {
    pub(super) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }
}

pub(super) fn respond(api: &mut Api, state: &mut State, call: &Incoming, now: Instant) -> Reply {
    let segments: Vec<String> = call.segments().into_iter().map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["v2.0", "dispensary", dispensary, path @ ..] = &segments[..] else {
        return failed(404, "NOT_FOUND");
    };
    if *dispensary != state.shop.account {
        return failed(404, "DISPENSARY_NOT_FOUND");
    }
    if call.method == "POST" && path == ["config", "api", "gettokens"] {
        return tokens(api, state, call, now);
    }
    let token = call.header("authorization").unwrap_or_default();
    let issued = api.tokens.iter().any(|(issued, until)| issued == token && now < *until);
    let client = call.header("client_id").is_some_and(|client| !client.is_empty());
    if !client || !issued {
        return failed(401, "INVALID_TOKEN");
    }
    match (call.method.as_str(), path) {
        ("GET", ["product", "product_list"]) => products(state, call, None),
        ("GET", ["product", "product_list", "lastUpdated", "after", after]) => match notation::instant(after)
        {
            Some(after) => products(state, call, Some(after)),
            None => failed(400, "INVALID_DATE"),
        },
        ("GET", ["ticket", "lastUpdated", "after", after, rest @ ..]) => tickets(state, after, rest, now),
        ("GET", ["ticket", "closedate", day, rest @ ..]) => closed_tickets(state, day, rest),
        ("GET", ["ticket", id]) => {
            let list: Vec<Value> =
                state.ledger.order(id).map(|order| ticket(state, order)).into_iter().collect();
            Reply::ok(json!({"resultCode": "SUCCESS", "resultReason": null, "ticketList": list}))
        }
        ("GET", ["customer", "lastUpdated", "after", after, rest @ ..]) => customers(state, after, rest),
        _ => failed(404, "NOT_FOUND"),
    }
}

fn tokens(api: &mut Api, state: &mut State, call: &Incoming, now: Instant) -> Reply {
    let form = decode_form(&String::from_utf8_lossy(&call.body));
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if field("client_id").is_none_or(str::is_empty) || field("apikey") != Some(state.shop.token.as_str()) {
        return failed(401, "INVALID_CLIENT");
    }
    let token = state.ids.hex(32);
    let until = now + TimeDelta::hours(TOKEN_HOURS);
    api.tokens.push_back((token.clone(), until));
    if api.tokens.len() > TOKENS_MAX {
        api.tokens.pop_front();
    }
    Reply::ok(json!({
        "resultCode": "SUCCESS", "resultReason": null, "access_token": token, "refresh_token": state.ids.hex(32),
        "expires_in": TOKEN_HOURS * 3_600, "expires_at": local(until),
    }))
}

fn local(at: Instant) -> String {
    notation::local(at, HOURS_WEST, SecondsFormat::Millis)
}

fn products(state: &State, call: &Incoming, after: Option<Instant>) -> Reply {
    let number = |name: &str| call.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("pagesize").unwrap_or(PAGE_MAX);
    let ids: Option<Vec<&str>> = call.parameter("id").map(|ids| ids.split(',').collect());
    if size == 0 || size > PAGE_MAX || ids.as_ref().is_some_and(|ids| ids.len() > IDS_MAX) {
        return failed(400, "RESPONSE_LIMIT_EXCEEDS");
    }
    let active = call.parameter("active").unwrap_or("TRUE").to_uppercase();
    let mut shown: Vec<&Product> = state
        .ledger
        .listed_products()
        .filter(|product| match active.as_str() {
            "ALL" => true,
            "FALSE" => product.deleted,
            _ => !product.deleted,
        })
        .filter(|product| ids.as_ref().is_none_or(|ids| ids.contains(&product.id.as_str())))
        .filter(|product| after.is_none_or(|after| product.updated_at > after))
        .collect();
    shown.sort_by_key(|product| (&product.title, &product.id));
    let total = shown.len();
    let start = (number("page").unwrap_or(1).max(1) - 1) * size;
    let list: Vec<Value> = shown
        .into_iter()
        .skip(start)
        .take(size)
        .filter_map(|held| held.variants.first().map(|variant| product(state, held, variant)))
        .collect();
    Reply::ok(json!({"resultCode": "SUCCESS", "resultReason": null, "resultDetail": null,
        "data": {"page_count": list.len(), "total_count": total, "product_list": list}}))
}

/// The rows that a path ending in page/{page}/pagesize/{size} selects.
fn page<T>(rows: Vec<T>, rest: &[&str], size_max: usize) -> Option<Vec<T>> {
    let ["page", page, "pagesize", size] = rest else { return None };
    let page = page.parse::<usize>().ok().filter(|page| *page > 0)?;
    let size = size.parse::<usize>().ok()?.clamp(1, size_max);
    Some(rows.into_iter().skip((page - 1) * size).take(size).collect())
}

fn tickets(state: &State, after: &str, rest: &[&str], now: Instant) -> Reply {
    let Some(after) = notation::instant(after) else { return failed(400, "INVALID_DATE") };
    if after < now - TimeDelta::days(TICKET_DAYS_MAX) {
        return failed(400, "INVALID_DATE_RANGE");
    }
    let rows = state.ledger.orders().rev().filter(|order| order.updated_at() > after);
    let rows = rows.map(|order| ticket(state, order)).collect();
    match page(rows, rest, ROWS_DEFAULT) {
        Some(list) => Reply::ok(json!({"resultCode": "SUCCESS", "resultReason": null, "ticketList": list})),
        None => failed(404, "NOT_FOUND"),
    }
}

/// The tickets that were closed on a day of the store, the newest first.
fn closed_tickets(state: &State, day: &str, rest: &[&str]) -> Reply {
    let Ok(day) = NaiveDate::parse_from_str(day, "%Y-%m-%d") else { return failed(400, "INVALID_DATE") };
    let closed_on = |at: Instant| (at - TimeDelta::hours(i64::from(HOURS_WEST))).date_naive();
    let rows = state.ledger.orders().rev().filter(|order| closed_on(order.at) == day);
    let rows = rows.map(|order| ticket(state, order)).collect();
    match page(rows, rest, ROWS_DEFAULT) {
        Some(list) => Reply::ok(json!({"resultCode": "SUCCESS", "resultReason": null, "ticketList": list})),
        None => failed(404, "NOT_FOUND"),
    }
}

fn customers(state: &State, after: &str, rest: &[&str]) -> Reply {
    let Some(after) = notation::instant(after) else { return failed(400, "INVALID_DATE") };
    let rows = state.ledger.customers().rev().filter(|customer| customer.at > after).map(customer).collect();
    match page(rows, rest, ROWS_DEFAULT * 2) {
        Some(list) => Reply::ok(json!({"resultCode": "SUCCESS", "resultReason": null, "data": list})),
        None => failed(404, "NOT_FOUND"),
    }
}

pub(super) fn product(state: &State, product: &Product, variant: &Variant) -> Value {
    let levels =
        state.ledger.levels_of(&variant.item).filter(|_| variant.tracked).map(|(location, level)| {
            json!({"inventory_type": "ADULT", "location": location, "location_id": location,
            "sellable_quantity": notation::number(level.quantity())})
        });
    let price = notation::amount_number(variant.price_minor, &state.shop.currency);
    json!({
        "product_id": product.id, "product_status": if product.deleted { "DEACTIVATED" } else { "ACTIVE" },
        "last_updated_at": local(product.updated_at),
        "sellable_quantity": variant.tracked.then(|| notation::number(state.ledger.total(&variant.item))),
        "sellable_quantity_detail": levels.collect::<Vec<_>>(), "category_type": "MERCH",
        "product_configurable_fields": {"name": product.title, "uom": null, "brand": "ACME", "size": "EACH",
            "amount": 1, "classification": null, "subtype": null, "external_id": variant.sku},
        "pricing": {"price_type": "FLAT", "price_sell": price, "discounted_price": price, "discount_amount": 0,
            "discount_percent": 0, "tier_name": null, "tier_method": null, "tier_pricing_detail": null},
        "discounts": [], "attributes": {"general": null, "flavors": null, "effects": [], "ingredients": null,
            "internal_tags": null},
        "product_barcodes": [{"created_date": local(product.created_at), "sku": variant.sku, "type": "USER_DEFINED"}],
        "e_commerce": {"all_images": [], "primary_image": null, "menu_title": null,
            "product_description": product.description, "minimum_visible_inventory_level": 0,
            "hide_from_menu": false},
        "lab_results": [], "autoupdate_lab_results": false, "above_threshold": true, "external_references": [],
    })
}

pub(super) fn status(order: &Order) -> &'static str {
    if order.cancelled_at.is_some() { "CANCELED" } else { "COMPLETED" }
}

pub(super) fn ticket(state: &State, order: &Order) -> Value {
    let line = &order.line;
    let currency = &state.shop.currency;
    let total = notation::amount_number(line.total_minor(), currency);
    let (at, updated_at) = (local(order.at), local(order.updated_at()));
    let mut ticket = json!({
        "type": "POS", "ticket_id": order.id, "order_number": format!("{:06}", order.number),
        "external_order_number": null, "order_source": "IN_STORE",
        "created_by_employee": {"employee_id": "1", "name": "Till One", "role": "BUDTENDER"},
        "customer_id": null, "ticket_patient_type": "ADULT", "cash_register_id": 1,
        "order_status": status(order), "payment_status": "PAID", "date_created": at, "last_updated_at": updated_at,
        "date_closed": at, "post_tax_pricing": false, "sub_total": total, "post_tax_subtotal": total,
        "tax_total": 0, "discount_total": 0, "total": total, "ticket_note": null, "refund_reason": null,
        "original_ticket_id": null, "refund_ticket_ids": [], "delivery_address": null, "scheduled_date": null,
        "reward_points_earned": 0, "reward_points_used": 0, "coupon_codes": [], "fees": [],
    });
    ticket["purchase_limit"] = json!({"concentrated": "0/8", "non_concentrated": "0/228", "plant": "0/12"});
    ticket["payments"] = json!([{"payment_id": line.id, "payment_source": "POS", "payment_method": "CASH",
        "amount_paid": total, "payment_date": at}]);
    ticket["items"] = json!([{
        "id": line.id, "product_id": line.product, "barcodes": [], "inventory_barcodes": [],
        "location_name": order.location, "inventory_type": "ADULT", "size_id": line.product,
        "product_size_name": line.title, "product_type": "MERCH", "product_brand": "ACME",
        "quantity": notation::number(line.quantity), "price_total": total,
        "price_sell": notation::amount_number(line.price_minor, currency), "price_target": null,
        "product_unit": "EACH", "product_amount": 1, "POS_discounts": [], "discounts": [], "tax": [],
    }]);
    ticket
}

pub(super) fn customer(customer: &Customer) -> Value {
    json!({
        "customer_id": customer.id, "status": "ACTIVE", "verification_status": "VERIFIED",
        "verification_reasons": [], "first_name": customer.given_name, "middle_name": null,
        "last_name": customer.family_name, "nickname": null, "birthday": "1980-01-01", "email": customer.email,
        "phone": null, "gender": null, "drivers_license": "N/A", "notes": "N/A",
        "signup_date": local(customer.at), "last_update": local(customer.at),
        "last_visit_date": "2000-01-01 00:00:00.000", "opt_out": "true", "banned": false, "warning": false,
        "addresses": [], "merged_customer_ids": [], "merged_into_customer_id": null, "patient_type": "ADULT",
        "customer_groups": [], "rewards_balance": 0,
    })
}

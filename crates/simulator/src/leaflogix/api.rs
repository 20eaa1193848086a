//! The lists of the API: arrays without an envelope.

use super::show;
use crate::exchange::{Incoming, Reply};
use crate::ledger::Instant;
use crate::notation;
use crate::state::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Customers on a page if the call names no number.
const PAGE_SIZE_DEFAULT: usize = 1_000;
/// Maximum number of customers on a page.
const PAGE_SIZE_MAX: usize = 10_000;
/// Maximum span of transactions in one call, in days.
const TRANSACTION_DAYS_MAX: i64 = 60;

/// The refusal of a call's parameters.
fn invalid(message: &str) -> Reply {
    Reply::of(
        400,
        json!({"isValid": false, "errors": [{"errorMessage": message}], "ruleSetsExecuted": ["default"]}),
    )
}

pub(super) fn respond(state: &State, call: &Incoming) -> Reply {
    if !is_authorized(state, call) {
        return Reply::of(401, json!({"message": "Invalid API Key"}));
    }
    let (Ok(after), Ok(before)) = (moment(call, "from"), moment(call, "to")) else {
        return invalid("a date isn't valid");
    };
    let is_within =
        |at: Instant| after.is_none_or(|after| at > after) && before.is_none_or(|before| at < before);
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/whoami") => Reply::ok(json!({"locationId": 1, "locationName": state.shop.account})),
        ("GET", "/reporting/products") => Reply::ok(products(state, is_within, |_| true)),
        // Only what is shown on the internet.
        ("GET", "/products") => Reply::ok(products(state, is_within, |is_deleted| !is_deleted)),
        ("GET", "/reporting/inventory" | "/inventory") => Reply::ok(stock(state)),
        ("GET", "/discounts/v2/list") => discounts(state, call),
        ("GET", "/customer/customers-paginated") => customers(state, call, is_within),
        ("GET", "/employees") => Reply::ok(Value::Array(state.staff.all().map(show::employee).collect())),
        ("GET", "/reporting/transactions") => transactions(state, call, (after, before)),
        _ => Reply::of(404, json!({"message": "Resource not found"})),
    }
}

/// The key is the user's name; the password is empty or the key of an integrator, which isn't checked.
fn is_authorized(state: &State, call: &Incoming) -> bool {
    let given = call.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let pair =
        given.and_then(|given| STANDARD.decode(given).ok()).and_then(|pair| String::from_utf8(pair).ok());
    pair.and_then(|pair| Some(pair.split_once(':')?.0 == state.shop.token)).unwrap_or_default()
}

/// The bound of the time of the last change, whose name begins with `from` or `to` in any case; an error if it is no
/// time.
fn moment(call: &Incoming, end: &str) -> Result<Option<Instant>, ()> {
    let name = format!("{end}LastModifiedDateUTC");
    let held = call.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name));
    held.map(|(_, text)| notation::instant(text).ok_or(())).transpose()
}

fn products(state: &State, is_within: impl Fn(Instant) -> bool, is_listed: impl Fn(bool) -> bool) -> Value {
    let listed = state.ledger.products().filter(|held| is_within(held.updated_at) && is_listed(held.deleted));
    let shown = listed.filter_map(|held| Some(show::product(state, held, held.variants.first()?)));
    Value::Array(shown.collect())
}

/// The packages with stock at the key's location; what has none isn't listed.
fn stock(state: &State) -> Value {
    let on_sale = state.ledger.products().filter(|held| !held.deleted);
    let packages = on_sale
        .flat_map(|held| held.variants.iter().flat_map(|variant| show::packages(state, held, variant)));
    Value::Array(packages.collect())
}

/// Discounts: those that are switched off only where they are asked for.
fn discounts(state: &State, call: &Incoming) -> Reply {
    let is_asked = |name: &str| call.parameter(name) == Some("true");
    let listed = state.promotions.all().filter(|held| held.is_on || is_asked("includeInactive"));
    let shown = listed.map(|held| show::discount(held, is_asked("includeInclusionExclusionData")));
    Reply::ok(Value::Array(shown.collect()))
}

fn customers(state: &State, call: &Incoming, is_within: impl Fn(Instant) -> bool) -> Reply {
    let number = |name: &str, default: usize| match call.parameter(name) {
        None => Some(default),
        Some(text) => text.parse::<usize>().ok(),
    };
    let (page, size) = (number("PageNumber", 0), number("PageSize", PAGE_SIZE_DEFAULT));
    let (Some(page), Some(size)) = (page, size.filter(|size| (1..=PAGE_SIZE_MAX).contains(size))) else {
        return invalid("PageSize exceeds maximum limit of 10,000");
    };
    let held = state.ledger.customers().filter(|customer| is_within(customer.at));
    Reply::ok(Value::Array(held.skip(page.saturating_mul(size)).take(size).map(show::customer).collect()))
}

/// Sales, and the return of each that was refunded, by the time of their last change.
fn transactions(
    state: &State,
    call: &Incoming,
    (after, before): (Option<Instant>, Option<Instant>),
) -> Reply {
    let is_named = |name: &str| call.query.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let by_change = after.is_some() || before.is_some();
    let ways = [by_change, is_named("TransactionId"), is_named("FromDateUTC") || is_named("ToDateUTC")];
    if ways.iter().filter(|is_used| **is_used).count() != 1 || !by_change {
        return invalid("transactionId, transaction date and last modified date are mutually exclusive");
    }
    if let (Some(after), Some(before)) = (after, before)
        && (before - after).num_days() > TRANSACTION_DAYS_MAX
    {
        return invalid("the range of dates is too long");
    }
    let is_within =
        |at: Instant| after.is_none_or(|after| at > after) && before.is_none_or(|before| at < before);
    let has_items = call.parameter("IncludeDetail") == Some("true");
    let mut shown: Vec<Value> = Vec::new();
    for order in state.ledger.orders() {
        if is_within(order.updated_at()) {
            shown.push(show::sale(state, order, has_items));
        }
        if let Some(at) = order.refunded_at
            && is_within(at)
        {
            shown.push(show::returned(state, order, at, has_items));
        }
    }
    Reply::ok(Value::Array(shown))
}

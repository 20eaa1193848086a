//! Shopify's Admin API over GraphQL and its budget of points.

use super::bulk::Bulk;
use super::discounts;
use super::filter::Filter;
use super::graphql::{self, Field, Operation};
use super::mutate::{self, idempotency_key};
use super::project::{Fault, Node, project};
use super::tree;
use crate::exchange::{Incoming, Reply};
use crate::ledger::Instant;
use crate::state::State;
use serde_json::{Map, Value, json};

/// The API version that is served, even if an older one is requested.
pub(super) const API_VERSION: &str = "2026-07";
/// Cost of one field of a mutation, in points.
const MUTATION_POINTS: f64 = 10.0;
/// Maximum cost of one query, in points.
const QUERY_POINTS_MAX: f64 = 1_000.0;
/// Size of the bucket, in seconds of refill.
const BUCKET_SECONDS: f64 = 20.0;

/// The leaky bucket of one app in one shop.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    available: f64,
    points_per_second: f64,
    at: Instant,
}

impl Bucket {
    fn full(points_per_second: f64, now: Instant) -> Self {
        Self { available: points_per_second * BUCKET_SECONDS, points_per_second, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let seconds = (now - self.at).as_seconds_f64().max(0.0);
        let maximum = self.points_per_second * BUCKET_SECONDS;
        self.available = (self.available + seconds * self.points_per_second).min(maximum);
        self.at = now;
    }

    /// Takes `points` if the bucket holds as many; returns false if not.
    fn spend(&mut self, points: f64, now: Instant) -> bool {
        self.refill(now);
        let enough = self.available >= points;
        if enough {
            self.available -= points;
        }
        enough
    }

    fn extensions(&self, requested: f64, actual: Option<f64>) -> Value {
        json!({"cost": {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.points_per_second * BUCKET_SECONDS,
                "currentlyAvailable": self.available.floor(),
                "restoreRate": self.points_per_second,
            },
        }})
    }
}

/// The API of one shop.
#[derive(Debug)]
pub(super) struct Api {
    bucket: Bucket,
    /// True if another program restocks one of each item just before each write of levels.
    pub(super) rival_restocks: bool,
    pub(super) bulk: Bulk,
}

impl Api {
    pub(super) fn new(points_per_second: f64, now: Instant) -> Self {
        Self { bucket: Bucket::full(points_per_second, now), rival_restocks: false, bulk: Bulk::default() }
    }

    pub(super) fn throttled_reply(&self) -> Reply {
        let errors = json!([{"message": "Throttled", "extensions": {"code": "THROTTLED",
            "documentation": "https://shopify.dev/api/usage/rate-limits"}}]);
        let extensions = self.bucket.extensions(MUTATION_POINTS, None);
        Reply::ok(json!({"errors": errors, "extensions": extensions}))
    }
}

pub(super) fn respond(api: &mut Api, state: &mut State, call: &Incoming, now: Instant) -> Reply {
    if let Some(reply) = api.bulk.file(call) {
        return reply;
    }
    if call.header("x-shopify-access-token") != Some(state.shop.token.as_str()) {
        let message = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return Reply::of(401, json!({"errors": message}));
    }
    let ["admin", "api", version, "graphql.json"] = call.segments()[..] else {
        return Reply::of(404, json!({"errors": "Not Found"}));
    };
    if call.method != "POST" || !is_version(version) {
        return Reply::of(404, json!({"errors": "Not Found"}));
    }
    let Ok(Value::Object(request)) = serde_json::from_slice(&call.body) else {
        return Reply::of(400, json!({"errors": {"query": "Required parameter missing or invalid"}}));
    };
    let query = request.get("query").and_then(Value::as_str).unwrap_or_default();
    let mut reply = match graphql::parse(query, request.get("variables").unwrap_or(&Value::Null)) {
        Ok(operation) => execute(api, state, (&operation, call), now),
        Err(message) => Reply::ok(json!({"errors": [{"message": message}]})).named("unreadable"),
    };
    reply.headers.push(("X-Shopify-API-Version", API_VERSION.to_owned()));
    reply
}

/// Returns true for the name of a quarterly version and for "unstable".
fn is_version(version: &str) -> bool {
    let quarterly = version.split_once('-').is_some_and(|(year, month)| {
        year.len() == 4 && year.parse::<u16>().is_ok() && ["01", "04", "07", "10"].contains(&month)
    });
    quarterly || version == "unstable"
}

fn execute(
    api: &mut Api,
    state: &mut State,
    (operation, call): (&Operation, &Incoming),
    now: Instant,
) -> Reply {
    let names: Vec<&str> = operation.fields.iter().map(|field| field.name.as_str()).collect();
    let name = names.join(",");
    let points = cost(operation);
    if !api.bucket.spend(points, now) {
        return api.throttled_reply().named(&name);
    }
    let (mut data, mut errors, mut changes) = (Map::new(), Vec::new(), Vec::new());
    for field in &operation.fields {
        let result = if field.name == "bulkOperationRunQuery" && operation.mutation {
            api.bulk.begin(state, field)
        } else if field.name == "node" && !operation.mutation {
            api.bulk.look(field, call)
        } else if operation.mutation {
            mutate::run(state, field, api.rival_restocks, now).map(|(value, changed)| {
                changes.extend(changed);
                value
            })
        } else {
            query(state, field)
        };
        let value = result.unwrap_or_else(|(message, code)| {
            errors.push(json!({"message": message, "path": [field.alias], "extensions": {"code": code}}));
            Value::Null
        });
        data.insert(field.alias.clone(), value);
    }
    let mut body = json!({"data": data, "extensions": api.bucket.extensions(points, Some(points))});
    if !errors.is_empty() {
        body["errors"] = Value::Array(errors);
    }
    let key = operation.fields.iter().find_map(|field| idempotency_key(field));
    let mut reply = Reply::ok(body).named(&name).changing(changes);
    reply.idempotency_key = key.map(str::to_owned);
    reply
}

/// Returns the cost in points: one for each object that could be returned, a simplification of the platform's own rule.
fn cost(operation: &Operation) -> f64 {
    fn objects(field: &Field) -> f64 {
        if field.selection.is_empty() {
            return 0.0;
        }
        let times = field.argument("first").and_then(Value::as_f64).unwrap_or(1.0);
        (1.0 + field.selection.iter().map(objects).sum::<f64>()) * times
    }
    let points = |field| if operation.mutation { MUTATION_POINTS } else { objects(field) };
    operation.fields.iter().map(points).sum::<f64>().clamp(1.0, QUERY_POINTS_MAX)
}

fn query(state: &State, field: &Field) -> Result<Value, Fault> {
    let id = || {
        let given = field.argument("id").and_then(Value::as_str);
        given.map(tree::bare_id).ok_or_else(|| {
            (format!("Field '{}' is missing required arguments: id", field.name), "missingRequiredArguments")
        })
    };
    let node = match field.name.as_str() {
        "inventoryItem" => {
            state.ledger.find(id()?).map(|(product, variant)| tree::item(state, product, variant))
        }
        "productVariant" => {
            state.ledger.find(id()?).map(|(product, variant)| tree::variant(state, product, variant))
        }
        "product" => state.ledger.on_sale(id()?).map(|product| tree::product(state, product)),
        "products" | "orders" | "customers" => Some(listed(state, field)?),
        "location" => {
            // The filter is that of the list within.
            let levels = field.selection.iter().find(|child| child.name == "inventoryLevels");
            tree::stocked(state, id()?, &levels.map_or_else(|| Ok(Filter::default()), filter)?)
        }
        "locations" => Some(tree::locations(state)),
        "discountNodes" => Some(discounts::listed(state)),
        "productsCount" => Some(tree::products_count(state)),
        other => {
            return Err((format!("Field '{other}' doesn't exist on type 'QueryRoot'"), "undefinedField"));
        }
    };
    node.map_or(Ok(Value::Null), |node| project(&node, field))
}

/// Products, orders or customers by id, limited to those that the argument `query` selects.
pub(super) fn listed(state: &State, field: &Field) -> Result<Node, Fault> {
    let filter = filter(field)?;
    let entry = |id: &str, node: Node| (tree::cursor(id), node);
    let mut found: Vec<(String, Instant, (String, Node))> = match field.name.as_str() {
        "products" => {
            let shown = state.ledger.listed_products().filter(|product| !product.deleted);
            shown.map(|it| (it.id.clone(), it.updated_at, entry(&it.id, tree::product(state, it)))).collect()
        }
        "orders" => {
            let shown = state.ledger.orders();
            shown.map(|it| (it.id.clone(), it.updated_at(), entry(&it.id, tree::order(state, it)))).collect()
        }
        "customers" => {
            let shown = state.ledger.customers();
            shown.map(|it| (it.id.clone(), it.at, entry(&it.id, tree::customer(it)))).collect()
        }
        other => {
            return Err((format!("Field '{other}' doesn't exist on type 'QueryRoot'"), "undefinedField"));
        }
    };
    found.retain(|(id, at, _)| filter.has_id(id) && filter.has_changed(*at));
    found.sort_by_key(|(id, _, _)| id.parse::<u64>().unwrap_or_default());
    Ok(Node::Connection(found.into_iter().map(|(_, _, entry)| entry).collect()))
}

fn filter(field: &Field) -> Result<Filter, Fault> {
    let query = field.argument("query").and_then(Value::as_str).unwrap_or_default();
    Filter::parse(query).ok_or_else(|| {
        let message = "only filters like updated_at:>'2026-01-01T00:00:00Z' AND id:>=1 are simulated";
        (message.to_owned(), "BAD_REQUEST")
    })
}

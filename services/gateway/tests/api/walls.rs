//! The walls between tenants and between roles, at every route of the `OpenAPI` document.

use crate::fixture::{Api, Ask, SECRET, Shop, TOKEN};
use hyper::{Method, StatusCode};
use model::{Permission, Role, Scope};
use serde_json::{Value, json};

/// One operation of the document.
struct Operation {
    id: String,
    method: Method,
    path: String,
    has_body: bool,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(gateway::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                has_body: operation.get("requestBody").is_some(),
            });
        }
    }
    assert!(found.len() > 15, "{}", found.len());
    found
}

/// The permission and a valid body of each operation; a test fails if one isn't listed.
fn expectation(id: &str, of: &Shop) -> (Option<Permission>, Option<Value>) {
    use Permission::{
        Decide, ReadConnections, ReadKeys, ReadRecord, ReadStores, ReadTenants, WriteConnections, WriteKeys,
        WriteStores, WriteTenants,
    };
    let (permission, body) = match id {
        "showCaller" => return (None, None),
        "listTenants" => (ReadTenants, None),
        "createTenant" => (WriteTenants, Some(json!({}))),
        "listKeys" => (ReadKeys, None),
        "issueKey" => (WriteKeys, Some(json!({"name": "till", "role": "read_only"}))),
        "revokeKey" => (WriteKeys, None),
        "listPlatforms" | "listStores" | "showStore" | "listLocations" | "showLocation" => (ReadStores, None),
        "createStore" => (WriteStores, Some(json!({"name": "New", "timezone": "UTC"}))),
        "changeStore" => (WriteStores, Some(json!({"name": "Renamed"}))),
        "createLocation" | "changeLocation" => (WriteStores, Some(json!({"name": "Corner"}))),
        "listConnections"
        | "showConnection"
        | "showConnectionState"
        | "listConnectionLocations"
        | "showLists" => (ReadConnections, None),
        "linkLocation" => (WriteConnections, Some(json!({"location": of.location.as_str()}))),
        "readList" => (WriteConnections, Some(json!({}))),
        "listConflicts" | "showConflict" | "listMatches" | "showMatch" => (ReadRecord, None),
        "resolveConflict" => (Decide, Some(json!({"note": "counted"}))),
        "acceptMatch" => (Decide, None),
        "rejectMatch" | "undoMatch" => (Decide, Some(json!({}))),
        "createConnection" => (WriteConnections, Some(new_connection(of))),
        "changeConnection" => (WriteConnections, Some(json!({"api_version": "2026-01"}))),
        "pauseConnection" | "resumeConnection" | "ignoreLocation" | "heedLocation" => {
            (WriteConnections, None)
        }
        "replaceToken" => (WriteConnections, Some(json!({"token": "t"}))),
        "rotateSecret" => (WriteConnections, Some(json!({"secret": "s", "keep_former": false}))),
        other => panic!("{other} is a new operation: say which permission it needs and what its body is"),
    };
    (Some(permission), body)
}

pub(crate) fn new_connection(of: &Shop) -> Value {
    json!({
        "platform": "square",
        "account": "another-account",
        "base_url": "https://connect.squareup.com",
        "token": "a-token",
        "webhook_secrets": ["a-secret"],
        "default_location": of.location.as_str(),
    })
}

/// The request of an operation about the things of a shop; `key` is the id of a key.
fn ask(operation: &Operation, of: &Shop, key: &str) -> Ask {
    let path = operation
        .path
        .replace("{store}", of.store.as_str())
        .replace("{location}", of.location.as_str())
        .replace("{connection}", of.connection.as_str())
        .replace("{conflict}", &of.conflict.to_string())
        .replace("{match}", &of.found.to_string())
        .replace("{external}", "place")
        .replace("{list}", "products")
        .replace("{key}", key);
    assert!(!path.contains('{'), "{path}: a parameter that this test doesn't know");
    let mut ask = Ask::new(operation.method.clone(), path);
    if operation.method == Method::PATCH {
        ask = ask.header("if-match", "*");
    }
    let (_, body) = expectation(&operation.id, of);
    assert_eq!(body.is_some(), operation.has_body, "{}", operation.id);
    match body {
        Some(body) => ask.body(body),
        None => ask,
    }
}

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

#[tokio::test]
async fn what_belongs_to_another_tenant_does_not_exist_at_any_route() {
    let api = Api::new().await;
    let (own, other) = (api.shop("t1").await, api.shop("t2").await);
    let key = api.key(Role::StoreOwner, &own.scope()).await;
    let of_other = api.key(Role::StoreOwner, &other.scope()).await;
    let nobody = Shop::named("nobody");
    for operation in operations() {
        let reply = api.send(&key, ask(&operation, &other, id_of(&of_other))).await;
        if operation.path.contains('{') {
            let unknown = api.send(&key, ask(&operation, &nobody, "0000000000000000")).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{}: {}", operation.id, reply.text);
            // A thing of another tenant looks like one that doesn't exist.
            let plain = |text: &str| {
                text.replace("t2-", "nobody-")
                    .replace(id_of(&of_other), "0000000000000000")
                    .replace(&format!("conflict {}\"", other.conflict), "conflict 999999\"")
                    .replace(&format!("match {}\"", other.found), "match 999999\"")
            };
            assert_eq!(plain(&reply.text), plain(&unknown.text), "{}", operation.id);
            assert_eq!(reply.status, unknown.status);
        } else {
            for foreign in ["t2-", "\"t2\"", id_of(&of_other)] {
                assert!(!reply.text.contains(foreign), "{} shows {foreign}: {}", operation.id, reply.text);
            }
        }
    }
    let state = api.store.connection_state(&other.connection).await.unwrap().unwrap();
    assert!(state.enabled);
    let known = api.store.connection(&other.connection).await.unwrap().unwrap();
    assert_eq!((known.token, known.secrets), (format!("{TOKEN}t2"), vec![format!("{SECRET}t2")]));
    assert_eq!(api.send(&of_other, Ask::get("/v1/caller")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_of_one_tenant_cannot_name_another() {
    let api = Api::new().await;
    let own = api.shop("t1").await;
    api.shop("t2").await;
    let key = api.key(Role::StoreOwner, &own.scope()).await;
    for operation in operations() {
        let ask = ask(&operation, &own, "0000000000000000").header("tillflow-tenant", "t2");
        assert_eq!(api.send(&key, ask).await.status, StatusCode::FORBIDDEN, "{}", operation.id);
    }
}

#[tokio::test]
async fn a_key_of_one_store_sees_no_other_store_of_its_tenant() {
    let api = Api::new().await;
    let (own, other) = (api.shop("t1").await, api.shop("t2").await);
    // The same tenant has both stores.
    let second = store::StoreSetup {
        tenant: own.tenant.clone(),
        id: model::StoreId::new("second").unwrap(),
        name: "Second".to_owned(),
        currency: None,
        timezone: "UTC".to_owned(),
    };
    api.store.upsert_store(&second).await.unwrap();
    drop(other);
    let key = api.key(Role::StoreOwner, &Scope::Store(own.tenant.clone(), second.id.clone())).await;
    let stores = api.send(&key, Ask::get("/v1/stores")).await.json();
    let ids: Vec<_> = stores["items"].as_array().unwrap().iter().map(|store| store["id"].clone()).collect();
    assert_eq!(ids, ["second"]);
    for operation in operations().iter().filter(|operation| operation.path.contains('{')) {
        let reply = api.send(&key, ask(operation, &own, "0000000000000000")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{}: {}", operation.id, reply.text);
    }
    let another = Ask::post("/v1/stores", json!({"name": "Third", "timezone": "UTC"}));
    assert_eq!(api.send(&key, another).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn each_route_is_closed_to_roles_without_its_permission_and_open_to_the_others() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    for role in Role::ALL {
        let scope = if role == Role::PlatformOwner { Scope::All } else { shop.scope() };
        let key = api.key(role, &scope).await;
        for operation in operations() {
            let (permission, _) = expectation(&operation.id, &shop);
            let revoked = api.key(Role::ReadOnly, &shop.scope()).await;
            let mut ask = ask(&operation, &shop, id_of(&revoked));
            if scope == Scope::All && operation.id != "createTenant" {
                ask = ask.header("tillflow-tenant", "t1");
            }
            let reply = api.send(&key, ask).await;
            let may = permission.is_none_or(|permission| role.may(permission));
            let context = format!("{} as {}: {} {}", operation.id, role.as_str(), reply.status, reply.text);
            if may {
                // Some are refused by the present state, such as the second connection of one account; instructions find no
                // intake here.
                let otherwise = [StatusCode::CONFLICT, StatusCode::SERVICE_UNAVAILABLE];
                let is_done = reply.status.is_success() || otherwise.contains(&reply.status);
                assert!(is_done, "{context}");
            } else {
                assert_eq!(reply.status, StatusCode::FORBIDDEN, "{context}");
            }
            for secret in [TOKEN, SECRET, "a-token", "a-secret"] {
                assert!(!reply.text.contains(secret), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn no_route_answers_without_credentials_and_all_name_the_error_alike() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let of_somebody_else = gateway::ApiKeyText::random();
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let wrong_secret =
        format!("tfk_{}_{}", id_of(&key), of_somebody_else.reveal().splitn(3, '_').nth(2).unwrap());
    for operation in operations() {
        let credentials = [
            None,
            Some("Basic dTpw".to_owned()),
            Some("Bearer tfk_0011223344556677_AAAA".to_owned()),
            Some(format!("Bearer {}", of_somebody_else.reveal())),
            Some(format!("Bearer {wrong_secret}")),
        ];
        for credentials in credentials {
            let mut ask = ask(&operation, &shop, "0000000000000000");
            if let Some(credentials) = credentials {
                ask = ask.header("authorization", credentials);
            }
            let reply = api.send_plain(ask).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", operation.id);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{}", operation.id);
            assert!(reply.header("www-authenticate").is_some());
            assert_eq!(reply.text_of("/type"), "urn:tillflow:problem:unauthenticated");
        }
    }
}

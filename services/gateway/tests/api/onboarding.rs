//! An integrator's first steps.

use crate::fixture::{Api, Ask};
use hyper::{Method, StatusCode};
use model::{Role, Scope};
use serde_json::json;

#[tokio::test]
async fn an_operator_and_an_integrator_connect_a_shop_from_nothing() {
    let api = Api::new().await;
    let operator = api.key(Role::PlatformOwner, &Scope::All).await;
    let tenant = api.send(&operator, Ask::post("/v1/tenants", json!({}))).await;
    assert_eq!(tenant.status, StatusCode::CREATED);
    let tenant = tenant.text_of("/id");
    let owner = Ask::post("/v1/keys", json!({"name": "owner", "role": "store_owner"}));
    let owner = api.send(&operator, owner.header("tillflow-tenant", &tenant)).await.text_of("/text");

    let store = json!({"name": "Corner shop", "currency": "USD", "timezone": "America/Denver"});
    let store = api.send(&owner, Ask::post("/v1/stores", store)).await;
    assert_eq!(store.status, StatusCode::CREATED, "{}", store.text);
    let store = store.text_of("/id");
    let location = Ask::post(format!("/v1/stores/{store}/locations"), json!({"name": "Main street"}));
    let location = api.send(&owner, location).await.text_of("/id");
    let integrator = json!({"name": "integrator", "role": "integrator", "store": store});
    let integrator = api.send(&owner, Ask::post("/v1/keys", integrator)).await.text_of("/text");

    let connection = json!({
        "platform": "square",
        "account": "MERCHANT",
        "base_url": "https://connect.squareup.com/",
        "token": "EAAA",
        "webhook_secrets": ["whsec"],
        "default_location": location,
    });
    let created =
        api.send(&integrator, Ask::post(format!("/v1/stores/{store}/connections"), connection)).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let id = created.text_of("/id");
    let body = created.json();
    assert_eq!(body["webhook_url"], format!("https://hooks.example/webhook/square/{id}"));
    assert_eq!(body["base_url"], "https://connect.squareup.com");
    assert_eq!(body["baseline"], "ask");
    let nothing =
        json!({"propagate_inventory": false, "propagate_prices": false, "propagate_products": false});
    assert_eq!(body["rules"], nothing, "nothing is written unless it is asked for");

    let state = api.send(&integrator, Ask::get(format!("/v1/connections/{id}/state"))).await;
    assert_eq!((state.text_of("/health").as_str(), &state.json()["enabled"]), ("ok", &json!(true)));
    let pause = Ask::new(Method::POST, format!("/v1/connections/{id}/pause"));
    assert_eq!(api.send(&integrator, pause).await.status, StatusCode::NO_CONTENT);
    let listed = api.send(&integrator, Ask::get(format!("/v1/stores/{store}/connections"))).await.json();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["enabled"]), (&json!(id), &json!(false)));
}

#[tokio::test]
async fn values_that_cannot_be_are_refused_and_named() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let connection = |change: serde_json::Value| {
        let mut body = crate::walls::new_connection(&shop);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        (format!("/v1/stores/{}/connections", shop.store), body)
    };
    let store = |body| ("/v1/stores".to_owned(), body);
    let table = [
        (store(json!({"name": "", "timezone": "UTC"})), "/name"),
        (store(json!({"name": "x".repeat(201), "timezone": "UTC"})), "/name"),
        (store(json!({"name": "a\u{7}b", "timezone": "UTC"})), "/name"),
        (store(json!({"name": "Shop", "timezone": "Mars/Base"})), "/timezone"),
        (store(json!({"name": "Shop", "timezone": "UTC", "currency": "usd"})), "/currency"),
        (connection(json!({"platform": "cassette"})), "/platform"),
        (connection(json!({"base_url": "http://connect.squareup.com"})), "/base_url"),
        (connection(json!({"base_url": "https://10.0.0.1"})), "/base_url"),
        (connection(json!({"base_url": "https://user:word@connect.squareup.com"})), "/base_url"),
        (connection(json!({"default_location": "nowhere"})), "/default_location"),
        (connection(json!({"webhook_secrets": [""]})), "/webhook_secrets"),
        (connection(json!({"webhook_secrets": ["1", "2", "3", "4", "5"]})), "/webhook_secrets"),
        (connection(json!({"requests_per_minute": 0})), "/requests_per_minute"),
        (connection(json!({"token": "a\nb"})), "/token"),
    ];
    for ((path, body), field) in table {
        let reply = api.send(&key, Ask::post(path, body.clone())).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", reply.text);
        assert_eq!(reply.text_of("/field"), field, "{body}");
    }
    // A field that the API doesn't know is a mistake, not nothing.
    let unknown = Ask::post("/v1/stores", json!({"name": "Shop", "timezone": "UTC", "curency": "USD"}));
    let unknown = api.send(&key, unknown).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unknown.text.contains("curency"), "{}", unknown.text);
}

#[tokio::test]
async fn one_account_is_connected_once() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let connect =
        || Ask::post(format!("/v1/stores/{}/connections", shop.store), crate::walls::new_connection(&shop));
    assert_eq!(api.send(&key, connect()).await.status, StatusCode::CREATED);
    let second = api.send(&key, connect()).await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{}", second.text);
    assert!(second.text_of("/detail").contains("account"), "{}", second.text);
}

#[tokio::test]
async fn unknown_routes_and_methods_and_bodies_are_problems_too() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let cases = [
        (Ask::get("/v2/stores"), StatusCode::NOT_FOUND),
        (Ask::new(Method::DELETE, "/v1/stores"), StatusCode::METHOD_NOT_ALLOWED),
        (Ask::new(Method::POST, "/v1/stores"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Ask::get("/v1/stores/a.b"), StatusCode::BAD_REQUEST),
        (Ask::get("/v1/stores?limit=x"), StatusCode::BAD_REQUEST),
        (Ask::get("/v1/stores?lmit=5"), StatusCode::BAD_REQUEST),
        (Ask::get("/v1/stores?limit=0"), StatusCode::UNPROCESSABLE_ENTITY),
        (Ask::get("/v1/stores?cursor=%21"), StatusCode::UNPROCESSABLE_ENTITY),
        (
            Ask::post("/v1/stores", json!({"name": "x".repeat(300_000), "timezone": "UTC"})),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ];
    for (ask, status) in cases {
        let reply = api.send(&key, ask).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{}", reply.text);
        assert_eq!(reply.json()["status"], status.as_u16());
    }
}

#[tokio::test]
async fn a_list_is_read_in_pages_to_its_end() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let path = format!("/v1/stores/{}/locations", shop.store);
    for number in 0..6 {
        let reply = api.send(&key, Ask::post(&path, json!({"name": format!("Shelf {number}")}))).await;
        assert_eq!(reply.status, StatusCode::CREATED);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = api.send(&key, Ask::get(format!("{path}?limit=3{cursor}"))).await.json();
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    names.sort_by_key(ToString::to_string);
    names.dedup();
    assert_eq!(names.len(), 7, "{names:?}");
}

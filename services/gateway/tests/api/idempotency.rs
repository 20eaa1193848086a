//! Repeated requests.

use crate::fixture::{Api, Ask};
use hyper::StatusCode;
use model::Role;
use serde_json::json;
use store::Part;

fn create(name: &str, key: &str) -> Ask {
    Ask::post("/v1/stores", json!({"name": name, "timezone": "UTC"})).header("idempotency-key", key)
}

#[tokio::test]
async fn a_repeated_request_has_the_first_ones_response_and_one_effect() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let first = api.send(&key, create("Shop", "once")).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::CREATED, None));
    let second = api.send(&key, create("Shop", "once")).await;
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    assert_eq!(second.header("etag"), first.header("etag"));
    let other = api.send(&key, create("Shop", "twice")).await;
    assert_ne!(other.text_of("/id"), first.text_of("/id"));
    let stores =
        api.store.of_tenant(shop.tenant.clone()).stores(Part { after: "", limit: 10 }).await.unwrap();
    assert_eq!(stores.len(), 3);
}

#[tokio::test]
async fn a_key_is_of_one_request_and_of_one_caller() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let first = api.send(&key, create("Shop", "once")).await;
    let other = api.send(&key, create("Another", "once")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", other.text);
    let somebody = api.key(Role::StoreOwner, &shop.scope()).await;
    let of_somebody = api.send(&somebody, create("Shop", "once")).await;
    assert_eq!(of_somebody.status, StatusCode::CREATED);
    assert_ne!(of_somebody.text_of("/id"), first.text_of("/id"));
    for unusable in ["", "a\u{e9}", &"k".repeat(256)] {
        let reply = api.send(&key, create("Shop", unusable)).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{unusable:?}");
    }
}

#[tokio::test]
async fn a_request_that_was_cut_off_meets_what_it_created_when_it_is_repeated() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let first = api.send(&key, create("Shop", "once")).await;
    // As if the process had ended after the effect, before the response was kept.
    api.execute("UPDATE idempotent_requests SET status = NULL, response = NULL, began_at = now()").await;
    let under_way = api.send(&key, create("Shop", "once")).await;
    assert_eq!(under_way.status, StatusCode::CONFLICT, "{}", under_way.text);
    api.execute("UPDATE idempotent_requests SET began_at = now() - interval '2 minutes'").await;
    let repeated = api.send(&key, create("Shop", "once")).await;
    assert_eq!((repeated.status, &repeated.text), (StatusCode::CREATED, &first.text));
    assert_eq!(repeated.header("idempotency-replayed"), None);
}

#[tokio::test]
async fn a_refusal_is_kept_like_any_response() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    let wrong =
        || Ask::post("/v1/stores", json!({"name": "", "timezone": "UTC"})).header("idempotency-key", "wrong");
    let first = api.send(&key, wrong()).await;
    let second = api.send(&key, wrong()).await;
    assert_eq!((first.status, &first.text), (StatusCode::UNPROCESSABLE_ENTITY, &second.text));
    assert_eq!(second.header("content-type"), Some("application/problem+json"));
}

#[tokio::test]
async fn old_responses_are_forgotten() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    api.send(&key, create("Shop", "old")).await;
    api.execute("UPDATE idempotent_requests SET began_at = now() - interval '2 days'").await;
    api.send(&key, create("Shop", "new")).await;
    let day_ago = model::Timestamp::from_micros(runner::now().as_micros() - 24 * 3600 * 1_000_000);
    assert_eq!(api.store.forget_requests(day_ago).await.unwrap(), 1);
    assert_eq!(api.store.forget_requests(day_ago).await.unwrap(), 0);
}

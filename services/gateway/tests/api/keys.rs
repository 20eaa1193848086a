//! Keys: issued, shown once, revoked, expired, limited.

use crate::fixture::{Api, Ask};
use gateway::Config;
use hyper::{Method, StatusCode};
use model::{Role, Scope};
use serde_json::json;

#[tokio::test]
async fn a_key_is_shown_once_and_refused_as_soon_as_it_is_revoked() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let owner = api.key(Role::StoreOwner, &shop.scope()).await;
    let issued = Ask::post("/v1/keys", json!({"name": "till", "role": "manager", "expires_in_days": 7}));
    let issued = api.send(&owner, issued).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.text);
    let (text, id) = (issued.text_of("/text"), issued.text_of("/key/id"));
    assert_eq!(api.send(&text, Ask::get("/v1/caller")).await.text_of("/role"), "manager");
    let listed = api.send(&owner, Ask::get("/v1/keys")).await;
    let secret = text.splitn(3, '_').nth(2).unwrap();
    assert!(listed.text.contains(&id) && !listed.text.contains(secret), "{}", listed.text);

    let revoke = || Ask::new(Method::DELETE, format!("/v1/keys/{id}"));
    assert_eq!(api.send(&owner, revoke()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.send(&text, Ask::get("/v1/caller")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(api.send(&owner, revoke()).await.status, StatusCode::NO_CONTENT, "again");
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let key = api.key(Role::StoreOwner, &shop.scope()).await;
    api.execute("UPDATE api_keys SET expires_at = now()").await;
    assert_eq!(api.send(&key, Ask::get("/v1/caller")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_issues_a_key_that_may_more_than_they_may() {
    let api = Api::new().await;
    let shop = api.shop("t1").await;
    let owner = api.key(Role::StoreOwner, &shop.scope()).await;
    let wider = api.send(&owner, Ask::post("/v1/keys", json!({"name": "x", "role": "platform_owner"}))).await;
    assert_eq!(wider.status, StatusCode::FORBIDDEN);
    // A key of one store issues keys of that store alone.
    let of_store = api.key(Role::StoreOwner, &Scope::Store(shop.tenant.clone(), shop.store.clone())).await;
    let issued = api.send(&of_store, Ask::post("/v1/keys", json!({"name": "x", "role": "manager"}))).await;
    assert_eq!(issued.text_of("/key/store"), shop.store.as_str());
    let owners = owner.split('_').nth(1).unwrap();
    let revoke = Ask::new(Method::DELETE, format!("/v1/keys/{owners}"));
    assert_eq!(api.send(&of_store, revoke).await.status, StatusCode::NOT_FOUND);
    let kept = Ask::post("/v1/keys", json!({"name": "x", "role": "manager"})).header("idempotency-key", "k");
    assert_eq!(api.send(&owner, kept).await.status, StatusCode::BAD_REQUEST, "a secret isn't kept");
}

#[tokio::test]
async fn a_key_of_all_tenants_names_the_tenant_of_a_request() {
    let api = Api::new().await;
    api.shop("t1").await;
    let operator = api.key(Role::PlatformOwner, &Scope::All).await;
    assert_eq!(api.send(&operator, Ask::get("/v1/stores")).await.status, StatusCode::BAD_REQUEST);
    let unknown = Ask::get("/v1/stores").header("tillflow-tenant", "nobody");
    assert_eq!(api.send(&operator, unknown).await.status, StatusCode::NOT_FOUND);
    let known = Ask::get("/v1/stores").header("tillflow-tenant", "t1");
    assert_eq!(api.send(&operator, known).await.json()["items"][0]["id"], "t1-store");
}

#[tokio::test]
async fn a_caller_that_asks_too_often_waits_and_others_do_not() {
    let config = Config { requests_per_second: 1, requests_burst: 3, ..Config::default() };
    let api = Api::with(config).await;
    let shop = api.shop("t1").await;
    let (busy, quiet) =
        (api.key(Role::StoreOwner, &shop.scope()).await, api.key(Role::StoreOwner, &shop.scope()).await);
    let mut refused = None;
    for _ in 0..20 {
        let reply = api.send(&busy, Ask::get("/v1/caller")).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(api.send(&quiet, Ask::get("/v1/caller")).await.status, StatusCode::OK);
}
